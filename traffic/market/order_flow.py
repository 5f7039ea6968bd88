"""The order-flow model as a source: symbols, messages, arrivals, rate and seed enter, a `Stream` leaves."""

from traffic.bindings import arrival_offsets, generate_model
from traffic.config import BurstsConfig, ModelSource, PackingConfig
from traffic.market.stream import Stream, pack, scan_stream

__all__ = ["OPEN_NS", "order_flow_stream"]

OPEN_NS = (9 * 3600 + 30 * 60) * 1_000_000_000  # the model's first message, since midnight


def order_flow_stream(
    source: ModelSource, *, seed: int, session: bytes, packing: PackingConfig, bursts: BurstsConfig | None
) -> Stream:
    """Generate, time and pack; messages are stamped 09:30:00 plus the time they are due."""
    arena = generate_model(seed=seed, symbols=source.symbols, messages=source.messages)
    times_ns = arrival_offsets(
        source.arrivals, seed=seed, rate_per_s=source.rate_per_s, count=source.messages
    )
    packets = pack(arena, times_ns, packing=packing, bursts=bursts, stamp_base_ns=OPEN_NS)
    return Stream(arena=arena, packets=packets, scan=scan_stream(arena), session=session)
