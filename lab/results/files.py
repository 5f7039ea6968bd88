"""Writing one file so that a crash of the program leaves the old content or the new one, and hashing it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

__all__ = ["replacing", "sha256_of", "write_json", "write_text"]

CHUNK_BYTES = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file beside ``path`` that takes its place when the block ends well, or else goes."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, default=_plain, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """numpy's numbers as Python's; anything else is a mistake of the writer."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
