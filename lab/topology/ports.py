"""Interfaces of the host that a scenario names go in; each is looked at, refused in one line or taken into the lab.

Nothing is touched before every one of them has been looked at. What is taken is written into the ledger first, as it
was (``port_state``), so that a crash at any point can be undone. In the lab it has the name of its wire, one receive
queue (an AF_XDP socket reads one), frames as they were on the wire (no LRO), every multicast group, and an MTU of 1500.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from lab.errors import MissingError, UsageError
from lab.host.ethtool import FILTER_ALL, Ethtool
from lab.host.netdev import xdp_support
from lab.host.pci import interface_of, refusal
from lab.topology.namespaces import NAMED, here, inside
from lab.topology.port_state import IFF_ALLMULTI, PortState, capture, link_named, routes_over

__all__ = ["ENDS", "PortPlan", "card_clock_of", "check_cable", "survey", "take"]

ENDS = ("exchange", "engine")
IFF_LOOPBACK = 0x8
MTU = 1500
MERGING = ("rx-lro", "rx-gro-hw")  # frames that the card glues together never were on the wire
CABLE_SECONDS = 10.0  # a card that has been down negotiates its link anew
PROBE_TYPE, PROBE_BYTES, PROBE_SECONDS = 0x88B5, 60, 0.2  # EtherType for local experiments


@dataclass(frozen=True, kw_only=True)
class PortPlan:
    """Wire name -> names of the interfaces (or PCI addresses) at the exchange's and at the engine's end.

    None at the exchange's: the cable leads to a port that is not ours, and the wire has no end in that namespace.
    """

    wires: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    allow_default_route: bool = False
    stamps: Literal["auto", "hardware", "software"] = "auto"

    def __bool__(self) -> bool:
        return bool(self.wires)


def survey(
    plan: PortPlan, *, lab_names: Mapping[str, str], namespaces: Mapping[str, str], ledgers: Sequence[Path]
) -> list[PortState]:
    """Every interface of the plan as it is now. UsageError for the first that cannot be had; nothing is changed.

    ``lab_names``: wire -> what it is called in the lab; ``namespaces``: end -> the lab's namespace.
    """
    states: list[PortState] = []
    with IPRoute() as route:
        for wire, ends in plan.wires.items():
            for end, name in zip(ENDS, ends, strict=True):
                if name is None:
                    continue
                interface = interface_of(name)
                link = link_named(route, interface)
                if link is None:
                    raise absent(name, interface, ledgers, route)
                if any(state.interface == interface for state in states):
                    raise refusal(
                        name, "it is named twice", todo="each end of each wire has a port of its own"
                    )
                unfit(route, link, name, allow=plan.allow_default_route)
                states.append(
                    capture(route, link, wire=wire, lab_name=lab_names[wire], namespace=namespaces[end])
                )
    return states


def absent(name: str, interface: str, ledgers: Sequence[Path], route: IPRoute) -> UsageError:
    """Why an interface is not in this namespace, as far as it can be found out."""
    for path in ledgers:
        with contextlib.suppress(OSError, ValueError):
            written = json.loads(path.read_text())
            if any(port["interface"] == interface for port in written.get("ports", [])):
                return refusal(
                    name,
                    f"the lab {written['prefix']!r} of process {written['owner']['pid']} has it",
                    todo="wait for it to end; if it is dead: tailgate heal",
                )
    for path in sorted(NAMED.iterdir()) if NAMED.is_dir() else []:
        with contextlib.suppress(OSError):
            if path.stat().st_ino != here() and namespace_has(path, interface):
                todo = f"ip -n {path.name} link set {interface} netns 1"
                return refusal(name, f"it is in network namespace {path.name!r}", todo=todo)
    there = ", ".join(str(link.get_attr("IFLA_IFNAME")) for link in route.get_links())
    return refusal(name, f"there is no such interface; there are: {there}", todo="ip link")


def namespace_has(path: Path, interface: str) -> bool:
    with inside(path), IPRoute() as route:
        return link_named(route, interface) is not None


def unfit(route: IPRoute, link: Any, name: str, *, allow: bool) -> None:
    """UsageError when the host would miss the interface, or could not have it back as it was."""
    index = int(link["index"])
    if link["flags"] & IFF_LOOPBACK:
        raise refusal(name, "a loopback cannot be a port")
    if owner := link.get_attr("IFLA_MASTER"):
        above = route.get_links(owner)[0]
        todo = f"ip link set {link.get_attr('IFLA_IFNAME')} nomaster"
        raise refusal(
            name, f"it is a member of the {kind_of(above)} {above.get_attr('IFLA_IFNAME')}", todo=todo
        )
    for other in route.get_links():
        on_top = other.get_attr("IFLA_LINK") == index and other.get_attr("IFLA_LINK_NETNSID") is None
        if on_top and other["index"] != index and kind_of(other) != "veth":
            raise refusal(name, f"{other.get_attr('IFLA_IFNAME')} ({kind_of(other)}) stands on it")
    program = link.get_attr("IFLA_XDP")
    if program is not None and program.get_attr("IFLA_XDP_PROG_ID"):
        number = program.get_attr("IFLA_XDP_PROG_ID")
        raise refusal(name, f"XDP program {number} is on it already", todo="ip link set PORT xdp off")
    word = (
        "take another port, or say ports: {allow_default_route: true} when you can lose this way to the host"
    )
    for one, several in routes_over(route, index):
        target = f"{one.get_attr('RTA_DST')}/{one['dst_len']}"
        if several:
            raise refusal(name, "a route of several hops leaves over it, which could not be put back")
        if one["dst_len"] == 0 and one["type"] == 1 and not allow:
            family = "IPv4" if one["family"] == socket.AF_INET else "IPv6"
            why = f"it carries a default route ({family}, table {one.get_attr('RTA_TABLE')}) of this host"
            raise refusal(name, why, todo=word)
        if (one.get_attr("RTA_GATEWAY") or one.get_attr("RTA_VIA")) and not allow:
            raise refusal(name, f"the gateway of the route to {target} is reached over it", todo=word)


def kind_of(link: Any) -> str:
    information = link.get_attr("IFLA_LINKINFO")
    return str(information.get_attr("IFLA_INFO_KIND")) if information is not None else "hardware"


def take(
    state: PortState, *, address: str, prefix_length: int, checksums: bool, card_stamps: bool = False
) -> None:
    """Moves the interface into its namespace and sets it up as a wire's end, still down.

    ``checksums``: the kernel is to compute the checksums of what leaves it (a veth would leave them open).
    ``card_stamps``: the card is told to stamp every packet it receives.
    """
    try:
        with IPRoute() as route, open(NAMED / state.namespace) as target:
            link = link_named(route, state.interface)
            if link is None or link.get_attr("IFLA_ADDRESS") != state.mac:
                raise refusal(state.interface, "it went away while the lab was built")
            index = link["index"]
            route.link("set", index=index, state="down")
            prepare(state, checksums=checksums)
            if card_stamps:
                Ethtool(state.interface).set_stamp_filter(0, 0, FILTER_ALL)
            route.link("set", index=index, mtu=MTU, flags=IFF_ALLMULTI, mask=IFF_ALLMULTI)
            route.link("set", index=index, net_ns_fd=target.fileno())
        with inside(NAMED / state.namespace), IPRoute() as route:
            index = route.link_lookup(ifname=state.interface)[0]
            if state.interface != state.lab_name:
                route.link("set", index=index, ifname=state.lab_name)
            route.addr("add", index=index, address=address, prefixlen=prefix_length)
    except (NetlinkError, OSError) as error:
        raise MissingError(
            f"port {state.interface} could not be taken into the lab",
            install="a driver that lets an interface change its network namespace",
            why=str(error),
        ) from error


def card_clock_of(
    state: PortState, stamps: Literal["auto", "hardware", "software"]
) -> tuple[bool, int | None]:
    """(ask the card for stamps, N of its /dev/ptpN), of an interface that still is in this namespace.

    ``auto`` asks a card that can stamp every packet, whose driver hands stamps to XDP and which has a clock to read.
    """
    if stamps == "software":
        return False, None
    can = Ethtool(state.interface).stamping()
    clock = can.clock if can else None
    if stamps == "hardware":
        return True, clock
    xdp = xdp_support(socket.if_nametoindex(state.interface))
    able = can is not None and can.rx_hardware and can.every_packet and clock is not None
    able = able and xdp is not None and xdp.rx_timestamp
    return able, clock if able else None


def prepare(state: PortState, *, checksums: bool) -> None:
    """One receive queue, and frames as they are on the wire."""
    driver = Ethtool(state.interface)
    off = {name: False for name, on in state.features.items() if on and name in MERGING}
    if checksums:
        off |= {name: False for name in state.features if name.startswith("tx-checksum-")}
    if off:
        driver.set_features(off)
    now = state.channels
    if now is None or now["rx"] + now["combined"] <= 1:
        return
    one = {"combined": 1} if now["combined"] else {"rx": 1, "tx": max(min(now["tx"], 1), 1)}
    driver.set_channels(**{**now, "rx": 0, "tx": 0, "combined": 0, **one})


def check_cable(wire: str, names: tuple[str, str], namespaces: tuple[str, str], interface: str) -> None:
    """Returns when a frame sent at the exchange's end has come out at the engine's. MissingError after 10 s."""
    deadline = time.monotonic() + CABLE_SECONDS
    here_, there = names
    with (
        packet_socket(namespaces[0], interface) as sender,
        packet_socket(namespaces[1], interface) as receiver,
    ):
        receiver.settimeout(PROBE_SECONDS)
        probe = b"\xff" * 6 + sender.getsockname()[4] + PROBE_TYPE.to_bytes(2, "big") + os.urandom(16)
        while time.monotonic() < deadline:
            try:
                sender.send(probe.ljust(PROBE_BYTES, b"\0"))
                if receiver.recv(PROBE_BYTES)[: len(probe)] == probe:
                    return
            except TimeoutError:
                continue
            except OSError:  # no carrier yet
                time.sleep(PROBE_SECONDS)
    raise MissingError(
        f"line {wire}" if len(wire) == 1 else f"wire {wire}",
        why=f"no frame sent by {here_} arrived at {there} in {CABLE_SECONDS:.0f} s",
        install=f"connect {here_} with {there}, directly or through a switch (ethtool {here_} shows the link)",
    )


@contextlib.contextmanager
def packet_socket(namespace: str, interface: str) -> Iterator[socket.socket]:
    with inside(NAMED / namespace):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(PROBE_TYPE))
    with opened:
        opened.bind((interface, PROBE_TYPE))
        yield opened
