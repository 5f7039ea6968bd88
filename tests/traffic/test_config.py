"""The configuration: strict, complete in its complaints."""

import json
from pathlib import Path

import pytest

from traffic.config import Config, load_config
from traffic.errors import InputError

GOOD: dict[str, object] = {
    "cpu": 0,
    "seed": 7,
    "output": "out",
    "progress": "out/progress",
    "die_with_parent": True,
    "source": {"kind": "model", "symbols": 10, "messages": 1000, "arrivals": "even", "rate_per_s": 1000},
    "packing": {"messages_max": 1, "gap_min_ns": 4000},
    "bursts": None,
    "session": "TAILGATE01",
    "lines": [
        {"name": "A", "interface": "x0", "source": "10.77.1.1", "group": "239.77.0.1", "port": 26477},
        {"name": "B", "interface": "y0", "source": "10.77.2.1", "group": "239.77.0.2", "port": 26477},
    ],
    "gateway": {"address": "10.77.3.1", "port": 30001, "username": "TAILGT", "password": "TAILGATE"},
    "heartbeat_ns": 1000000000,
}
PCAP = {"kind": "pcap", "paths": ["x"], "speed": 1, "rate_per_s": None}
RECOVERY = {"address": "10.77.4.1"}
ROLL = {"at_sequence": 50, "session": "B"}
DROP = {"lines": ["A"], "action": "drop"}
TWO_LINES = {"kind": "two_lines", "path": "x", "lines": {"A": "224.0.31.11:14320", "B": "224.0.32.11:15320"}}
BURSTS = {"messages": 1000, "every_ns": 500000000, "spacing_ns": 2000, "packing": 8}


def load(tmp_path: Path, **changes: object) -> Config:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD | changes))
    return load_config(path)


def test_the_documented_configuration_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, bursts=BURSTS)
    assert [line.interface for line in config.lines] == ["x0", "y0"]
    assert config.lines[0].group.packed == bytes([239, 77, 0, 1])


def test_recovery_sessions_and_impairments_are_read(tmp_path: Path) -> None:
    rules = [
        DROP | {"pattern": "gilbert_elliott", "good_to_bad": 0.01, "bad_to_good": 0.3, "probability": 1},
        {"lines": ["A", "B", "recovery"], "action": "corrupt", "corruption": "bits", "amount": 2},
    ]
    config = load(
        tmp_path, recovery=RECOVERY | {"loss": 0.1, "refuse": True}, sessions=[ROLL], impairments=rules
    )
    assert config.recovery is not None
    assert (config.recovery.request_port, config.recovery.snapshot_port) == (26478, 26479)
    assert config.recovery.behaviour().loss == 0.1
    assert not hasattr(config.recovery.behaviour(), "address")
    assert config.sessions[0].end_previous
    assert config.impairments[1].corruption == "bits"
    assert load(tmp_path).recovery is None


@pytest.mark.parametrize(
    "source", [PCAP, TWO_LINES, {"kind": "itch_file", "paths": ["a", "b.gz"], "speed": 0.1, "rate_per_s": 5}]
)
def test_every_kind_of_source_is_read(tmp_path: Path, source: dict[str, object]) -> None:
    assert load(tmp_path, source=source).source.kind == source["kind"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sead": 7}, "sead: Extra inputs are not permitted"),
        ({"seed": "7"}, "seed: Input should be a valid integer"),
        ({"source": {"kind": "model", "rate_per_s": 0}}, "source.model.rate_per_s"),
        ({"source": {"kind": "trex"}}, "source: Input tag 'trex'"),
        ({"source": {"kind": "model", "speed": 1}}, "source.model.speed: Extra"),
        ({"session": "TOO LONG NAME"}, "session"),
        ({"lines": []}, "lines"),
        ({"lines": [GOOD["lines"][0] | {"group": "10.0.0.1"}]}, "not a multicast address"),  # type: ignore[index]
        ({"bursts": BURSTS | {"every_ns": 1000}}, "would not be over"),
        ({"bursts": BURSTS, "source": PCAP}, "bursts cannot be made of a capture"),
        ({"heartbeat_ns": 0}, "heartbeat_ns"),
        ({"recovery": RECOVERY | {"loss": 1.5}}, "recovery.loss"),
        ({"recovery": RECOVERY | {"request_prot": 1}}, "recovery.request_prot: Extra"),
        ({"recovery": {}}, "recovery.address: Field required"),
        ({"sessions": [{"at_sequence": 1, "session": "B"}]}, "sessions.0.at_sequence"),
        ({"sessions": [{"at_sequence": 5, "session": "TAILGATE01"}]}, "two have the same name"),
        ({"sessions": [ROLL, ROLL | {"session": "C"}]}, "at_sequence has to rise"),
        ({"sessions": [ROLL] * 4}, "sessions: Tuple should have at most 3 items"),
        ({"impairments": [DROP | {"lines": ["C"]}]}, "impairments.0.lines: C: not one of A, B"),
        ({"impairments": [DROP | {"lines": ["recovery"]}]}, "recovery: not one of A, B"),
        ({"impairments": [DROP | {"action": "corrupt"}]}, "corruption goes with action corrupt"),
        ({"impairments": [DROP | {"corruption": "bits"}]}, "corruption goes with action corrupt"),
        ({"impairments": [DROP | {"action": "delay"}]}, "action delay needs delay_ns"),
        ({"impairments": [DROP | {"repeat_left": 2}]}, "repeat_left needs repeat_every"),
        ({"impairments": [DROP | {"action": "duplicate", "amount": 101}]}, "at most 100 times"),
        (
            {
                "recovery": RECOVERY,
                "impairments": [
                    {"lines": ["recovery"], "action": "corrupt", "corruption": "checksum"},
                ],
            },
            "corruption checksum is for lines",
        ),
        ({"end": {"repeat": -1}}, "end.repeat"),
        ({"source": TWO_LINES | {"lines": {"A": "224.0.31.11"}}}, "write a group and a port"),
        ({"source": TWO_LINES | {"lines": {"A": "x:1"}}}, "source.two_lines.lines.A"),
        ({"source": TWO_LINES | {"lines": {"C": "224.0.31.11:1"}}}, "source.lines: C: not among lines"),
        ({"source": TWO_LINES, "bursts": BURSTS}, "bursts cannot be made of a capture"),
        ({"source": TWO_LINES, "recovery": RECOVERY}, "recovery and sessions are of MoldUDP64"),
        (
            {
                "source": TWO_LINES,
                "impairments": [{"lines": ["A"], "action": "corrupt", "corruption": "count"}],
            },
            "corruption count and zero_block are of MoldUDP64",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, **changes)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seed.*; .*heartbeat_ns"):
        load(tmp_path, seed=-1, heartbeat_ns=1)


def test_a_file_that_is_not_json_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config.json: the whole: Invalid JSON"):
        load_config(tmp_path / "config.json")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path / "none.json")
