"""Rows about ports that are made up, file by file and answer by answer, and about a real loopback and veth."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UsageError
from lab.host import Cores, Finding
from lab.host.ethtool import Channels, Coalescing, Driver, Ethtool, Rings, Stamping
from lab.host.netdev import XdpSupport
from lab.host.nic import CardReport, cpu_list, examine_nic, look_at
from lab.host.pci import interface_of

PCI = "0000:01:00.0"
GOOD = CardReport(
    driver=Driver(name="ice", version="6.1", firmware="4.40 0x8001c967", bus=PCI),
    speed_mbps=25_000,
    channels=Channels(rx=0, tx=0, other=1, combined=1, rx_max=0, tx_max=0, other_max=1, combined_max=64),
    rings=Rings(rx=2048, tx=256, rx_max=8160, tx_max=8160),
    coalescing=Coalescing(rx_us=0, rx_frames=1, tx_us=0, tx_frames=1, adaptive_rx=False, adaptive_tx=False),
    stamping=Stamping(clock=0, rx_hardware=True, every_packet=True),
    rules=0,
    features={"rx-lro": False, "rx-gro-hw": False, "rx-ntuple-filter": True},
    changeable=frozenset({"rx-lro", "rx-ntuple-filter"}),
    xdp=XdpSupport(native=True, redirect=True, zero_copy=True, rx_timestamp=True),
)
CARD = "sys/class/net/enp1s0f0/device"
CPU = "sys/devices/system/cpu"
FILES = {
    f"sys/bus/pci/devices/{PCI}/current_link_speed": "16.0 GT/s PCIe",
    f"sys/bus/pci/devices/{PCI}/max_link_speed": "16.0 GT/s PCIe",
    f"sys/bus/pci/devices/{PCI}/current_link_width": "8",
    f"sys/bus/pci/devices/{PCI}/max_link_width": "8",
    f"{CARD}/msi_irqs/40": "msix",
    f"{CARD}/msi_irqs/41": "msix",
    f"{CARD}/numa_node": "1",
    "proc/irq/40/effective_affinity_list": "0",
    "proc/irq/41/smp_affinity_list": "0-1",
    "sys/class/ptp/ptp0/clock_name": "ice-0000:01:00.0-clk",
    "sys/devices/system/node/online": "0-1",
    "sys/devices/system/node/node1/cpulist": "4-7",
    f"{CPU}/isolated": "6-7",
    f"{CPU}/nohz_full": "6-7",
    **{
        f"{CPU}/cpu{cpu}/{name}": value
        for cpu in (6, 7)
        for name, value in {
            "node1/cpulist": "4-7",
            "cpufreq/scaling_governor": "performance",
            "topology/thread_siblings_list": str(cpu),
        }.items()
    },
}
CORES = Cores(engine=7, exchange=6, lab=0)


class Host:
    def __init__(self, folder: Path) -> None:
        self.folder, self.report = folder, GOOD
        for path, content in FILES.items():
            self.write(path, content)

    def write(self, path: str, content: str | None) -> None:
        full = self.folder / path
        full.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            full.unlink()
        else:
            full.write_text(content + "\n")

    def rows(self) -> dict[str, Finding]:
        found = examine_nic(
            "enp1s0f0",
            ask=lambda _name: self.report,
            system=self.folder / "sys",
            processes=self.folder / "proc",
            cores=CORES,
        )
        return {row.name.removeprefix("enp1s0f0: "): row for row in found}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_good_port_has_nothing_to_change_and_firmware_is_for_the_vendor_to_judge(host: Host) -> None:
    rows = host.rows()
    firmware = rows.pop("firmware")
    assert {row.status for row in rows.values()} == {"good"}
    assert {row.todo for row in rows.values()} == {""}
    assert (firmware.status, firmware.observed) == ("unknown", "4.40 0x8001c967")
    assert list(rows) == [
        *("driver", "bus", "link", "queues", "rings", "merging", "interrupts", "coalescing", "flow steering"),
        *("time stamps", "PTP clock", "XDP", "XDP stamps", "NUMA node", "isolation", "governor", "SMT"),
    ]


ANSWERS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "slow link": ("link", {"speed_mbps": 1_000}, "1,000 Mb/s, 8 ns a byte", "10 Gb/s"),
    "many queues": (
        "queues",
        {"channels": replace(GOOD.channels, combined=16)},  # type: ignore[type-var]
        "16 of 64",
        "ethtool -L enp1s0f0 combined 1",
    ),
    "queues apart": (
        "queues",
        {
            "channels": Channels(
                rx=4, tx=4, other=0, combined=0, rx_max=8, tx_max=8, other_max=0, combined_max=0
            )
        },
        "4 of 8",
        "ethtool -L enp1s0f0 rx 1",
    ),
    "short ring": (
        "rings",
        {"rings": Rings(rx=256, tx=256, rx_max=512, tx_max=512)},
        "rx 256 of 512",
        "ethtool -G enp1s0f0 rx 512",
    ),
    "merging": (
        "merging",
        {"features": {**GOOD.features, "rx-lro": True}},
        "lro on",
        "ethtool -K enp1s0f0 lro off",
    ),
    "coalescing": (
        "coalescing",
        {"coalescing": replace(GOOD.coalescing, rx_us=50, adaptive_rx=True)},  # type: ignore[type-var]
        "adaptive, rx after 50 us",
        "ethtool -C enp1s0f0 adaptive-rx off rx-usecs 0 rx-frames 1",
    ),
    "steering": (
        "flow steering",
        {
            "features": {"rx-ntuple-filter": False},
            "channels": replace(GOOD.channels, combined=2),  # type: ignore[type-var]
        },
        "off, with several queues",
        "ethtool -K enp1s0f0 ntuple on",
    ),
    "no stamps": (
        "time stamps",
        {"stamping": Stamping(clock=0, rx_hardware=False, every_packet=False)},
        "none",
        "sw-",
    ),
    "PTP frames only": (
        "time stamps",
        {"stamping": Stamping(clock=0, rx_hardware=True, every_packet=False)},
        "PTP frames only",
        "sw-driver",
    ),
    "no clock": (
        "PTP clock",
        {"stamping": Stamping(clock=None, rx_hardware=True, every_packet=True)},
        "none",
        "PTP",
    ),
    "copy mode": (
        "XDP",
        {"xdp": XdpSupport(native=True, redirect=True, zero_copy=False, rx_timestamp=True)},
        "copy mode",
        "zero copy",
    ),
    "no native XDP": (
        "XDP",
        {"xdp": XdpSupport(native=False, redirect=False, zero_copy=False, rx_timestamp=True)},
        "not in the driver",
        "wire: kernel",
    ),
    "no XDP stamps": (
        "XDP stamps",
        {"xdp": XdpSupport(native=True, redirect=True, zero_copy=True, rx_timestamp=False)},
        "not in this driver",
        "rx-timestamp",
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_that_shapes_the_tail_is_a_warning_with_the_command(host: Host, case: str) -> None:
    name, change, observed, todo = ANSWERS[case]
    host.report = replace(GOOD, **change)
    row = host.rows()[name]
    assert row.status == "warning"
    assert observed in row.observed
    assert todo in row.todo


CHANGES = {
    "narrow slot": (
        "bus",
        f"sys/bus/pci/devices/{PCI}/current_link_width",
        "4",
        "x4 of 16.0 GT/s PCIe x8",
        "slot",
    ),
    "interrupt on a busy core": (
        "interrupts",
        "proc/irq/41/smp_affinity_list",
        "0-7",
        "1 of 2 may come on CPU 6 or 7",
        "echo 0 | tee /proc/irq/41/smp_affinity_list",
    ),
    "far node": (
        "NUMA node",
        f"{CARD}/numa_node",
        "0",
        "card on 0, CPU 6 on 1, 7 on 1",
        "taskset -c CPUS-OF",
    ),
    "not isolated": (
        "isolation",
        f"{CPU}/isolated",
        "7",
        "CPU 6 not isolated",
        "isolcpus=managed_irq,domain,6,7",
    ),
    "ticking": ("isolation", f"{CPU}/nohz_full", "", "CPU 6, 7 not in nohz_full", "nohz_full=6,7"),
    "saving": (
        "governor",
        f"{CPU}/cpu7/cpufreq/scaling_governor",
        "powersave",
        "CPU 7 powersave",
        "cpupower",
    ),
    "sibling": (
        "SMT",
        f"{CPU}/cpu7/topology/thread_siblings_list",
        "7,15",
        "CPU 15 beside the busy ones",
        "echo 0 > /sys/devices/system/cpu/cpu15/online",
    ),
    "one core for two": (
        "SMT",
        f"{CPU}/cpu7/topology/thread_siblings_list",
        "6-7",
        "engine and exchange share one core",
        "echo off > /sys/devices/system/cpu/smt/control",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_that_tells_of_a_tail_is_a_warning_with_the_command(host: Host, case: str) -> None:
    name, path, content, observed, todo = CHANGES[case]
    host.write(path, content)
    rows = host.rows()
    row = rows.pop(name)
    assert row.status == "warning"
    assert observed in row.observed
    assert todo in row.todo
    rows.pop("firmware")
    assert {other.status for other in rows.values()} == {"good"}, "nothing else changed"


UNREADABLE = {
    "bus": f"sys/bus/pci/devices/{PCI}/max_link_speed",
    "NUMA node": f"{CARD}/numa_node",
    "PTP clock": "sys/class/ptp/ptp0/clock_name",
    "interrupts": "proc/irq/41/smp_affinity_list",
    "isolation": f"{CPU}/isolated",
    "governor": f"{CPU}/cpu6/cpufreq/scaling_governor",
    "SMT": f"{CPU}/cpu6/topology/thread_siblings_list",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_unknown(host: Host, name: str) -> None:
    host.write(UNREADABLE[name], None)
    assert host.rows()[name].status == "unknown"


def test_a_driver_that_says_nothing_leaves_everything_unknown(host: Host) -> None:
    host.report = CardReport()
    rows = host.rows()
    of_the_host = {"NUMA node", "isolation", "governor", "SMT", "interrupts"}
    assert {name for name, row in rows.items() if row.status == "good"} == of_the_host
    assert {row.status for name, row in rows.items() if name not in of_the_host} == {"unknown"}


def test_an_empty_tree_is_nowhere_good(tmp_path: Path) -> None:
    rows = examine_nic(
        "enp1s0f0", ask=lambda _: CardReport(), system=tmp_path, processes=tmp_path, cores=CORES
    )
    assert {row.status for row in rows} == {"unknown"}


def test_lists_of_cpus_are_read(tmp_path: Path) -> None:
    path = tmp_path / "list"
    for content, found in {
        "0-2,7\n": {0, 1, 2, 7},
        "\n": set(),
        "3": {3},
        "": set(),
        "(null)": set(),
    }.items():
        path.write_text(content)
        assert cpu_list(path) == found
    assert cpu_list(tmp_path / "none") is None


# PCI addresses


def device(
    folder: Path, address: str, *, interfaces: tuple[str, ...] = (), driver: str | None = None
) -> None:
    path = folder / "bus/pci/devices" / address
    path.mkdir(parents=True)
    for name in interfaces:
        (path / name).mkdir(parents=True)
    if driver:
        (folder / driver).mkdir()
        (path / "driver").symlink_to(folder / driver)


def test_a_pci_address_is_its_interface_or_one_line_that_says_why_not(tmp_path: Path) -> None:
    device(tmp_path, "0000:01:00.0", interfaces=("net/enp1s0f0np0",))
    device(tmp_path, "0000:01:00.1", driver="vfio-pci")
    device(tmp_path, "0000:02:00.0", interfaces=("net/one", "net/two"))
    device(tmp_path, "0000:03:00.0")
    device(tmp_path, "0000:04:00.0", interfaces=("virtio3/net/eth3",))
    for name, interface in {
        "0000:01:00.0": "enp1s0f0np0",
        "01:00.0": "enp1s0f0np0",
        "0000:04:00.0": "eth3",
        "enp1s0f0np0": "enp1s0f0np0",
    }.items():
        assert interface_of(name, system=tmp_path) == interface
    for address, said in {
        "0000:01:00.1": "bound to vfio-pci, so the kernel has no interface for it",
        "0000:02:00.0": "several interfaces: one, two",
        "0000:03:00.0": "no driver is bound to it",
        "0000:09:00.0": "no such PCI device",
    }.items():
        with pytest.raises(UsageError, match=said):
            interface_of(address, system=tmp_path)


# This very host


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    if os.geteuid() != 0:
        pytest.skip("needs root: a veth pair is made")
    one, other = f"tgv{os.getpid()}a", f"tgv{os.getpid()}b"
    subprocess.run(["ip", "link", "add", one, "type", "veth", "peer", "name", other], check=True)
    yield one, other
    subprocess.run(["ip", "link", "delete", one], check=True)


def test_a_loopback_has_no_driver_and_nothing_of_it_is_called_good_unread() -> None:
    rows = {row.name.removeprefix("lo: "): row for row in examine_nic("lo", cores=CORES)}
    for name in ("driver", "firmware", "bus", "link", "queues", "rings", "interrupts", "coalescing"):
        assert rows[name].status == "unknown", name
    assert rows["time stamps"].status == "warning"


@pytest.mark.privileged
def test_a_veth_is_what_ethtool_says_it_is(pair: tuple[str, str]) -> None:
    report = look_at(pair[0])
    assert report.driver
    assert report.driver.name == "veth"
    shown = subprocess.check_output(["ethtool", "-k", pair[0]], text=True)
    for name, on in report.features.items():
        if f"\n{name}: " in shown:
            assert f"\n{name}: {'on' if on else 'off'}" in shown
    assert report.changeable < set(report.features)
    assert report.stamping == Stamping(clock=None, rx_hardware=False, every_packet=False)


@pytest.mark.privileged
def test_settings_go_out_and_come_back(pair: tuple[str, str]) -> None:
    card = Ethtool(pair[0])
    before = card.requested()
    card.set_features({"tx-checksum-ip-generic": False, "rx-gro": False})
    assert not card.features()["tx-checksum-ip-generic"]
    assert not card.features()["rx-gro"]
    card.set_features(before)
    assert card.requested() == before
    card.set_channels(rx=2, tx=2, other=0, combined=0)
    found = card.channels()
    assert found
    assert (found.rx, found.tx, found.receiving) == (2, 2, 2)
    with pytest.raises(OSError, match="channels"):
        card.set_channels(rx=0, tx=0, other=0, combined=0)


def test_no_such_interface_is_one_line() -> None:
    with pytest.raises(UsageError, match="port tgnone: there is no such interface; there are: lo") as caught:
        examine_nic("tgnone")
    assert caught.value.exit_code == 64
