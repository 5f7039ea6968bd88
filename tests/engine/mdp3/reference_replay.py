"""One channel without any loss, in plain Python: packets in order enter, events and books leave.

Books begin empty; an entry whose RptSeq is not the expected one makes the instrument's book unknown, and what is told
from then on makes it known again (natural refresh). Instruments that were wrong once stay in `wrong` until completely
known.
"""

from typing import Any

from mdp3_events import expected_events
from mdp3_layouts import decode_packet
from reference_level_book import SIDES, ReferenceBook

__all__ = ["ReferenceChannel"]

END = 0x80


class ReferenceChannel:
    """`books` and `reports` (last RptSeq) by security; `events` in order, `ended` of which are over."""

    def __init__(self) -> None:
        self.books: dict[int, ReferenceBook] = {}
        self.reports: dict[int, int] = {}
        self.events: list[dict[str, Any]] = []
        self.ended = 0
        self.contradictions = 0
        self.touched: set[int] = set()

    def take(self, payload: bytes) -> None:
        """One packet, in order."""
        sequence, _, messages = decode_packet(payload)
        for message in messages:
            for event in expected_events(message):
                self.events.append(event | {"sequence": sequence, "indicator": event["indicator"] & ~END})
            over = (message.fields or {}).get("indicator", 0) & END
            if over and self.ended < len(self.events):
                self.events[-1]["indicator"] |= END
                for event in self.events[self.ended :]:
                    self.apply(event)
                self.ended = len(self.events)

    def apply(self, event: dict[str, Any]) -> None:
        if not event.get("report_sequence"):
            return
        security, report = event["security"], event["report_sequence"]
        book = self.books.setdefault(security, ReferenceBook())
        self.touched.add(security)
        if report != self.reports.get(security, 0) + 1:
            book.forget()
        self.reports[security] = report
        if event["kind"] != "LEVEL":
            return
        side = SIDES[event["flag"]]
        level, price = event["level"], event["wide_price"]
        if not book.apply(side, event["action"], level, price, event["wide_shares"], event["order_count"]):
            self.contradictions += 1

    def complete(self) -> list[int]:
        """Securities whose real sides are known to the last level."""
        return [security for security, book in self.books.items() if book.known("bid", "ask")]
