"""session_roll: the exchange goes on in a new session, whose numbers begin with 1 again."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lab.faults.base import ExchangePlan, Fault, FaultContext, FaultOptions, SequenceTrigger, register

__all__ = ["FIRST_SESSION", "SESSION_BYTES", "SessionRoll", "SessionRollOptions", "session_names"]

FIRST_SESSION = "TAILGATE01"
SESSION_BYTES = 10


class SessionRollOptions(FaultOptions):
    """A new session in the middle of the day, as after a fail-over at the venue."""

    do: Annotated[Literal["session_roll"], Field(description="The fault's name.")]
    at: Annotated[SequenceTrigger, Field(description="The message that is the first of the new session.")]
    session: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9]{1,10}$",
            description="The new session's name; TAILGATE02 and so on by default.",
        ),
    ] = None
    end_previous: Annotated[
        bool, Field(description="The old session ends with its end-of-session packets.")
    ] = True


def session_names(rolls: list[SessionRollOptions]) -> dict[int, str]:
    """The name of each new session by its first message, in order."""
    ordered = sorted(rolls, key=lambda roll: roll.at.sequence)
    return {
        roll.at.sequence: roll.session or f"{FIRST_SESSION[:-2]}{number:02d}"
        for number, roll in enumerate(ordered, 2)
    }


@register
class SessionRoll(Fault[SessionRollOptions]):
    """Played by the exchange, which knows of it before it starts."""

    name: ClassVar[str] = "session_roll"
    options_model: ClassVar[type[FaultOptions]] = SessionRollOptions
    armed: ClassVar[bool] = True

    def settings(self, plan: ExchangePlan) -> dict[str, Any]:
        sequence = self.options.at.sequence
        return {
            "sessions": [
                {
                    "at_sequence": sequence,
                    "session": plan.names[sequence],
                    "end_previous": self.options.end_previous,
                }
            ]
        }

    def inject(self, context: FaultContext) -> None:
        """The exchange rolls by itself."""

    def heal(self, context: FaultContext) -> None:
        """There is no way back to an old session."""
