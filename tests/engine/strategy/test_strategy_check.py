"""Shared objects before they are loaded: what the check lets through, and what it says of the rest."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import strategy_check
from engine.elf import ElfError, read_elf
from engine.strategy_check import SHIPPED, shipped_path
from lab.errors import MissingError, UsageError
from lab.results.files import sha256_of
from lab.strategy.command import build, check

GOOD = ("touch_taker", "quoter", "bad_crash", "bad_hang", "bad_prices", "bad_slow", "bad_spam")
BYTES = shipped_path("touch_taker").read_bytes()
BODY = """
#include "engine/strategy/strategy_abi.h"
%s
static int init(void *m, const struct tailgate_parameters *p, const struct tailgate_host *h)
{ (void)m; (void)p; (void)h; %s return 0; }
static void on_event(void *m, const struct tailgate_event *e, const struct tailgate_top *t, struct tailgate_output *o)
{ (void)m; (void)e; (void)t; (void)o; %s }
static void forget(void *m) { (void)m; }
const struct tailgate_strategy *tailgate_strategy(void)
{
    static struct tailgate_strategy own = {TAILGATE_STRATEGY_SIZES, .state_bytes = 64, .name = "own", .version = "1",
        .letter = 'O', .init = init, .on_event = on_event, .forget = forget};
    %s
    return &own;
}
"""


def made(folder: Path, *, top: str = "", init: str = "", event: str = "", description: str = "") -> Path:
    source = folder / "own.c"
    source.write_text(BODY % (top, init, event, description))
    return build(source, None)


# Good ones


@pytest.mark.parametrize("name", GOOD)
def test_a_shipped_strategy_passes(name: str) -> None:
    checked = check(shipped_path(name))
    assert checked.good, checked.why
    assert checked.probe["name"] == name
    assert checked.probe["events"] == 8_192
    assert checked.sha256 == sha256_of(shipped_path(name))


def test_every_shipped_strategy_is_installed() -> None:
    assert all(shipped_path(name).is_file() for name in (*SHIPPED, "strategy-probe"))
    sources = Path(strategy_check.__file__).parent / "strategy" / "shipped"
    assert {path.stem for path in sources.glob("*.c")} == set(SHIPPED)


def test_the_example_is_built_from_its_header_alone(tmp_path: Path) -> None:
    """A source outside of the repository, and an object that gives the same answers as the shipped one."""
    source = tmp_path / "mine.c"
    source.write_text(
        (Path(strategy_check.__file__).parent / "strategy" / "shipped" / "touch_taker.c").read_text()
    )
    mine, shipped = check(build(source, tmp_path / "mine.so")), check(shipped_path("touch_taker"))
    assert mine.good, mine.why
    assert mine.probe["orders"] == shipped.probe["orders"] > 0


# Bad ones


@pytest.mark.parametrize(
    ("parts", "step", "said"),
    [
        ({"top": "#include <stdlib.h>", "event": "*(void **)m = malloc(8);"}, "symbols", "malloc"),
        ({"top": "#include <unistd.h>", "event": "getpid();"}, "symbols", "getpid"),
        ({"top": "#include <time.h>", "event": "time(0);"}, "symbols", "time"),
        ({"description": "own.letter = 'a';"}, "abi", "letter"),
        ({"description": "own.letter = 'R';"}, "abi", "reflector"),
        ({"description": "own.state_bytes = 0;"}, "abi", "state_bytes"),
        ({"description": "own.state_bytes = 1ull << 40;"}, "abi", "state_bytes"),
        ({"description": "own.name = 0;"}, "abi", "name"),
        ({"description": 'own.name = "Own";'}, "abi", "name"),
        ({"description": 'own.name = "much_too_long_for_a_name_x";'}, "abi", "name"),
        ({"description": "own.forget = 0;"}, "abi", "missing"),
        ({"description": "own.order_bytes = 40;"}, "abi", "sizes"),
        ({"description": "own.abi_version = 7;"}, "abi", "version 7"),
        ({"description": "return 0;"}, "abi", "returned nothing"),
        ({"init": "return 1;"}, "run", "refuses the parameters"),
        ({"init": "__builtin_trap();"}, "run", "SIGILL"),
        ({"event": "o->count = 5;"}, "run", "more than 4 actions"),
        ({"event": "for (volatile int i = 0; i < 100000; i++);"}, "run", "budget"),
        ({"event": "*(volatile int *)m = *((volatile int *)m + 1) / *(volatile int *)m;"}, "run", "SIGFPE"),
    ],
    ids=lambda value: "-".join(value.values())[:40] if isinstance(value, dict) else None,
)
def test_what_is_wrong_is_said_with_its_step(
    tmp_path: Path, parts: dict[str, str], step: str, said: str
) -> None:
    checked = check(made(tmp_path, **parts))
    assert not checked.good
    assert checked.why.startswith(step)
    assert said in checked.why
    assert "\n" not in checked.why


def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategy_check, "PROBE_SECONDS", 0.3)
    checked = check(made(tmp_path, init="for (volatile int i = 0;; i++);"))
    assert "did not come back" in checked.why


def test_one_that_leaves_by_itself_is_no_pass(tmp_path: Path) -> None:
    leave = '__asm__ volatile("syscall" : : "a"(231), "D"(0) : "rcx", "r11", "memory");'
    checked = check(made(tmp_path, init=leave))
    assert "ended the process of the trial run by itself (exit code 0)" in checked.why


def test_a_digest_that_is_not_on_the_list_never_runs(tmp_path: Path) -> None:
    path = shipped_path("bad_load")
    checked = check(path, allowed=frozenset({sha256_of(shipped_path("quoter"))}))
    assert checked.why.startswith("allowed")
    assert [step.name for step in checked.steps] == ["symbols", "allowed"]
    assert check(shipped_path("quoter"), allowed=frozenset({sha256_of(shipped_path("quoter"))})).good


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["-Wl,-z,execstack"], "executable stack"), (["-lm", "-Wl,--no-as-needed"], "libm")],
    ids=["stack", "library"],
)
def test_what_the_loader_is_asked_for_is_looked_at(tmp_path: Path, flags: list[str], said: str) -> None:
    source = tmp_path / "own.c"
    source.write_text(BODY % ("", "", "", ""))
    root = Path(strategy_check.__file__).resolve().parents[1]
    command = [
        "cc",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        f"-I{root}",
        "-Wl,--no-as-needed",
        str(source),
    ]
    subprocess.run([*command, *flags, "-o", str(tmp_path / "own.so")], check=True, timeout=60)
    assert said in check(tmp_path / "own.so").why


def test_a_source_that_does_not_compile_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "own.c"
    source.write_text("int main(")
    with pytest.raises(UsageError, match="error") as caught:
        build(source, None)
    assert "\n" not in str(caught.value)


def test_no_compiler_and_no_source_are_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no C compiler"):
        build(tmp_path / "own.c", None, compiler="no-such-compiler")
    with pytest.raises(UsageError, match="no source"):
        build(tmp_path / "own.c", None)
    with pytest.raises(UsageError, match="cannot read"):
        check(tmp_path / "own.so")


# Bytes


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda tail: BYTES[:64] + tail))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(ElfError):
        read_elf(data)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_damaged_object_is_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(BYTES[: data.draw(st.sampled_from([len(BYTES), len(BYTES), 64, 1_000]))])
    for _ in range(data.draw(st.integers(1, 6))):
        where = data.draw(
            st.one_of(st.integers(0, len(damaged) - 1), st.integers(0, min(700, len(damaged)) - 1))
        )
        damaged[where] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255))
    with suppress(ElfError):
        read_elf(bytes(damaged))


def test_an_object_says_what_it_needs() -> None:
    elf = read_elf(BYTES)
    assert elf.exports == {"tailgate_strategy"}
    assert not elf.imports - elf.weak
    assert not elf.executable_stack
    assert not elf.writable_code
