"""pydantic's errors in; ``Problem`` values with line, key path, value given and nearest valid name out."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from lab.errors import Problem
from lab.scenario.document import Document, KeyPath

__all__ = ["keys_of", "problems_of"]

INTERNAL = ("name", "path")


def keys_of(model: type[BaseModel]) -> list[str]:
    """The YAML keys of ``model``, in order."""
    return [field.alias or name for name, field in model.model_fields.items() if not field.exclude]


def problems_of(
    error: ValidationError, document: Document, prefix: KeyPath, model: type[BaseModel]
) -> Iterator[Problem]:
    """One problem per pydantic error; ``prefix`` is where ``model`` sits in the file."""
    for item in error.errors(include_url=False):
        inner: KeyPath = tuple(item["loc"])
        message, hint = _explain(item, model, inner)
        yield document.problem((*prefix, *inner), message, hint)


def _explain(item: Any, model: type[BaseModel], inner: KeyPath) -> tuple[str, str | None]:
    kind, given = item["type"], item.get("input")
    if kind == "extra_forbidden":
        owner = _model_at(model, inner[:-1])
        known = keys_of(owner) if owner else []
        return "unknown key", _nearest(str(inner[-1]), known)
    if kind == "missing":
        return "is required", None
    if kind == "value_error":
        return str(item["ctx"]["error"]), None
    if kind == "literal_error":
        expected = str(item["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        return f"{given!r} is not one of {', '.join(expected)}", _nearest(str(given), expected, known=False)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"a mapping is needed, not {given!r}", None
    text = str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{given!r} should be {text}" if text != item["msg"] else f"{text}: {given!r}", None


def _nearest(given: str, choices: list[str], *, known: bool = True) -> str | None:
    close = difflib.get_close_matches(given, choices, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"known: {', '.join(choices)}" if known and choices else None


def _model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, int):
            continue
        if current is None:
            return None
        annotation = next(
            (f.annotation for name, f in current.model_fields.items() if part in (f.alias or name, name)),
            None,
        )
        current = _inner_model(annotation)
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None
