"""Tick to order in process, stage by stage: a seeded model day enters, percentiles of ns leave.

python tests/bench/tick_bench.py [--messages N] [--symbols N] [--seed N] [--passes N] [--json]

Every message is a datagram of its own and goes through feed, decoder, book, strategy, risk and order encoder; transport
is memory. Stamps are the engine's own ticks, converted to ns; a read of the counter costs about 10 ns and lies in every
stage. Messages between two orders run through the same core, so caches are as warm as a market leaves them. The pass
with the lowest p99.9 counts as the quiet one: what the host does to a pass is not the engine's.
"""

import argparse
import json
import os

import numpy as np

from engine.binding import STAGES, Runner
from engine.config import BookConfig, EngineConfig, RiskConfig, StrategyConfig
from traffic.bindings import generate_model

NAMES = [name.removesuffix("_ns") for name in STAGES]
SPANS = [*zip(NAMES[1:6], NAMES[:5], strict=True)]
PERCENTILES = (50, 90, 99, 99.9, 99.99)
SESSION = b"BENCH     "
STEP_NS = 10_000


def datagrams_of(framed: np.ndarray) -> np.ndarray:
    """One MoldUDP64 datagram a message, each behind its length."""
    data, out, offset, sequence = framed.tobytes(), bytearray(), 0, 1
    while offset < len(data):
        size = 2 + (data[offset] << 8 | data[offset + 1])
        out += (20 + size).to_bytes(4, "little") + SESSION + sequence.to_bytes(8, "big") + b"\x00\x01"
        out += data[offset : offset + size]
        offset += size
        sequence += 1
    return np.frombuffer(bytes(out), np.uint8)


def config(messages: int) -> EngineConfig:
    """Nothing is refused: the path to the encoded order is what is timed."""
    return EngineConfig(
        stages=True,
        book=BookConfig(orders=1 << 21),
        strategy=StrategyConfig(cooldown_messages=0),
        risk=RiskConfig(position_max=10**15, order_rate_per_s=10**9, order_burst=10**9),
        decisions=messages,
        open_orders=1 << 20,
    )


def one_pass(datagrams: np.ndarray, messages: int) -> np.ndarray:
    """Stage stamps of the orders that were encoded, int64 ns, a row an order."""
    runner = Runner(config(messages))
    try:
        runner.accept_login(0)
        runner.step_all(0, datagrams, 1_000_000, STEP_NS)
        rows = runner.decisions()
    finally:
        runner.close()
    sent = rows[rows["reason"] == 0]
    return np.stack([sent[name] for name in STAGES], axis=1)


def percentiles(values: np.ndarray) -> dict[str, int]:
    found = {f"p{level:g}": int(np.percentile(values, level, method="higher")) for level in PERCENTILES}
    return found | {"max": int(values.max()), "count": len(values)}


def table(stamps: np.ndarray) -> dict[str, dict[str, int]]:
    column = {name.removesuffix("_ns"): stamps[:, index] for index, name in enumerate(STAGES)}
    found = {name: percentiles(column[name] - column[before]) for name, before in SPANS}
    return found | {"tick_to_order": percentiles(column["encode"] - column["rx"])}


def main() -> None:
    parser = argparse.ArgumentParser(description="Tick to order in process, stage by stage.")
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    datagrams = datagrams_of(
        generate_model(seed=arguments.seed, symbols=arguments.symbols, messages=arguments.messages)
    )
    passes = [table(one_pass(datagrams, arguments.messages)) for _ in range(arguments.passes)]
    quiet = min(passes, key=lambda found: found["tick_to_order"]["p99.9"])
    if arguments.json:
        print(json.dumps({"quiet": quiet, "passes": passes}))
        return
    print(
        f"{arguments.messages} messages of {arguments.symbols} symbols, seed {arguments.seed}; ns, the quiet pass"
    )
    print(f"{'':14}" + "".join(f"{name:>11}" for name in quiet["tick_to_order"]))
    for name, found in quiet.items():
        print(f"{name:14}" + "".join(f"{value:11,}" for value in found.values()))
    of_all = ", ".join(f"{found['tick_to_order']['p99.9']:,}" for found in passes)
    print(f"tick_to_order p99.9 of all passes: {of_all}")


if __name__ == "__main__":
    main()
