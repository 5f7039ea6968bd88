"""tailgate audit verify: 0 for a whole trail, 1 for one that was changed or written anew, 64 for none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.audit import AuditTrail
from lab.cli import app
from lab.errors import UsageError


def trail(folder: Path) -> Path:
    path = folder / "audit.jsonl"
    written = AuditTrail(path)
    written.append("command", {"command": "kill all"}, who="user 0")
    (folder / "engine.json").write_text(json.dumps({"audit": {"seal": written.seal()}}))
    return path


def verified(path: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", "verify", str(path)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.return_value, result.output


def test_a_whole_trail_is_0(tmp_path: Path) -> None:
    assert verified(trail(tmp_path))[0] == 0


def test_an_edited_record_is_1(tmp_path: Path) -> None:
    path = trail(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"kill all", b"kill one"))
    assert verified(path)[0] == 1


def test_a_trail_written_anew_is_1(tmp_path: Path) -> None:
    path = trail(tmp_path)
    AuditTrail(path).seal()
    assert verified(path)[0] == 1


def test_no_trail_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no audit\.jsonl"):
        verified(tmp_path)
