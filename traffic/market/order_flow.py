"""The order-flow model as a source: symbols, messages, arrivals, rate and seed enter, a `Stream` leaves."""

import numpy as np

from traffic.bindings import arrival_offsets, generate_closed_model, generate_model
from traffic.config import BurstsConfig, ModelSource, PackingConfig
from traffic.market.cycle import Cycle, play_rounds, scan_rounds
from traffic.market.stream import Stream, pack, scan_stream

__all__ = ["OPEN_NS", "order_flow_stream"]

OPEN_NS = (9 * 3600 + 30 * 60) * 1_000_000_000  # the model's first message, since midnight


def order_flow_stream(
    source: ModelSource, *, seed: int, session: bytes, packing: PackingConfig, bursts: BurstsConfig | None
) -> Stream:
    """Generate, time and pack; messages are stamped 09:30:00 plus the time they are due."""
    if source.cycle_messages is not None:
        return _cycled_stream(source, source.cycle_messages, seed=seed, session=session, packing=packing)
    arena = generate_model(seed=seed, symbols=source.symbols, messages=source.messages)
    times_ns = arrival_offsets(
        source.arrivals, seed=seed, rate_per_s=source.rate_per_s, count=source.messages
    )
    packets = pack(arena, times_ns, packing=packing, bursts=bursts, stamp_base_ns=OPEN_NS)
    return Stream(arena=arena, packets=packets, scan=scan_stream(arena), session=session)


def _cycled_stream(
    source: ModelSource, cycle_messages: int, *, seed: int, session: bytes, packing: PackingConfig
) -> Stream:
    """The day's opening once, then a round of `cycle_messages` that leaves no order behind, over and over."""
    model = generate_closed_model(seed=seed, symbols=source.symbols, messages=cycle_messages)
    times_ns = arrival_offsets(
        source.arrivals,
        seed=seed,
        rate_per_s=source.rate_per_s,
        count=model.opening_messages + cycle_messages,
    )
    first, arena = model.opening_messages, model.arena
    opening = pack(
        arena[: model.opening_bytes], times_ns[:first], packing=packing, bursts=None, stamp_base_ns=OPEN_NS
    )
    begin_ns = max(int(times_ns[first]), int(opening["intended_ns"][-1]) + packing.gap_min_ns)
    within_ns = times_ns[first:] - times_ns[first]
    round_ = pack(
        arena[model.opening_bytes :],
        within_ns,
        packing=packing,
        bursts=None,
        stamp_base_ns=OPEN_NS + begin_ns,
    )
    length_ns = max(
        -(-cycle_messages * 1_000_000_000 // source.rate_per_s),
        int(within_ns[-1]) + 1,
        int(round_["intended_ns"][-1]) + max(packing.gap_min_ns, 1),
    )
    round_["first_sequence"] += np.uint64(first)
    round_["intended_ns"] += begin_ns
    round_["message_offset"] += np.uint64(model.opening_bytes)
    cycle = Cycle(
        first_packet=opening.size,
        packets=round_.size,
        time_ns=length_ns,
        references=model.references,
        matches=model.matches,
    )
    packets = play_rounds(opening, round_, messages=source.messages, time_ns=length_ns)
    return Stream(
        arena=arena,
        packets=packets,
        scan=scan_rounds(arena, packets, cycle),
        session=session,
        cycle=cycle,
        notes={"cycle": {"packets": cycle.packets, "messages": cycle_messages, "length_ns": length_ns}},
    )
