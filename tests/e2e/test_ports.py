"""Interfaces of the host as wires: played over, given back as they were by every end of a run, refused when needed.

Pairs of veths stand for cards that are cabled to each other; to the lab they are the host's own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_cli import TAILGATE, environment, left_behind, play, replays, start, tailgate

pytestmark = pytest.mark.privileged

PREFIX = "tgports"
CARDS = {
    "A": ("tgp7s0f0", "tgp7s0f1"),
    "order": ("tgp8s0f0", "tgp8s0f1"),
    "recovery": ("tgp9s0f0", "tgp9s0f1"),
}
SCRATCH = "tghost"  # a host of the test's own, for what this host must not lose
WAIT_SECONDS = 60.0
PORTS = "ports:\n  stamps: hardware\n" + "".join(
    f"  {wire}: {{exchange: {exchange}, engine: {engine}}}\n" for wire, (exchange, engine) in CARDS.items()
)
LONG = "title: long enough to be killed\ntraffic: {rate: 1k/s, duration: 60s}\nmeasure: {wire_floor: false}\n"


def do(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def state_of(card: str) -> dict[str, object]:
    """Everything of a card that a lab could leave changed."""
    [link] = json.loads(do("ip", "-j", "-d", "address", "show", "dev", card))
    volatile = ("ifindex", "link_index", "stats64", "link_netnsid", "operstate")
    routes = [
        {key: value for key, value in route.items() if key != "flags"}
        for family in ("-4", "-6")
        for route in json.loads(do("ip", family, "-j", "route", "show", "table", "all", "dev", card))
    ]
    conf = Path(f"/proc/sys/net/ipv4/conf/{card}")
    return {
        **{key: value for key, value in link.items() if key not in volatile},
        "routes": sorted(map(str, routes)),
        "offloads": do("ethtool", "-k", card),
        "channels": do("ethtool", "-l", card),
        "arp_ignore": (conf / "arp_ignore").read_text(),
    }


def settled(card: str) -> bool:
    """Up, with an IPv6 address that has been found to be alone."""
    [link] = json.loads(do("ip", "-j", "address", "show", "dev", card))
    return link["operstate"] == "UP" and not any("tentative" in one for one in link["addr_info"])


@pytest.fixture(autouse=True)
def _own_ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other lab of this machine heals what a test has killed."""
    monkeypatch.setenv("TAILGATE_RUN_DIRECTORY", str(tmp_path / "run"))


@pytest.fixture
def cards() -> Iterator[dict[str, dict[str, object]]]:
    """Three pairs of cards with a life of their own; their state."""
    for exchange, engine in CARDS.values():
        do("ip", "link", "add", exchange, "type", "veth", "peer", "name", engine)
    first, second = CARDS["A"]
    do("ethtool", "-L", second, "rx", "2", "tx", "2")
    do("ip", "link", "set", first, "mtu", "3000")
    do("ip", "link", "set", second, "mtu", "3000", "allmulticast", "on")
    Path(f"/proc/sys/net/ipv4/conf/{first}/arp_ignore").write_text("1")
    do("ip", "address", "add", "198.51.100.1/24", "dev", first)
    do("ip", "address", "add", "198.51.100.129/25", "dev", first, "label", f"{first}:1", "noprefixroute")
    do("ip", "address", "add", "2001:db8::1/64", "dev", first)
    do("ip", "link", "set", first, "up")
    do("ip", "link", "set", second, "up")
    do("ip", "route", "add", "203.0.113.0/25", "dev", first, "src", "198.51.100.1", "metric", "7")
    do("ip", "route", "add", "203.0.113.128/25", "dev", first, "table", "77")
    do("ethtool", "-K", CARDS["order"][0], "tx-checksum-ip-generic", "on", "gro", "on")
    wait_for(lambda: settled(first) and settled(second))
    try:
        yield {card: state_of(card) for pair in CARDS.values() for card in pair}
    finally:
        tailgate("heal")
        for exchange, _engine in CARDS.values():
            subprocess.run(["ip", "link", "delete", exchange], capture_output=True, check=False)


def wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_given_back(before: dict[str, dict[str, object]]) -> None:
    wait_for(lambda: all(settled(card) for card in CARDS["A"]))
    assert {card: state_of(card) for card in before} == before


