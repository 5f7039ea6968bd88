"""The names that ``expect`` may use, what kind of quantity each is, and the nearest name for a misspelt one.

<series>.<point>        wire_to_wire.p99, stage.book.p50, pacing_error.max      duration (count: a count)
<series>.<point>_over_floor   wire_to_wire.p50_over_floor                       ratio to wire_floor.<point>
recovery.gap.<point>    first packet lost to LIVE again, a sample for each window of each fault; UNKNOWN when nothing
                        was lost. A loss that was never recovered counts as slower than every other.
won_by.<A|B>.<point>    how far that line was ahead, of the packets that both brought and it brought first
counts.<name>           counts.unmatched                                        count
share.<name>            share.late                                              percent of the triggers
pacing.within_<2us|10us|100us>   packets of line A that near to their intended time   percent of the packets
faults.<fired|healed|detected|recovered>                                count
feed_quality.<name>     how good the feed was, by the taps and by the engine's account of itself:
    lines.<A|B>.<packets_published|packets_seen|lost|duplicates|out_of_order|wins|alone|malformed>    count
    lines.<A|B>.lost_percent                       percent of the packets published
    lines.<A|B>.<dropped_by_fault|corrupted_by_fault>                                                 count
    replies.<packets|messages|harmed_by_fault>     what the recovery port brought                     count
    skew_ns.<point>                                arrival on B less arrival on A, signed             duration
    won_by_ns.<A|B>.<point>                        as won_by                                          duration
    gaps.<count|messages|messages_max|unrestored>  packets that neither line brought                  count
    gaps.lengths.<1_to_9|10_to_99|100_to_999|1000_up>   gaps of so many messages                      count
    blind.<count|unrecovered>                      stretches that were not LIVE                       count
    blind.<total_ns|max_ns>                                                                           duration
    blind.percent                                  of the time from the first LIVE to the end         percent
    recovered.<lines|requests|snapshot>            messages that came late, by the way they came      count
    skipped, unrecovered, session_rolls            messages a snapshot stood for; losses; sessions    count
    arbitration.<both|decided|close|off_schedule|together|late_reads|wrong>   venue mdp3: winners judged     count
    arbitration.<replay|engine>_error_ns.<point>   margin at the tap less the capture's; engine's less tap's  duration
    recovery_ns.<point>                            as recovery.gap                                    duration
    join_ns                                        first packet on the wire to the first LIVE         duration
    stale_symbols.<max|now|known>                  symbols whose book was not current                 count
    requests.<sent|timeouts|partial>, requests.exchange.<counter>                                     count
    snapshots.<started|failed|completed>, snapshots.exchange.<counter>                                count
wires.orders.<changes|resumed|attempts_max>    changes of the order session's transport          count
wires.orders.resume_max_ns, wires.lines.change_max_ns                  the longest                duration
wires.lines.<changes|done>                     changes of a line's wire                           count
wires.<orders|lines>.causes.<command|connection_lost|program_gone|wire_down|stalled>              count
feed. host. order_flow. risk. exchange. stages. pacing. tap. strategy. risk_gate. mass_cancel. gaps. noise.
                        known only after the run; _ns is a duration, percent a percentage
named checks            orders_while_blind (count), book_matches_oracle, recovered, no_recovery_traffic (truth);
                        with venue mdp3 packets_accepted_once, line_winners, level_books_match (truth)
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from lab.units import Kind, Threshold

__all__ = [
    "CHECKS",
    "COUNTS",
    "FAULT_STEPS",
    "POINTS",
    "SERIES",
    "SHARES",
    "STAGES",
    "WITHIN",
    "Figure",
    "canonical",
    "figure_for",
    "kind_problem",
    "nearest",
]

STAGES = ("wire_in", "decode", "book", "strategy", "risk", "encode", "tx", "wire_out")
SERIES = (
    "wire_to_wire",
    "wire_to_wire_cold",
    "wire_to_wire_before_swap",
    "wire_to_wire_swap",
    "wire_to_wire_after_swap",
    "response",
    "pacing_error",
    "pacing_error_B",
    "wire_floor",
    *(f"stage.{stage}" for stage in STAGES),
    "recovery.gap",
    "won_by.A",
    "won_by.B",
    "takeover",
    "kill",
)
POINTS = ("min", "p50", "p90", "p99", "p99_9", "p99_99", "max")
COUNTS = (
    "published",
    "triggers",
    "orders",
    "matched",
    "unmatched",
    "risk_blocked",
    "duplicate",
    "late",
    "cold",
    "unexpected",
    "skipped",
)
SHARES = ("matched", "unmatched", "risk_blocked", "late")
FREE = (
    "feed",
    "feed_quality",
    "host",
    "order_flow",
    "risk",
    "exchange",
    "stages",
    "pacing",
    "tap",
    "wires",
    "strategy",
    "risk_gate",
    "mass_cancel",
    "gaps",
    "noise",
)
WITHIN = ("within_2us", "within_10us", "within_100us")
FEED_QUALITY = (
    *(
        f"lines.{line}.{name}"
        for line in "AB"
        for name in ("lost", "lost_percent", "out_of_order", "duplicates")
    ),
    *(f"gaps.{name}" for name in ("count", "messages", "messages_max", "unrestored")),
    *(f"blind.{name}" for name in ("count", "total_ns", "max_ns", "percent")),
    *(f"recovered.{way}" for way in ("lines", "requests", "snapshot")),
    *(f"requests.{name}" for name in ("sent", "timeouts", "partial")),
    *(f"snapshots.{name}" for name in ("started", "failed", "completed")),
    *("skew_ns.p50", "skipped", "unrecovered", "session_rolls", "join_ns", "stale_symbols.max"),
)
FAULT_STEPS = {"fired": "injected", "healed": "healed", "detected": "detected", "recovered": "recovered"}
CHECKS: dict[str, Kind] = {
    "orders_while_blind": Kind.COUNT,
    "position_matches_drop_copy": Kind.TRUTH,
    "book_matches_oracle": Kind.TRUTH,
    "every_message_decoded": Kind.TRUTH,
    "faults_fired": Kind.TRUTH,
    "samples": Kind.TRUTH,
    "triggers_accounted": Kind.TRUTH,
    "tap_complete": Kind.TRUTH,
    "journal_complete": Kind.TRUTH,
    "engine_alive": Kind.TRUTH,
    "clock": Kind.TRUTH,
    "pacing": Kind.TRUTH,
    "no_recovery_traffic": Kind.TRUTH,
    "recovered": Kind.TRUTH,
    "no_lost_or_duplicate_orders": Kind.TRUTH,
    "no_self_cross": Kind.TRUTH,
    "mass_cancel_acknowledged": Kind.TRUTH,
    "risk_limits_kept": Kind.TRUTH,
    "session_resumed": Kind.TRUTH,
    "packets_accepted_once": Kind.TRUTH,
    "line_winners": Kind.TRUTH,
    "level_books_match": Kind.TRUTH,
    "burst_shape": Kind.TRUTH,
    "noise_dropped": Kind.TRUTH,
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A name in canonical spelling (p99_9, not p99.9) and what it measures."""

    name: str
    kind: Kind


