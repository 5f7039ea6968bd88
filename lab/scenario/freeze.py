"""A ``Scenario`` in; YAML with every default written out, that loads back to the same scenario."""

from __future__ import annotations

import yaml

from lab.scenario.models import Scenario

__all__ = ["freeze"]


def freeze(scenario: Scenario) -> str:
    """Keys in the order of the models; parameters are gone, since their values are filled in."""
    data = scenario.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"parameters"})
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)
