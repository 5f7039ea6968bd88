"""The section ``engine.dpdk``: which DPDK device reads the lines, and whether from huge pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from engine.config import DEVARGS
from lab.faults import FaultOptions, wire_places_of
from lab.quantities import FrozenModel

if TYPE_CHECKING:
    from lab.scenario.models import Engine

__all__ = ["DRIVERS", "Dpdk", "dpdk_filled", "dpdk_problems", "is_shared"]

DRIVERS = ("net_af_packet", "net_af_xdp", "net_memif")  # the lab completes these for each line


class Dpdk(FrozenModel):
    """The DPDK device of each line."""

    device: Annotated[
        Literal["net_af_packet", "net_af_xdp", "net_memif"] | dict[Literal["A", "B"], str],
        Field(
            description="A virtual device's driver, which the lab completes for each line (net_memif: memory shared "
            "with the exchange); or the devargs of both lines: {A: 'net_pcap0,iface=line_a', B: '0000:3b:00.1'}."
        ),
    ] = "net_af_packet"
    hugepages: Annotated[
        Literal["auto", "no", "yes"],
        Field(description="DPDK's memory from huge pages; auto: when enough are free."),
    ] = "auto"

    @field_validator("device")
    @classmethod
    def whole_devargs(cls, device: str | dict[str, str]) -> str | dict[str, str]:
        if isinstance(device, str):
            return device
        if set(device) != {"A", "B"}:
            raise ValueError("devargs are needed for both lines: {A: ..., B: ...}")
        for line, devargs in device.items():
            if not re.fullmatch(DEVARGS, devargs):
                raise ValueError(
                    f"{line}: {devargs!r} is neither net_DRIVER[,key=value...] nor a PCI address"
                )
        return device


def dpdk_filled(engine: Any) -> Any:
    """The section of a mapping with ``wire: dpdk`` is there; ValueError when another wire has one."""
    if not isinstance(engine, Mapping):
        return engine
    if engine.get("wire") == "dpdk":
        return {**engine, "dpdk": engine.get("dpdk") or {}}
    if engine.get("dpdk") is not None:
        raise ValueError("dpdk: belongs to wire: dpdk only")
    return engine


def is_shared(engine: Engine) -> bool:
    """True when exchange and engine share memory: nothing of the market data is on the wires."""
    return engine.wire == "dpdk" and engine.dpdk is not None and engine.dpdk.device == "net_memif"


def dpdk_problems(
    engine: Engine | None, faults: Sequence[tuple[int, FaultOptions]]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(where, what) of what cannot be with lines in shared memory."""
    if engine is None or not is_shared(engine):
        return
    if engine.venue == "mdp3":
        yield (
            ("engine", "dpdk", "device"),
            "net_memif is for venue itch50: a two-line capture is replayed on the wires",
        )
    for index, fault in faults:
        places = {*wire_places_of(fault), getattr(fault, "port", None), *getattr(fault, "ports", ())}
        if places & {"A", "B"}:
            yield ("faults", index), f"{fault.do} acts on the wires, and lines on net_memif are not on them"
