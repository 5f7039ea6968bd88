"""engine_alive: the engine and the exchange both reached the end of the run and left their reports."""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown

__all__ = ["check"]

NAME = "engine_alive"
EXPECTED = "engine and exchange ran to the end"


@register(NAME, always=True)
def check(evidence: Evidence) -> CheckResult:
    engine, exchange = evidence.data.engine, evidence.data.exchange
    if not engine.alive or engine.exit_code not in (0, None):
        how = f"the engine ended with {_exit(engine.exit_code)}"
        return failed(NAME, expected=EXPECTED, observed=how, evidence=engine.stderr_tail.strip()[-400:])
    if exchange.exit_code != 0:
        how = f"the exchange ended with {_exit(exchange.exit_code)}"
        return unknown(NAME, expected=EXPECTED, observed=how, evidence="the world broke, not the engine")
    if engine.exit_code is None:
        return unknown(NAME, expected=EXPECTED, observed="the engine's end was not seen")
    mode = f" ({engine.wire_mode})" if engine.wire_mode else ""
    state = engine.final_feed_state or "not reported"
    return passed(
        NAME,
        expected=EXPECTED,
        observed="both did",
        evidence=f"wire {engine.wire}{mode}, feed at the end {state}",
    )


def _exit(code: int | None) -> str:
    if code is None:
        return "no exit code"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
