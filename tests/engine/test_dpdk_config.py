"""A DPDK device that cannot be had: one line, 64 for what was written wrongly, 69 for what is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine._engine import ffi, lib
from pydantic import ValidationError

from engine.config import LineConfig
from engine.control_client import ask
from engine.wires import dpdk_built, dpdk_version

SECONDS = 30.0
LINE = {"wire": "dpdk", "interface": "lo", "group": "239.77.99.1", "port": 26_499}
SMALL = {"decisions": 256, "open_orders": 64, "book": {"orders": 64, "levels": 64}, "die_with_parent": False}
needs_dpdk = pytest.mark.skipif(not dpdk_built(), reason="built without DPDK: apt-get install libdpdk-dev")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: DPDK's memory is locked")


def complaint(folder: Path, **device: str) -> tuple[int, str]:
    """Exit code and the one line on stderr."""
    path = folder / "config.json"
    path.write_text(json.dumps({**SMALL, "lines": [{**LINE, "dpdk": device}]}))
    done = subprocess.run(
        [sys.executable, "-m", "engine", str(path)],
        capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr.removeprefix("engine: error: ").strip()


@pytest.mark.parametrize(
    "device",
    ["", "eth0", "net_memif0,", "0000:3b:00", "net_ring0 --vdev=x", "-a 0000:00:00.0", "/dev/vfio/1"],
)
def test_what_is_no_device_is_64(tmp_path: Path, device: str) -> None:
    code, line = complaint(tmp_path, device=device)
    assert (code, "dpdk.device" in line) == (64, True), line


@pytest.mark.parametrize(
    "device", ["net_ring0", "net_af_packet_a,iface=x,framecnt=4096", "0000:3b:00.1", "3b:00.0,mprq_en=1"]
)
def test_what_is_one_is_taken(device: str) -> None:
    LineConfig.model_validate({**LINE, "dpdk": {"device": device}})


@pytest.mark.parametrize("line", [{"wire": "dpdk"}, {"wire": "kernel", "dpdk": {"device": "net_ring0"}}])
def test_wire_and_device_belong_together(line: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"wire dpdk needs dpdk\.device"):
        LineConfig.model_validate({**LINE, **line})


@needs_dpdk
@needs_root
@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("net_af_packet0,iface=no_such_wire", "No such device"),
        ("net_af_xdp0,iface=no_such_wire", "no_such_wire"),
        ("net_no_such_driver0", "net_no_such_driver0"),
        ("net_memif0,role=client,socket=/no/such/socket,socket-abstract=no", "/no/such/socket"),
        ("0000:7f:1f.7", "dpdk-devbind.py"),
    ],
)
def test_a_device_that_is_not_there_is_69_and_leaves_nothing(tmp_path: Path, device: str, said: str) -> None:
    code, line = complaint(tmp_path, device=device)
    assert code == 69
    assert line.startswith(f"DPDK device {device}: ")
    assert said in line
    assert not list(Path("/var/run/dpdk").glob("engine-*"))


@needs_dpdk
@needs_root
def test_huge_pages_that_are_not_there_are_69_and_the_command_is_named(tmp_path: Path) -> None:
    free = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    if free.exists() and int(free.read_text()) >= 64:
        pytest.skip("this host has huge pages")
    code, line = complaint(tmp_path, device="net_ring0", hugepages="yes")
    assert (code, "sysctl vm.nr_hugepages=" in line) == (69, True), line


@pytest.mark.skipif(dpdk_built(), reason="built with DPDK")
def test_an_engine_built_without_it_says_so(tmp_path: Path) -> None:
    code, line = complaint(tmp_path, device="net_ring0")
    assert (code, "apt-get install libdpdk-dev" in line) == (69, True)


def test_its_version_is_told() -> None:
    assert dpdk_version().startswith("DPDK ") == dpdk_built()


@needs_dpdk
@pytest.mark.parametrize(
    ("device", "socket_map", "there"),
    [
        ("net_af_packet0,iface=x", -1, True),
        ("net_af_xdp0,iface=x", 7, True),
        ("net_af_xdp0,iface=x", -1, False),
        ("net_memif0", 7, False),
        ("0000:3b:00.0", -1, False),
    ],
)
def test_only_a_device_beside_which_the_kernel_has_the_wire_can_be_left(
    device: str, socket_map: int, there: bool
) -> None:
    text, error = ffi.new("char[]", device.encode()), ffi.new("char[256]")
    options = ffi.new("struct dpdk_options *", {"device": text, "socket_map": socket_map, "cpu": -1})
    assert lib.dpdk_fallback(options, error, 256) == there
    said = ffi.string(error).decode()
    assert ("has its wire to itself" in said) != there


@needs_dpdk
@needs_root
def test_a_switch_from_a_device_that_has_its_wire_to_itself_is_refused_and_the_reason_told(
    tmp_path: Path,
) -> None:
    lines = [
        {**LINE, "group": f"239.77.99.{line + 1}", "dpdk": {"device": f"net_ring{line}", "hugepages": "no"}}
        for line in (0, 1)
    ]
    control = {"socket": str(tmp_path / "ctl.sock"), "audit": str(tmp_path / "audit.jsonl")}
    path, pipe = tmp_path / "config.json", subprocess.PIPE
    path.write_text(json.dumps({**SMALL, "lines": lines, "ctl": control, "output": str(tmp_path)}))
    with subprocess.Popen(
        [sys.executable, "-m", "engine", str(path)], stdin=pipe, stdout=pipe, text=True
    ) as engine:
        assert engine.stdin
        assert engine.stdout
        assert json.loads(engine.stdout.readline()) == {"event": "ready"}
        reply = ask(tmp_path / "ctl.sock", {"do": "wire switch", "to": "kernel"})
        engine.stdin.write('{"do": "stop"}\n')
        engine.stdin.flush()
        assert engine.wait(SECONDS) == 0
    assert reply["exit"] == 1
    assert "net_ring0 has its wire to itself" in reply["message"]
    wires = json.loads((tmp_path / "engine.json").read_text())["wires"]
    assert (wires["line_change_count"], set(wires["dpdk"])) == (0, {"A", "B"})