def test_the_shipped_scenarios_pass_over_cards_and_give_them_back(
    cards: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    """Both in one command: the second takes other ports than the first."""
    ends = {"a_exchange": 0, "a_engine": 1}, {"order_exchange": 0, "order_engine": 1}
    named = {
        name: CARDS[wire][end] for wire, some in zip(CARDS, ends, strict=False) for name, end in some.items()
    }
    short = {**named, "duration": "500ms", "rate": "20k/s"}
    settings = [word for name, value in short.items() for word in ("--set", f"{name}={value}")]
    runs = play(tmp_path / "results", PREFIX, "scenarios/two_servers", *settings, "--no-report")
    assert set(runs) == {"one_cable", "two_cables"}
    for run in runs.values():
        assert set(run.not_passed()) <= {"pacing", "wire_to_wire.p50"}, "what may fail is a matter of time"
        assert run.summary["counts"]["matched"] > 100
        assert run.events("card_stamps") == [], "a veth says that it stamps nothing, so it is not asked"
        replays(run)
    assert_given_back(cards)


def test_cards_that_are_asked_in_vain_are_counted(
    cards: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    scenario = tmp_path / "asked.yaml"
    scenario.write_text(
        "title: every card is asked\n"
        "traffic: {rate: 20k/s, duration: 300ms}\n"
        "measure: {wire_floor: false, pacing_bound: 1s}\n"
        "faults:\n  - {do: drop, lines: [A, B], packets: 8, at: {sequence: 3000}}\n"
        "expect: {orders_while_blind: '== 0', recovered: true, position_matches_drop_copy: true}\n" + PORTS
    )
    run = play(tmp_path / "results", PREFIX, "--no-report", str(scenario))["asked"]
    assert set(run.not_passed()) <= {"pacing"}
    stamps = run.summary["clock"]
    assert (stamps["grade"], list(stamps["stamps_by_grade"])) == ("sw-driver", ["sw-driver"])
    asked = {event["detail"]["end"]: event["detail"] for event in run.events("card_stamps")}
    assert set(asked) == {"A", "recovery", "order"}
    assert all(one["stamped"] == 0 for one in asked.values())
    assert all(one["missing"] > 0 for one in asked.values()), "replies too: eight packets came again"
    assert_given_back(cards)


def test_a_killed_run_gives_the_cards_back_when_healed(
    cards: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    scenario = tmp_path / "long.yaml"
    scenario.write_text(LONG + PORTS)
    process = start("run", scenario, "--results", tmp_path / "results", "--prefix", PREFIX)
    page = Path(f"/dev/shm/tailgate-{PREFIX}/run-engine.page")
    wait_for(lambda: page.exists() or process.poll() is not None)
    assert process.poll() is None, "the run ended early"
    assert CARDS["A"][0] not in do("ip", "-br", "link")

    process.kill()
    process.wait()
    healed = tailgate("heal")
    assert (healed.code, healed.err) == (0, "")
    assert all(card in healed.out for card in cards)
    assert left_behind(PREFIX) == []
    assert_given_back(cards)


@pytest.fixture
def host() -> Iterator[str]:
    """A host whose default route leaves over card0."""
    do("ip", "netns", "add", SCRATCH)
    try:
        for words in (
            "link add card0 type veth peer name card1",
            "link set card0 up",
            "link set card1 up",
            "address add 192.0.2.1/24 dev card0",
            "route add default via 192.0.2.254 dev card0 table 42",
        ):
            do("ip", "-n", SCRATCH, *words.split())
        yield SCRATCH
    finally:
        do("ip", "netns", "delete", SCRATCH)


def in_host(host: str, scenario: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["nsenter", f"--net=/run/netns/{host}", str(TAILGATE), "run", str(scenario), "--prefix", PREFIX]
        + ["--no-report", "--results", str(scenario.parent / "results")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


def test_a_default_route_is_refused_before_anything_is_touched(host: str, tmp_path: Path) -> None:
    scenario = tmp_path / "refused.yaml"
    scenario.write_text(LONG + "ports: {B: {exchange: card0, engine: card1}}\n")
    before = do("ip", "-n", host, "-d", "address").replace(" tentative", "")
    answer = in_host(host, scenario)
    assert answer.returncode == 64
    assert answer.stderr.startswith("tailgate: port card0: it carries a default route (IPv4, table 42)")
    assert len(answer.stderr.strip().splitlines()) == 1
    assert do("ip", "-n", host, "-d", "address").replace(" tentative", "") == before
    assert left_behind(PREFIX) == []


def test_the_doctor_looks_at_a_port_and_refuses_one_that_is_not_there() -> None:
    first, second = CARDS["A"]
    do("ip", "link", "add", first, "type", "veth", "peer", "name", second)
    try:
        answer = tailgate("doctor", "--nic", first, "--nic", "lo", "--json")
    finally:
        do("ip", "link", "delete", first)
    rows = {row["name"]: row for row in json.loads(answer.out)}
    assert (answer.code, answer.err) == (0, "")
    assert rows[f"{first}: driver"]["observed"].startswith("veth")
    assert rows[f"{first}: time stamps"]["status"] == "warning"
    assert {rows[f"lo: {name}"]["status"] for name in ("driver", "link", "queues", "bus")} == {"unknown"}
    answer = tailgate("doctor", "--nic", first)
    assert answer.code == 64
    assert answer.err.startswith(f"tailgate: port {first}: there is no such interface")
    assert len(answer.err.strip().splitlines()) == 1
