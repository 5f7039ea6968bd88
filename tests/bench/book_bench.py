"""The engine's decoder and book beside other people's: a seeded model day enters, a table of ns per message leaves.

python tests/bench/book_bench.py BUILD/tests/bench/book_bench [--messages N] [--symbols N] [--seed N] [--passes N]

Each pass runs every way once, one behind the other, in processes of their own. All of them read the clock once per
STRETCH messages. Two figures a way: the median over passes of a whole pass, host's doings included; and the quiet
one, the least time that each stretch took in any pass, added up: a host that others share leaves a stretch of a
millisecond alone now and then, a whole pass hardly ever. Ratios are of quiet figures, of one run.

Compared are books with every order in its queue, all symbols: PyPI's itchcpp (BookManager) and itch-book (Session,
without tables). What they expose of the final book must be what ours is: both best prices with their shares, of
every symbol, and itch-book's count of live orders. They run in Python's process, which costs them nothing that
shows (a call per stretch), with memory in huge pages as ours is.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

import numpy as np

STRETCH = 25_000  # messages
OURS = {
    "decode": "tailgate: decode",
    "apply": "tailgate: decode, book, best prices",
    "ahead": "tailgate: the same, looking ahead",
}
THEIRS = {
    "itchcpp": "itchcpp: decode, book",
    "itch_book": "itch-book: decode, book",
    "itch_book_bbo": "itch-book: the same, and a table of best prices",
}
SUBJECT = "ahead"

Top = tuple[int, int, int, int]  # bid price, ask price, bid shares, ask shares


@dataclass
class Way:
    """What was measured of one way to do it."""

    quiet_ns: np.ndarray | None = None  # by stretch
    passes_ns: list[int] = field(default_factory=list)

    def add(self, stretches_ns: list[int]) -> None:
        stretches = np.array(stretches_ns, np.int64)
        self.passes_ns.append(int(stretches.sum()))
        self.quiet_ns = stretches if self.quiet_ns is None else np.minimum(self.quiet_ns, stretches)


@dataclass
class Outcome:
    """A finished process: ns of every stretch by way, and the book at the end."""

    stretches: dict[str, list[int]]
    tops: dict[int, Top]
    orders: int | None = None
    levels: int | None = None


# ---- the other libraries, each in a process of its own ----


def stretches_of(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    start = offset = count = 0
    while offset < len(data):
        offset += 2 + (data[offset] << 8 | data[offset + 1])
        count += 1
        if count % STRETCH == 0 or offset >= len(data):
            yield data[start:offset]
            start = offset


def timed(feed: Callable[[bytes], None], stretches: list[bytes]) -> list[int]:
    taken = []
    for stretch in stretches:
        start = perf_counter_ns()
        feed(stretch)
        taken.append(perf_counter_ns() - start)
    return taken


def stocks_of(stretches: list[bytes]) -> dict[int, str]:
    """Stock by locate, from the directory messages; they open the day."""
    data, stocks, offset = stretches[0], {}, 0
    while offset < len(data):
        if data[offset + 2 : offset + 3] == b"R":
            stocks[data[offset + 3] << 8 | data[offset + 4]] = (
                data[offset + 13 : offset + 21].decode().strip()
            )
        offset += 2 + (data[offset] << 8 | data[offset + 1])
    return stocks


def run_itchcpp(stretches: list[bytes]) -> Outcome:
    from itchcpp.book import BookManager

    stocks = stocks_of(stretches)
    manager = BookManager()
    for stock in stocks.values():
        manager.track_symbol(stock)
    taken = timed(manager.process_stream, stretches)
    tops = {}
    for locate, stock in stocks.items():
        bbo = manager.book_for_symbol(stock).bbo()
        tops[locate] = (
            round(bbo.bid_price * 10_000) if bbo.has_bid else 0,
            round(bbo.ask_price * 10_000) if bbo.has_ask else 0,
            bbo.bid_shares if bbo.has_bid else 0,
            bbo.ask_shares if bbo.has_ask else 0,
        )
    return Outcome({"itchcpp": taken}, tops)


def run_itch_book(stretches: list[bytes]) -> Outcome:
    from itch_book._core import Session  # the native session; the package's own reader adds threads and files

    bare = Session(tables=[], depth=0, symbols=[])
    taken = timed(bare.feed, stretches)
    with_table = Session(tables=["bbo"], depth=0, symbols=[])
    with_table.reserve(len(stretches) * STRETCH)
    taken_with_table = timed(with_table.feed, stretches)
    table = with_table.take_bbo()
    last = {int(locate): row for row, locate in enumerate(table["locate"])}
    columns = [table[name] for name in ("bid_px", "ask_px", "bid_sz", "ask_sz")]
    tops = {locate: tuple(int(column[row]) for column in columns) for locate, row in last.items()}
    return Outcome(
        {"itch_book": taken, "itch_book_bbo": taken_with_table}, tops, orders=int(bare.stats()["live_orders"])
    )


LIBRARIES = {"itchcpp": run_itchcpp, "itch_book": run_itch_book}


def run_library(name: str, path: Path) -> None:
    outcome = LIBRARIES[name](list(stretches_of(path)))
    json.dump([outcome.stretches, list(outcome.tops.items()), outcome.orders], sys.stdout)


# ---- the parent ----


def run_ours(bench: Path, path: Path) -> Outcome:
    output = subprocess.run([bench, path, str(STRETCH)], check=True, capture_output=True, text=True).stdout
    outcome = Outcome({}, {})
    for line in output.splitlines():
        name, *words = line.split()
        if name in OURS:
            outcome.stretches[name] = [int(word) for word in words]
        elif name == "top":
            symbol, *top = map(int, words)
            outcome.tops[symbol] = (top[0], top[1], top[2], top[3])
        elif name == "end":
            outcome.orders, outcome.levels = int(words[0]), int(words[1])
    return outcome


def run_theirs(library: str, path: Path) -> Outcome:
    environment = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    output = subprocess.run(
        [sys.executable, __file__, "--library", library, str(path)],
        check=True, stdout=subprocess.PIPE, text=True, env=environment,
    ).stdout  # fmt: skip
    stretches, tops, orders = json.loads(output)
    return Outcome(stretches, {locate: tuple(top) for locate, top in tops}, orders)


def installed() -> list[str]:
    from importlib.util import find_spec

    for library in LIBRARIES:
        if find_spec(library) is None:
            print(f"{library} is not installed and left out: pip install tailgate[bench]")
    return [library for library in LIBRARIES if find_spec(library) is not None]


def check(library: str, theirs: Outcome, ours: Outcome) -> None:
    """The same book at the end, or a sentence and exit code 1."""
    if theirs.orders is not None and theirs.orders != ours.orders:
        sys.exit(f"{library} ends with {theirs.orders} orders, ours with {ours.orders}")
    tops = {locate: top for locate, top in theirs.tops.items() if any(top)}
    if tops != ours.tops:
        locate = min(
            locate for locate in tops.keys() | ours.tops if tops.get(locate) != ours.tops.get(locate)
        )
        sys.exit(f"{library}: symbol {locate}: {tops.get(locate)}, ours {ours.tops.get(locate)}")


def report(ways: dict[str, Way], messages: int) -> None:
    names = {name: OURS.get(name) or THEIRS[name] for name in ways}
    subject = ways[SUBJECT].quiet_ns
    assert subject is not None
    print(f"\n{'ns a message':50}{'quiet':>8}{'median':>8}{'ratio':>8}")
    for name, way in ways.items():
        assert way.quiet_ns is not None
        median = float(np.median(way.passes_ns)) / messages
        ratio = way.quiet_ns.sum() / subject.sum()
        print(f"{names[name]:50}{way.quiet_ns.sum() / messages:8.1f}{median:8.1f}{ratio:8.2f}")


def model_day(path: Path, *, seed: int, symbols: int, messages: int) -> None:
    from traffic.bindings import generate_model

    generate_model(seed=seed, symbols=symbols, messages=messages).tofile(path)


def conditions() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU"
    )
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} CPUs, load {load:.1f}"


def compare(bench: Path, *, seed: int, symbols: int, messages: int, passes: int) -> None:
    print(f"{messages} messages of {symbols} symbols, seed {seed}; {passes} passes; {conditions()}")
    libraries = installed()
    ways: dict[str, Way] = {}
    with tempfile.TemporaryDirectory(prefix="book_bench_") as directory:
        path = Path(directory) / "model.itch"
        model_day(path, seed=seed, symbols=symbols, messages=messages)
        for number in range(passes):
            ours = run_ours(bench, path)
            outcomes = [ours] + [run_theirs(library, path) for library in libraries]
            for library, theirs in zip(libraries, outcomes[1:], strict=True):
                check(library, theirs, ours)
            for outcome in outcomes:
                for name, stretches in outcome.stretches.items():
                    ways.setdefault(name, Way()).add(stretches)
            print(f"pass {number + 1} of {passes}", end="\r", flush=True)
    print(f"book at the end: {ours.orders} orders at {ours.levels} prices", end="")
    print(
        f"; agreed with {' and '.join(libraries)}" if libraries else "",
        f"; load now {os.getloadavg()[0]:.1f}",
    )
    report(ways, messages)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="the book_bench program; with --library, an ITCH file")
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--library", choices=LIBRARIES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.library:
        run_library(given.library, given.path)
    else:
        compare(
            given.path, seed=given.seed, symbols=given.symbols, messages=given.messages, passes=given.passes
        )


if __name__ == "__main__":
    main()
