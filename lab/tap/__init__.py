"""Wire taps: BPF stamps go in at the wires, arrays of stamped packets and orders come out."""

from lab.tap.order_stream import order_arrivals
from lab.tap.tap import DropResult, ProgramCost, Tap, TapCounts, market_rows

__all__ = ["DropResult", "ProgramCost", "Tap", "TapCounts", "market_rows", "order_arrivals"]
