"""traffic.noise: read into profiles, frozen and read again, handed to the exchange, and every mistake with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.errors import MissingError, ScenarioError, UndecidedError
from lab.run.noise import noise_settings
from lab.scenario import freeze, load_scenario, load_scenarios
from lab.scenario.noise import Noise
from traffic.config import NoiseConfig

WHOLE = """\
title: Noise
traffic:
  rate: 10k/s
  duration: 2s
  noise:
    - {profile: incast, line: B, tunables: {channels: 4, gap: 2500.5}, at: 500ms, duration: 1s, direction: 1}
    - {profile: microburst}
    - profile: mine.py
"""
MINE = """\
from trex_stl_lib.api import IP, UDP, Ether, STLPktBuilder, STLStream
class Mine:
    def get_streams(self, direction=0, tunables=(), **kwargs):
        return [STLStream(packet=STLPktBuilder(pkt=Ether() / IP(dst="239.200.9.1") / UDP()))]
def register():
    return Mine()
"""


def write(folder: Path, text: str) -> Path:
    (folder / "mine.py").write_text(MINE)
    path = folder / "one.yaml"
    path.write_text(text)
    return path


def test_profiles_are_read_frozen_and_handed_on(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, WHOLE))
    mine = str(tmp_path / "mine.py")
    incast = Noise.model_validate(
        {
            "profile": "incast",
            "line": "B",
            "tunables": {"channels": "4", "gap": "2500.5"},
            "at": "500ms",
            "duration": "1s",
            "direction": 1,
        }
    )
    assert scenario.traffic.noise == (incast, Noise(profile="microburst"), Noise(profile=mine))
    told = noise_settings(scenario)["noise"]
    assert [NoiseConfig.model_validate(one).profile for one in told] == ["incast", "microburst", mine]
    assert (told[0]["at_ns"], told[0]["duration_ns"]) == (500_000_000, 1_000_000_000)
    frozen = tmp_path / "frozen.yaml"
    frozen.write_text(freeze(scenario))
    assert load_scenario(frozen).traffic.noise == scenario.traffic.noise


def test_a_scenario_without_noise_tells_the_exchange_nothing(tmp_path: Path) -> None:
    assert noise_settings(load_scenario(write(tmp_path, "title: Quiet\n"))) == {}


@pytest.mark.parametrize(
    ("noise", "complaint"),
    [
        (
            "{profile: incest}",
            "one.yaml:3: traffic.noise[0].profile: profile incest: unknown; did you mean incast?",
        ),
        (
            "{profile: incast, tunables: {chanels: 4}}",
            "traffic.noise[0].tunables: profile incast: unrecognized arguments: --chanels",
        ),
        ("{profile: incast, tunables: {channels: none}}", "argument --channels: invalid int value: 'none'"),
        ("{profile: incast, line: C}", "traffic.noise[0].line"),
        ("{profile: incast, speed: 3}", "traffic.noise[0].speed"),
        ("{profile: incast, at: 5s}", "traffic.noise[0].at: after the end of the traffic, which lasts 2s"),
        ("{profile: incast, at: 5}", "traffic.noise[0].at: 5 has no unit"),
        ("{profile: theirs.py}", "theirs.py: there is no such file"),
        ("{profile: incast, tunables: {channels: [1]}}", "traffic.noise[0].tunables.channels"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, noise: str, complaint: str) -> None:
    text = "title: Noise\ntraffic: {rate: 10k/s, duration: 2s}\n".replace("}", f", noise: [\n  {noise}]}}")
    with pytest.raises(ScenarioError, match=re.escape(complaint)):
        load_scenarios([write(tmp_path, text)], root=tmp_path)


def test_without_the_library_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that finds an empty library in front of the real one."""
    (tmp_path / "lbr_trex_client.py").write_text("")
    (tmp_path / "trex_stl_lib.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    text = "title: Noise\ntraffic:\n  noise: [{profile: microburst, tunables: {packets: 9}}]\n"
    with pytest.raises(MissingError, match="lbr-trex-client") as caught:
        load_scenario(write(tmp_path, text))
    assert caught.value.exit_code == 69


def test_a_profile_that_does_not_end_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr("traffic.profiles.load.SECONDS_MAX", 0.5)
    with pytest.raises(UndecidedError, match="it was not loaded within"):
        load_scenario(write(tmp_path, "title: Noise\ntraffic: {noise: [{profile: endless.py}]}\n"))
