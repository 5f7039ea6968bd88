"""What a run has made on this machine goes in; nothing of a dead run is left when heal() returns.

The ledger is a directory in /run, one file a run, written before each thing is made. A run whose process
is gone is undone from its file: children ended by pid (checked against their start time, so that a reused
pid is never touched), the host's own interfaces given back as they were, namespaces removed (their interfaces
go with them), scratch directories deleted.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyroute2 import netns

from lab.errors import MissingError, TailgateError, UsageError
from lab.topology.port_state import PortState, give_back, still_in_lab

__all__ = ["LEDGER_DIRECTORY", "Healed", "Ledger", "Process", "heal", "ledgers", "process_started"]

PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
END_SECONDS = 5.0  # for a killed process to be gone
LEDGER_DIRECTORY = Path(os.environ.get("TAILGATE_RUN_DIRECTORY", "/run/tailgate"))


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process we started. ``started`` is its start time in clock ticks since boot (0 = unknown)."""

    pid: int
    started: int


@dataclass(frozen=True, kw_only=True)
class Healed:
    """What heal() took away."""

    runs: int = 0
    processes: int = 0
    namespaces: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()  # the host's own interfaces that are back
    problems: tuple[str, ...] = ()  # what could not be made as it was

    def __bool__(self) -> bool:
        return bool(self.runs)


def process_started(pid: int) -> int:
    """Start time of a live process in clock ticks since boot; 0 when there is none (or it is a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


@dataclass(kw_only=True)
class Ledger:
    """One run's record; every change is on disk before the thing it names is made."""

    prefix: str
    owner: Process
    processes: list[Process] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    ports: list[PortState] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return LEDGER_DIRECTORY / f"{self.prefix}.json"

    @classmethod
    def open(cls, prefix: str) -> Ledger:
        """Starts a ledger for this process. MissingError when not root, UsageError when the name is bad or taken."""
        if not PREFIX.fullmatch(prefix):
            raise UsageError(
                f"--prefix {prefix[:40]!r} cannot name a lab",
                why="network namespaces and files are named after it",
                todo="use 1 to 32 letters, digits, '-' and '_', a letter first",
            )
        if os.geteuid() != 0:
            raise MissingError(
                "a lab needs root",
                install="sudo tailgate ...",
                why="it makes network namespaces, loads BPF programs and pins cores",
            )
        LEDGER_DIRECTORY.mkdir(parents=True, exist_ok=True)
        ledger = cls(prefix=prefix, owner=Process(pid=os.getpid(), started=process_started(os.getpid())))
        with exclusive(LEDGER_DIRECTORY):
            undo_dead_runs()
            if ledger.path.exists():
                other = load(ledger.path)
                if not alive(other):
                    held = ", ".join(port.interface for port in other.ports)
                    raise UsageError(
                        f"a dead lab named {prefix!r} still has {held}", todo="tailgate heal says why"
                    )
                raise UsageError(
                    f"a lab named {prefix!r} is already up",
                    why=f"process {other.owner.pid} owns it",
                    todo="wait for it to end, or choose another name with --prefix",
                )
            ledger.save()
        return ledger

    def save(self) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), indent=1))
        temporary.replace(self.path)

    def add_namespace(self, name: str) -> None:
        self.namespaces.append(name)
        self.save()

    def add_directory(self, path: Path) -> None:
        self.directories.append(str(path))
        self.save()

    def add_port(self, port: PortState) -> None:
        self.ports.append(port)
        self.save()

    def add_process(self, pid: int) -> None:
        self.processes.append(Process(pid=pid, started=process_started(pid)))
        self.save()

    def close(self) -> None:
        """Undoes all that is written down, then forgets it. Safe to call twice.

        TailgateError: a port of the host is not as it was.
        """
        healed = undo(self)
        if healed.problems:
            raise TailgateError(
                "not all is as it was", why="; ".join(healed.problems), todo="ip address; tailgate heal"
            )


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """One at a time: two healers would undo the same run, two runs would take the same name."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def end(process: Process) -> bool:
    """Kills it and waits until it is gone. False when it was gone before, or its pid is another's by now."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if not process.started or process_started(process.pid) != process.started:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], END_SECONDS)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def undo(ledger: Ledger) -> Healed:
    """Takes away everything the ledger names; what is already gone is no error."""
    ended = sum([end(process) for process in ledger.processes])
    problems = {port.interface: give_back(port) for port in ledger.ports}
    kept = [port for port in ledger.ports if still_in_lab(port)]
    if kept:  # the namespace is all that holds them: a later heal tries again
        ledger.ports, ledger.processes = kept, []
        ledger.save()
        return Healed(runs=1, processes=ended, problems=flat(problems))
    present = set(netns.listnetns())
    removed = [name for name in ledger.namespaces if name in present]
    for name in removed:
        netns.remove(name)
    deleted = [path for path in ledger.directories if Path(path).exists()]
    for path in deleted:
        shutil.rmtree(path, ignore_errors=True)
    ledger.path.unlink(missing_ok=True)
    return Healed(
        runs=1,
        processes=ended,
        namespaces=tuple(removed),
        directories=tuple(deleted),
        ports=tuple(port.interface for port in ledger.ports),
        problems=flat(problems),
    )


def flat(problems: Mapping[str, list[str]]) -> tuple[str, ...]:
    return tuple(problem for found in problems.values() for problem in found)


def load(path: Path) -> Ledger:
    raw = json.loads(path.read_text())
    return Ledger(
        prefix=raw["prefix"],
        owner=Process(**raw["owner"]),
        processes=[Process(**process) for process in raw["processes"]],
        namespaces=list(raw["namespaces"]),
        directories=list(raw["directories"]),
        ports=[PortState(**port) for port in raw.get("ports", [])],
    )


def alive(ledger: Ledger) -> bool:
    return process_started(ledger.owner.pid) == ledger.owner.started


def ledgers() -> list[Path]:
    """The files of all runs, dead or alive."""
    return sorted(LEDGER_DIRECTORY.glob("*.json"))


def undo_dead_runs() -> Healed:
    """The work of heal(), for who holds the lock."""
    healed = Healed()
    for path in ledgers():
        ledger = load(path)
        if alive(ledger):
            continue
        one = undo(ledger)
        healed = Healed(
            runs=healed.runs + 1,
            processes=healed.processes + one.processes,
            namespaces=healed.namespaces + one.namespaces,
            directories=healed.directories + one.directories,
            ports=healed.ports + one.ports,
            problems=healed.problems + one.problems,
        )
    return healed


def heal() -> Healed:
    """Undoes every run whose process is gone. Runs that are alive are left alone."""
    if not LEDGER_DIRECTORY.exists():
        return Healed()
    with exclusive(LEDGER_DIRECTORY):
        return undo_dead_runs()