def canonical(name: str) -> str:
    """wire_to_wire.p99.9 and wire_to_wire.p99_9 are the same figure."""
    return re.sub(r"\.p99\.(99?)(?=$|_over_floor$)", r".p99_\1", name.strip())


def figure_for(name: str) -> Figure | None:
    """The figure called ``name``, or None when no run could have it."""
    name = canonical(name)
    if name in CHECKS:
        return Figure(name=name, kind=CHECKS[name])
    head, _, tail = name.rpartition(".")
    if head in SERIES:
        if tail == "count":
            return Figure(name=name, kind=Kind.COUNT)
        if tail in POINTS:
            return Figure(name=name, kind=Kind.DURATION)
        base = tail.removesuffix("_over_floor")
        if head in ("wire_to_wire", "response") and base != tail and base in POINTS:
            return Figure(name=name, kind=Kind.RATIO)
        return None
    if head == "counts":
        return Figure(name=name, kind=Kind.COUNT) if tail in COUNTS else None
    if head == "share":
        return Figure(name=name, kind=Kind.PERCENT) if tail in SHARES else None
    if head == "faults":
        return Figure(name=name, kind=Kind.COUNT) if tail in FAULT_STEPS else None
    if head == "pacing" and tail.startswith("within_"):
        return Figure(name=name, kind=Kind.PERCENT) if tail in WITHIN else None
    if name.split(".")[0] in FREE and head and tail:
        return Figure(name=name, kind=_free_kind(head, tail))
    return None


def _free_kind(head: str, tail: str) -> Kind:
    """By the unit at the end of a name; the points of a summary (feed_quality.skew_ns.p99) have its unit."""
    if tail != "count" and any(part.endswith("_ns") for part in head.split(".")):
        return Kind.DURATION
    if tail == "percent" or tail.endswith("_percent"):
        return Kind.PERCENT
    return Kind.DURATION if tail.endswith("_ns") else Kind.COUNT


def _all_names() -> list[str]:
    names = [f"{series}.{point}" for series in SERIES for point in (*POINTS, "count")]
    names += [f"{series}.{point}_over_floor" for series in ("wire_to_wire", "response") for point in POINTS]
    names += [f"faults.{step}" for step in FAULT_STEPS] + [f"pacing.{within}" for within in WITHIN]
    names += [f"feed_quality.{name}" for name in FEED_QUALITY]
    names += [f"counts.{count}" for count in COUNTS] + [f"share.{share}" for share in SHARES]
    return [*names, *CHECKS, *(f"{free}." for free in FREE)]


def nearest(name: str, choices: list[str] | None = None, *, count: int = 3) -> list[str]:
    """Up to ``count`` names that look like ``name``, best first."""
    pool = _all_names() if choices is None else choices
    return difflib.get_close_matches(canonical(name), pool, n=count, cutoff=0.6)


def kind_problem(figure: Figure, threshold: Threshold) -> str | None:
    """Why ``threshold`` cannot be compared with ``figure``; None when it can."""
    kind, bound = figure.kind, threshold.kind
    if kind == bound or (bound is Kind.COUNT and threshold.value == 0 and kind is not Kind.TRUTH):
        if kind is Kind.TRUTH and not threshold.value:
            return "a named check is asked for with true; leave it out when it need not hold"
        return None
    if kind is Kind.RATIO and bound is Kind.COUNT:
        return None
    wanted = {
        Kind.DURATION: "a duration with its unit, such as '< 40us'",
        Kind.COUNT: "a count, such as '== 0'",
        Kind.PERCENT: "a percentage, such as '< 1%'",
        Kind.RATIO: "a ratio, such as '< 3x'",
        Kind.RATE: "a rate, such as '> 100k/s'",
        Kind.TRUTH: "true",
    }[kind]
    return f"{figure.name} is compared with {wanted}, not with {threshold.text!r}"
