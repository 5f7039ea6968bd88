"""What ran: the compiled engine's digest, and the text with which a journal begins."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from engine.config import EngineConfig

__all__ = ["config_digest", "library_digest", "recorder_text"]


@cache
def library_digest() -> str:
    """sha256 of the compiled engine that this process has loaded."""
    spec = find_spec("engine._engine")
    if spec is None or spec.origin is None:
        return ""
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def config_digest(config: EngineConfig) -> str:
    """sha256 of the configuration with every default written out."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()


def recorder_text(config: EngineConfig) -> str:
    """A journal's first record: everything that a replay has to know of who recorded it. JSON."""
    return json.dumps({"library": library_digest(), "config": config.model_dump(mode="json")})
