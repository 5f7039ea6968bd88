"""A second opinion on a stream: framed ITCH enters itchcpp's decoder, its messages drive a ReferenceBook.

itchcpp is a package of PyPI by other people; of the project's code only reference_book.py is used.
"""

from collections.abc import Callable, Iterator
from typing import Any

from itchcpp import MessageParser
from itchcpp import messages as kinds
from reference_book import ReferenceBook

__all__ = ["apply_stream"]


def apply_stream(book: ReferenceBook, framed: bytes) -> Iterator[int]:
    """Apply one message per step and say how many have been; outcomes are counted in the book."""
    appliers = _appliers(book)
    outcomes = book.outcomes
    for count, message in enumerate(MessageParser().parse_stream(framed), 1):
        apply = appliers.get(type(message))
        outcomes[apply(message) if apply is not None else "ignored"] += 1
        yield count


def _appliers(book: ReferenceBook) -> dict[type, Callable[[Any], str]]:
    add_order, reduce_order, delete, replace = book.add, book.reduce, book.delete, book.replace

    def add(message: Any) -> str:
        return add_order(
            message.stock_locate, message.order_reference_number, message.buy_sell_indicator, message.shares,
            message.price,
        )  # fmt: skip

    def execute(message: Any) -> str:
        return reduce_order(message.stock_locate, message.order_reference_number, message.executed_shares)

    def cancel(message: Any) -> str:
        return reduce_order(message.stock_locate, message.order_reference_number, message.cancelled_shares)

    return {
        kinds.AddOrderNoMPIAttributionMessage: add,
        kinds.AddOrderMPIDAttribution: add,
        kinds.OrderExecutedMessage: execute,
        kinds.OrderExecutedWithPriceMessage: execute,
        kinds.OrderCancelMessage: cancel,
        kinds.OrderDeleteMessage: lambda message: delete(
            message.stock_locate, message.order_reference_number
        ),
        kinds.OrderReplaceMessage: lambda message: replace(
            message.stock_locate, message.order_reference_number, message.new_order_reference_number,
            message.shares, message.price,
        ),
    }  # fmt: skip
