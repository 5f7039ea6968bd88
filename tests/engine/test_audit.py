"""The audit trail: whatever is done to a sealed file is found and named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audit import AuditTrail, verify

RECORDS = 6


def written(path: Path, *, records: int = RECORDS) -> list[bytes]:
    """The lines of a sealed trail with a head, ``records`` records and a seal."""
    trail = AuditTrail(path, run="test")
    for number in range(records):
        trail.append(
            "command", {"do": "limit", "value": number, "text": "ä\n"}, who="operator", time_ns=number
        )
    trail.seal()
    return path.read_bytes().splitlines(keepends=True)


def rehashed(record: dict[str, Any]) -> bytes:
    """A record with the hash that its content gives, by the text of the format."""
    content = {key: value for key, value in record.items() if key != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def found(path: Path, content: bytes) -> Any:
    path.write_bytes(content)
    verdict = verify(path)
    assert verdict.problem is not None
    assert verdict.seal == ""
    return verdict.problem


def test_a_sealed_trail_holds_and_a_second_reader_agrees(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    verdict = verify(path)
    assert (verdict.records, verdict.run, verdict.problem) == (RECORDS + 2, "test", None)
    last = "0" * 64
    for number, line in enumerate(lines):
        record = json.loads(line)
        assert (record["n"], record["prev"]) == (number, last)
        assert rehashed(record) == line
        last = record["hash"]
    assert verdict.seal == last


def test_nothing_follows_a_seal(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "audit.jsonl")
    trail.seal()
    with pytest.raises(ValueError, match="sealed"):
        trail.append("command", {})


def test_every_flipped_byte_is_found_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path, records=2)
    content = b"".join(lines)
    ends = [sum(map(len, lines[: index + 1])) for index in range(len(lines))]
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 1
        problem = found(path, bytes(flipped))
        assert problem.record == next(index for index, end in enumerate(ends) if at < end), at


@pytest.mark.parametrize("number", range(RECORDS + 2))
def test_a_removed_record_is_named(tmp_path: Path, number: int) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    problem = found(path, b"".join(lines[:number] + lines[number + 1 :]))
    assert problem.record == number
    assert ("truncated" if number == RECORDS + 1 else "removed") in problem.what


@pytest.mark.parametrize("number", range(RECORDS + 1))
def test_swapped_records_are_named(tmp_path: Path, number: int) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    problem = found(path, b"".join(lines))
    assert (problem.record, "reordered" in problem.what) == (number, True)


@pytest.mark.parametrize("number", range(RECORDS + 2))
def test_a_repeated_record_is_named(tmp_path: Path, number: int) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    problem = found(path, b"".join([*lines[: number + 1], *lines[number:]]))
    assert problem.record == (number if number == RECORDS + 1 else number + 1)
    assert ("follow the seal" if number == RECORDS + 1 else "repeated") in problem.what


def test_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    content = b"".join(written(path, records=2))
    for size in range(len(content)):
        assert "truncated" in found(path, content[:size]).what


@pytest.mark.parametrize("number", range(RECORDS + 1))
def test_an_edited_record_with_a_right_hash_breaks_the_chain_behind_it(tmp_path: Path, number: int) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    record = json.loads(lines[number])
    record["who"] = "nobody"
    lines[number] = rehashed(record)
    problem = found(path, b"".join(lines))
    assert (problem.record, f"another record {number}" in problem.what) == (number + 1, True)


def test_a_chain_written_anew_has_another_seal(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    before = verify(path).seal
    last, anew = "0" * 64, []
    for line in lines:
        record = {**json.loads(line), "prev": last, "who": "nobody"}
        anew.append(rehashed(record))
        last = json.loads(anew[-1])["hash"]
    path.write_bytes(b"".join(anew))
    after = verify(path)
    assert after.problem is None
    assert after.seal != before


def test_a_seal_that_counts_less_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = written(path)
    seal = json.loads(lines[-1])
    seal["detail"]["records"] -= 1
    assert "counts" in found(path, b"".join([*lines[:-1], rehashed(seal)])).what


@settings(deadline=None, max_examples=100)
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_judged(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.jsonl"
    assert found(path, content).line >= 1
