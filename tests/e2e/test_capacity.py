"""How much a wire takes, as a user asks: a market that goes round and round reaches the engine whole."""

from __future__ import annotations

import json

import pytest
from lab_cli import left_behind, tailgate

from engine.wires import bypass_built, dpdk_built
from lab.run.capacity import ROUND

PREFIX = "tgcapacity"
RATE_PER_S, SECONDS = 300_000, 4
pytestmark = [
    pytest.mark.privileged,
    pytest.mark.skipif(not bypass_built(), reason="built without lwIP: apt-get install liblwip-dev"),
]


def test_a_trial_longer_than_a_round_is_delivered_whole() -> None:
    assert RATE_PER_S * SECONDS > ROUND  # the engine sees the seam
    wires = ["af_xdp", "net_memif"] if dpdk_built() else ["af_xdp"]
    asked = [argument for wire in wires for argument in ("--wire", wire)]
    answer = tailgate(
        "bench", "capacity", *asked, "--rate", f"{RATE_PER_S // 1000}k/s", "--duration", f"{SECONDS}s",
        "--no-search", "--prefix", PREFIX, "--json",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    trials = json.loads(answer.out)["trials"]
    assert [trial["wire"] for trial in trials] == wires
    for trial in trials:
        assert trial["verdict"] in ("FREE", "SLOW"), trial  # the host has a say in the rate
        assert (trial["delivered"], trial["gaps"]) == (trial["messages"], 0)
        assert trial["messages"] >= RATE_PER_S * SECONDS
        assert trial["orders"] > 100
        assert 0 < trial["p50_ns"] <= trial["p99_ns"] <= trial["max_ns"]
    assert left_behind(PREFIX) == []


def test_a_trial_too_long_to_be_kept_record_of_is_refused_before_anything_starts() -> None:
    answer = tailgate("bench", "capacity", "--rate", "20M/s", "--duration", "60s", "--prefix", PREFIX)
    assert answer.code == 64
    assert "at most 1,000,000,000" in answer.err
