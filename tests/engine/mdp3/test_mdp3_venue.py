"""The engine process's runner of venue mdp3: what its config may say, and that it is the channel known from steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from venue import Venue

from engine.config import EngineConfig
from engine.mdp3 import ARRIVAL_ROW, Mdp3Channel, Mdp3Options
from engine.process import write_results
from engine.venue import LEVEL_ROW, Mdp3Runner, runner_for

SMALL = {"decisions": 64, "open_orders": 64, "book": {"orders": 64, "levels": 64}}


def config(**mdp3: Any) -> EngineConfig:
    return EngineConfig.model_validate({**SMALL, "venue": "mdp3", "mdp3": {"status_required": False, **mdp3}})


def packets(seed: int = 3) -> list[bytes]:
    venue = Venue(seed, 5)
    for _ in range(200):
        venue.event()
    venue.heartbeat()
    return venue.packets


def test_the_venue_chooses_the_runner_and_itch_is_the_default() -> None:
    runner = runner_for(EngineConfig.model_validate(SMALL))
    assert not isinstance(runner, Mdp3Runner)
    runner.close()
    runner = runner_for(config())
    assert isinstance(runner, Mdp3Runner)
    runner.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"gateway": {"address": "1.2.3.4", "port": 1, "username": "A", "password": "B"}},
            "market data only",
        ),
        ({"recovery": {"requests": {"address": "1.2.3.4", "port": 1}}}, "market data only"),
        ({"mdp3": {"arrival_count": 3000}}, "power of two"),
        ({"mdp3": {"arrival_count": 1024, "reorder_packet_count": 2048}}, "arrival_count must be at least"),
        ({"mdp3": {"hold_back": 1}}, "Extra inputs"),
        ({"venue": "opra"}, "'itch50' or 'mdp3'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        EngineConfig.model_validate({**SMALL, "venue": "mdp3", **change})


def test_it_reports_what_the_channel_step_by_step_does(tmp_path: Path) -> None:
    channel = Mdp3Channel(Mdp3Options(status_required=False, snapshots=False))
    runner = Mdp3Runner(config())
    events = 0
    for number, payload in enumerate(packets()):
        for line in (number % 2, 1 - number % 2):
            if (number * 7 + line) % 5 == 0:  # each line loses every fifth packet, never the same one
                continue
            now_ns = 1000 * (2 * number + (line != number % 2)) + 10
            events += len(channel.step(line, payload, now_ns))
            runner.step(line, payload, now_ns)
    write_results(runner, tmp_path, "0" * 64)
    report = json.loads((tmp_path / "engine.json").read_text())
    assert report["venue"] == "mdp3"
    assert report["events"]["count"] == events == sum(report["events"]["kinds"].values())
    assert report["events"]["unknown_kinds"] == 0
    assert report["feed"]["state"] == channel.state == "LIVE"
    assert report["feed"]["delivered"] == len(packets())
    for line, name in enumerate("AB"):
        known = channel.line_counters(line)
        assert {key: report["feed"]["lines"][name][key] for key in known} == known
    rows = np.load(tmp_path / "arrivals.npy")
    assert rows.dtype == ARRIVAL_ROW
    assert rows.tolist() == channel.arrivals().tolist()
    levels = np.load(tmp_path / "levels.npy")
    assert levels.dtype == LEVEL_ROW
    for security in channel.securities:
        bids = [tuple(row.tolist()[4:]) for row in levels if row["security"] == security and row["side"] == 0]
        assert bids == channel.book(security)["bid"]
    assert [one["state"] for one in report["instruments"]] == ["LIVE"] * 5
    assert [(row["before"], row["after"]) for row in report["transitions"]] == [("STARTUP", "LIVE")]
    assert set(report) >= {"wire", "loop", "market_data_only", "types", "book"}
    runner.close()


def test_the_digest_is_that_of_the_events_whichever_line_brought_them() -> None:
    digests = set()
    for order in ((0, 1), (1, 0), (0,), (1,)):
        runner = Mdp3Runner(config())
        for number, payload in enumerate(packets()):
            for line in order:
                runner.step(line, payload, 10 * number)
        digests.add(runner.report()["events"]["digest"])
        runner.close()
    assert len(digests) == 1
