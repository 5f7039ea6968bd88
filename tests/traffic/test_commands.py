"""Commands on stdin: whole lines, in any pieces; and what they do to a running exchange."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange_process import Process, Wires, configure
from hypothesis import given
from hypothesis import strategies as st

from traffic.commands import Behave, BehaveGateway, Commands, Start, Stop
from traffic.config import GatewayBehaviour, RecoveryBehaviour
from traffic.errors import InputError

RECOVERY = {"address": "127.0.0.1", "rate_per_s": 100}
LINES = [
    b'{"do": "recovery", "set": {"refuse": true}}\n',
    b'{"do": "start", "at_ns": 5}\n',
    b"\n",
    b'{"do": "recovery", "set": {"loss": 0.5, "snapshot_wrong_sequence": -1}}\n',
    b'{"do": "stop"}\n',
]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def read_all(
    reading: int, *, behaviour: RecoveryBehaviour | None
) -> list[Start | Behave | BehaveGateway | Stop]:
    commands = Commands(reading, behaviour=behaviour)
    found: list[Start | Behave | BehaveGateway | Stop] = []
    while not found or not isinstance(found[-1], Stop):
        found += commands.read()
    return found


@given(cuts=st.sets(st.integers(1, sum(map(len, LINES)) - 1), max_size=8))
def test_commands_are_understood_in_any_pieces_and_changes_add_up(cuts: set[int]) -> None:
    reading, writing = os.pipe()
    data = b"".join(LINES)
    commands = Commands(reading, behaviour=RecoveryBehaviour(burst=3))
    found: list[Start | Behave | BehaveGateway | Stop] = []
    begin = 0
    for end in [*sorted(cuts), len(data)]:
        os.write(writing, data[begin:end])
        found += commands.read()
        begin = end
    os.close(reading)
    os.close(writing)
    assert found == [
        Behave(behaviour=RecoveryBehaviour(burst=3, refuse=True), given=frozenset({"refuse"})),
        Start(at_ns=5),
        Behave(
            behaviour=RecoveryBehaviour(burst=3, refuse=True, loss=0.5, snapshot_wrong_sequence=-1),
            given=frozenset({"loss", "snapshot_wrong_sequence"}),
        ),
        Stop(),
    ]


def test_the_end_of_the_file_means_stop(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b'{"do": "start", "at_ns": 1}\n{"do"')
    os.close(writing)
    assert read_all(reading, behaviour=None) == [Start(at_ns=1), Stop()]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"do": "recovery"}', "expected"),
        ('{"do": "recovery", "set": 5}', "expected"),
        ('{"do": "recovery", "set": {}, "and": 1}', "expected"),
        ('{"do": "start", "at_ns": true}', "expected"),
        ('{"do": "recovery", "set": {"refuse": 1}}', "refuse: Input should be a valid boolean"),
        ('{"do": "recovery", "set": {"address": "1.2.3.4"}}', "address: Extra inputs are not permitted"),
        ('{"do": "gateway", "set": {"cuts": -1}}', "command gateway: cuts: Input should be greater than"),
        ('{"do": "gateway", "set": {"cut": 1}}', "command gateway: cut: Extra inputs are not permitted"),
        ('{"do": "recovery", "set": {"loss": 2}}', "loss: Input should be less than or equal to 1"),
    ],
)
def test_what_is_not_understood_is_named(pipe: tuple[int, int], line: str, says: str) -> None:
    reading, writing = pipe
    os.write(writing, line.encode() + b"\n")
    os.close(writing)
    with pytest.raises(InputError, match=says):
        read_all(reading, behaviour=RecoveryBehaviour())


def test_a_gateway_is_told_all_of_its_behaviour_at_once(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, b'{"do": "gateway", "set": {"cuts": 3, "mute": true}}\n{"do": "gateway", "set": {}}\n')
    os.close(writing)
    told = [
        BehaveGateway(behaviour=GatewayBehaviour(cuts=3, mute=True)),
        BehaveGateway(behaviour=GatewayBehaviour()),
    ]
    assert read_all(reading, behaviour=None) == [*told, Stop()]


def test_recovery_that_is_not_there_cannot_be_changed(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, LINES[0])
    os.close(writing)
    with pytest.raises(InputError, match="the configuration has no recovery"):
        read_all(reading, behaviour=None)


@pytest.mark.privileged
def test_a_change_is_answered_when_it_is_in_effect(wires: Wires, tmp_path: Path) -> None:
    config = configure(tmp_path, recovery=RECOVERY)
    with Process(config, namespace=wires.namespace) as process:
        process.event()
        process.command(do="recovery", set={"refuse": True})
        assert process.event() == {"event": "done", "do": "recovery"}
        process.command(do="start", at_ns=time.monotonic_ns())
        process.command(do="recovery", set={"refuse": False, "delay_ns": 5})
        assert {process.event()["event"], process.event()["event"]} == {"done", "published"}
        process.command(do="stop")
        assert process.event() == {"event": "stopped"}
    summary = json.loads((tmp_path / "out" / "exchange.json").read_text())
    assert summary["recovery"]["commands"] == 2
    assert summary["recovery"]["requests"] == 0
    assert summary["recovery"]["snapshots"]["started"] == 0


@pytest.mark.privileged
def test_a_change_that_is_wrong_ends_the_run_with_one_line(wires: Wires, tmp_path: Path) -> None:
    with Process(configure(tmp_path, recovery=RECOVERY), namespace=wires.namespace) as process:
        process.event()
        process.command(do="recovery", set={"refuze": True})
        code, complaint = process.end()
    assert (code, complaint) == (
        64,
        "traffic: error: command recovery: refuze: Extra inputs are not permitted\n",
    )
