"""ctl: a command is given to the running engine, as an operator would with ``tailgate ctl``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import FrozenModel

__all__ = ["Ctl", "CtlOptions"]

Command = Literal[
    "kill all",
    "kill symbol",
    "kill strategy",
    "rearm",
    "limits",
    "strategy rollback",
    "line enable",
    "line disable",
]


NEEDS = {
    "kill symbol": "symbol",
    "kill strategy": "name",
    "limits": "path",
    "line enable": "line",
    "line disable": "line",
}


class CtlArguments(FrozenModel):
    """What the command is about; each command takes the one that it needs."""

    symbol: Annotated[str | None, Field(description="kill symbol: its name, or its number as text.")] = None
    name: Annotated[str | None, Field(description="kill strategy: its name.")] = None
    path: Annotated[str | None, Field(description="limits: file with the table.")] = None
    line: Annotated[Literal["A", "B"] | None, Field(description="line enable, line disable.")] = None


class CtlOptions(FaultOptions):
    """Give the engine a command over its control socket; its answer says from which message on it holds."""

    do: Annotated[Literal["ctl"], Field(description="The fault's name.")]
    command: Annotated[Command, Field(description="As with tailgate ctl.")]
    arguments: Annotated[CtlArguments, Field(alias="with", description="What the command is about.")] = (
        CtlArguments()
    )
    at: Annotated[Trigger, Field(description="When it is given.")]

    @model_validator(mode="after")
    def has_what_it_needs(self) -> Self:
        given = self.arguments.model_dump(exclude_none=True)
        needed = NEEDS.get(self.command)
        if needed is not None and needed not in given:
            raise ValueError(f"{self.command} needs with: {{{needed}: ...}}")
        for name in given:
            if name != needed:
                raise ValueError(f"{self.command} takes no {name}")
        return self


@register
class Ctl(Fault[CtlOptions]):
    name: ClassVar[str] = "ctl"
    options_model: ClassVar[type[FaultOptions]] = CtlOptions

    def inject(self, context: FaultContext) -> None:
        context.command(self.options.command, self.options.arguments.model_dump(exclude_none=True))

    def heal(self, context: FaultContext) -> None:
        """Nothing to undo: a command holds until another one, or the end of the run."""
