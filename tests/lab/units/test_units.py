"""Quantities as text: what is read, what is refused, and that reading undoes writing."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.units import (
    DURATION_NS,
    SCALES,
    Kind,
    UnitError,
    format_count,
    format_duration,
    format_duration_exact,
    format_percent,
    format_quantity,
    format_rate,
    parse_count,
    parse_duration_ns,
    parse_rate_per_s,
    parse_threshold,
)

NATURAL = st.integers(min_value=0, max_value=2**63 - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10s", 10_000_000_000),
        ("1.5us", 1_500),
        ("0.001us", 1),
        (".5us", 500),
        ("2 ms", 2_000_000),
        ("  3us\n", 3_000),
        ("1min", 60_000_000_000),
        ("7ns", 7),
        ("1_000us", 1_000_000),
        ("5µs", 5_000),
        ("5\N{GREEK SMALL LETTER MU}s", 5_000),
        ("0", 0),
        ("9223372036854775807ns", 2**63 - 1),
    ],
)
def test_a_duration_is_read_into_exact_nanoseconds(text: str, expected: int) -> None:
    assert parse_duration_ns(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10", "has no unit"),
        ("", "does not start with a number"),
        ("s", "does not start with a number"),
        ("10 sec", "unknown unit 'sec'"),
        ("10S", "unknown unit 'S'"),
        ("1e3us", "unknown unit 'e3us'"),
        ("0.5ns", "not a whole number of nanoseconds"),
        ("-1us", "negative"),
        ("9223372036854775808ns", "larger than 2^63 - 1"),
        ("1__0us", "misplaced underscore"),
        ("1_us", "misplaced underscore"),
        ("1_.5us", "misplaced underscore"),
        ("infs", "does not start with a number"),
        ("nanus", "does not start with a number"),
        ("\N{FULLWIDTH DIGIT ONE}s", "does not start with a number"),
        ("0x10us", "unknown unit"),
        ("10us 20us", "unknown unit"),
    ],
)
def test_what_is_not_a_duration_is_refused_with_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(UnitError, match="accepted: a number with ns") as caught:
        parse_duration_ns(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(NATURAL)
def test_an_exactly_written_duration_reads_back_as_itself(value_ns: int) -> None:
    assert parse_duration_ns(format_duration_exact(value_ns)) == value_ns


@given(NATURAL)
def test_a_written_rate_reads_back_as_itself(rate_per_s: int) -> None:
    assert parse_rate_per_s(format_rate(rate_per_s)) == rate_per_s


@given(NATURAL)
def test_a_count_is_read_from_a_number_and_from_its_digits(count: int) -> None:
    assert parse_count(count) == parse_count(str(count)) == parse_count(f"{count:_}") == count


@given(
    st.decimals(min_value=0, max_value=10**6, places=6, allow_nan=False),
    st.sampled_from(sorted(DURATION_NS)),
)
def test_a_decimal_duration_is_exact_or_refused(number: object, unit: str) -> None:
    exact = Fraction(str(number)) * DURATION_NS[unit]
    if exact.denominator == 1:
        assert parse_duration_ns(f"{number}{unit}") == exact
    else:
        with pytest.raises(UnitError, match="not a whole number"):
            parse_duration_ns(f"{number}{unit}")


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    for parse in (parse_duration_ns, parse_rate_per_s, parse_count, parse_threshold):
        with suppress(UnitError):
            parse(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("200k/s", 200_000), ("1M/s", 1_000_000), ("500/s", 500), ("1.5k /s", 1_500)]
)
def test_a_rate_is_read_per_second(text: str, expected: int) -> None:
    assert parse_rate_per_s(text) == expected


@pytest.mark.parametrize("text", ["200k", "200", "200/ms", "0.5/s", "200K/s", "-1/s", "10us"])
def test_a_rate_without_per_second_is_refused(text: str) -> None:
    with pytest.raises(UnitError, match="a number per second"):
        parse_rate_per_s(text)


@pytest.mark.parametrize(
    ("text", "operator", "value", "kind"),
    [
        ("< 40us", "<", 40_000, Kind.DURATION),
        ("<40us", "<", 40_000, Kind.DURATION),
        ("<=  1%", "<=", 1, Kind.PERCENT),
        (">= 99.5%", ">=", Fraction(199, 2), Kind.PERCENT),
        ("< 1.6x", "<", Fraction(8, 5), Kind.RATIO),
        (">= 100k/s", ">=", 100_000, Kind.RATE),
        ("== 0", "==", 0, Kind.COUNT),
        ("!= 0", "!=", 0, Kind.COUNT),
        ("5ms", "==", 5_000_000, Kind.DURATION),
        (0, "==", 0, Kind.COUNT),
        (1.5, "==", Fraction(3, 2), Kind.COUNT),
        (True, "==", 1, Kind.TRUTH),
    ],
)
def test_a_threshold_has_an_operator_an_exact_bound_and_a_kind(
    text: str | float | bool, operator: str, value: Fraction, kind: Kind
) -> None:
    threshold = parse_threshold(text)
    assert (threshold.operator, threshold.value, threshold.kind) == (operator, value, kind)


@pytest.mark.parametrize(
    "text", ["=< 5us", "< ", "", "~ 5", "< 5 5us", "<< 5us", "= 5", float("nan"), float("inf")]
)
def test_what_is_not_a_threshold_is_refused(text: str | float) -> None:
    with pytest.raises(UnitError, match="accepted: a comparison"):
        parse_threshold(text)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_threshold_compares_exactly(bound_ns: int, observed_ns: int) -> None:
    def holds(operator: str) -> bool:
        return parse_threshold(f"{operator} {bound_ns}ns").holds(observed_ns)

    assert holds("<") == (observed_ns < bound_ns) == (not holds(">="))
    assert holds(">") == (observed_ns > bound_ns) == (not holds("<="))
    assert holds("==") == (observed_ns == bound_ns) == (not holds("!="))


@given(
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NATURAL, st.sampled_from([*DURATION_NS, "%", "x"])
)
def test_a_threshold_written_out_reads_back_as_itself(operator: str, number: int, unit: str) -> None:
    threshold = parse_threshold(f"{operator}{number}{unit}")
    assert parse_threshold(str(threshold)) == threshold


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0 ns"),
        (812, "812 ns"),
        (-812, "-812 ns"),
        (3_421, "3.42 us"),
        (12_345, "12.3 us"),
        (999_499, "999 us"),
        (999_500, "1.00 ms"),
        (2_000_000_000, "2.00 s"),
        (7_200_000_000_000, "7200 s"),
    ],
)
def test_a_duration_for_people_has_three_digits(value_ns: int, text: str) -> None:
    assert format_duration(value_ns) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(99), "99%"),
        (Fraction(9999999, 100000), "99.9999%"),
        (Fraction(999999999, 10000000), "99.9999%"),
        (Fraction(100), "100%"),
        (Fraction(0), "0%"),
        (Fraction(1, 10**9), "<0.0001%"),
        (Fraction(-3, 2), "-1.5%"),
        (Fraction(250), "250%"),
    ],
)
def test_a_percentage_is_cut_so_that_it_never_rounds_up_to_its_bound(value: Fraction, text: str) -> None:
    assert format_percent(value) == text == format_quantity(value, Kind.PERCENT)


def test_quantities_for_people_carry_their_unit() -> None:
    assert format_quantity(1_500, Kind.DURATION) == "1.50 us"
    assert format_quantity(Fraction(3, 2), Kind.RATIO) == "1.50x"
    assert format_quantity(1_234_567, Kind.COUNT) == "1,234,567"
    assert format_quantity(1_000, Kind.RATE) == "1,000/s"
    assert format_quantity(1, Kind.TRUTH) == "true"
    assert format_count(1_234_567) == "1,234,567"
    assert set(SCALES) == {"", "k", "M", "G"}
