"""Wire taps: BPF stamps go in at the wires, arrays of stamped packets and orders come out."""

from lab.tap.order_messages import messages_among
from lab.tap.order_stream import arrivals_among, order_arrivals, order_packets
from lab.tap.tap import (
    PLACES,
    ProgramCost,
    RuleResult,
    Tap,
    TapCounts,
    Window,
    detach_link,
    market_rows,
    noise_rows,
    predict,
    stamps_by_card,
)

__all__ = [
    "PLACES",
    "ProgramCost",
    "RuleResult",
    "Tap",
    "TapCounts",
    "Window",
    "arrivals_among",
    "detach_link",
    "market_rows",
    "messages_among",
    "noise_rows",
    "order_arrivals",
    "order_packets",
    "predict",
    "stamps_by_card",
]
