"""The shipped profiles, loaded by the real TRex library in a process of its own, and every command of their page."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import pytest

from traffic.errors import InputError
from traffic.noise_bindings import Noise, NoiseProfile, play
from traffic.profiles.load import load_profile
from traffic.profiles.names import SHIPPED, profile_path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "traffic" / "profiles" / "README.md"
RENDER = "python -m traffic.profiles.render "
MARKET_GROUPS = ("239.77.1.1", "239.77.2.1")
SECOND_NS = 1_000_000_000

CASES: dict[str, dict[str, str]] = {
    "microburst": {"packets": "3", "spacing": "10", "gap": "1000", "bursts": "2", "start": "5"},
    "incast": {"channels": "3", "packets": "2", "spacing": "20", "skew": "1", "events": "4"},
    "imix_noise": {"pps": "2000", "channels": "5", "random": "1"},
    "rate_ramp": {"first": "1000", "last": "2000", "steps": "2", "step": "10", "times": "2"},
}


def frames(profile: str, **tunables: str) -> list[tuple[int, str, bytes]]:
    """(time, stream, frame) of a second of a profile."""
    streams = load_profile(profile, tunables=tunables, direction=0, seed=7)
    noise = Noise([NoiseProfile(profile=profile, line=0, streams=streams)], horizon_ns=SECOND_NS)
    return [(at, noise.names[place][1], frame) for at, place, frame in play(noise)]


def sum_of(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("profile", SHIPPED)
def test_a_shipped_profile_sends_whole_multicast_frames_of_other_channels(profile: str) -> None:
    sent = frames(profile, **CASES[profile])
    assert sent
    for _, _, frame in sent:
        size, udp = int.from_bytes(frame[16:18], "big"), int.from_bytes(frame[38:40], "big")
        assert size <= len(frame) - 14 < max(size, 46) + 1
        assert udp == size - 20
        assert sum_of(frame[14:34]) == 0xFFFF
        pseudo = frame[26:34] + bytes([0, 17]) + udp.to_bytes(2, "big")
        assert sum_of(pseudo + frame[34 : 34 + udp]) == 0xFFFF
        group = IPv4Address(frame[30:34])
        assert group.is_multicast
        assert str(group) not in MARKET_GROUPS
        assert frame[:6] == bytes([1, 0, 0x5E, frame[31] & 0x7F]) + frame[32:34]


def test_a_microburst_has_the_packets_spacing_and_gap_asked_for() -> None:
    times = [at for at, *_ in frames("microburst", **CASES["microburst"])]
    assert times == [5_000, 15_000, 25_000, 1_025_000, 1_035_000, 1_045_000]


def test_an_incast_sends_on_every_channel_and_numbers_its_packets() -> None:
    sent = frames("incast", **CASES["incast"])
    for channel in (1, 2, 3):
        mine = [frame for _, name, frame in sent if name == f"channel{channel}"]
        assert [int.from_bytes(frame[52:60], "big") for frame in mine] == list(range(1, 9))
        assert {frame[33] for frame in mine} == {channel}
    firsts = [at for at, *_ in sent][:3]
    assert firsts == [0, 1_000, 2_000]


def test_imix_noise_has_its_shares_and_walks_through_its_channels() -> None:
    sent = frames("imix_noise", pps="12000", channels="5")
    sizes = [len(frame) for *_, frame in sent]
    assert {sizes.count(size) // 1000 for size in (60,)} == {7}
    assert (sizes.count(590) // 1000, sizes.count(1514) // 1000) == (4, 1)
    assert {frame[33] for *_, frame in sent} == {1, 2, 3, 4, 5}


def test_a_rate_ramp_rises_and_runs_as_often_as_asked_for() -> None:
    sent = frames("rate_ramp", **CASES["rate_ramp"])
    names = [name for _, name, _ in sent]
    assert names == 2 * (["step1"] * 10 + ["step2"] * 20)
    gaps = [after[0] - before[0] for before, after in pairwise(sent)]
    assert gaps[0] == 1_000_000
    assert gaps[15] == 500_000


def test_a_tunable_that_is_not_one_is_named_with_those_that_are() -> None:
    with pytest.raises(
        InputError, match=r"profile microburst: unrecognized arguments: --pakets 3; .*packets, port"
    ):
        load_profile("microburst", tunables={"pakets": "3"}, direction=0, seed=1)
    with pytest.raises(InputError, match="profile incast: argument --channels: invalid int value: 'x'"):
        load_profile("incast", tunables={"channels": "x"}, direction=0, seed=1)


def test_a_profile_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"unknown; did you mean microburst\? there are imix_noise, incast, "
    ):
        profile_path("mircoburst")
    with pytest.raises(InputError, match=r"unknown; there are imix_noise, "):
        profile_path("x")
    with pytest.raises(InputError, match="there is no such file"):
        profile_path("nowhere/mine.py")


def test_a_profile_of_ones_own_is_named_by_its_file(tmp_path: Path) -> None:
    text = re.findall(
        r"^    from trex_stl_lib.*?return Mine\(\)$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )[0]
    mine = tmp_path / "mine.py"
    mine.write_text(re.sub("^    ", "", text, flags=re.MULTILINE))
    sent = frames(str(mine))
    assert [at for at, *_ in sent][:3] == [0, 1_000_000, 2_000_000]
    mine.write_text(mine.read_text().replace("name=", "flow_stats=STLFlowStats(pg_id=7), name="))
    mine.write_text("from trex_stl_lib.api import STLFlowStats\n" + mine.read_text())
    other = mine.rename(tmp_path / "other.py")
    with pytest.raises(InputError, match="profile other, stream mine: flow_stats"):
        load_profile(str(other), tunables={}, direction=0, seed=1)


def test_a_broken_profile_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def register():\n    return 1 / 0\n")
    with pytest.raises(InputError, match=r"broken.py: ZeroDivisionError") as caught:
        load_profile(str(broken), tunables={}, direction=0, seed=1)
    assert "\n" not in str(caught.value)


ENDS = {
    "sys.exit(0)\n": r"it ends the program, sys.exit\(0\), and gives no streams",
    "def register():\n    sys.exit('no more')\n": r"it ends the program, sys.exit\('no more'\), and",
    "class Mine:\n    def get_streams(self, **_):\n        sys.exit(0)\ndef register():\n    return Mine()\n": "it",
}


@pytest.mark.parametrize("text", ENDS)
def test_a_profile_that_ends_the_program_is_one_line(tmp_path: Path, text: str) -> None:
    """Not silence and exit code 0, from which nobody learns that no profile was played."""
    ends = tmp_path / "ends.py"
    ends.write_text("import sys\n" + text)
    with pytest.raises(InputError, match=f"profile .*ends.py: {ENDS[text]}") as caught:
        load_profile(str(ends), tunables={}, direction=0, seed=1)
    assert "\n" not in str(caught.value)


def test_neither_the_exchange_nor_the_lab_imports_the_library() -> None:
    script = (
        "import sys, traffic.process, lab.cli, lab.run.session, traffic.profiles.load as load\n"
        "load.load_profile('microburst', tunables={}, direction=0, seed=1)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'lbr_trex_client', 'trex', 'trex_stl_lib'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def shown() -> list[str]:
    """Every command of the page that a profile is given to."""
    return re.findall(
        r"^    ((?:python -m traffic\.profiles\.render|trex> start) .*)$", PAGE.read_text(), re.MULTILINE
    )


def test_the_page_shows_both_ways() -> None:
    assert {line.split()[0] for line in shown()} == {"python", "trex>"}


@pytest.mark.parametrize("line", shown())
def test_a_command_of_the_page_renders(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "trex>":  # the console hands what stands behind -t to the profile
        profile, given = words[words.index("-f") + 1], words[words.index("-t") + 1 :]
        pairs = zip(given[::2], given[1::2], strict=True)
        tunables = [f"{name.removeprefix('--')}={value}" for name, value in pairs]
        arguments = [profile, *(part for each in tunables for part in ("--tunable", each))]
    else:
        arguments = words[3:]
    done = subprocess.run(
        [sys.executable, "-m", "traffic.profiles.render", *arguments],
        capture_output=True, text=True, check=False, timeout=120, cwd=REPOSITORY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["packet"]["binary"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nothing"], "profile nothing: unknown"),
        (["microburst", "--tunable", "packets"], "write NAME=VALUE"),
        (["microburst", "--wrong"], "unrecognized arguments: --wrong"),
        ([], "the following arguments are required: profile"),
    ],
)
def test_a_users_mistake_is_one_line_and_64(arguments: list[str], complaint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "traffic.profiles.render", *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 64
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_tunable_is_on_the_page() -> None:
    for profile in SHIPPED:
        options = set(re.findall(r'"--(\w+)"', profile_path(profile).read_text()))
        row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{profile}`"))
        assert options == {word.strip(" ,|") for word in row.split("|")[3].split()}
