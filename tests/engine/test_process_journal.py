"""python -m engine with a journal over sockets: what it leaves can be replayed, and its audit trail holds."""

from __future__ import annotations

import json
import mmap
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_process import BOOK, Venue, next_event, start, stop, wait_for, written
from venue_bytes import accepted, add, canceled, enters_in, executed, heartbeat, mold

from engine.audit import verify
from engine.journal_binding import journal_problem
from engine.replay import replay

KILL_OFFSET = 12
pytestmark = pytest.mark.privileged


@pytest.fixture
def venue() -> Iterator[Venue]:
    if os.geteuid() != 0:
        pytest.skip("needs root: the engine's kernel port enlarges its receive buffer")
    with Venue() as venue:
        yield venue


def trail_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def test_a_run_with_lateness_answers_and_a_kill_replays_and_is_audited(tmp_path: Path, venue: Venue) -> None:
    journal, page = tmp_path / "engine.journal", tmp_path / "page"
    config = venue.config(
        tmp_path, journal={"path": str(journal)}, control=str(page), risk={"late_after_ns": 100_000_000}
    )
    with start(written(tmp_path, config)) as process:
        venue.take_login()
        assert next_event(process) == {"event": "ready"}
        venue.publish(mold(1, *BOOK))
        venue.publish(mold(3, add(3, "B", 100, 10_050)))
        (order,) = enters_in(venue.read_order())
        assert venue.connection
        venue.connection.sendall(accepted(order) + executed(order, 60))
        wait_for(tmp_path, process)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        venue.publish(mold(4, add(4, "B", 100, 10_060)))
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
        wait_for(tmp_path, process)
        with page.open("r+b") as file, mmap.mmap(file.fileno(), 0) as control:
            control[KILL_OFFSET] = 1
            venue.publish(mold(5, add(5, "B", 100, 10_070)))
            wait_for(tmp_path, process)
            control[KILL_OFFSET] = 0
        assert venue.read_order()[2:4] == b"UX", "the kill cancels what is open"
        venue.connection.sendall(canceled(order, 40))
        wait_for(tmp_path, process)
        venue.publish(mold(6, add(6, "B", 100, 10_080)))
        assert next(enters_in(venue.read_order())).token == "T0000000000060"
        venue.publish(heartbeat(7, end=True))
        wait_for(tmp_path, process)
        stop(process)
    replayed = replay(journal)
    assert (replayed.outcome, replayed.problem, replayed.counts["orders"]) == ("equal", "", 2)
    state = replay(journal, until=5).state
    assert state
    assert (state["kill_switch"], state["positions"]) == (True, {"1": 60})
    assert state["risk"]["late"] == state["risk"]["kill_switch"] == 1
    assert [command["value"] for command in state["last_commands"]] == [1]

    verdict = verify(tmp_path / "audit.jsonl")
    report = json.loads((tmp_path / "engine.json").read_text())
    assert (verdict.problem, verdict.seal) == (None, report["audit"]["seal"])
    kinds = [record["kind"] for record in trail_of(tmp_path)]
    assert kinds[:3] == ["head", "start", "command"]
    assert kinds[-2:] == ["stop", "seal"]
    told = [kind for kind in kinds[3:-2] if kind != "order_session"]
    assert told == ["risk", "feed_state", "risk", "risk", "feed_state", "orders"]
    changes = [record["detail"]["change"] for record in trail_of(tmp_path) if record["kind"] == "risk"]  # type: ignore[index]
    assert changes == ["table", "kill", "kill_over"]


def test_a_killed_engine_leaves_a_journal_and_a_trail_that_say_so(tmp_path: Path, venue: Venue) -> None:
    journal = tmp_path / "engine.journal"
    config = venue.config(tmp_path, journal={"path": str(journal), "drain_above": 0})
    with start(written(tmp_path, config)) as process:
        venue.take_login()
        assert next_event(process) == {"event": "ready"}
        venue.publish(mold(1, *BOOK))
        wait_for(tmp_path, process)
        process.kill()
    problem = journal_problem(journal.read_bytes())
    assert problem
    assert problem.what == "truncated"
    replayed = replay(journal)
    assert replayed.exit_code == 2
    assert replayed.counts["delivered"] == 2, "what was drained can still be looked at"
    trail = verify(tmp_path / "audit.jsonl").problem
    assert trail
    assert "no seal" in trail.what


def test_a_journal_that_cannot_be_made_is_69_and_named(tmp_path: Path) -> None:
    config = {"journal": {"path": "/nonexistent/engine.journal"}, "die_with_parent": False}
    with start(written(tmp_path, config)) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 69
    assert said.count("\n") == 1
    assert "/nonexistent/engine.journal: No such file" in said
