"""The section engine.dpdk: what it takes, what the engine is told, and what belongs to another wire."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from engine.config import LineConfig
from engine.wires import bypass_built, dpdk_built
from lab.errors import ScenarioError
from lab.faults import registered
from lab.measure.rows import PACKETS
from lab.run.dpdk import (
    VIRTUAL,
    exchange_end,
    line_wire,
    send_time_bound_ns,
    sent_stamps,
    tap_poses,
)
from lab.run.settings import order_wire
from lab.scenario import load_scenarios
from lab.scenario.dpdk import dpdk_problems, handed_over
from lab.scenario.models import Engine
from traffic.config import LineConfig as ExchangeLine

needs_dpdk = pytest.mark.skipif(not dpdk_built(), reason="built without DPDK: apt-get install libdpdk-dev")


SOCKET = Path("/dev/shm/tailgate-x/run-memif.sock")


def engine(**section: Any) -> Engine:
    return Engine.model_validate({"wire": "dpdk", "dpdk": section})


def test_without_the_section_it_is_packet_sockets_on_whatever_pages_there_are() -> None:
    bare = Engine.model_validate({"wire": "dpdk"})
    assert bare.dpdk is not None
    assert (bare.dpdk.device, bare.dpdk.hugepages) == ("net_af_packet", "auto")


def test_another_wire_has_no_such_section() -> None:
    assert Engine.model_validate({"wire": "kernel"}).dpdk is None
    with pytest.raises(ValidationError, match="belongs to wire: dpdk only"):
        Engine.model_validate({"wire": "kernel", "dpdk": {"device": "net_af_packet"}})


@pytest.mark.parametrize(
    "device",
    [
        "net_memfi",
        "net_ring",
        {"A": "net_ring0"},
        {"A": "net_ring0", "B": "eth0"},
        {"A": "x", "C": "net_ring0"},
    ],
)
def test_a_device_that_can_be_none_is_refused(device: Any) -> None:
    with pytest.raises(ValidationError):
        engine(device=device)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("{device: net_memfi}", "engine.dpdk.device: 'net_memfi' is not one of .*; did you mean net_memif?"),
        ("{device: {A: net_ring0}}", "engine.dpdk.device: devargs are needed for both lines: .*"),
        ("{device: 3}", "engine.dpdk.device: devargs are needed for both lines: .*"),
        ("{device: {A: net_ring0, B: 7}}", "engine.dpdk.device: B: 7 is neither .*"),
        ("{hugepages: maybe}", "engine.dpdk.hugepages: 'maybe' is not one of auto, no, yes"),
    ],
)
def test_a_mistake_is_one_problem(tmp_path: Path, section: str, line: str) -> None:
    path = tmp_path / "mistake.yaml"
    path.write_text(f"title: A mistake\nengine: {{wire: dpdk, dpdk: {section}}}\n")
    with pytest.raises(ScenarioError) as caught:
        load_scenarios([path])
    [problem] = caught.value.problems
    assert re.search(line, str(problem)), str(problem)


@pytest.mark.parametrize(
    ("word", "pages"), [("yes", "yes"), ("no", "no"), ("auto", "auto"), ("'yes'", "yes")]
)
def test_huge_pages_take_the_words_of_yaml(tmp_path: Path, word: str, pages: str) -> None:
    path = tmp_path / "pages.yaml"
    path.write_text(f"title: Pages\nengine: {{wire: dpdk, dpdk: {{hugepages: {word}}}}}\n")
    [scenario] = load_scenarios([path])
    assert scenario.engine.dpdk is not None
    assert scenario.engine.dpdk.hugepages == pages


@pytest.mark.parametrize(("device", "refused"), [("net_af_xdp", True), ("net_af_packet", False)])
def test_stamps_of_a_card_that_nobody_would_read_are_refused(
    tmp_path: Path, device: str, refused: bool
) -> None:
    path = tmp_path / "stamps.yaml"
    path.write_text(
        f"title: Stamps\nengine: {{wire: dpdk, dpdk: {{device: {device}}}}}\n"
        "ports: {A: {exchange: p0, engine: p1}, stamps: hardware}\n"
    )
    if not refused:
        load_scenarios([path])
        return
    with pytest.raises(ScenarioError, match="net_af_xdp on line A leaves a card's stamps unread"):
        load_scenarios([path])


@needs_dpdk
@pytest.mark.parametrize(
    "device",
    ["net_af_packet", "net_af_xdp", "net_memif", {"A": "net_pcap0,iface=line_a", "B": "0000:3b:00.1"}],
)
def test_the_engine_takes_what_the_lab_tells_it(device: Any) -> None:
    around = {"group": "239.77.1.1", "port": 26_477}
    for name, interface in (("A", "line_a"), ("B", "line_b")):
        told = line_wire(engine(device=device), name, interface, 7, SOCKET)
        config = LineConfig.model_validate({**around, **told, "interface": interface})
        assert config.dpdk is not None
        if isinstance(device, str):
            assert config.socket_map == (7 if device == "net_af_xdp" else None)
            assert config.dpdk.device == VIRTUAL[device].format(
                index="AB".index(name), interface=interface, socket=SOCKET
            )
        else:
            assert config.dpdk.device == device[name]


@pytest.mark.parametrize(
    ("wire", "device", "handed", "poses"),
    [
        ("af_xdp", None, (True, True), False),
        ("kernel", None, (False, False), False),
        ("dpdk", "net_af_packet", (False, False), False),
        ("dpdk", "net_memif", (False, False), False),
        ("dpdk", "net_af_xdp", (True, True), True),
        ("dpdk", {"A": "net_af_xdp0,iface=line_a", "B": "net_pcap0,iface=line_b"}, (True, False), True),
    ],
)
def test_the_taps_program_poses_only_for_net_af_xdp(
    wire: str, device: Any, handed: tuple[bool, bool], poses: bool
) -> None:
    section = {"dpdk": {"device": device}} if device else {}
    made = Engine.model_validate({"wire": wire, **section})
    assert (handed_over(made, "A"), handed_over(made, "B"), tap_poses(made)) == (*handed, poses)


def test_orders_follow_the_lines_to_the_bypass() -> None:
    assert order_wire(engine()) == ("af_xdp" if bypass_built() else "kernel")
    told = Engine.model_validate({"wire": "dpdk", "orders": {"wire": "kernel"}})
    assert order_wire(told) == "kernel"


def fault(do: str, **keys: Any) -> Any:
    return registered()[do].options_model.model_validate({"do": do, **keys})


AT = {"time": "1ms"}


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (fault("drop", lines=["A"], packets=1, at=AT), True),
        (fault("link_down", port="B", **{"for": "1ms"}, at=AT), True),
        (fault("xdp_detach", port="A", at=AT), True),
        (fault("switch_wire", to="kernel", at=AT), True),
        (fault("switch_wire", to="kernel", ports=["order"], at=AT), False),
        (fault("link_down", port="order", **{"for": "1ms"}, at=AT), False),
        (fault("pause", **{"for": "1ms"}, at=AT), False),
    ],
)
def test_what_acts_on_the_wires_cannot_act_on_shared_memory(options: Any, refused: bool) -> None:
    faults = [(3, options)]
    assert [where for where, _ in dpdk_problems(engine(device="net_memif"), faults)] == [
        ("faults", 3)
    ] * refused
    assert not list(dpdk_problems(engine(device="net_af_packet"), faults))
    assert not list(dpdk_problems(None, faults))


def test_the_exchange_takes_its_end_of_the_shared_memory() -> None:
    around = {"interface": "line_a", "source": "10.77.1.1", "group": "239.77.1.1", "port": 1}
    for name in "AB":
        end = exchange_end(engine(device="net_memif"), name, SOCKET)
        assert ExchangeLine.model_validate({"name": name, **around, **end}).device == end["device"]
    assert exchange_end(engine(device="net_af_xdp"), "A", SOCKET) == {}


def test_stamps_of_the_sender_are_those_of_what_it_sent() -> None:
    packets = np.zeros(3, PACKETS)
    packets["first_sequence"], packets["count"], packets["bytes"] = (1, 5, 9), (4, 4, 2), (100, 101, 102)
    packets["sent_ns"] = [(10, 12), (20, 0), (30, 31)]
    stamps = sent_stamps(packets)
    assert stamps["stamp_ns"].tolist() == [10, 12, 20, 30, 31]
    assert stamps["line"].tolist() == [0, 1, 0, 0, 1]
    assert stamps["sequence"].tolist() == [1, 1, 5, 9, 9]
    assert stamps["length"].tolist() == [100, 100, 101, 102, 102]
    assert not stamps["flags"].any()


@pytest.mark.parametrize(
    ("slow", "bound_ns"),
    [(0, 512), (9, 512), (11, 1 << 21)],
)
def test_the_uncertainty_holds_for_99_of_100_sends(slow: int, bound_ns: int) -> None:
    counts = [0] * 32
    counts[8], counts[20] = 500 - slow, slow  # 256 to 511 ns, and a millisecond
    idle = [0] * 32
    idle[8] = 500
    found = send_time_bound_ns({"lines": [{"send_ns_log2": counts}, {"send_ns_log2": idle}]})
    assert found == bound_ns
