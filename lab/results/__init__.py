"""Runs on disk: judged data in, a directory that a later version can read back; and stored runs out again."""

from __future__ import annotations

from lab.results.directory import RunDirectory
from lab.results.judgement import Judgement, judge_run
from lab.results.stored import StoredRun, find_run, load_run

__all__ = ["Judgement", "RunDirectory", "StoredRun", "find_run", "judge_run", "load_run"]
