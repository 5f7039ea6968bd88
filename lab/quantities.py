"""Field types that read "10s", "200k/s", "64" and "< 40us" into integers and thresholds, and back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from lab.units import (
    Threshold,
    format_duration_exact,
    format_rate,
    parse_count,
    parse_duration_ns,
    parse_rate_per_s,
    parse_threshold,
)

__all__ = ["Count", "Duration", "FrozenModel", "Rate", "ThresholdField", "as_tuple"]


class FrozenModel(BaseModel):
    """Base of every model read from a scenario: immutable, no coercion, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        return parse_duration_ns(value)
    if isinstance(value, bool | float) or (isinstance(value, int) and value != 0):
        raise ValueError(f"{value!r} has no unit; write it with one, such as 500ms or 10s")
    return value


def _rate(value: Any) -> Any:
    if isinstance(value, str):
        return parse_rate_per_s(value)
    if isinstance(value, bool | float | int):
        raise ValueError(f"{value!r} has no unit; write it per second, such as 200k/s")
    return value


def _count(value: Any) -> Any:
    return parse_count(value) if isinstance(value, str) else value


def _threshold(value: Any) -> Any:
    return parse_threshold(value) if isinstance(value, str | int | float) else value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*[0-9][0-9_]*(\.[0-9]+)?\s*(ns|us|µs|ms|s|min)\s*$",
    "examples": ["10s", "500ms", "2us"],
}
_RATE_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*[0-9][0-9_]*(\.[0-9]+)?\s*[kMG]?\s*/s\s*$",
    "examples": ["100k/s", "1M/s"],
}
_COUNT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*[0-9][0-9_]*(\.[0-9]+)?\s*[kMG]?\s*$"},
    ]
}
_THRESHOLD_SCHEMA = {
    "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}],
    "examples": ["< 40us", "== 0", True],
}

Duration = Annotated[
    int,
    BeforeValidator(_duration),
    PlainSerializer(format_duration_exact, return_type=str),
    WithJsonSchema(_DURATION_SCHEMA),
]
"""Integer nanoseconds, written with a unit in YAML."""

Rate = Annotated[
    int, BeforeValidator(_rate), PlainSerializer(format_rate, return_type=str), WithJsonSchema(_RATE_SCHEMA)
]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema(_COUNT_SCHEMA)]


def _threshold_out(value: Threshold) -> str | bool:
    return bool(value.value) if value.kind.value == "truth" else value.text


ThresholdField = Annotated[
    Threshold,
    BeforeValidator(_threshold),
    PlainSerializer(_threshold_out),
    WithJsonSchema(_THRESHOLD_SCHEMA),
]

as_tuple = BeforeValidator(_tuple)
