"""TRex in the lab: when a file began, what a scenario asks for, and what does not go with it."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import MissingError, ScenarioError, UsageError
from lab.measure.rows import MARKET_TAPS
from lab.report.generator import generator_rows
from lab.run.settings import main_plan
from lab.run.trex import began_ns
from lab.run.trex_latency import percentiles_us, with_percentiles
from lab.run.trex_plan import path_at_server, publisher_settings, trex_plan
from lab.scenario import Traffic, load_scenario

EVERY_NS = 2_000_000
MEMIF = "engine: {wire: dpdk, dpdk: {device: net_memif}}\n"
HOME_PROGRAMS = ("_t-rex-64", "t-rex-64")


def traffic(**keys: object) -> Traffic:
    return Traffic.model_validate({"driver": "trex", **keys})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in HOME_PROGRAMS:
        (tmp_path / name).touch()
    return tmp_path


@given(
    began=st.integers(10**9, 10**15),
    late=st.lists(st.integers(0, 50_000_000), min_size=1, max_size=300),
)
def test_the_least_late_heartbeat_tells_when_the_file_began(began: int, late: list[int]) -> None:
    rows = np.zeros(len(late), MARKET_TAPS)
    stamps = [began + index * EVERY_NS + delay for index, delay in enumerate(late)]
    rows["stamp_ns"] = np.maximum.accumulate(np.array(stamps))  # a wire keeps order
    found = began_ns(rows, every_ns=EVERY_NS)
    kept = [stamp - began - index * EVERY_NS for index, stamp in enumerate(rows["stamp_ns"].astype(int))]
    assert found == began + min(kept)


def test_the_exchange_needs_no_trex() -> None:
    assert trex_plan(Traffic.model_validate({}), None) is None
    assert publisher_settings(None, Path("/x")) is None


def test_a_local_server_needs_its_home(home: Path) -> None:
    with pytest.raises(MissingError, match="set TREX_HOME or --trex-home"):
        trex_plan(traffic(), None)
    plan = trex_plan(traffic(), home)
    assert plan is not None
    assert plan.installation is not None
    assert plan.installation.home == home.resolve()


def test_a_port_that_is_none_is_a_usage_error(home: Path) -> None:
    with pytest.raises(UsageError, match="a PCI address"):
        trex_plan(traffic(ports=["no such port", "b"]), home)


def test_the_files_of_a_remote_server_are_where_it_finds_them() -> None:
    plan = trex_plan(traffic(server="far", ports=[2, 3], trex={"folder": "/shared"}), None)
    assert plan is not None
    settings = publisher_settings(plan, Path("/dev/shm/x"))
    assert settings is not None
    assert settings["folder"] == f"/shared/x-{os.uname().nodename}", "of this lab alone: it is removed"
    assert not settings["own_macs"], "the server's cards have addresses of their own"
    assert path_at_server(plan, f"{settings['folder']}/A.pcap") == f"{settings['folder']}/A.pcap"
    keys = {"folder": "/shared", "server_folder": "/mnt/lab"}
    mounted = trex_plan(traffic(server="far", ports=[2, 3], trex=keys), None)
    assert mounted is not None
    assert path_at_server(mounted, "/shared/x/A.pcap") == "/mnt/lab/x/A.pcap"


def load(folder: Path, text: str) -> None:
    path = folder / "one.yaml"
    path.write_text("title: t\n" + text)
    load_scenario(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("traffic: {driver: trex, ports: [0, 1]}", "a local server is told an interface or PCI address"),
        ("traffic: {driver: trex, ports: [x0]}", "two: of line A and of line B"),
        ("traffic: {driver: trex, server: far}", "the numbers of its ports"),
        ("traffic: {driver: trex, server: far, ports: [0, 1]}", "needs folder"),
        (
            "traffic: {driver: trex, server: far, ports: [0, 1], trex: {server_folder: /x}}",
            "the server's path of folder",
        ),
        ("traffic: {driver: trex, server: far, ports: [a, b], trex: {folder: /x}}", "are numbers"),
        ("traffic: {driver: trex, ports: [x0, y0], trex: {latency: {rate: 10/s}}}", "on the lab's own wires"),
        ("traffic: {driver: moongen}", "exchange"),
        (
            "traffic: {driver: trex, ports: ['memif:/x,id=0', 'memif:/x,id=1']}",
            "leave ports out, and the lab joins both",
        ),
        (MEMIF + "traffic: {driver: trex, ports: [x0, y0]}", "whose ends the lab makes"),
        (
            MEMIF + "traffic: {driver: trex, server: far, ports: [0, 1], trex: {folder: /x}}",
            "memory of this machine (net_memif): server: local",
        ),
        (
            MEMIF + "traffic: {driver: trex, trex: {latency: {rate: 10/s}}}",
            "no second port on lines in shared memory",
        ),
        (MEMIF[:-2] + ", journal: false}\ntraffic: {driver: trex}", "have their stamps in the journal"),
        ("traffic: {driver: trex, ports: [x0, y0], noise: [{profile: incast}]}", "on the lab's own wires"),
        ("traffic: {driver: trex, noise: [{profile: incast, at: 1s}]}", "no at, no duration"),
        ("traffic: {driver: trex, noise: [{profile: incats}]}", "did you mean incast?"),
        ("traffic: {driver: trex, trex: {speed: 2}}", "speed"),
        ("traffic: {driver: trex, trex: {speed_up: 0}}", "greater than 0"),
        (
            "traffic: {driver: trex}\nfaults: [{do: reorder, lines: [A], packets: 5, at: {sequence: 9}}]",
            "reorder is played by the exchange's own lines",
        ),
        (
            "traffic: {driver: trex}\nfaults: [{do: session_roll, at: {sequence: 1000}}]",
            "session_roll is played by the exchange's own lines",
        ),
    ],
)
def test_what_does_not_go_together_is_said(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, text)
    assert why in str(raised.value)


def test_faults_of_the_wire_and_of_the_services_go_with_trex(tmp_path: Path) -> None:
    load(
        tmp_path,
        "traffic: {driver: trex}\n"
        "faults:\n"
        "  - {do: drop, lines: [A, B], packets: 5, at: {sequence: 9}}\n"
        "  - {do: refuse_requests, for: 10ms, at: {time: 100ms}}\n",
    )


def test_one_file_serves_both_drivers(home: Path) -> None:
    root = Path(__file__).parents[3]
    by_exchange = load_scenario(root / "scenarios" / "trex" / "both_drivers.yaml")
    assert main_plan(by_exchange, lead_ns=700).trex is None
    assert main_plan(by_exchange, lead_ns=700).lead_ns == 700
    by_trex = load_scenario(root / "scenarios" / "trex" / "both_drivers.yaml", settings={"driver": "trex"})
    plan = main_plan(by_trex, lead_ns=700, trex_home=home)
    assert plan.trex is not None
    assert plan.lead_ns == 0, "TRex is not told to send ahead"
    assert plan.source == main_plan(by_exchange).source


def test_a_histogram_of_trex_becomes_percentiles() -> None:
    histogram = HdrHistogram(1, 10_000_000, 3)
    for value in range(1, 1001):
        histogram.record_value(value)
    points = percentiles_us(histogram.encode().decode())
    assert points is not None
    assert points["count"] == 1000
    assert (points["p50"], points["p99"], points["max"]) == (500, 990, 1000)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode()))
def test_what_is_no_histogram_gives_no_percentiles(text: str) -> None:
    assert percentiles_us(text) is None
    assert with_percentiles({"hdr": None})["percentiles_us"] is None


def test_the_report_has_its_words_and_its_limits() -> None:
    told = {
        "server": "local",
        "low_end": True,
        "server_version": "v3.08",
        "client_version": "3.4.0",
        "api": "STL 5.1",
        "start": {"after_request_ns": 1_500_000, "line_skew_ns": -2_000},
        "statistics": {
            "ports": [
                {
                    "port": 0, "sent_packets": 1000, "received_packets": 1, "send_errors": 0, "receive_errors": 0,
                }
            ],
            "queue_full": 0,
            "flows": [{"flow": 1, "sent_packets": 10, "received_packets": 8, "dropped": 2}],
            "latency": [
                {
                    "flow": 1, "minimum_us": 4.0, "maximum_us": 90.0, "average_us": 12.5, "jitter_us": 3.0,
                    "histogram": {"4": 2, "10": 6},
                }
            ],
        },
        "limits": ["whole microseconds"],
    }  # fmt: skip
    rows = dict(generator_rows({"generator": told}))
    assert rows["generator"] == "TRex v3.08, local server in low-end mode"
    assert rows["start"] == "the files' clock began +1.5 ms from the request, line B -2.0 us after line A"
    assert rows["flow 1"] == "10 sent, 8 received, 2 dropped"
    assert rows["latency of flow 1"].startswith("4 to 90 us, average 12.5 us")
    assert rows["limit"] == "whole microseconds"
    assert generator_rows({}) == []
