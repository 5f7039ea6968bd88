"""disconnect: the exchange cuts the order session, once or many times, at places that the seed chooses."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.faults.base import Fault, FaultContext, FaultOptions, Trigger, register
from lab.quantities import Count

__all__ = ["Disconnect", "DisconnectOptions"]


class DisconnectOptions(FaultOptions):
    """Cut the order session's connection: at once, or around an order that comes after the trigger.

    With ``orders`` each cut falls, as the seed has it, before the order is looked at (it is lost), before its answer
    is sent, within the answer (also within a packet), or behind it; what else was on its way is lost every time.
    """

    do: Annotated[Literal["disconnect"], Field(description="The fault's name.")]
    at: Annotated[Trigger, Field(description="From when on: sequence or time.")]
    times: Annotated[Count, Field(ge=1, le=1_000_000, description="How many cuts.")] = 1
    orders: Annotated[
        Count,
        Field(
            ge=0,
            le=1_000_000,
            description="Orders from one cut to the next, on average; 0, only for one cut: at the trigger itself.",
        ),
    ] = 0
    seed: Annotated[
        Count, Field(ge=0, lt=2**63, description="Where the cuts fall: the same seed, the same places.")
    ] = 1


@register
class Disconnect(Fault[DisconnectOptions]):
    name: ClassVar[str] = "disconnect"
    options_model: ClassVar[type[FaultOptions]] = DisconnectOptions

    def inject(self, context: FaultContext) -> None:
        options = self.options
        orders = max(options.orders, 1) if options.times > 1 else options.orders
        context.set_gateway({"cuts": options.times, "cut_orders": orders, "cut_seed": options.seed})

    def heal(self, context: FaultContext) -> None:
        context.set_gateway({})
