"""An interface of the host goes in; its state comes out as plain values, and goes back onto it when a lab is done.

``capture()`` reads and changes nothing. ``give_back()`` finds the interface wherever a lab, or a crash of it, has left
it, and makes it what it was: namespace, name, MTU, addresses, routes, per-interface sysctls, offloads, queues, stamp
filter, up or down. It may be called at any stage, and again. Queueing disciplines and neighbour entries are not kept:
the kernel drops them when an interface changes its namespace.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_INET, AF_INET6
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from lab.host.ethtool import Ethtool
from lab.topology.namespaces import NAMED, find_namespace, here, inside

__all__ = ["PortState", "capture", "give_back", "link_named", "routes_over", "still_in_lab"]

SYSCTLS = Path("/proc/sys/net")
IFF_UP, IFF_ALLMULTI = 0x1, 0x200
PROTOCOL_KERNEL, PROTOCOL_ADVERTISED = 2, 9
UNICAST = 1
ROUTE_SECONDS = 3.0  # an IPv6 address is tested for that long before a route may start from it
KEPT_ADDRESS_FLAGS = (
    0x716  # what a user can ask for: nodad, optimistic, home, mngtmpaddr, noprefixroute, autojoin
)
SECONDS_FOREVER = 0xFFFFFFFF
ADDRESS_KEYS = {
    "IFA_ADDRESS": "address",
    "IFA_LOCAL": "local",
    "IFA_BROADCAST": "broadcast",
    "IFA_LABEL": "label",
}
ROUTE_KEYS = {
    "RTA_DST": "dst",
    "RTA_GATEWAY": "gateway",
    "RTA_TABLE": "table",
    "RTA_PRIORITY": "priority",
    "RTA_PREFSRC": "prefsrc",
}
ROUTE_FIELDS = ("family", "dst_len", "tos", "proto", "scope", "type")
ROUTE_ON_LINK = 4  # the gateway is said to be there; other flags are the kernel's findings


@dataclass(frozen=True, kw_only=True)
class PortState:
    """One interface as it was before a lab took it. ``home`` is the inode of the namespace it came from."""

    wire: str
    interface: str
    lab_name: str  # what it is called while the lab has it
    namespace: str  # the lab's, by name
    home: int
    mac: str
    mtu: int
    up: bool
    all_multicast: bool
    addresses: list[dict[str, Any]] = field(default_factory=list)
    routes: list[dict[str, Any]] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=dict)
    channels: dict[str, int] | None = None
    stamp_filter: list[int] | None = None


def link_named(route: IPRoute, name: str) -> Any | None:
    """The link message of an interface; None when this namespace has none of that name."""
    return next((link for link in route.get_links(ifname=name) if link.get_attr("IFLA_IFNAME") == name), None)


def routes_over(route: IPRoute, index: int) -> Iterator[tuple[Any, bool]]:
    """(route, is one of several hops) of every table and family that leaves over the interface."""
    for family in (AF_INET, AF_INET6):
        for one in route.get_routes(family=family):
            hops = one.get_attr("RTA_MULTIPATH") or []
            several = any(hop["oif"] == index for hop in hops)
            if several or one.get_attr("RTA_OIF") == index:
                yield one, several


def address_of(message: Any) -> dict[str, Any] | None:
    """What it takes to add an address again; None for those that the kernel makes itself."""
    if message.get_attr("IFA_PROTO"):
        return None
    found = {name: message.get_attr(key) for key, name in ADDRESS_KEYS.items()}
    flags = (message.get_attr("IFA_FLAGS") or message["flags"]) & KEPT_ADDRESS_FLAGS
    lifetime = message.get_attr("IFA_CACHEINFO") or {}
    limited = lifetime.get("ifa_valid", SECONDS_FOREVER) != SECONDS_FOREVER
    return {
        **{name: value for name, value in found.items() if value is not None},
        **{name: message[name] for name in ("family", "prefixlen", "scope")},
        **({"flags": flags} if flags else {}),
        **({"preferred": lifetime["ifa_preferred"], "valid": lifetime["ifa_valid"]} if limited else {}),
    }


def route_of(message: Any) -> dict[str, Any] | None:
    """What it takes to add a route again; None for those that come with an address or an advertisement."""
    if message["type"] != UNICAST or message["proto"] in (PROTOCOL_KERNEL, PROTOCOL_ADVERTISED):
        return None
    found = {name: message.get_attr(key) for key, name in ROUTE_KEYS.items()}
    fields = {name: message[name] for name in ROUTE_FIELDS} | {"flags": message["flags"] & ROUTE_ON_LINK}
    return {**{name: value for name, value in found.items() if value is not None}, **fields}


def sysctls_of(interface: str) -> dict[str, str]:
    """Settings of the interface by their path below /proc/sys/net; those that cannot be read are left out."""
    found = {}
    for family in ("ipv4", "ipv6"):
        folder = SYSCTLS / family / "conf" / interface
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            with contextlib.suppress(OSError):
                found[f"{family}/{path.name}"] = path.read_text().strip()
    return found


def capture(route: IPRoute, link: Any, *, wire: str, lab_name: str, namespace: str) -> PortState:
    """The state of an interface of this thread's namespace."""
    name, index = str(link.get_attr("IFLA_IFNAME")), int(link["index"])
    driver = Ethtool(name)
    stamps = driver.stamp_filter()
    addresses = (
        address_of(one)
        for family in (AF_INET, AF_INET6)
        for one in route.get_addr(index=index, family=family)
    )
    routes = (route_of(one) for one, _several in routes_over(route, index))
    return PortState(
        wire=wire,
        interface=name,
        lab_name=lab_name,
        namespace=namespace,
        home=here(),
        mac=str(link.get_attr("IFLA_ADDRESS")),
        mtu=int(link.get_attr("IFLA_MTU")),
        up=bool(link["flags"] & IFF_UP),
        all_multicast=bool(link["flags"] & IFF_ALLMULTI),
        addresses=[one for one in addresses if one is not None],
        routes=[one for one in routes if one is not None],
        sysctls=sysctls_of(name),
        features=driver.requested(),
        channels=channels_of(driver),
        stamp_filter=None if stamps is None else list(stamps),
    )


