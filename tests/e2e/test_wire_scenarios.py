"""What reads the lines, fallback to kernel sockets and back, on real wires: every scenario of scenarios/wires."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lab_cli import REPOSITORY, Run, play, replays, tailgate

from engine.wires import bypass_built, dpdk_built

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.skipif(not bypass_built(), reason="built without lwIP: apt-get install liblwip-dev"),
]

ALL = sorted(path.stem for path in (REPOSITORY / "scenarios" / "wires").glob("*.yaml"))
SCENARIOS = [name for name in ALL if dpdk_built() or not name.startswith("dpdk")]
FALLBACKS = [name for name in SCENARIOS if "fallback" in name]
DPDK = [name for name in SCENARIOS if name.startswith("dpdk")]
READERS = [name for name in SCENARIOS if "fallback" not in name]  # the same market on every wire
TIMED = {"pacing"}  # the host has a say in it
PREFIX = "tgwires"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """All of them, one after the other on one set of wires."""
    paths = [f"scenarios/wires/{name}.yaml" for name in SCENARIOS]
    return play(tmp_path_factory.mktemp("results"), PREFIX, *paths, "--no-report")


@pytest.fixture
def run(request: pytest.FixtureRequest, played: dict[str, Run]) -> Run:
    return played[request.param]


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_every_check_but_the_timed_ones_passes(run: Run) -> None:
    assert set(run.not_passed()) - TIMED == set(), json.dumps(run.summary["checks"])


def of_the_market(run: Run) -> tuple[bytes, list[tuple[int, ...]]]:
    """The engine's book at the end, and every order that was decided on; a late one is the host's, and was not sent."""
    engine = run.path / "raw" / "run" / "engine"
    decisions = np.load(engine / "decisions.npy")
    names = json.loads((engine / "engine.json").read_text())["reason_names"]
    assert {names[str(reason)] for reason in np.unique(decisions["reason"])} <= {"none", "late"}
    columns = ["trigger_sequence", "symbol", "side", "price", "shares"]
    return (engine / "book.npy").read_bytes(), decisions[columns].tolist()


@pytest.mark.parametrize("run", READERS, indirect=True)
def test_every_wire_gives_the_same_orders_and_book(run: Run, played: dict[str, Run]) -> None:
    book, orders = of_the_market(played["af_xdp"])
    assert len(orders) > 1_000
    assert of_the_market(run) == (book, orders)


@pytest.mark.skipif(not DPDK, reason="built without DPDK: apt-get install libdpdk-dev")
@pytest.mark.parametrize("run", DPDK, indirect=True)
def test_the_result_has_the_devices_own_counters(run: Run) -> None:
    assert run.summary["run"]["wire"] == "dpdk"
    for counters in run.summary["wires"]["dpdk"].values():
        assert counters["driver"] in run.summary["run"]["wire_mode"]
        assert counters["received"] > 0
        assert (counters["missed"], counters["no_buffer"], counters["grade"]) == (0, 0, "none")


@pytest.mark.parametrize("run", FALLBACKS, indirect=True)
def test_the_result_says_what_changed_and_how_long_it_took(run: Run) -> None:
    wires = run.summary["wires"]
    assert wires["lines"]["done"] == wires["lines"]["changes"]
    assert wires["orders"]["resumed"] == wires["orders"]["changes"]
    assert wires["lines"]["changes"] + wires["orders"]["changes"] > 0


@pytest.mark.parametrize("run", SCENARIOS, indirect=True)
def test_the_journal_replays_to_the_same_orders_and_books(run: Run) -> None:
    replays(run)


def test_both_transports_race_side_by_side() -> None:
    answer = tailgate("bench", "orders", "--messages", "1000", "--repeats", "1", "--prefix", PREFIX, "--json")
    assert answer.code == 0, answer.err
    figures = json.loads(answer.out)
    assert set(figures) == {"kernel", "af_xdp", "frame_ring", "frame_door", "ratio_p50"}
    for transport in ("kernel", "af_xdp", "frame_ring", "frame_door"):
        for figure in figures[transport].values():
            assert 0 < figure["p50"] <= figure["p99"]
            assert figure["count"] >= 150
