"""Two namespaces and the veth pairs between them go up; every interface of a lab hangs off one Topology.

<prefix>-exchange                      <prefix>-engine
  a  10.77.1.1/24  ----- line A -----    a  10.77.1.2/24
  b  10.77.2.1/24  ----- line B -----    b  10.77.2.2/24
  o  10.77.3.1/24  ----- orders -----    o  10.77.3.2/24
  r  10.77.4.1/24  ---- recovery ----    r  10.77.4.2/24

A wire for which the scenario names ports is two interfaces of the host instead of a pair; see ``ports``. A line of
which only the engine's end is named has no interface in the exchange's namespace: whoever sends on it is elsewhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pyroute2 import IPRoute, NetNS, netns
from pyroute2.netlink.exceptions import NetlinkError

from lab.errors import MissingError, UsageError
from lab.topology.ledger import Ledger, ledgers
from lab.topology.namespaces import NAMED, inside
from lab.topology.port_state import PortState
from lab.topology.ports import PortPlan, card_clock_of, check_cable, survey, take

__all__ = ["ORDER_WIRE", "RECOVERY_WIRE", "WIRES", "Topology", "Wire", "survey_ports"]


@dataclass(frozen=True, kw_only=True)
class Wire:
    """One veth pair: the same interface name at both ends, each end in its own namespace."""

    name: str
    interface: str
    exchange_address: str
    engine_address: str


WIRES = {
    "A": Wire(name="A", interface="line_a", exchange_address="10.77.1.1", engine_address="10.77.1.2"),
    "B": Wire(name="B", interface="line_b", exchange_address="10.77.2.1", engine_address="10.77.2.2"),
    "order": Wire(name="order", interface="orders", exchange_address="10.77.3.1", engine_address="10.77.3.2"),
    "recovery": Wire(
        name="recovery", interface="recovery", exchange_address="10.77.4.1", engine_address="10.77.4.2"
    ),
}
ORDER_WIRE = WIRES["order"]
RECOVERY_WIRE = WIRES["recovery"]
PREFIX_BYTES = 24  # netmask of every wire
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


class Topology:
    """Builds on entry and takes everything away on exit; a crash in between is healed from the ledger."""

    def __init__(self, ledger: Ledger, ports: PortPlan | None = None) -> None:
        self.ledger, self.ports = ledger, ports or PortPlan()
        self.cards: dict[str, int | None] = {}  # ends whose cards are asked for stamps -> N of /dev/ptpN
        self.exchange = f"{ledger.prefix}-exchange"
        self.engine = f"{ledger.prefix}-engine"
        self._open: list[NetNS] = []
        self._spaces: dict[str, NetNS] = {}
        self._indices: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Topology:
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for space in self._spaces.values():
            with contextlib.suppress(OSError):
                space.close()
        self._spaces.clear()

    def _build(self) -> None:
        taken = set(netns.listnetns()) & {self.exchange, self.engine}
        if taken:
            raise UsageError(
                f"network namespace {sorted(taken)[0]!r} exists already and no run of ours made it",
                todo=f"choose another name with --prefix, or remove it: ip netns delete {sorted(taken)[0]}",
            )
        ports = survey_ports(self.ports, exchange=self.exchange, engine=self.engine)
        for name in (self.exchange, self.engine):
            self.ledger.add_namespace(name)
            try:
                netns.create(name)
            except OSError as error:
                raise MissingError(
                    f"network namespace {name!r} could not be made",
                    install="apt-get install iproute2, and run as root with CAP_SYS_ADMIN",
                    why=str(error),
                ) from error
            self._spaces[name] = NetNS(name)
        for wire in WIRES.values():
            if wire.name not in self.ports.wires:
                self._add_wire(wire)
        for port in ports:
            self._take(port)
        for space in self._spaces.values():
            space.link("set", index=1, state="up")
        # IPv6 would put router solicitations and duplicate address detection on the measured wires.
        for name in (self.exchange, self.engine):
            with inside(NAMED / name):
                for key in ("all", "default"):
                    Path(f"/proc/sys/net/ipv6/conf/{key}/disable_ipv6").write_text("1\n")
        # Without it the kernel leaves the checksums of what it sends open: nobody could find that one is wrong, and a
        # TCP that is not the kernel's could accept none.
        with inside(NAMED / self.exchange):
            checksum_every_packet(RECOVERY_WIRE.interface)
            checksum_every_packet(ORDER_WIRE.interface)
        for name in (self.exchange, self.engine):
            for wire in WIRES.values():
                if name == self.engine or wire.name not in self.far_lines:
                    self.set_link(name, wire.interface, up=True)
        for name, (here, there) in self.ports.wires.items():
            if here is not None:
                check_cable(name, (here, there), (self.exchange, self.engine), WIRES[name].interface)

    @property
    def far_lines(self) -> tuple[str, ...]:
        """Lines whose far end is another's port, reached by a cable."""
        return tuple(name for name, (exchange, _) in self.ports.wires.items() if exchange is None)

    def _take(self, port: PortState) -> None:
        wire, at_exchange = WIRES[port.wire], port.namespace == self.exchange
        receives = at_exchange == (wire is ORDER_WIRE)
        asked, clock = card_clock_of(port, self.ports.stamps) if receives else (False, None)
        if asked:
            self.cards[wire.name] = clock
        self.ledger.add_port(port)
        take(
            port,
            address=wire.exchange_address if at_exchange else wire.engine_address,
            prefix_length=PREFIX_BYTES,
            checksums=at_exchange and wire in (RECOVERY_WIRE, ORDER_WIRE),
            card_stamps=asked,
        )

    def _add_wire(self, wire: Wire) -> None:
        exchange, engine = self._spaces[self.exchange], self._spaces[self.engine]
        with netns_descriptor(self.engine) as descriptor:
            try:
                exchange.link(
                    "add",
                    ifname=wire.interface,
                    kind="veth",
                    peer={"ifname": wire.interface, "net_ns_fd": descriptor},
                )
            except NetlinkError as error:
                raise MissingError(
                    f"veth pair {wire.interface!r} could not be made",
                    install="a kernel with CONFIG_VETH, and root",
                    why=str(error),
                ) from error
        for space, address in ((exchange, wire.exchange_address), (engine, wire.engine_address)):
            space.addr(
                "add", index=self._index(space, wire.interface), address=address, prefixlen=PREFIX_BYTES
            )

    @staticmethod
    def _index(space: IPRoute, interface: str) -> int:
        found: list[int] = space.link_lookup(ifname=interface)
        return found[0]

    def interface_index(self, namespace: str, interface: str) -> int:
        """Kernel index of an interface inside its namespace."""
        return self._index(self._spaces[namespace], interface)

    def hardware_address(self, namespace: str, interface: str) -> str:
        """Of one end of a wire, as 02:00:00:00:00:01."""
        space = self._spaces[namespace]
        return str(space.get_links(self._index(space, interface))[0].get_attr("IFLA_ADDRESS"))

    def set_link(self, namespace: str, interface: str, *, up: bool) -> None:
        """Brings one end of a wire up or down; the other end loses or gains its carrier."""
        end = (namespace, interface)
        if end not in self._indices:  # looking one up takes milliseconds, which a fault in mid-run has not
            self._indices[end] = self.interface_index(namespace, interface)
        self._spaces[namespace].link("set", index=self._indices[end], state="up" if up else "down")

    def carrier_up(self, wire: Wire) -> bool:
        """True when both ends are up."""
        ends = ((self.exchange, self._spaces[self.exchange]), (self.engine, self._spaces[self.engine]))
        return all(
            space.get_links(self._index(space, wire.interface))[0].get_attr("IFLA_OPERSTATE") == "UP"
            for _, space in ends
        )

    def command(self, namespace: str, *arguments: str) -> list[str]:
        """The command line that runs a program inside a namespace."""
        return ["ip", "netns", "exec", namespace, *arguments]


def survey_ports(ports: PortPlan, *, exchange: str = "", engine: str = "") -> list[PortState]:
    """The ports as they are, and where they are to go; UsageError for the first that cannot be had."""
    return survey(
        ports,
        lab_names={wire.name: wire.interface for wire in WIRES.values()},
        namespaces={"exchange": exchange, "engine": engine},
        ledgers=ledgers(),
    )


def checksum_every_packet(interface: str) -> None:
    """Lets the kernel compute the checksums of what leaves the interface of this thread's namespace."""
    value = ctypes.create_string_buffer(struct.pack("II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


@contextlib.contextmanager
def netns_descriptor(name: str) -> Iterator[int]:
    """An open descriptor of a named namespace."""
    descriptor = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
