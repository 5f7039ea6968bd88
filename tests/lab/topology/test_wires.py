"""Namespaces, veth pairs and links of a real topology, as the kernel shows them."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from namespace_sockets import socket_inside
from pyroute2 import netns

from lab.errors import UsageError
from lab.topology import Ledger, Topology
from lab.topology.wires import WIRES, Wire

pytestmark = pytest.mark.privileged

SETTLE_SECONDS = 5.0


@pytest.fixture
def ledger(prefix: str) -> Iterator[Ledger]:
    ledger = Ledger.open(prefix)
    yield ledger
    ledger.close()


@pytest.fixture
def topology(ledger: Ledger) -> Iterator[Topology]:
    with Topology(ledger) as topology:
        yield topology


def inside(topology: Topology, namespace: str, *arguments: str) -> str:
    done = subprocess.run(topology.command(namespace, *arguments), check=True, capture_output=True, text=True)
    return done.stdout


def settles(condition: Callable[[], bool]) -> bool:
    """Links report their state a moment after the call that changed it."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_each_namespace_has_its_end_of_every_wire_with_its_address(topology: Topology) -> None:
    for end in ("exchange", "engine"):
        namespace, attribute = getattr(topology, end), f"{end}_address"
        shown = json.loads(inside(topology, namespace, "ip", "-j", "address"))
        found = {
            link["ifname"]: [(address["local"], address["prefixlen"]) for address in link["addr_info"]]
            for link in shown
            if link["ifname"] != "lo"
        }
        assert found == {wire.interface: [(getattr(wire, attribute), 24)] for wire in WIRES.values()}
        assert all("UP" in link["flags"] for link in shown)


def test_interface_numbers_are_those_of_their_own_namespace(topology: Topology) -> None:
    for namespace in (topology.exchange, topology.engine):
        links = json.loads(inside(topology, namespace, "ip", "-j", "link"))
        shown = {link["ifname"]: link["ifindex"] for link in links}
        for wire in WIRES.values():
            assert topology.interface_index(namespace, wire.interface) == shown[wire.interface]


@pytest.mark.parametrize("wire", WIRES.values(), ids=lambda wire: wire.name)
def test_both_ends_of_a_wire_reach_each_other(topology: Topology, wire: Wire) -> None:
    assert settles(lambda: topology.carrier_up(wire))
    with (
        socket_inside(topology.engine, lambda: socket.create_server((wire.engine_address, 30_001))) as server,
        socket_inside(
            topology.exchange, lambda: socket.create_connection((wire.engine_address, 30_001), timeout=5)
        ) as client,
    ):
        assert client.getsockname()[0] == wire.exchange_address
        server.accept()[0].close()


def test_no_ipv6_speaks_on_the_wires(topology: Topology) -> None:
    for namespace in (topology.exchange, topology.engine):
        assert inside(topology, namespace, "cat", "/proc/net/if_inet6") == ""


@pytest.mark.parametrize("end", ["exchange", "engine"])
def test_taking_one_end_down_takes_the_carrier_and_up_brings_it_back(topology: Topology, end: str) -> None:
    namespace = getattr(topology, end)
    wire = WIRES["A"]
    assert settles(lambda: topology.carrier_up(wire))
    topology.set_link(namespace, wire.interface, up=False)
    assert settles(lambda: not topology.carrier_up(wire))
    assert topology.carrier_up(WIRES["B"]), "other wires stay up"
    topology.set_link(namespace, wire.interface, up=True)
    assert settles(lambda: topology.carrier_up(wire))


def test_commands_run_inside_their_namespace(topology: Topology) -> None:
    for namespace in (topology.exchange, topology.engine):
        assert inside(topology, namespace, "ip", "netns", "identify").strip() == namespace


def test_a_topology_is_gone_with_its_ledger(prefix: str) -> None:
    ledger = Ledger.open(prefix)
    with Topology(ledger) as topology:
        names = {topology.exchange, topology.engine}
        assert names <= set(netns.listnetns())
    ledger.close()
    assert not names & set(netns.listnetns())


@pytest.mark.parametrize("end", ["exchange", "engine"])
def test_a_namespace_of_someone_else_is_named_and_left_alone(ledger: Ledger, end: str) -> None:
    name = f"{ledger.prefix}-{end}"
    netns.create(name)
    with pytest.raises(UsageError, match=name) as caught:
        Topology(ledger).__enter__()
    assert "--prefix" in str(caught.value)
    assert name in str(caught.value.todo)
    ledger.close()
    assert name in netns.listnetns()
    netns.remove(name)


def test_two_topologies_of_different_names_stand_side_by_side(topology: Topology, prefix: str) -> None:
    other = Ledger.open(f"{prefix}b")
    try:
        with Topology(other) as second:
            assert settles(lambda: second.carrier_up(WIRES["order"]))
    finally:
        other.close()
    assert settles(lambda: topology.carrier_up(WIRES["order"]))
