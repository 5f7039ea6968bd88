"""One network port goes in; what of it, and of the cores beside it, shapes a tail comes out, with what to change.

A row is ``good``, a ``warning`` with the command that changes it, or ``unknown``: what cannot be read is never good.
Nothing is changed. Files are read below ``system`` and ``processes``, the driver is asked through ``ask``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.host.cores import Cores, choose_cores
from lab.host.doctor import Finding, Status
from lab.host.ethtool import Channels, Coalescing, Driver, Ethtool, Rings, Stamping
from lab.host.netdev import XdpSupport, xdp_support
from lab.host.pci import interface_of, refusal

__all__ = ["CardReport", "examine_nic", "look_at"]

FAST_MBPS = 10_000
RING_MIN = 1024  # a burst of a thousand frames, while the core is away for a moment
MERGING = {"rx-lro": "lro", "rx-gro-hw": "rx-gro-hw"}


@dataclass(frozen=True, kw_only=True)
class CardReport:
    """What the driver and the kernel say of one interface; None is what they do not say."""

    driver: Driver | None = None
    speed_mbps: int | None = None
    channels: Channels | None = None
    rings: Rings | None = None
    coalescing: Coalescing | None = None
    stamping: Stamping | None = None
    rules: int | None = None
    features: dict[str, bool] = field(default_factory=dict)
    changeable: frozenset[str] = frozenset()
    xdp: XdpSupport | None = None


def look_at(interface: str) -> CardReport:
    """Asks the kernel; UsageError when this namespace has no such interface."""
    try:
        index = socket.if_nametoindex(interface)
    except OSError as error:
        there = ", ".join(name for _, name in socket.if_nameindex())
        raise refusal(interface, f"there is no such interface; there are: {there}", todo="ip link") from error
    card = Ethtool(interface)
    return CardReport(
        driver=card.driver(),
        speed_mbps=card.speed_mbps(),
        channels=card.channels(),
        rings=card.rings(),
        coalescing=card.coalescing(),
        stamping=card.stamping(),
        rules=card.rule_count(),
        features=card.features(),
        changeable=frozenset(card.requested()),
        xdp=xdp_support(index),
    )


def examine_nic(
    name: str,
    *,
    ask: Callable[[str], CardReport] = look_at,
    system: Path = Path("/sys"),
    processes: Path = Path("/proc"),
    cores: Cores | None = None,
) -> list[Finding]:
    """Every row about one port, in a fixed order. UsageError when there is no such port."""
    interface = interface_of(name, system=system)
    card = Card(interface, ask(interface), system, processes, cores or choose_cores())
    return [
        *(
            card.driver(),
            card.firmware(),
            card.bus(),
            card.link(),
            card.queues(),
            card.rings(),
            card.merging(),
        ),
        *(card.interrupts(), card.coalescing(), card.steering(), card.stamps(), card.clock()),
        *(card.xdp(), card.xdp_stamps(), card.numa(), card.isolation(), card.governor(), card.siblings()),
    ]


class Card:
    """One port, and the files around it."""

    def __init__(
        self, interface: str, report: CardReport, system: Path, processes: Path, cores: Cores
    ) -> None:
        self.interface, self.report, self.cores = interface, report, cores
        self.system, self.processes = system, processes
        self.device = system / "class/net" / interface / "device"
        self.busy = sorted({cores.engine, cores.exchange})

    def row(self, name: str, good: bool | None, observed: str, todo: str = "") -> Finding:
        status: Status = "unknown" if good is None else "good" if good else "warning"
        return Finding(
            name=f"{self.interface}: {name}", status=status, observed=observed, todo="" if good else todo
        )

    def driver(self) -> Finding:
        found = self.report.driver
        if found is None:
            return self.row("driver", None, "the interface has none that says its name")
        return self.row("driver", True, f"{found.name} {found.version}".strip())

    def firmware(self) -> Finding:
        """Read, but whether it is current is the vendor's to say."""
        found = self.report.driver
        text = found.firmware if found else ""
        if not text or text == "N/A":
            return self.row("firmware", None, "the driver does not say")
        return self.row("firmware", None, text, "compare it with the vendor's newest: devlink dev info")

    def bus(self) -> Finding:
        found = self.report.driver
        address = found.bus if found else ""
        folder = self.system / "bus/pci/devices" / address if address else None
        if folder is None or not folder.is_dir():
            return self.row("bus", None, f"{address or 'no address'}: not a PCI device that sysfs shows")
        now, most = (
            [text(folder / f"{which}_link_{what}") for what in ("speed", "width")]
            for which in ("current", "max")
        )
        if None in now or None in most:
            return self.row("bus", None, f"{address}, PCIe link not known", f"lspci -vv -s {address}")
        observed = f"{address}, PCIe {now[0]} x{now[1]} of {most[0]} x{most[1]}"
        return self.row(
            "bus", now == most, observed, "put the card into a slot with all its lanes; lspci -vv"
        )

    def link(self) -> Finding:
        speed = self.report.speed_mbps
        if speed is None:
            todo = f"ip link set {self.interface} up; ethtool {self.interface}"
            return self.row("link", None, "no speed: no carrier, or not a card", todo)
        wire = f"{speed:,} Mb/s, {8_000 / speed:.2g} ns a byte"
        return self.row("link", speed >= FAST_MBPS, wire, "a 10 Gb/s link or faster at both ends")

    def queues(self) -> Finding:
        found = self.report.channels
        if found is None:
            return self.row("queues", None, "the driver does not say")
        one = "combined 1" if found.combined else "rx 1"
        most = max(found.rx_max, 0) + max(found.combined_max, 0)
        todo = f"ethtool -L {self.interface} {one} (a run does it for its ports, and undoes it)"
        return self.row("queues", found.receiving == 1, f"{found.receiving} of {most} receive", todo)

    def rings(self) -> Finding:
        found = self.report.rings
        if found is None:
            return self.row("rings", None, "the driver does not say")
        wanted = min(RING_MIN, found.rx_max)
        observed = f"rx {found.rx} of {found.rx_max}, tx {found.tx} of {found.tx_max}"
        return self.row("rings", found.rx >= wanted, observed, f"ethtool -G {self.interface} rx {wanted}")

    def merging(self) -> Finding:
        if not self.report.features:
            return self.row("merging", None, "the driver does not say")
        on = [short for name, short in MERGING.items() if self.report.features.get(name)]
        todo = f"ethtool -K {self.interface} {' '.join(f'{name} off' for name in on)}"
        return self.row("merging", not on, f"{', '.join(on)} on" if on else "frames stay as they were", todo)

    def interrupts(self) -> Finding:
        numbers = sorted(
            int(path.name)
            for folder in (self.device, self.device / "..")
            for path in folder.glob("msi_irqs/*")
            if path.name.isdigit()
        )
        places = {number: self._cpus_of(number) for number in numbers}
        known = {number: cpus for number, cpus in places.items() if cpus is not None}
        if not known:
            return self.row("interrupts", None, "none that sysfs and /proc/irq show")
        kept = {self.cores.engine, self.cores.exchange} - {self.cores.lab}
        wrong = sorted(number for number, cpus in known.items() if cpus & kept)
        busy = " or ".join(map(str, sorted(kept)))
        if wrong:
            some = ",".join(map(str, wrong))
            files = (
                f"/proc/irq/{{{some}}}/smp_affinity_list"
                if len(wrong) > 1
                else f"/proc/irq/{some}/smp_affinity_list"
            )
            todo = f"systemctl stop irqbalance; echo {self.cores.lab} | tee {files}"
            return self.row("interrupts", False, f"{len(wrong)} of {len(known)} may come on CPU {busy}", todo)
        if len(known) < len(places):
            return self.row("interrupts", None, f"{len(places) - len(known)} of {len(places)} cannot be read")
        return self.row("interrupts", True, f"{len(known)}, none on CPU {busy}")

    def _cpus_of(self, number: int) -> set[int] | None:
        for name in ("effective_affinity_list", "smp_affinity_list"):
            found = cpu_list(self.processes / "irq" / str(number) / name)
            if found:
                return found
        return None

    def coalescing(self) -> Finding:
        found = self.report.coalescing
        if found is None:
            return self.row("coalescing", None, "the driver does not say")
        adaptive = "adaptive, " if found.adaptive_rx else ""
        observed = f"{adaptive}rx after {found.rx_us} us or {found.rx_frames} frames"
        good = not found.adaptive_rx and found.rx_us == 0 and found.rx_frames <= 1
        todo = f"ethtool -C {self.interface} adaptive-rx off rx-usecs 0 rx-frames 1"
        return self.row("coalescing", good, observed, todo)

    def steering(self) -> Finding:
        on, channels = self.report.features.get("rx-ntuple-filter"), self.report.channels
        if on:
            rules = "unknown" if self.report.rules is None else str(self.report.rules)
            return self.row("flow steering", True, f"on, rules: {rules}")
        if channels is not None and channels.receiving == 1:
            return self.row("flow steering", True, "off; with one queue there is nothing to steer")
        if on is None or "rx-ntuple-filter" not in self.report.changeable:
            return self.row(
                "flow steering", None, "the driver does not offer it; with one queue it is not needed"
            )
        todo = f"ethtool -K {self.interface} ntuple on, or one queue"
        return self.row("flow steering", False, "off, with several queues", todo)

    def stamps(self) -> Finding:
        found = self.report.stamping
        if found is None:
            return self.row("time stamps", None, "the driver does not say", f"ethtool -T {self.interface}")
        if not found.rx_hardware:
            todo = "a card that stamps every packet it receives; until then stamps have grade sw-driver"
            return self.row("time stamps", False, "none in hardware", todo)
        if not found.every_packet:
            todo = "a card whose receive filter can be 'all'; until then stamps have grade sw-driver"
            return self.row("time stamps", False, "in hardware, but for PTP frames only", todo)
        return self.row("time stamps", True, "every packet received, in hardware")

    def clock(self) -> Finding:
        found = self.report.stamping
        if found is None:
            return self.row("PTP clock", None, "the driver does not say")
        if found.clock is None:
            return self.row("PTP clock", False, "none", "a card with a PTP hardware clock")
        name = text(self.system / f"class/ptp/ptp{found.clock}/clock_name")
        if name is None:
            return self.row("PTP clock", None, f"ptp{found.clock}, which sysfs does not show", "modprobe ptp")
        return self.row("PTP clock", True, f"/dev/ptp{found.clock} ({name})")

    def xdp(self) -> Finding:
        found = self.report.xdp
        if found is None:
            return self.row(
                "XDP", None, "this kernel does not say; a run tries and reports", "kernel 6.3 or newer"
            )
        if not (found.native and found.redirect):
            return self.row("XDP", False, "not in the driver", "a driver with native XDP, or wire: kernel")
        if not found.zero_copy:
            todo = "a driver with AF_XDP zero copy; in copy mode every packet costs a copy and an interrupt's turn"
            return self.row("XDP", False, "native, AF_XDP in copy mode", todo)
        return self.row("XDP", True, "native, AF_XDP zero copy")

    def xdp_stamps(self) -> Finding:
        found = self.report.xdp
        if found is None:
            return self.row("XDP stamps", None, "this kernel does not say", "kernel 6.3 or newer")
        hardware = self.report.stamping is not None and self.report.stamping.rx_hardware
        observed = (
            "programs can ask for the stamp of a packet" if found.rx_timestamp else "not in this driver"
        )
        if found.rx_timestamp and not hardware:
            observed += ", but there is none in hardware"
        todo = "a driver with rx-timestamp (mlx5, ice, igc, stmmac, ...); until then grade sw-driver"
        return self.row("XDP stamps", found.rx_timestamp and hardware, observed, todo)

    def numa(self) -> Finding:
        raw = text(self.device / "numa_node")
        nodes = cpu_list(self.system / "devices/system/node/online")
        cores = {cpu: self._node_of(cpu) for cpu in self.busy}
        if raw is None or None in cores.values():
            return self.row("NUMA node", None, "the kernel does not say where the card is")
        if int(raw) < 0:
            alone = nodes is not None and len(nodes) == 1
            return self.row("NUMA node", alone or None, "only one" if alone else "the firmware does not say")
        far = [cpu for cpu, node in cores.items() if node != int(raw)]
        near = text(self.system / f"devices/system/node/node{raw}/cpulist")
        observed = f"card on {raw}, CPU {', '.join(f'{cpu} on {node}' for cpu, node in cores.items())}"
        return self.row(
            "NUMA node", not far, observed, f"taskset -c {near or 'CPUS-OF-THE-NODE'} tailgate run ..."
        )

    def _node_of(self, cpu: int) -> int | None:
        found = [path.name[4:] for path in (self.system / f"devices/system/cpu/cpu{cpu}").glob("node[0-9]*")]
        return int(found[0]) if found else None

    def isolation(self) -> Finding:
        folder = self.system / "devices/system/cpu"
        isolated, tickless = cpu_list(folder / "isolated"), cpu_list(folder / "nohz_full")
        wanted = ",".join(map(str, self.busy))
        todo = f"boot with isolcpus=managed_irq,domain,{wanted} nohz_full={wanted} rcu_nocbs={wanted}"
        if isolated is None:
            return self.row("isolation", None, "the kernel does not say", todo)
        open_ = [cpu for cpu in self.busy if cpu not in isolated]
        ticking = [cpu for cpu in self.busy if cpu not in (tickless or set())]
        said = [f"CPU {', '.join(map(str, open_))} not isolated"] if open_ else []
        said += [f"CPU {', '.join(map(str, ticking))} not in nohz_full"] if ticking else []
        return self.row("isolation", not said, "; ".join(said) or f"CPU {wanted} isolated and tickless", todo)

    def governor(self) -> Finding:
        folder = self.system / "devices/system/cpu"
        found = {cpu: text(folder / f"cpu{cpu}/cpufreq/scaling_governor") for cpu in self.busy}
        if None in found.values():
            return self.row(
                "governor", None, "no frequency control to be seen: a guest, or it is off in the BIOS"
            )
        observed = ", ".join(f"CPU {cpu} {name}" for cpu, name in found.items())
        good = set(found.values()) == {"performance"}
        return self.row("governor", good, observed, "cpupower frequency-set -g performance")

    def siblings(self) -> Finding:
        """A thread beside a busy one takes half of its core; the two busy CPUs are threads of two cores."""
        folder = self.system / "devices/system/cpu"
        found = {cpu: cpu_list(folder / f"cpu{cpu}/topology/thread_siblings_list") for cpu in self.busy}
        if not all(found.values()):
            return self.row("SMT", None, "the kernel does not say which CPUs share a core")
        beside = {other for cpu, cpus in found.items() for other in (cpus or set()) - {cpu}}
        if not beside:
            return self.row(
                "SMT", True, f"CPU {' and '.join(map(str, self.busy))} have their cores for themselves"
            )
        if beside & set(self.busy):
            todo = "echo off > /sys/devices/system/cpu/smt/control"
            return self.row("SMT", False, "engine and exchange share one core", todo)
        todo = "; ".join(f"echo 0 > /sys/devices/system/cpu/cpu{cpu}/online" for cpu in sorted(beside))
        return self.row("SMT", False, f"CPU {', '.join(map(str, sorted(beside)))} beside the busy ones", todo)


def text(path: Path) -> str | None:
    """What a file says; None when it is not there or cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def cpu_list(path: Path) -> set[int] | None:
    """The numbers of "0-2,7"; the empty set of an empty file, None of none."""
    raw = text(path)
    if raw is None:
        return None
    found: set[int] = set()
    for part in raw.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found
