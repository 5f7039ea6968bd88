"""The section ``engine.dpdk``: which DPDK device reads the lines, and whether from huge pages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from engine.config import DEVARGS
from lab.faults import FaultOptions, wire_places_of
from lab.quantities import FrozenModel
from lab.scenario.ports import Ports

if TYPE_CHECKING:
    from lab.scenario.models import Engine

__all__ = ["DRIVERS", "Dpdk", "device_of", "dpdk_filled", "dpdk_problems", "handed_over", "is_shared"]

DRIVERS = ("net_af_packet", "net_af_xdp", "net_memif")  # the lab completes these for each line
BOTH = "{A: DEVARGS, B: DEVARGS}"


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

    @field_validator("device", mode="before")
    @classmethod
    def a_driver_or_both_lines(cls, device: Any) -> Any:
        if isinstance(device, str):
            if device not in DRIVERS:
                close = difflib.get_close_matches(device, DRIVERS, n=1)
                hint = f"; did you mean {close[0]}?" if close else f"; another device: {BOTH}"
                raise ValueError(f"{device!r} is not one of {', '.join(DRIVERS)}{hint}")
            return device
        if not isinstance(device, dict) or set(device) != {"A", "B"}:
            raise ValueError(f"devargs are needed for both lines: {BOTH}")
        for line, devargs in device.items():
            if not isinstance(devargs, str) or not re.fullmatch(DEVARGS, devargs):
                raise ValueError(
                    f"{line}: {devargs!r} is neither net_DRIVER[,key=value...] nor a PCI address"
                )
        return device

    @field_validator("hugepages", mode="before")
    @classmethod
    def yaml_reads_yes_as_true(cls, pages: Any) -> Any:
        return {True: "yes", False: "no"}[pages] if isinstance(pages, bool) else pages


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


def device_of(dpdk: Dpdk, name: str) -> str:
    """A driver that the lab completes, or whole devargs."""
    return dpdk.device if isinstance(dpdk.device, str) else dpdk.device["A" if name == "A" else "B"]


def handed_over(engine: Engine, name: str) -> bool:
    """True when the tap's program hands the line's packets over to a socket in its map."""
    if engine.wire != "dpdk" or engine.dpdk is None:
        return engine.wire == "af_xdp"
    return device_of(engine.dpdk, name).startswith("net_af_xdp")


def dpdk_problems(
    engine: Engine | None, faults: Sequence[tuple[int, FaultOptions]], ports: Ports | None = None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """(where, what) of what cannot be with such lines."""
    if engine is None or engine.wire != "dpdk":
        return
    if ports is not None and ports.stamps == "hardware":
        for name in sorted(ports.wires.keys() & {"A", "B"}):
            if handed_over(engine, name):
                yield (
                    ("ports", "stamps"),
                    f"net_af_xdp on line {name} leaves a card's stamps unread; take wire: af_xdp, or stamps: software",
                )
    if not is_shared(engine):
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
