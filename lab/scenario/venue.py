"""Which market-data format a scenario speaks: the section ``engine.mdp3``, and what MDP 3.0 leaves no room for.

MDP 3.0 is market data only: it comes from a two-line capture, nothing trades, and there is nobody to ask for what both
lines lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.faults import CorruptOptions, FaultOptions, SessionRollOptions, fault_for
from lab.quantities import Count, Duration, FrozenModel

if TYPE_CHECKING:
    from lab.scenario.models import Engine, Traffic

__all__ = [
    "LINE_CHECKS",
    "ORDER_CHECKS",
    "TWO_LINES",
    "Mdp3",
    "TwoLines",
    "Venue",
    "venue_conflicts",
    "venue_problems",
]

Venue = Literal["itch50", "mdp3"]
TWO_LINES = "two_lines"
FOREIGN = ("pcap", "symbols", "rate", "duration", "arrivals", "bursts")
ORDER_CHECKS = (
    "samples",
    "triggers_accounted",
    "orders_while_blind",
    "position_matches_drop_copy",
    "book_matches_oracle",
    "every_message_decoded",
    "no_recovery_traffic",
)
LINE_CHECKS = ("packets_accepted_once", "line_winners", "level_books_match")
MOLD_CORRUPTIONS = ("count", "zero_block")

Group = Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}:[0-9]{1,5}$")]


class TwoLines(FrozenModel):
    """Where the captured packets of each line went: group and port."""

    A: Annotated[Group, Field(description="Line A in the capture, such as 224.0.31.11:14320.")]
    B: Annotated[Group, Field(description="Line B in the capture.")]


class Mdp3(FrozenModel):
    """Line arbitration and books of venue mdp3; no order leaves, and there is no recovery feed."""

    hold_back_ns: Annotated[
        Duration, Field(alias="hold_back", description="How long a gap on one line waits for the other.")
    ] = 1_000_000
    line_silence_ns: Annotated[
        Duration,
        Field(alias="line_silence", ge=1, description="A line that is silent for so long counts as down."),
    ] = 65_000_000_000
    natural_refresh: Annotated[
        bool, Field(description="A book that was told anew to its last level counts as right.")
    ] = False
    instrument_count: Annotated[
        Count, Field(alias="instruments", ge=1, le=65_534, description="Instruments there is room for.")
    ] = 1024


def venue_conflicts(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, message) for each key of a traffic mapping that source: two_lines cannot stand beside, or lacks."""
    if value.get("source") != TWO_LINES:
        given = value.get("lines") is not None
        return [("lines", "belongs to source: two_lines only")] if given else []
    found = [(key, "does not belong to source: two_lines") for key in FOREIGN if value.get(key) is not None]
    if isinstance(value.get("file"), list | tuple) and len(value["file"]) > 1:
        found.append(("file", "source: two_lines plays one capture"))
    return found


def venue_problems(
    traffic: Traffic | None,
    engine: Engine | None,
    faults: Sequence[tuple[int, FaultOptions]],
    expected: Collection[str] = (),
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where traffic, engine, faults and expectations do not speak the same venue."""
    mdp3 = engine is not None and engine.venue == "mdp3"
    if traffic is not None and engine is not None and mdp3 != (traffic.kind == TWO_LINES):
        yield (
            ("engine", "venue"),
            "venue mdp3 and traffic source: two_lines go together, and neither with another",
        )
    for name in expected:
        if name in (ORDER_CHECKS if mdp3 else LINE_CHECKS):
            why = "no order leaves with venue mdp3" if mdp3 else "is of venue mdp3"
            yield ("expect", name), why
    if engine is None or not mdp3:
        return
    if engine.feed != type(engine.feed)():
        yield ("engine", "feed"), "is of MoldUDP64; venue mdp3 has its own keys in engine.mdp3"
    for index, fault in faults:
        here: tuple[str | int, ...] = ("faults", index)
        if fault.services() or isinstance(fault, SessionRollOptions):
            yield here, f"{fault.do} is of MoldUDP64 or its recovery services, which venue mdp3 does not have"
        elif isinstance(fault, CorruptOptions) and fault.what in MOLD_CORRUPTIONS:
            yield (*here, "what"), f"{fault.what} is of MoldUDP64"
        elif not fault_for(fault).armed and fault.at.sequence is not None:
            yield (*here, "at"), "packets of the two lines are not one count: say at: {time: ...}"
