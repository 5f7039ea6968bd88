"""What the lab and the worker say: read whole or refused with a reason, whatever the bytes are."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.errors import InputError
from traffic.trex.client import TrexClient
from traffic.trex.messages import End, Idle, Push, Stop, StreamConfig, Streams, parse_command, read_config
from traffic.trex.server import why_it_ended

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(["do", "ports", "port", "files", "streams", "speed_up", "gap_min_us", "own_macs"])
VERBS = st.sampled_from(["push", "streams", "idle", "end", "statistics", "stop"])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_an_input_error(line: bytes) -> None:
    with suppress(InputError):
        parse_command(line)


@given(st.dictionaries(NAMES, JSON, max_size=6), VERBS)
def test_any_json_is_a_command_or_an_input_error(message: dict[str, Any], verb: str) -> None:
    with suppress(InputError):
        parse_command(json.dumps(message | {"do": verb}).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "worker.json"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_config(path)


@given(st.text())
def test_any_log_has_a_last_word(log: str) -> None:
    assert why_it_ended(log)


def test_the_same_port_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "worker.json"
    path.write_text('{"ports": [1, 1]}')
    with pytest.raises(InputError, match="one is named twice"):
        read_config(path)


class Recorder:
    """A channel that answers as told and keeps what it was sent, as the worker would read it."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers, self.heard = list(answers), []  # type: ignore[var-annotated]

    def send(self, message: Mapping[str, Any]) -> None:
        self.heard.append(parse_command(json.dumps(message).encode()))

    def wait_for(self, event: str, *, seconds: float) -> dict[str, Any]:
        answer = self.answers.pop(0)
        assert answer["event"] == event
        assert seconds > 0
        return answer


def test_what_the_client_says_is_what_the_worker_reads() -> None:
    stream = StreamConfig(name="s", source="10.0.0.1", target="10.0.0.2", udp_port=9, rate_per_s=5.0)
    channel = Recorder(
        {"event": "pushed", "at_ns": 7},
        {"event": "streams", "count": 1},
        {"event": "idle", "ports": [0], "idle": True},
        {"event": "ended"},
    )
    client = TrexClient(channel)
    assert client.push({0: "/a", 1: "/b"}, speed_up=2.0, gap_min_ns=1500) == 7
    client.streams(2, [stream])
    assert client.idle([0]) is True
    client.end([0, 1])
    push, streams, idle, end = channel.heard
    assert isinstance(push, Push)
    assert [(file.port, file.path) for file in push.files] == [(0, "/a"), (1, "/b")]
    assert (push.speed_up, push.gap_min_us, push.own_macs) == (2.0, 1.5, True)
    assert streams == Streams(do="streams", port=2, streams=(stream,))
    assert idle == Idle(do="idle", ports=(0,))
    assert end == End(do="end", ports=(0, 1))
    assert parse_command(b'{"do": "stop"}') == Stop(do="stop")
