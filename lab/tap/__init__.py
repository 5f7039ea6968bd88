"""Wire taps: BPF stamps go in at the wires, arrays of stamped packets and orders come out."""

from lab.tap.order_stream import order_arrivals
from lab.tap.tap import (
    PLACES,
    ProgramCost,
    RuleResult,
    Tap,
    TapCounts,
    Window,
    detach_link,
    market_rows,
    predict,
)

__all__ = [
    "PLACES",
    "ProgramCost",
    "RuleResult",
    "Tap",
    "TapCounts",
    "Window",
    "detach_link",
    "market_rows",
    "order_arrivals",
    "predict",
]
