"""Text or a number goes in ("0.1%", 0.001); a probability from 0 to 1 comes out, and its value of 2^32."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from lab.units import Kind, UnitError, parse_threshold

__all__ = ["CERTAIN", "Chance", "of_2_32"]

CERTAIN = 2**32 - 1  # once in 2^32 less than always


def _chance(value: Any) -> Any:
    if isinstance(value, str):
        try:
            read = parse_threshold(value)
        except UnitError:
            read = None
        if read is None or read.operator != "==" or read.kind not in (Kind.COUNT, Kind.PERCENT):
            raise ValueError(f"{value!r} is no probability; write it as 0.1% or as 0.001")
        return float(read.value / 100 if read.kind is Kind.PERCENT else read.value)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


Chance = Annotated[
    float,
    BeforeValidator(_chance),
    Field(ge=0.0, le=1.0),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": r"^\s*[0-9][0-9_]*(\.[0-9]+)?\s*%?\s*$"},
            ],
            "examples": ["0.1%", 0.001],
        }
    ),
]
"""A probability, written as 0.1% or 0.001."""


def of_2_32(chance: float) -> int:
    """The probability in units of 2^-32, as rules have it: 0 is never, ``CERTAIN`` always."""
    return min(round(chance * 2**32), CERTAIN)
