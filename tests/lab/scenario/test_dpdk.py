"""The section engine.dpdk: what it takes, what the engine is told, and what belongs to another wire."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from engine.config import LineConfig
from engine.wires import bypass_built, dpdk_built
from lab.run.dpdk import VIRTUAL, handed_over, line_wire, tap_poses
from lab.run.settings import order_wire
from lab.scenario.models import Engine

needs_dpdk = pytest.mark.skipif(not dpdk_built(), reason="built without DPDK: apt-get install libdpdk-dev")


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


@needs_dpdk
@pytest.mark.parametrize(
    "device",
    ["net_af_packet", "net_af_xdp", {"A": "net_pcap0,iface=line_a", "B": "0000:3b:00.1"}],
)
def test_the_engine_takes_what_the_lab_tells_it(device: Any) -> None:
    around = {"group": "239.77.1.1", "port": 26_477}
    for name, interface in (("A", "line_a"), ("B", "line_b")):
        told = line_wire(engine(device=device), name, interface, 7)
        config = LineConfig.model_validate({**around, **told, "interface": interface})
        assert config.dpdk is not None
        if isinstance(device, str):
            assert config.socket_map == (7 if device == "net_af_xdp" else None)
            assert config.dpdk.device == VIRTUAL[device].format(index="AB".index(name), interface=interface)
        else:
            assert config.dpdk.device == device[name]


@pytest.mark.parametrize(
    ("wire", "device", "handed", "poses"),
    [
        ("af_xdp", None, (True, True), False),
        ("kernel", None, (False, False), False),
        ("dpdk", "net_af_packet", (False, False), False),
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
