"""What this host can measure, at which grade, and what to change: a list of findings comes out, nothing changes."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.host.knobs import host_knobs, read, steal_ns

__all__ = ["Finding", "examine"]

AF_XDP = 44
HUGE_FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
PTP = Path("/sys/class/ptp")
Status = Literal["good", "warning", "missing"]
STEAL_WARNING_PERMILLE = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. ``missing`` stops a lab, ``warning`` shapes its tail; ``todo`` is a command or a setting."""

    name: str
    status: Status
    observed: str
    todo: str = ""

    def to_json(self) -> dict[str, str]:
        return dict(vars(self))


def finding(name: str, good: bool, observed: str, todo: str, *, needed: bool = False) -> Finding:
    status: Status = "good" if good else "missing" if needed else "warning"
    return Finding(name=name, status=status, observed=observed, todo="" if good else todo)


def privilege() -> Finding:
    root = os.geteuid() == 0
    return finding("root", root, "yes" if root else f"uid {os.geteuid()}", "sudo tailgate ...", needed=True)


def cpus() -> Finding:
    count = len(os.sched_getaffinity(0))
    return finding(
        "CPUs", count >= 2, str(count), "two CPUs, better three: engine, exchange, lab", needed=True
    )


def af_xdp() -> Finding:
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW, 0).close()
    except OSError as error:
        todo = "root, and a kernel with CONFIG_XDP_SOCKETS"
        return finding("AF_XDP", False, str(error), todo, needed=True)
    return finding("AF_XDP", True, "sockets can be opened", "")


def bypass_tcp() -> Finding:
    from engine.wires import bypass_built

    todo = "apt-get install liblwip-dev, then build again (ci/setup)"
    built = bypass_built()
    return finding(
        "bypass TCP", built, "lwIP" if built else "built without lwIP: orders over the kernel only", todo
    )


def dpdk() -> Finding:
    from engine.wires import dpdk_built, dpdk_version

    todo = "apt-get install libdpdk-dev, then build again (ci/setup)"
    observed = (
        f"{dpdk_version()}, {free_huge_mb()} MB of free huge pages" if dpdk_built() else "built without it"
    )
    return finding("DPDK", dpdk_built(), observed, todo)


def free_huge_mb() -> int:
    """Megabytes in free pages of 2 MB; without them DPDK runs on ordinary ones."""
    pages = read(HUGE_FREE)
    return 2 * int(pages) if pages.isdigit() else 0


def program(name: str, package: str) -> Callable[[], Finding]:
    def look() -> Finding:
        path = shutil.which(name)
        return finding(
            name, path is not None, path or "not found", f"apt-get install {package}", needed=name == "ip"
        )

    return look


def clock() -> Finding:
    knobs = host_knobs()
    good = knobs["clocksource"] == "tsc" and knobs["invariant_tsc"] == "yes"
    observed = f"clocksource {knobs['clocksource']}, invariant counter: {knobs['invariant_tsc']}"
    return finding("clock", good, observed, "boot with tsc=reliable on a CPU with an invariant counter")


def stamps() -> Finding:
    # A hypervisor's clock is a PTP clock too, but has no interface and stamps no packet.
    devices = sorted(path.name for path in PTP.glob("ptp*") if (path / "device" / "net").is_dir())
    observed = ", ".join(devices) if devices else "no PTP clock: wire stamps have grade sw-driver (XDP hook)"
    return finding(
        "time stamps", bool(devices), observed, "a NIC with hardware time stamps (ethtool -T INTERFACE)"
    )


def governor() -> Finding:
    value = host_knobs()["governor"]
    good = value in ("performance", "absent")
    return finding("frequency governor", good, value, "cpupower frequency-set -g performance")


def isolation() -> Finding:
    value = host_knobs()["isolated_cpus"]
    return finding(
        "isolated CPUs", value != "none", value, "boot with isolcpus= nohz_full= rcu_nocbs= for the engine"
    )


def smt() -> Finding:
    value = host_knobs()["smt"]
    return finding("SMT", value != "on", value, "echo off > /sys/devices/system/cpu/smt/control")


def huge_pages() -> Finding:
    value = host_knobs()["huge_pages"]
    return finding("huge pages", value not in ("0", "absent"), value, "sysctl vm.nr_hugepages=256")


def steal() -> Finding:
    uptime_ns = float(read("/proc/uptime").split()[0]) * 1e9 * (os.cpu_count() or 1)
    permille = 1000 * steal_ns(set(range(os.cpu_count() or 1))) / uptime_ns
    observed = f"{permille / 10:.2f}% of CPU time since boot went to other guests"
    return finding(
        "steal", permille < STEAL_WARNING_PERMILLE, observed, "dedicated cores: tails here include the host's"
    )


EXAMINATIONS: tuple[Callable[[], Finding], ...] = (
    privilege,
    cpus,
    af_xdp,
    bypass_tcp,
    dpdk,
    program("ip", "iproute2"),
    program("tshark", "tshark"),
    clock,
    stamps,
    governor,
    isolation,
    smt,
    huge_pages,
    steal,
)


def examine() -> list[Finding]:
    """Every finding, in a fixed order."""
    return [look() for look in EXAMINATIONS]