def give_back(state: PortState) -> list[str]:
    """Makes the interface what it was. What could not be done comes back, each in a sentence; empty: all is well."""
    home = find_namespace(state.home)
    if home is None:
        return [f"{state.interface}: the namespace it came from is gone; it stays in {state.namespace}"]
    lab = NAMED / state.namespace
    if lab.exists():
        with inside(home):
            target = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with inside(lab), IPRoute() as route:
                move_home(route, state, target)
        except NetlinkError as error:
            why = "its name is taken there" if error.code == errno.EEXIST else str(error)
            if error.code != errno.ENODEV:  # gone at this moment; it may be at home
                return [f"{state.interface} could not be moved out of {state.namespace}: {why}"]
        finally:
            os.close(target)
    with inside(home), IPRoute() as route:
        link = find(route, state)
        return restore(route, link, state) if link else [f"{state.interface} ({state.mac}) is gone"]


def still_in_lab(state: PortState) -> bool:
    """True while the lab's namespace holds the interface, which would go (or lose its name) with the namespace."""
    lab = NAMED / state.namespace
    if not lab.exists():
        return False
    with inside(lab), IPRoute() as route:
        return find(route, state) is not None


def find(route: IPRoute, state: PortState) -> Any | None:
    """The interface under either of its names, by its address."""
    for name in (state.lab_name, state.interface):
        link = link_named(route, name)
        if link is not None and link.get_attr("IFLA_ADDRESS") == state.mac:
            return link
    return None


def move_home(route: IPRoute, state: PortState, target: int) -> None:
    link = find(route, state)
    if link is None:
        return
    route.link("set", index=link["index"], state="down")
    if link.get_attr("IFLA_IFNAME") != state.interface:
        route.link("set", index=link["index"], ifname=state.interface)
    route.link("set", index=link["index"], net_ns_fd=target)


def restore(route: IPRoute, link: Any, state: PortState) -> list[str]:
    """Everything but the namespace, in the namespace it belongs to."""
    problems: list[str] = []
    index, driver = int(link["index"]), Ethtool(state.interface)

    @contextlib.contextmanager
    def doing(what: str) -> Iterator[None]:
        try:
            yield
        except (NetlinkError, OSError) as error:
            problems.append(f"{state.interface}: {what}: {error}")

    if (
        link.get_attr("IFLA_IFNAME") != state.interface
    ):  # the kernel moved it when the lab's namespace went away
        with doing("its name"):
            route.link("set", index=index, state="down")
            route.link("set", index=index, ifname=state.interface)
    with doing("its MTU"):
        route.link("set", index=index, mtu=state.mtu)
    with doing("all-multicast"):
        route.link("set", index=index, flags=IFF_ALLMULTI if state.all_multicast else 0, mask=IFF_ALLMULTI)
    with doing("its queues"):
        if state.channels and channels_of(driver) != state.channels:
            driver.set_channels(**state.channels)
    with doing("its offloads"):
        if driver.requested() != state.features:
            driver.set_features(state.features)
    with doing("its stamp filter"):
        if state.stamp_filter and driver.stamp_filter() != tuple(state.stamp_filter):
            driver.set_stamp_filter(*state.stamp_filter)
    for key, value in state.sysctls.items():
        family, name = key.split("/")
        path = SYSCTLS / family / "conf" / state.interface / name
        with contextlib.suppress(OSError):  # some can only be read
            if path.read_text().strip() != value:
                path.write_text(value)
    for address in state.addresses:
        with doing(f"address {address.get('local', address.get('address'))}"):
            route.addr("replace", index=index, **address)
    with doing("up" if state.up else "down"):
        route.link("set", index=index, state="up" if state.up else "down")
    return problems + put_routes(route, index, state)


def channels_of(driver: Ethtool) -> dict[str, int] | None:
    found = driver.channels()
    if found is None:
        return None
    return {"rx": found.rx, "tx": found.tx, "other": found.other, "combined": found.combined}


def put_routes(route: IPRoute, index: int, state: PortState) -> list[str]:
    """Routes as they were; tries for a while, since an IPv6 address cannot be used at once."""
    waiting, errors = sorted(state.routes, key=lambda one: "gateway" in one), {}
    deadline = time.monotonic() + ROUTE_SECONDS
    while waiting:
        again = []
        for one in waiting:
            try:
                route.route("replace", oif=index, **one)
            except NetlinkError as error:
                again.append(one)
                errors[id(one)] = str(error)
        waiting = again
        if not waiting or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return [
        f"{state.interface}: route to {one.get('dst', 'default')}/{one['dst_len']}: {errors[id(one)]}"
        for one in waiting
    ]
