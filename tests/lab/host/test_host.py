"""Findings about hosts that are made up, file by file, and cores for the busy threads."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from lab.errors import MissingError
from lab.host import (
    Cores,
    Finding,
    choose_cores,
    doctor,
    examine,
    host_knobs,
    involuntary_switches,
    knobs,
    steal_ns,
)

GOOD = {
    "/proc/cpuinfo": "processor : 0\nmodel name : A CPU\nflags : fpu constant_tsc nonstop_tsc\n",
    "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    "/sys/devices/system/cpu/smt/control": "off\n",
    "/sys/devices/system/cpu/isolated": "2-3\n",
    "/proc/sys/vm/nr_hugepages": "256\n",
    "/proc/uptime": "1000.00 900.00\n",
    "/proc/stat": "cpu 1 1 1 1 1 1 1 1 0 0\ncpu0 1 1 1 1 1 1 1 2 0 0\ncpu1 1 1 1 1 1 1 1 3 0 0\nintr 5\n",
}


class Host:
    """Files by path, and what the doctor asks the system itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.files = dict(GOOD)
        self.uid = 0
        self.cpus = {0, 1, 2}
        self.programs = {"ip", "tshark"}
        self.af_xdp = True
        self.folder = folder
        read = self._read
        monkeypatch.setattr(knobs, "read", read)
        monkeypatch.setattr(doctor, "read", read)
        monkeypatch.setattr(doctor, "PTP", folder)
        monkeypatch.setattr(os, "geteuid", lambda: self.uid)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: self.cpus)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)
        monkeypatch.setattr(
            shutil, "which", lambda name: f"/usr/bin/{name}" if name in self.programs else None
        )
        monkeypatch.setattr(socket, "socket", self._socket)
        (folder / "ptp0" / "device" / "net").mkdir(parents=True)

    def _read(self, path: str) -> str:
        return self.files.get(path, "absent").strip()

    def _socket(self, *_arguments: Any) -> Any:
        if not self.af_xdp:
            raise OSError(97, "Address family not supported by protocol")
        return type("Socket", (), {"close": lambda _self: None})()

    def findings(self) -> dict[str, Finding]:
        return {finding.name: finding for finding in examine()}


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def test_a_good_host_has_nothing_to_do(host: Host) -> None:
    findings = host.findings()
    assert {finding.status for finding in findings.values()} == {"good"}
    assert {finding.todo for finding in findings.values()} == {""}
    assert list(findings) == [
        *(
            "root",
            "CPUs",
            "AF_XDP",
            "bypass TCP",
            "DPDK",
            "ip",
            "tshark",
            "clock",
            "time stamps",
            "frequency governor",
        ),
        *("isolated CPUs", "SMT", "huge pages", "steal"),
    ]


CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
FILES = {
    "clock without tsc": ("clock", CLOCKSOURCE, "kvm-clock", "kvm-clock"),
    "clock that varies": ("clock", "/proc/cpuinfo", "flags : fpu constant_tsc", "invariant counter: no"),
    "governor that saves": ("frequency governor", GOVERNOR, "powersave", "powersave"),
    "nothing isolated": ("isolated CPUs", "/sys/devices/system/cpu/isolated", "", "none"),
    "hyperthreads": ("SMT", "/sys/devices/system/cpu/smt/control", "on", "on"),
    "no huge pages": ("huge pages", "/proc/sys/vm/nr_hugepages", "0", "0"),
    "stolen time": ("steal", "/proc/stat", "cpu0 0 0 0 0 0 0 0 2000 0 0", "1.00%"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_setting_that_shapes_the_tail_is_a_warning_with_something_to_do(host: Host, case: str) -> None:
    name, path, content, observed = FILES[case]
    host.files[path] = content
    findings = host.findings()
    found = findings.pop(name)
    assert (found.status, observed in found.observed, bool(found.todo)) == ("warning", True, True)
    assert {finding.status for finding in findings.values()} == {"good"}, "nothing else changed"


def test_a_host_without_a_governor_has_nothing_to_tune(host: Host) -> None:
    del host.files[GOVERNOR]
    assert host.findings()["frequency governor"].status == "good"


def test_what_stops_a_lab_is_missing_and_not_a_warning(host: Host) -> None:
    host.uid, host.cpus, host.programs, host.af_xdp = 1_000, {0}, set(), False
    findings = host.findings()
    assert [name for name, finding in findings.items() if finding.status == "missing"] == [
        *("root", "CPUs", "AF_XDP", "ip")
    ]
    assert findings["tshark"].status == "warning", "only evidence needs it"
    assert findings["ip"].todo == "apt-get install iproute2"
    assert findings["root"].todo.startswith("sudo")
    assert "not supported" in findings["AF_XDP"].observed


def test_a_clock_without_an_interface_stamps_no_packet(host: Host) -> None:
    (host.folder / "ptp0" / "device" / "net").rmdir()
    found = host.findings()["time stamps"]
    assert found.status == "warning"
    assert "sw-driver" in found.observed


def test_a_finding_is_json(host: Host) -> None:
    host.uid = 1
    found = host.findings()["root"].to_json()
    assert found == {"name": "root", "status": "missing", "observed": "uid 1", "todo": "sudo tailgate ..."}


def test_this_very_host_can_be_examined() -> None:
    assert len(examine()) == len(doctor.EXAMINATIONS)
    assert all(isinstance(value, str) for value in host_knobs().values())


# Counters


def test_stolen_time_is_that_of_the_cpus_asked_for(host: Host) -> None:
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    assert steal_ns({0}) == 2 * tick_ns
    assert steal_ns({1}) == 3 * tick_ns
    assert steal_ns({0, 1}) == 5 * tick_ns
    assert steal_ns({7}) == 0


def test_switches_of_a_process_that_is_gone_are_none() -> None:
    assert involuntary_switches(os.getpid()) >= 0
    assert involuntary_switches(2**22 + 1) == 0


# Cores


def test_two_cpus_are_shared_by_exchange_and_lab() -> None:
    assert choose_cores({0, 1}) == Cores(engine=1, exchange=0, lab=0)


def test_with_three_cpus_the_lab_has_its_own() -> None:
    assert choose_cores({3, 4, 5}) == Cores(engine=5, exchange=4, lab=3)


def test_one_cpu_is_not_enough() -> None:
    with pytest.raises(MissingError, match="two CPUs") as caught:
        choose_cores({6})
    assert "[6]" in str(caught.value)


def test_without_a_set_the_affinity_of_this_process_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {8, 9})
    assert choose_cores() == Cores(engine=9, exchange=8, lab=8)
