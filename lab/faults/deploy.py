"""deploy: another strategy is put into the running engine, as an operator would, through its control socket.

What takes long, the check and the load, is done before traffic starts; the engine itself then swaps at the message or
time that it was told, between two packets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from engine.strategy_check import SHIPPED, shipped_path
from lab.errors import UsageError
from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import Count

__all__ = ["Deploy", "DeployOptions", "object_path"]


def object_path(name: str) -> Path:
    """The shared object of a shipped strategy, or the file itself. UsageError when there is none."""
    path = shipped_path(name) if name in SHIPPED else Path(name).absolute()
    if not path.is_file():
        known = ", ".join(SHIPPED)
        raise UsageError(
            f"no strategy at {name}",
            why=f"it is neither a file nor one of {known}",
            todo="tailgate strategy build SOURCE",
        )
    return path


class DeployOptions(FaultOptions):
    """Check a strategy's shared object, load it and swap it in between two packets; a bad one is refused or put out."""

    do: Annotated[Literal["deploy"], Field(description="The fault's name.")]
    strategy: Annotated[
        str,
        Field(min_length=1, description="A shipped strategy (touch_taker, quoter, bad_slow...) or a file."),
    ]
    parameters: Annotated[
        dict[str, Count], Field(description="Parameters of the strategy: names and whole numbers.")
    ] = Field(default_factory=dict)
    at: Annotated[
        Trigger, Field(description="When it is swapped in: sequence or time. It is checked before the start.")
    ]


@register
class Deploy(Fault[DeployOptions]):
    name: ClassVar[str] = "deploy"
    options_model: ClassVar[type[FaultOptions]] = DeployOptions
    armed: ClassVar[bool] = True

    def inject(self, context: FaultContext) -> None:
        context.deploy_strategy(object_path(self.options.strategy), self.options.parameters, self.options.at)

    def heal(self, context: FaultContext) -> None:
        """Nothing to undo: the engine puts out what is bad by itself, and ends with the run."""
