"""The JSON Schema of a scenario file, for editors; made from the models, so that it cannot fall behind."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from lab.faults import registered
from lab.scenario.models import Engine, Scenario, Traffic

__all__ = ["scenario_schema"]


def scenario_schema() -> dict[str, Any]:
    """Draft 2020-12. Every key has a description; ``faults`` items are one of the registered faults."""
    options = [fault.options_model for fault in registered().values()]
    models: list[type[BaseModel]] = [Scenario, *options]
    keys, schema = models_json_schema(
        [(model, "validation") for model in models],
        by_alias=True,
        ref_template="#/$defs/{model}",
    )
    definitions: dict[str, Any] = schema["$defs"]
    root = definitions.pop("Scenario")
    root["properties"]["faults"]["items"] = {"anyOf": [keys[(model, "validation")] for model in options]}
    for internal in ("name", "path"):
        root["properties"].pop(internal, None)
    _one_source(definitions["Traffic"])
    engine = definitions["Engine"]["properties"]
    definitions.pop("FaultOptions", None)
    _describe(root, Scenario)
    _describe(definitions["Engine"], Engine)
    _describe(definitions["Traffic"], Traffic)
    engine["risk"] = {
        "anyOf": [{"const": "default"}, {"$ref": "#/$defs/RiskLimits"}],
        "default": "default",
        "description": "Risk limits as in engine/risk/README.md, or the word default.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://tailgate.invalid/scenario.schema.json",
        **root,
        "title": "Tailgate scenario",
        "$defs": definitions,
    }


def _describe(definition: dict[str, Any], model: type[BaseModel]) -> None:
    """The descriptions of sections that have a default, which pydantic leaves out beside their $ref."""
    for name, field in model.model_fields.items():
        if not field.exclude:
            definition["properties"][field.alias or name].setdefault("description", field.description)


def _one_source(traffic: dict[str, Any]) -> None:
    """The shorthand forms that the models accept before validation."""
    properties = traffic["properties"]
    properties["packing"] = {
        "anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/Packing"}],
        "description": properties["packing"]["description"],
    }
    properties["file"] = {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        "description": properties["file"]["description"],
    }
