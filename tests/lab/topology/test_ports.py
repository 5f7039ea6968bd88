"""Ports that a lab may have and may not, in a host of the test's own; and what it does to one that it takes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import netns

from lab.errors import MissingError, UsageError
from lab.host.ethtool import Ethtool
from lab.topology import Ledger, PortPlan, Topology, heal, ports
from lab.topology.namespaces import NAMED, find_namespace, here, inside
from lab.topology.wires import survey_ports

LINES = """
link add card0 type veth peer name card1
link add card2 type veth peer name card3
link add card4 type veth peer name card5
link add card6 type veth peer name card7
link add bridge0 type bridge
link set card2 master bridge0
link set card0 up
link set card1 up
link set card4 up
link set card5 up
link set card6 up
link set card7 up
address add 192.0.2.1/24 dev card0
route add default via 192.0.2.254 dev card0 table 42
address add 2001:db8:1::1/64 dev card1 nodad
route add ::/0 dev card1
address add 2001:db8:4::1/64 dev card4 nodad
route add 2001:db8:5::/64 via 2001:db8:4::fe dev card4
address add 198.51.100.1/24 dev card5
address add 198.51.101.1/24 dev card3
link set card3 up
route add 203.0.113.0/24 nexthop via 198.51.100.2 dev card5 nexthop via 198.51.101.2 dev card3
link set lo up
"""


@pytest.fixture
def host(prefix: str) -> Iterator[Path]:
    """This thread is in a host of its own; card6 and card7 are free, all others are in use."""
    name = f"{prefix}-host"
    netns.create(name)
    try:
        subprocess.run(["ip", "-n", name, "-batch", "-"], input=LINES.encode(), check=True)
        with inside(NAMED / name):
            yield NAMED / name
    finally:
        netns.remove(name)


def addresses() -> bytes:
    """Of this namespace; whether IPv6 still looks for others of the same is a matter of time."""
    return subprocess.check_output(["ip", "-d", "address"]).replace(b" tentative", b"")


def plan(exchange: str, engine: str, *, allow: bool = False) -> PortPlan:
    return PortPlan(wires={"A": (exchange, engine)}, allow_default_route=allow)


REFUSED = {
    (
        "card0",
        "card6",
    ): "port card0: it carries a default route (IPv4, table 42) of this host; next: take another",
    (
        "card6",
        "card1",
    ): "port card1: it carries a default route (IPv6, table 254) of this host; next: take another",
    ("card6", "card2"): "port card2: it is a member of the bridge bridge0; next: ip link set card2 nomaster",
    (
        "card4",
        "card6",
    ): "port card4: the gateway of the route to 2001:db8:5::/64 is reached over it; next: take",
    ("card5", "card6"): "port card5: a route of several hops leaves over it, which could not be put back",
    ("card6", "lo"): "port lo: a loopback cannot be a port",
    ("card6", "card9"): "port card9: there is no such interface; there are: lo, ",
    ("card6", "0000:ff:1f.7"): "port 0000:ff:1f.7: there is no such PCI device; next: lspci",
}


@pytest.mark.privileged
@pytest.mark.parametrize("ends", REFUSED, ids="-".join)
def test_a_port_that_the_host_would_miss_is_refused_in_one_line(host: Path, ends: tuple[str, str]) -> None:
    before = addresses()
    with pytest.raises(UsageError) as caught:
        survey_ports(plan(*ends))
    assert str(caught.value).startswith(REFUSED[ends])
    assert addresses() == before


@pytest.mark.privileged
def test_the_word_allows_routes_and_nothing_else(host: Path) -> None:
    states = survey_ports(plan("card0", "card4", allow=True))
    assert [state.interface for state in states] == ["card0", "card4"]
    assert states[0].routes[0]["table"] == 42
    assert states[1].routes[0]["gateway"] == "2001:db8:4::fe"
    for ends in (("card6", "card2"), ("card5", "card6"), ("card6", "lo"), ("card6", "card9")):
        with pytest.raises(UsageError):
            survey_ports(plan(*ends, allow=True))


@pytest.mark.privileged
def test_routes_of_the_host_are_put_back_with_the_port_they_lead_over(host: Path, prefix: str) -> None:
    def routes() -> list[str]:
        shown = [
            subprocess.check_output(["ip", family, "route", "show", "table", "all"], text=True)
            for family in ("-4", "-6")
        ]
        wanted = ("card0", "card1", "card4")
        return sorted(
            line.strip() for line in "".join(shown).splitlines() if any(card in line for card in wanted)
        )

    def static() -> list[str]:
        return [line for line in routes() if "via" in line or "default" in line]

    before = static()
    assert len(before) == 3
    ledger = Ledger.open(prefix)
    with Topology(ledger, plan("card0", "card1", allow=True)):
        assert len(static()) == 1
    ledger.close()
    assert static() == before


@pytest.mark.privileged
def test_a_port_in_another_namespace_is_said_to_be_there(host: Path, prefix: str) -> None:
    other = f"{prefix}-other"
    netns.create(other)
    try:
        subprocess.run(["ip", "link", "set", "card7", "netns", other], check=True)
        with pytest.raises(
            UsageError, match=f"port card7: it is in network namespace '{other}'; next: ip -n"
        ):
            survey_ports(plan("card6", "card7"))
    finally:
        netns.remove(other)


@pytest.mark.privileged
def test_a_port_of_another_lab_is_said_to_be_its_own(host: Path, prefix: str) -> None:
    ledger = Ledger.open(prefix)
    for port in survey_ports(plan("card6", "card7")):
        ledger.add_port(port)
    subprocess.run(["ip", "link", "set", "card6", "name", "elsewhere"], check=True)
    with pytest.raises(UsageError, match=f"port card6: the lab '{prefix}' of process {os.getpid()} has it"):
        survey_ports(plan("card6", "card7"))
    ledger.path.unlink()


@pytest.mark.privileged
def test_a_port_in_a_lab_reads_one_queue_and_sees_frames_as_they_were(host: Path, prefix: str) -> None:
    subprocess.run(["ethtool", "-L", "card7", "rx", "2", "tx", "2"], check=True)
    ledger = Ledger.open(prefix)
    with Topology(ledger, PortPlan(wires={"order": ("card6", "card7")})) as topology:
        with inside(NAMED / topology.engine):
            channels = Ethtool("orders").channels()
            assert channels
            assert channels.receiving == 1
            [link] = json.loads(subprocess.check_output(["ip", "-j", "link", "show", "orders"]))
            assert link["mtu"] == 1500
            assert {"UP", "ALLMULTI"} <= set(link["flags"])
        with inside(NAMED / topology.exchange):
            assert not Ethtool("orders").features()["tx-checksum-ip-generic"]
    ledger.close()
    channels = Ethtool("card7").channels()
    assert channels
    assert channels.receiving == 2
    assert Ethtool("card6").features()["tx-checksum-ip-generic"]


@pytest.mark.privileged
def test_a_line_whose_far_end_is_anothers_has_an_end_at_the_engine_alone(host: Path, prefix: str) -> None:
    before = subprocess.check_output(["ip", "-br", "address", "show", "dev", "card7"])
    ledger = Ledger.open(prefix)
    with Topology(ledger, PortPlan(wires={"A": (None, "card7")})) as topology:
        assert topology.far_lines == ("A",)
        with inside(NAMED / topology.engine):
            [link] = json.loads(subprocess.check_output(["ip", "-j", "link", "show", "line_a"]))
            assert {"UP", "ALLMULTI"} <= set(link["flags"])
        with inside(NAMED / topology.exchange):
            links = subprocess.check_output(["ip", "-br", "link"], text=True)
            assert "line_a" not in links
            assert "line_b" in links
    assert "card6" in subprocess.check_output(["ip", "-br", "link"], text=True), "never was the lab's"
    ledger.close()
    assert subprocess.check_output(["ip", "-br", "address", "show", "dev", "card7"])[:8] == before[:8]


@pytest.mark.privileged
@pytest.mark.parametrize("stage", ["written", "down", "moved", "renamed", "at home, under the lab's name"])
def test_a_lab_that_died_while_it_took_a_port_is_undone(host: Path, prefix: str, stage: str) -> None:
    subprocess.run(["ip", "address", "add", "198.51.102.1/24", "dev", "card6"], check=True)
    before = subprocess.check_output(["ip", "-br", "address", "show", "dev", "card6"])
    ledger = Ledger.open(prefix)
    name = f"{prefix}-exchange"
    ledger.add_namespace(name)
    netns.create(name)
    [state, _] = survey_ports(plan("card6", "card7"), exchange=name, engine=f"{prefix}-engine")
    ledger.add_port(state)
    reached = ["written", "down", "moved", "renamed", "at home, under the lab's name"].index(stage)
    steps = (
        ["ip", "link", "set", "card6", "down"],
        ["ip", "link", "set", "card6", "netns", name],
        ["ip", "-n", name, "link", "set", "card6", "name", state.lab_name],
    )
    for step in steps[:reached]:
        subprocess.run(step, check=True)
    if reached == 4:
        subprocess.run(["ip", "-n", name, "link", "set", state.lab_name, "netns", host.name], check=True)
        netns.remove(name)
    ledger.close()
    assert not ledger.path.exists()
    assert (
        subprocess.check_output(["ip", "-br", "address", "show", "dev", "card6"]).split()[2:3]
        == before.split()[2:3]
    )


@pytest.mark.privileged
def test_ports_that_are_not_cabled_are_said_to_be_and_are_given_back(
    host: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "CABLE_SECONDS", 0.5)
    subprocess.run(["ip", "link", "add", "card8", "type", "veth", "peer", "name", "card9"], check=True)
    subprocess.run(["ip", "link", "set", "card9", "up"], check=True)
    ledger = Ledger.open(prefix)
    with pytest.raises(MissingError, match="line A: no frame sent by card6 arrived at card8"):
        Topology(ledger, plan("card6", "card8")).__enter__()
    ledger.close()
    links = subprocess.check_output(["ip", "-br", "link"], text=True)
    assert "card6" in links
    assert "card8" in links


@pytest.mark.privileged
def test_a_port_whose_namespace_was_removed_by_hand_is_lost_with_a_word(host: Path, prefix: str) -> None:
    """A veth goes with its namespace (a card would come back under another name); the rest is undone all the same."""
    ledger = Ledger.open(prefix)
    topology = Topology(ledger, plan("card6", "card7")).__enter__()
    topology.close()
    netns.remove(topology.engine)
    with pytest.raises(Exception, match=r"card6 .* is gone; card7 .* is gone"):
        ledger.close()
    assert not ledger.path.exists()
    assert not heal()


@pytest.mark.privileged
def test_a_port_whose_name_was_taken_stays_in_the_lab_until_it_is_free(host: Path, prefix: str) -> None:
    ledger = Ledger.open(prefix)
    Topology(ledger, plan("card6", "card7")).__enter__().close()
    subprocess.run(["ip", "link", "add", "card7", "type", "veth", "peer", "name", "card8"], check=True)
    with pytest.raises(Exception, match=r"card7 could not be moved out of .*: its name is taken there"):
        ledger.close()
    assert f"{prefix}-engine" in netns.listnetns()
    written = json.loads(ledger.path.read_text())
    ledger.path.write_text(json.dumps({**written, "owner": {"pid": os.getpid(), "started": 1}}))
    with pytest.raises(UsageError, match=f"a dead lab named '{prefix}' still has card7; next: tailgate heal"):
        Ledger.open(prefix)
    assert heal().problems
    subprocess.run(["ip", "link", "delete", "card7"], check=True)
    assert heal().ports == ("card7",)
    assert f"{prefix}-engine" not in netns.listnetns()
    assert b"card7" in subprocess.check_output(["ip", "-br", "link"])


@pytest.mark.privileged
def test_a_namespace_is_found_again_by_its_inode(host: Path, prefix: str) -> None:
    assert host.stat().st_ino == here()
    assert find_namespace(here()) == Path("/proc/thread-self/ns/net")
    other = f"{prefix}-other"
    netns.create(other)
    try:
        with inside(NAMED / other):
            assert find_namespace(host.stat().st_ino) == host
    finally:
        netns.remove(other)
    assert find_namespace(1) is None
