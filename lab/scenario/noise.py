"""STL profiles played beside the market: the keys of ``traffic.noise``, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from lab.errors import MissingError, UndecidedError
from lab.quantities import Duration, FrozenModel
from lab.scenario.document import KeyPath
from traffic import errors as traffic
from traffic.profiles.load import load_profile, rendered
from traffic.profiles.names import SHIPPED

__all__ = ["Noise", "noise_problems", "with_paths"]

TunableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]


def _texts(value: Any) -> Any:
    """Tunables are words of a command line; YAML's numbers are taken as they are written."""
    if not isinstance(value, dict):
        return value
    plain = (str, int, float)
    return {
        name: str(item) if isinstance(item, plain) and not isinstance(item, bool) else item
        for name, item in value.items()
    }


class Noise(FrozenModel):
    """One profile on one line."""

    profile: Annotated[
        str,
        StringConstraints(min_length=1),
        Field(description="A profile of traffic/profiles, or a Python file with one (x.py)."),
    ]
    line: Annotated[Literal["A", "B"], Field(description="The line that it is sent on.")] = "A"
    tunables: Annotated[
        dict[TunableName, str],
        BeforeValidator(_texts),
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "number"}]}}
        ),
        Field(description="The profile's tunables, as trex-console takes them with -t."),
    ] = Field(default_factory=dict)
    direction: Annotated[
        int, Field(ge=0, le=1, description="What the profile is told of its port's direction.")
    ] = 0
    at_ns: Annotated[
        Duration, Field(alias="at", description="When it starts, from the market's first packet.")
    ] = 0
    duration_ns: Annotated[
        Duration | None,
        Field(alias="duration", ge=1, description="How long it plays; until the market ends by default."),
    ] = None


def with_paths(value: Any, resolve: Any) -> Any:
    """The same list with files of profiles found as the scenario's other files are; the model judges the rest."""
    if not isinstance(value, list):
        return value
    return [
        {**item, "profile": str(resolve(item["profile"]))}
        if isinstance(item, dict) and str(item.get("profile", "")).endswith(".py")
        else item
        for item in value
    ]


def noise_problems(noise: Sequence[Noise], *, seed: int, driver: str) -> Iterator[tuple[KeyPath, str]]:
    """Loads every profile, in a process of its own, and compiles it when the exchange is to play it.

    MissingError when the TRex library is missing, UndecidedError when a profile does not come to an end."""
    for index, one in enumerate(noise):
        try:
            if driver == "trex":  # which knows instructions that the pacer does not
                rendered(one.profile, tuple(sorted(one.tunables.items())), one.direction)
            else:
                load_profile(one.profile, tunables=one.tunables, direction=one.direction, seed=seed)
        except traffic.MissingError as error:
            raise MissingError(str(error), install="ci/setup", where=one.profile) from error
        except traffic.InputError as error:
            known = one.profile in SHIPPED or Path(one.profile).is_file()
            yield ("traffic", "noise", index, "tunables" if known and one.tunables else "profile"), str(error)
        except traffic.TrafficError as error:
            raise UndecidedError(str(error), where=one.profile) from error
