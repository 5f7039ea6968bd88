"""A strategy's shared object goes in; whether this engine would take it, and why not, comes out.

In this order: it is a shared object that asks for nothing but mem*(), exports tailgate_strategy(), and has no
executable stack; its SHA-256 is on the list (where there is one); and a process of its own loads it, looks at its
description and plays a small market through it. That process is started with exec, not fork alone: a fork would leave
the engine thread a page fault for every page it writes next.

What was checked is what is loaded: the bytes are read once, and go into a private file that both use.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.elf import Elf, ElfError, read_elf

__all__ = ["SHIPPED", "Checked", "Step", "check_strategy", "private_copy", "shipped_path"]

SYMBOL = "tailgate_strategy"
IMPORTS = frozenset({"memcpy", "memmove", "memset", "memcmp"})
COMPILER_IMPORTS = frozenset({"__stack_chk_fail", "__cxa_finalize"})
LIBRARIES = frozenset({"libc.so.6"})
BYTES_MAX = 16 << 20
PROBE_SECONDS = 5.0
EXIT_VERDICT = 100
SHIPPED = (
    "touch_taker",
    "quoter",
    "bad_abi",
    "bad_crash",
    "bad_hang",
    "bad_load",
    "bad_prices",
    "bad_slow",
    "bad_spam",
)
STAGES = {
    1: "load",
    2: "symbols",
    3: "abi",
    4: "abi",
    5: "abi",
    6: "run",
    7: "run",
    8: "run",
    9: "run",
    10: "run",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One question of the check. ``good`` None: it was not asked."""

    name: str
    good: bool | None
    said: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """``why`` is empty when it may be deployed; ``probe`` is what the trial run measured."""

    path: str
    sha256: str
    steps: tuple[Step, ...]
    probe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return all(step.good for step in self.steps)

    @property
    def why(self) -> str:
        return next((f"{step.name}: {step.said}" for step in self.steps if step.good is False), "")

    def to_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "sha256": self.sha256,
            "good": self.good,
            "why": self.why,
            "steps": [dict(vars(step)) for step in self.steps],
            "probe": dict(self.probe),
        }


def shipped_path(name: str) -> Path:
    """The file of a shipped strategy, or the program that tries one out (``strategy-probe``)."""
    ending = "" if name == "strategy-probe" else ".so"
    return Path(str(importlib.resources.files("engine").joinpath("strategy", "shipped", name + ending)))


@contextmanager
def private_copy(data: bytes) -> Iterator[Path]:
    """The bytes in a new file that nobody else can write; gone at the end (what is mapped stays)."""
    with tempfile.TemporaryDirectory(prefix="tailgate-strategy-") as folder:
        path = Path(folder) / "strategy.so"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o500)
        with os.fdopen(file, "wb") as target:
            target.write(data)
        yield path


def _symbols(elf: Elf) -> Step:
    wrong = []
    if SYMBOL not in elf.exports:
        wrong.append(f"does not export {SYMBOL}()")
    foreign = sorted(elf.imports - elf.weak - IMPORTS - COMPILER_IMPORTS)
    if foreign:
        wrong.append(f"needs {', '.join(foreign[:5])}; a strategy may call {', '.join(sorted(IMPORTS))} only")
    libraries = sorted(set(elf.libraries) - LIBRARIES)
    if libraries:
        wrong.append(f"needs the libraries {', '.join(libraries)}")
    if elf.executable_stack:
        wrong.append("asks for an executable stack")
    if elf.writable_code:
        wrong.append("asks for code that can be written")
    said = (
        "; ".join(wrong)
        or f"exports {SYMBOL}(), needs {', '.join(sorted(elf.imports & IMPORTS)) or 'nothing'}"
    )
    return Step(name="symbols", good=not wrong, said=said)


def _digest(digest: str, allowed: frozenset[str] | None) -> Step:
    if allowed is None:
        return Step(name="allowed", good=True, said="no list was asked")
    good = digest in allowed
    return Step(
        name="allowed", good=good, said="on the list" if good else f"sha256 {digest} is not on the list"
    )


def _probe(
    path: Path, parameters: Mapping[str, int], event_ns_max: int
) -> tuple[Step, Step, Mapping[str, Any]]:
    """(abi, run, what it printed): the verdicts of a process that may end in any way."""
    command = [str(shipped_path("strategy-probe")), str(path), str(event_ns_max)]
    command += [f"{name}={value}" for name, value in parameters.items()]
    unknown = Step(name="abi", good=None, said="not reached")
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=PROBE_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        said = f"did not come back within {PROBE_SECONDS:.0f} s of the trial run"
        return unknown, Step(name="run", good=False, said=said), {}
    except OSError as error:
        return unknown, Step(name="run", good=False, said=f"{command[0]}: {error.strerror}"), {}
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return unknown, Step(name="run", good=False, said=f"crashed in the trial run ({name})"), {}
    try:
        report: dict[str, Any] = json.loads(done.stdout)
        verdict = int(report["verdict"])
    except (ValueError, KeyError, TypeError):
        report, verdict = {}, -1
    if verdict < 0 or done.returncode != (EXIT_VERDICT + verdict if verdict else 0):
        said = f"ended the process of the trial run by itself (exit code {done.returncode})"
        return unknown, Step(name="run", good=False, said=said), {}
    if verdict and STAGES.get(verdict) != "run":
        return Step(name="abi", good=False, said=str(report["what"])), _not_run(), report
    abi = Step(name="abi", good=True, said=f"{report['name']} {report['version']}, letter {report['letter']}")
    if verdict:
        return abi, Step(name="run", good=False, said=str(report["what"])), report
    said = f"{report['events']} events, {report['orders']} orders, p99 {report['call_ns_p99']} ns a call"
    return abi, Step(name="run", good=True, said=said), report


def _not_run() -> Step:
    return Step(name="run", good=None, said="not reached")


def check_strategy(
    path: Path,
    data: bytes,
    *,
    allowed: frozenset[str] | None,
    parameters: Mapping[str, int],
    event_ns_max: int,
    copy: Path,
) -> Checked:
    """``data`` is the content of ``path``, ``copy`` a private file with the same; later steps are left out after a
    failure, and nothing of the file runs unless it is on the list."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        if len(data) > BYTES_MAX:
            raise ElfError(f"larger than {BYTES_MAX >> 20} MB")
        symbols = _symbols(read_elf(data))
    except ElfError as error:
        symbols = Step(name="symbols", good=False, said=str(error))
    steps = [symbols, _digest(digest, allowed)]
    if not all(step.good for step in steps):
        return Checked(path=str(path), sha256=digest, steps=tuple(steps))
    abi, run, probe = _probe(copy, parameters, event_ns_max)
    return Checked(path=str(path), sha256=digest, steps=(*steps, abi, run), probe=probe)
