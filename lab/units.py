"""Text with units in, exact integers out ("200k/s" -> 200000 per second, "40us" -> 40000 ns), and back.

Parsing is exact: numbers are decimal fractions, never floats, and a quantity that is not a whole number of
its base unit ("0.5ns", "0.1/s") is an error rather than a rounding. Every error names what is accepted.

    duration   NUMBER ns|us|µs|ms|s|min       -> integer nanoseconds
    rate       NUMBER [k|M|G] /s              -> integer per second
    count      NUMBER [k|M|G]                 -> integer
    threshold  [< <= > >= == !=] QUANTITY     -> Threshold (a bare quantity or number means ==)
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

__all__ = [
    "Kind",
    "Threshold",
    "UnitError",
    "format_count",
    "format_duration",
    "format_duration_exact",
    "format_percent",
    "format_quantity",
    "format_rate",
    "format_ratio",
    "parse_count",
    "parse_duration_ns",
    "parse_rate_per_s",
    "parse_threshold",
]

DURATION_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
}
SCALES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
LARGEST = 2**63 - 1

_NUMBER = re.compile(r"([+-]?)((?:\d[\d_]*)(?:\.\d+)?|\.\d+)\s*(.*)", re.DOTALL | re.ASCII)

ACCEPTED_DURATION = "a number with ns, us, ms, s or min, such as 500ms, 1.5us or 10s"
ACCEPTED_RATE = "a number per second, such as 200k/s, 1M/s or 500/s"
ACCEPTED_COUNT = "a whole number, such as 64, 500k or 1M"
ACCEPTED_THRESHOLD = (
    "a comparison (< <= > >= == !=) and a quantity, such as '< 40us', '== 0', '<= 1%', '< 3x' or '>= 100k/s'"
)


class UnitError(ValueError):
    """Text that is not the quantity asked for; the message says what was read and what is accepted."""


class Kind(StrEnum):
    """What a quantity measures. A threshold is compared only with a figure of the same kind."""

    DURATION = "duration"
    RATE = "rate"
    COUNT = "count"
    PERCENT = "percent"
    RATIO = "ratio"
    TRUTH = "truth"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A comparison with a bound. ``value`` is in ns, per second, a count, a percentage or a ratio."""

    operator: str
    value: Fraction
    kind: Kind
    text: str

    def holds(self, observed: int | float | Fraction) -> bool:
        """True when ``observed`` (same base unit as ``value``) satisfies the comparison, decided exactly."""
        return OPERATORS[self.operator](Fraction(observed), self.value)

    def __str__(self) -> str:
        return self.text


OPERATORS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}


def _split(text: str, accepted: str) -> tuple[Fraction, str]:
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise UnitError(f"{text!r} does not start with a number; accepted: {accepted}")
    sign, digits, rest = match.groups()
    if digits.endswith("_") or "__" in digits or "_." in digits:
        raise UnitError(f"{text!r} has a misplaced underscore; accepted: {accepted}")
    value = Fraction(digits.replace("_", ""))
    return (-value if sign == "-" else value), rest.strip()


def _whole(value: Fraction, text: object, base: str, accepted: str) -> int:
    if value.denominator != 1:
        raise UnitError(f"{text!r} is not a whole number of {base}; accepted: {accepted}")
    if value < 0:
        raise UnitError(f"{text!r} is negative; accepted: {accepted}")
    if value > LARGEST:
        raise UnitError(f"{text!r} is larger than 2^63 - 1 {base}; accepted: {accepted}")
    return int(value)


def parse_duration_ns(text: str) -> int:
    """Nanoseconds of "10s", "500ms", "1.5us". A bare number other than 0 is refused: a unit is no guess."""
    value, unit = _split(text, ACCEPTED_DURATION)
    if unit == "":
        if value == 0:
            return 0
        raise UnitError(f"{text!r} has no unit; accepted: {ACCEPTED_DURATION}")
    if unit not in DURATION_NS:
        raise UnitError(f"{text!r} has the unknown unit {unit!r}; accepted: {ACCEPTED_DURATION}")
    return _whole(value * DURATION_NS[unit], text, "nanoseconds", ACCEPTED_DURATION)


def parse_rate_per_s(text: str) -> int:
    """Events per second of "200k/s". "/s" is required, so that a period is never taken for a rate."""
    value, unit = _split(text, ACCEPTED_RATE)
    scale = unit.removesuffix("/s").rstrip()
    if not unit.endswith("/s") or scale not in SCALES:
        raise UnitError(f"{text!r} is not a rate; accepted: {ACCEPTED_RATE}")
    return _whole(value * SCALES[scale], text, "events per second", ACCEPTED_RATE)


