"""no_recovery_traffic: nothing was asked of the recovery services, for the lines alone brought everything.

Three witnesses: what the engine says it sent, what the exchange says it received, and the replies that the tap saw.
"""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown

__all__ = ["check"]

NAME = "no_recovery_traffic"
EXPECTED = "no re-request and no snapshot"
ENGINE_COUNTERS = ("requests_sent", "snapshots_started")
EXCHANGE_COUNTERS = {"requests": ("requests",), "snapshots": ("started", "port_connections")}


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    data = evidence.data
    quality = evidence.blocks["feed_quality"]
    said = {name: data.engine.feed.get(name) for name in ENGINE_COUNTERS}
    heard = {
        f"{kind} {counter}": count
        for kind, counters in EXCHANGE_COUNTERS.items()
        for counter in counters
        if isinstance(count := quality[kind]["exchange"].get(counter), int)
    }
    traffic = [f"the engine says {name} {count:,}" for name, count in said.items() if count]
    traffic += [f"the exchange counts {name} {count:,}" for name, count in heard.items() if count]
    if replies := quality["replies"]["packets"]:
        traffic.append(f"{replies:,} replies reached the engine's port")
    if traffic:
        return failed(NAME, expected=EXPECTED, observed=traffic[0], evidence="; ".join(traffic))
    if not data.engine.alive:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no counters")
    missing = [name for name, count in said.items() if not isinstance(count, int)]
    if missing:
        return unknown(NAME, expected=EXPECTED, observed=f"the engine does not report {missing[0]}")
    if not heard:
        why = "the exchange served neither re-requests nor snapshots, so there was nobody to ask"
        return unknown(NAME, expected=EXPECTED, observed="no recovery service", evidence=why)
    lost = quality["gaps"]["count"]
    return passed(
        NAME,
        expected=EXPECTED,
        observed="none",
        evidence=f"by engine, exchange and tap; {lost:,} gaps on both lines at once",
    )
