"""The engine's decoder and book for tests: messages enter as bytes, rows and tops leave as Python values."""

from typing import Any

import numpy as np
from engine._engine import ffi, lib

__all__ = ["ROW_DTYPE", "EngineBook", "outcome_name"]

ROW_DTYPE = np.dtype(
    [
        ("symbol", "<u2"), ("side", "S1"), ("price", "<u4"), ("position", "<u4"), ("reference", "<u8"),
        ("shares", "<u4"),
    ]
)  # fmt: skip

assert ROW_DTYPE.itemsize == ffi.sizeof("struct book_row")


def outcome_name(outcome: int) -> str:
    return str(ffi.string(lib.book_outcome_name(outcome)).decode())


class EngineBook:
    """A book over its own memory, and the counting decoder in front of it."""

    def __init__(self, **options: int) -> None:
        given = ffi.new("struct book_options *")
        lib.book_options_default(given)
        for name, value in options.items():
            setattr(given, name, value)
        size = lib.book_memory_size(given)
        self._memory = np.empty(size + lib.BOOK_MEMORY_ALIGNMENT, np.uint8)
        self._memory[:65536] = 0xA5  # the book clears what it needs cleared
        address = self._memory.ctypes.data
        address += -address % lib.BOOK_MEMORY_ALIGNMENT
        self.book = ffi.new("struct book *")
        self.itch = ffi.new("struct itch50 *")
        self.event = ffi.new("struct event *")
        assert lib.book_init(self.book, given, ffi.cast("void *", address), size) == 0

    def apply(self, message: bytes) -> str:
        """Decode and apply one message: the outcome's name."""
        assert lib.itch50_take(self.itch, message, len(message), self.event)
        return outcome_name(lib.book_apply(self.book, self.event))

    def apply_framed(self, framed: np.ndarray[Any, Any]) -> int:
        """Decode and apply u16-length framed messages, all of them known; how many there were."""
        take, apply, itch, book, event = lib.itch50_take, lib.book_apply, self.itch, self.book, self.event
        data, base = framed.tobytes(), ffi.cast("const uint8_t *", framed.ctypes.data)
        offset = count = 0
        while offset < len(data):
            length = data[offset] << 8 | data[offset + 1]
            assert take(itch, base + offset + 2, length, event)
            apply(book, event)
            offset += 2 + length
            count += 1
        return count

    @property
    def outcomes(self) -> dict[str, int]:
        counts = self.book.statistics.outcomes
        return {outcome_name(index): count for index, count in enumerate(counts) if count}

    def rows(self) -> np.ndarray[Any, Any]:
        """Every order (ROW_DTYPE) as book_export() gives them."""
        rows = np.zeros(self.book.order_count + 1, ROW_DTYPE)
        pointer = ffi.cast("struct book_row *", rows.ctypes.data)
        assert lib.book_export(self.book, pointer, rows.size) == self.book.order_count
        return rows[:-1]

    def top(self, symbol: int) -> tuple[int, int, int, int]:
        top = lib.book_top(self.book, symbol)
        return top.bid_price, top.ask_price, top.bid_shares, top.ask_shares