def parse_count(text: str | int) -> int:
    """A whole number from 64, "64", "500k" or "1M"."""
    if isinstance(text, int):
        return _whole(Fraction(text), text, "units", ACCEPTED_COUNT)
    value, unit = _split(text, ACCEPTED_COUNT)
    if unit not in SCALES:
        raise UnitError(f"{text!r} has the unknown unit {unit!r}; accepted: {ACCEPTED_COUNT}")
    return _whole(value * SCALES[unit], text, "units", ACCEPTED_COUNT)


def _parse_quantity(text: str) -> tuple[Fraction, Kind]:
    value, unit = _split(text, ACCEPTED_THRESHOLD)
    if unit in DURATION_NS:
        return value * DURATION_NS[unit], Kind.DURATION
    if unit == "%":
        return value, Kind.PERCENT
    if unit == "x":
        return value, Kind.RATIO
    scale = unit.removesuffix("/s").rstrip()
    if scale in SCALES:
        return value * SCALES[scale], Kind.RATE if unit.endswith("/s") else Kind.COUNT
    raise UnitError(f"{text!r} has the unknown unit {unit!r}; accepted: {ACCEPTED_THRESHOLD}")


def parse_threshold(value: str | int | float | bool) -> Threshold:
    """A Threshold from "< 40us", "== 0", 0 (means == 0) or true (a named check that must hold)."""
    if isinstance(value, bool):
        return Threshold(operator="==", value=Fraction(value), kind=Kind.TRUTH, text=str(value).lower())
    if isinstance(value, int | float):
        if value != value or value in (float("inf"), float("-inf")):
            raise UnitError(f"{value!r} is not a number to compare with; accepted: {ACCEPTED_THRESHOLD}")
        return Threshold(operator="==", value=Fraction(str(value)), kind=Kind.COUNT, text=f"== {value}")
    text = " ".join(value.split())
    for symbol in OPERATORS:  # two-character operators come first
        if text.startswith(symbol):
            quantity = text[len(symbol) :].strip()
            number, kind = _parse_quantity(quantity)
            return Threshold(operator=symbol, value=number, kind=kind, text=f"{symbol} {quantity}")
    number, kind = _parse_quantity(text)
    return Threshold(operator="==", value=number, kind=kind, text=f"== {text}")


def format_duration_exact(value_ns: int) -> str:
    """The shortest spelling that parses back to the same integer: 1500 -> "1500ns", 2000 -> "2us"."""
    for unit in ("s", "ms", "us"):
        if value_ns and value_ns % DURATION_NS[unit] == 0:
            return f"{value_ns // DURATION_NS[unit]}{unit}"
    return f"{value_ns}ns"


def format_rate(rate_per_s: int) -> str:
    """The shortest exact spelling: 200000 -> "200k/s"."""
    return f"{_scaled(rate_per_s)}/s"


def _scaled(value: int) -> str:
    for scale in ("G", "M", "k"):
        if value and value % SCALES[scale] == 0:
            return f"{value // SCALES[scale]}{scale}"
    return str(value)


def format_count(value: int) -> str:
    """Digits in groups of three: 1234567 -> "1,234,567"."""
    return f"{value:,}"


def format_duration(value_ns: int | float) -> str:
    """For people: three significant digits or whole ns, 3421 -> "3.42 us", 812 -> "812 ns"."""
    magnitude = abs(value_ns)
    if magnitude < 1_000:
        return f"{value_ns:.0f} ns"
    for unit, size in (("us", 1e3), ("ms", 1e6), ("s", 1e9)):
        scaled = value_ns / size
        if abs(scaled) < 999.5 or unit == "s":
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:.{digits}f} {unit}"
    raise AssertionError("the last unit always returns")


def format_ratio(value: float) -> str:
    return f"{value:.2f}x"


def format_percent(value: Fraction) -> str:
    """Up to four decimals, cut and not rounded, so that 99.99999 never reads as 100%."""
    cut = math.trunc(value * 10_000)
    if cut == 0 and value != 0:
        return "<0.0001%" if value > 0 else ">-0.0001%"
    sign, (whole, decimals) = "-" if cut < 0 else "", divmod(abs(cut), 10_000)
    return f"{sign}{whole}.{decimals:04d}".rstrip("0").rstrip(".") + "%"


def format_quantity(value: int | float | Fraction, kind: Kind) -> str:
    """A figure for people, by its kind."""
    if kind is Kind.DURATION:
        return format_duration(float(value))
    if kind is Kind.PERCENT:
        return format_percent(Fraction(value))
    if kind is Kind.RATIO:
        return format_ratio(float(value))
    if kind is Kind.TRUTH:
        return "true" if value else "false"
    suffix = "/s" if kind is Kind.RATE else ""
    number = float(value)
    return f"{int(number):,}{suffix}" if number == int(number) else f"{number:,.3f}{suffix}"
