"""The import path: the root (these modules know each other as tests.feed_integrity, as python -m does), and the
folders of the reference book, the reference decoder and the venue's bytes."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE_TESTS = ROOT / "tests" / "engine"
for folder in (ROOT, ENGINE_TESTS, ENGINE_TESTS / "book", ENGINE_TESTS / "feed"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
