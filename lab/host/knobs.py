"""Files of /proc and /sys go in; named settings of the host and counters of what it took away come out."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["host_knobs", "involuntary_switches", "steal_ns"]

CPU_STEAL_FIELD = 8  # of a cpu line in /proc/stat, counted from the name
NS = 1_000_000_000


def read(path: str) -> str:
    """A setting's text, or "absent"."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return "absent"


def cpu_field(name: str) -> str:
    for line in read("/proc/cpuinfo").splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def host_knobs() -> dict[str, str]:
    """What two runs must share to be compared: machine, kernel, and the settings that shape a tail."""
    flags = set(cpu_field("flags").split())
    return {
        "architecture": platform.machine(),
        "cpu": cpu_field("model name"),
        "cpus": str(os.cpu_count()),
        "kernel": platform.release(),
        "virtualised": "yes" if "hypervisor" in flags else "no",
        "clocksource": read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "invariant_tsc": "yes" if {"constant_tsc", "nonstop_tsc"} <= flags else "no",
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "smt": read("/sys/devices/system/cpu/smt/control"),
        "isolated_cpus": read("/sys/devices/system/cpu/isolated") or "none",
        "transparent_huge_pages": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "huge_pages": read("/proc/sys/vm/nr_hugepages"),
        "rt_runtime_us": read("/proc/sys/kernel/sched_rt_runtime_us"),
        "bpf_jit": read("/proc/sys/net/core/bpf_jit_enable"),
    }


def steal_ns(cpus: set[int]) -> int:
    """Time since boot that the hypervisor gave these CPUs to others, in ns (the kernel counts in ticks)."""
    tick_ns = NS // os.sysconf("SC_CLK_TCK")
    total = 0
    for line in read("/proc/stat").splitlines():
        fields = line.split()
        if fields and fields[0].startswith("cpu") and fields[0][3:].isdigit() and int(fields[0][3:]) in cpus:
            total += int(fields[CPU_STEAL_FIELD]) * tick_ns
    return total


def involuntary_switches(pid: int) -> int:
    """How often the threads of a process were taken off their CPU against their will; 0 when it is gone."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in read(str(status)).splitlines():
            if line.startswith("nonvoluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total
