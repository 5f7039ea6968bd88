"""The audit trail's one door: ``append(kind, fields)`` writes a record that outlives the process, or raises OSError.

One JSON object a line: ``{"number", "utc_ns", "kind", ...fields}``. Whatever keeps the trail for good stands behind
this class, and nothing else writes it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Audit"]


class Audit:
    """A file that only grows. Every thread may append."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._number = 0

    def append(self, kind: str, fields: Mapping[str, Any]) -> int:
        """The record's number, once it is written. OSError: it is not."""
        with self._lock:
            record = {"number": self._number + 1, "utc_ns": time.time_ns(), "kind": kind, **fields}
            line = json.dumps(record, default=str).encode() + b"\n"
            if os.write(self._file, line) != len(line):
                raise OSError("the audit trail took only a part of a record")
            self._number += 1
            return self._number

    def close(self) -> None:
        os.close(self._file)
