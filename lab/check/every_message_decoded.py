"""every_message_decoded: the engine decoded each published message once, as the type it was published as."""

from __future__ import annotations

from lab.check.base import CheckResult, Evidence, failed, passed, register, unknown

__all__ = ["check"]

NAME = "every_message_decoded"
EXPECTED = "the published number of every type, no unknown type, no wrong length"
SHOWN = 3


@register(NAME, always=False)
def check(evidence: Evidence) -> CheckResult:
    engine, exchange = evidence.data.engine, evidence.data.exchange
    published = {letter: count for letter, count in exchange.types.items() if count}
    decoded = {letter: count for letter, count in engine.types.items() if count}
    if not engine.alive:
        return unknown(NAME, expected=EXPECTED, observed="the engine left no counters")
    if not published:
        why = "without them there is nothing to compare with"
        return unknown(NAME, expected=EXPECTED, observed="the exchange's types are not known", evidence=why)
    if evidence.scenario.engine.strategy == "reflector":
        return unknown(NAME, expected=EXPECTED, observed="the reflector decodes nothing")
    if engine.joins:
        skipped = evidence.measurement.feed.skipped
        why = f"a snapshot stood for {skipped:,} messages, so the numbers of each type must differ"
        return unknown(NAME, expected=EXPECTED, observed="not all messages were to be decoded", evidence=why)
    errors = []
    for counter in ("unknown_types", "length_errors"):
        count = engine.feed.get(counter)
        if not isinstance(count, int):
            return unknown(NAME, expected=EXPECTED, observed=f"the engine does not report {counter}")
        if count:
            errors.append(f"{count:,} {counter.replace('_', ' ')}")
    different = sorted(
        letter for letter in {*published, *decoded} if published.get(letter, 0) != decoded.get(letter, 0)
    )
    errors += [
        f"type {letter}: engine {decoded.get(letter, 0):,}, published {published.get(letter, 0):,}"
        for letter in different
    ]
    observed = f"{sum(decoded.values()):,} of {sum(published.values()):,} messages"
    if errors:
        rest = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        return failed(NAME, expected=EXPECTED, observed=observed, evidence="; ".join(errors[:SHOWN]) + rest)
    if exchange.unknown_types or exchange.length_errors:
        why = (
            f"the published stream itself holds {exchange.unknown_types:,} unknown types and"
            f" {exchange.length_errors:,} wrong lengths, which the engine did not report"
        )
        return unknown(NAME, expected=EXPECTED, observed=observed, evidence=why)
    types = " ".join(f"{letter}:{count:,}" for letter, count in sorted(published.items()))
    return passed(NAME, expected=EXPECTED, observed=observed, evidence=types)
