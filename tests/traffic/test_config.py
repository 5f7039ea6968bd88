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
BURSTS = {"messages": 1000, "every_ns": 500000000, "spacing_ns": 2000, "packing": 8}


def load(tmp_path: Path, **changes: object) -> Config:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(GOOD | changes))
    return load_config(path)


def test_the_documented_configuration_is_read(tmp_path: Path) -> None:
    config = load(tmp_path, bursts=BURSTS)
    assert [line.interface for line in config.lines] == ["x0", "y0"]
    assert config.lines[0].group.packed == bytes([239, 77, 0, 1])


@pytest.mark.parametrize(
    "source", [PCAP, {"kind": "itch_file", "paths": ["a", "b.gz"], "speed": 0.1, "rate_per_s": 5}]
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
