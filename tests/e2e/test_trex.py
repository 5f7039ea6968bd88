"""The same scenario under both drivers, and every way in which TRex can be missing, refuse or die.

A stand-in that plays files through packet sockets takes TRex's place here, so that the lab's side is always tested;
with TREX_HOME the same is done with a real server (mark trex).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from lab_cli import REPOSITORY, Answer, Run, left_behind, replays, runs_in, start, tailgate

from lab.tap import market_rows

sys.path.append(str(REPOSITORY / "tests" / "traffic" / "trex"))

from standin_player import make_home

pytestmark = pytest.mark.privileged

PREFIX = "tgtrex"
SCENARIO = "scenarios/trex/both_drivers"
TIMED = {"pacing", "clock"}  # the host has a say in it, and a stand-in in Python more so
WAIT_SECONDS = 90.0
SHORT = ("--set", "duration=2s")
TREX_HOME = os.environ.get("TREX_HOME")
needs_trex = pytest.mark.skipif(
    not TREX_HOME, reason="no TRex: set TREX_HOME to the folder of an installation"
)


def run(results: Path, *options: str | Path, scenario: str | Path = SCENARIO) -> Answer:
    answer = tailgate("run", scenario, *options, "--no-report", "--results", results, "--prefix", PREFIX)
    assert left_behind(PREFIX) == []
    return answer


def refused(answer: Answer, code: int) -> str:
    """The one line that it was refused with."""
    assert answer.code == code, answer.err
    lines = answer.err.splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("tailgate: ")
    return lines[0]


def by_exchange(folder: Path) -> Run:
    assert run(folder, *SHORT).code in (0, 2)
    return runs_in(folder)["both_drivers"]


def by_trex(folder: Path, home: str | Path) -> Run:
    answer = run(folder, *SHORT, "--set", "driver=trex", "--trex-home", home)
    assert answer.err == ""
    assert answer.code in (0, 2)
    return runs_in(folder)["both_drivers"]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return by_exchange(tmp_path_factory.mktemp("exchange"))


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = make_home(tmp_path_factory.mktemp("home"))
    return by_trex(tmp_path_factory.mktemp("standin"), home)


@pytest.fixture(scope="module")
def trex(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return by_trex(tmp_path_factory.mktemp("trex"), str(TREX_HOME))


def same_market(one: Run, other: Run) -> None:
    """What was published, what it should have caused, and what came of it."""
    raw = [each.path / "raw" / "run" for each in (one, other)]
    streams = [(folder / "exchange" / "messages.itch").read_bytes() for folder in raw]
    assert streams[0] == streams[1]
    packets = [np.load(folder / "exchange" / "packets.npy") for folder in raw]
    assert (packets[0]["first_sequence"] == packets[1]["first_sequence"]).all()
    assert (np.diff(packets[0]["intended_ns"]) == np.diff(packets[1]["intended_ns"])).all()
    for name in ("exchange/book.npy", "engine/book.npy", "expected_triggers.npy"):
        books = [np.load(folder / name) for folder in raw]
        assert (books[0] == books[1]).all(), name
    assert one.summary["counts"]["matched"] == other.summary["counts"]["matched"] > 1000


def test_the_exchange_is_the_default(exchange: Run) -> None:
    assert set(exchange.not_passed()) <= TIMED, json.dumps(exchange.summary["checks"])
    assert "generator" not in exchange.summary


def test_a_stand_in_sends_the_same_market_to_the_same_end(exchange: Run, standin: Run) -> None:
    assert set(standin.not_passed()) <= TIMED, json.dumps(standin.summary["checks"])
    same_market(exchange, standin)
    told = standin.summary["generator"]
    assert told["driver"] == "trex"
    assert told["statistics"]["ports"][0]["sent_packets"] > standin.summary["run"]["packets"]


def test_both_runs_replay_to_the_same_orders(exchange: Run, standin: Run) -> None:
    assert replays(exchange).counts["orders"] > 1000
    assert replays(standin).counts["orders"] > 1000


@pytest.mark.trex
@needs_trex
def test_trex_sends_the_same_market_to_the_same_end(exchange: Run, trex: Run) -> None:
    assert set(trex.not_passed()) <= TIMED, json.dumps(trex.summary["checks"])
    same_market(exchange, trex)
    told = trex.summary["generator"]
    assert told["server_version"].startswith("v")
    assert told["api"] == "STL 5.1"
    assert told["statistics"]["queue_full"] == 0
    for port in told["statistics"]["ports"]:
        assert port["sent_packets"] > trex.summary["run"]["packets"]
        assert port["send_errors"] == 0


@pytest.mark.trex
@needs_trex
@pytest.mark.parametrize(("options", "gap_us"), [("speed_up: 4", 250), ("speed_up: 4, gap_min: 400us", 400)])
def test_trex_divides_gaps_and_keeps_their_floor(tmp_path: Path, options: str, gap_us: int) -> None:
    """A packet a millisecond in the file; on the wire, over stretches in which bursts and pauses even out."""
    scenario = tmp_path / "gaps.yaml"
    scenario.write_text(
        "title: gaps are divided, and no shorter than their floor\n"
        "traffic:\n  driver: trex\n  rate: 1k/s\n  duration: 2s\n  arrivals: even\n  packing: 1\n"
        f"  trex: {{{options}, lead_in: 1s}}\nmeasure: {{wire_floor: false, pacing_bound: 1s}}\n"
        "expect: {book_matches_oracle: true}\n"
    )
    assert run(tmp_path / "r", "--trex-home", str(TREX_HOME), scenario=scenario).code in (0, 2)
    (one,) = runs_in(tmp_path / "r").values()
    assert set(one.not_passed()) <= TIMED, json.dumps(one.summary["checks"])
    raw = one.path / "raw" / "run"
    intended = np.diff(np.load(raw / "exchange" / "packets.npy")["intended_ns"])
    assert len(intended) == 1999
    assert set(intended // 1000) == {gap_us}, "what the run is judged by is what TRex was told"
    taps = market_rows(raw / "market_taps.bin")
    for line in (0, 1):
        stamps = taps[(taps["line"] == line) & (taps["count"] > 0) & (taps["count"] < 0xFFFF)]["stamp_ns"]
        assert len(stamps) == 2000
        stretches = (stamps[64:] - stamps[:-64]) / 64
        assert abs(float(np.median(stretches)) / (1000 * gap_us) - 1) < 0.02, "as stamped on the wire"


@pytest.mark.trex
@needs_trex
def test_trex_and_the_engine_share_memory(tmp_path: Path) -> None:
    """The same market from TRex and from the exchange, neither through the kernel, ends alike."""
    scenario = "scenarios/trex/shared_memory"
    assert run(tmp_path / "x", scenario=scenario).code in (0, 2)
    assert run(
        tmp_path / "t", "--set", "driver=trex", "--trex-home", str(TREX_HOME), scenario=scenario
    ).code in (0, 2)
    ((exchange,), (trex,)) = (runs_in(tmp_path / name).values() for name in "xt")
    assert set(trex.not_passed()) <= TIMED, json.dumps(trex.summary["checks"])
    same_market(exchange, trex)
    assert trex.summary["clock"]["grade"] == "sw-app"
    assert trex.summary["wires"]["dpdk"]["A"]["driver"] == "net_memif"
    assert [port["driver"] for port in trex.summary["generator"]["ports"]] == ["net_memif"] * 2
    assert trex.summary["generator"]["statistics"]["queue_full"] == 0
    for line in trex.summary["feed_quality"]["lines"].values():
        assert line["packets_seen"] == trex.summary["run"]["packets"]
    assert replays(trex).counts["orders"] > 500


@pytest.mark.trex
@needs_trex
def test_trex_sends_background_and_measures_its_path(tmp_path: Path) -> None:
    scenario = tmp_path / "beside.yaml"
    scenario.write_text(
        "title: background and probes beside the market\n"
        "traffic:\n"
        "  driver: trex\n"
        "  rate: 5k/s\n"
        "  duration: 2s\n"
        "  trex: {background: [{line: A, rate: 2k/s}, {line: B, rate: 1k/s, size: 512}], latency: {rate: 500/s}}\n"
        "measure: {wire_floor: false, pacing_bound: 50ms}\n"
        "expect: {book_matches_oracle: true}\n"
    )
    assert run(tmp_path / "r", "--trex-home", str(TREX_HOME), scenario=scenario).code in (0, 2)
    (one,) = runs_in(tmp_path / "r").values()
    assert set(one.not_passed()) <= TIMED, json.dumps(one.summary["checks"])
    statistics = one.summary["generator"]["statistics"]
    flows = {flow["flow"]: flow for flow in statistics["flows"]}
    assert flows[100]["sent_packets"] > 2000
    assert flows[101]["sent_packets"] > 1000
    (probe,) = statistics["latency"]
    assert flows[1]["received_packets"] > 500
    assert 0 < probe["minimum_us"] <= probe["average_us"] <= probe["maximum_us"]
    assert probe["histogram"]
    assert (
        probe["percentiles_us"]["count"] > 500
    )  # the stream goes on while one figure is read after the other
    assert flows[1]["dropped"] == 0


@pytest.mark.trex
@needs_trex
def test_trex_plays_profiles_beside_the_market(tmp_path: Path) -> None:
    scenario = tmp_path / "profiles.yaml"
    scenario.write_text(
        "title: profiles played by TRex beside the market\n"
        "traffic:\n"
        "  driver: trex\n"
        "  rate: 5k/s\n"
        "  duration: 2s\n"
        "  noise: [{profile: imix_noise, line: A, tunables: {pps: 2000}}, {profile: microburst, line: B}]\n"
        "measure: {wire_floor: false, pacing_bound: 50ms}\n"
        "expect: {book_matches_oracle: true}\n"
    )
    assert run(tmp_path / "r", "--trex-home", str(TREX_HOME), scenario=scenario).code in (0, 2)
    (one,) = runs_in(tmp_path / "r").values()
    assert set(one.not_passed()) <= TIMED, json.dumps(one.summary["checks"])
    lines = one.summary["noise"]["lines"]
    assert lines["A"]["at_wire"] == lines["A"]["engine_dropped"] > 2000
    assert lines["B"]["at_wire"] == lines["B"]["engine_dropped"] > 100


def test_no_trex_is_one_line(tmp_path: Path) -> None:
    line = refused(run(tmp_path, "--set", "driver=trex", "--trex-home", "/nowhere"), 69)
    assert "TREX_HOME /nowhere: no _t-rex-64 in it" in line


def brief(folder: Path) -> Path:
    path = folder / "brief.yaml"
    path.write_text(
        "title: it comes to nothing\n"
        "traffic: {driver: trex, rate: 100/s, duration: 1s}\nmeasure: {wire_floor: false}\n"
    )
    return path


def test_a_server_that_does_not_come_up_is_one_line(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", before="echo 'ERROR no such interface line_a'; exit 1")
    line = refused(run(tmp_path / "r", "--trex-home", home, scenario=brief(tmp_path)), 69)
    assert "the TRex server ended with exit code 1" in line
    assert "ERROR no such interface line_a" in line


def test_a_server_with_another_interface_is_one_line(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", before="export STANDIN_API=4.9")
    line = refused(run(tmp_path / "r", "--trex-home", home, scenario=brief(tmp_path)), 69)
    assert "v3.08 speaks interface 4.9, the client STL 5.1" in line


@contextmanager
def publishing(home: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is long enough to meet with an accident, from its first packets on."""
    scenario = folder / "long.yaml"
    scenario.write_text(
        "title: long enough for an accident\n"
        "traffic: {driver: trex, rate: 100/s, duration: 60s, trex: {lead_in: 1s}}\nmeasure: {wire_floor: false}\n"
    )
    words = ("--trex-home", home, "--results", folder / "r", "--prefix", PREFIX)
    process = start("run", scenario, "--no-report", *words)
    page = Path(f"/dev/shm/tailgate-{PREFIX}/run-exchange.page")
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while not page.exists() or int.from_bytes(page.read_bytes()[8:16], "little") == 0:
            assert process.poll() is None, "the run ended early"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_server_that_dies_in_the_run_is_one_line(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with publishing(home, tmp_path) as process:
        (server,) = servers(home)
        os.kill(server, 9)
        assert process.wait(timeout=WAIT_SECONDS) == 69
    assert left_behind(PREFIX) == []
    assert servers(home) == []


def test_heal_ends_the_server_of_a_killed_run(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    with publishing(home, tmp_path):
        pass
    assert servers(home)
    assert tailgate("heal").code == 0
    assert left_behind(PREFIX) == []
    assert servers(home) == []


def test_a_remote_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    scenario = tmp_path / "remote.yaml"
    scenario.write_text(
        "title: nobody is there\n"
        "traffic:\n  driver: trex\n  rate: 100/s\n  duration: 1s\n  server: 127.0.0.1\n  ports: [0, 1]\n"
        f"  trex: {{folder: {tmp_path}/files, rpc_port: 9, publish_port: 9}}\n"
        "measure: {wire_floor: false}\n"
    )
    line = refused(run(tmp_path / "r", scenario=scenario), 69)
    assert "TRex server 127.0.0.1:9: no answer within 3 s" in line


def test_what_trex_does_not_play_is_said_with_its_line(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text(
        "title: what TRex does not play\n"
        "traffic:\n  driver: trex\n  ports: [0, 1]\n"
        "faults:\n  - {do: delay, lines: [A], by: 1ms, packets: 5, at: {sequence: 100}}\n"
    )
    answer = run(tmp_path / "r", scenario=scenario)
    assert answer.code == 64
    assert "a local server is told an interface or PCI address" in answer.err
    assert "delay is played by the exchange's own lines" in answer.err


def servers(home: Path) -> list[int]:
    """Processes whose current folder is this home: TRex runs in it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").resolve() == home.resolve():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
