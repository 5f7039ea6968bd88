"""Puts the references and drivers of feed and book on the import path (--import-mode=importlib does not)."""

import sys
from pathlib import Path

from hypothesis import settings

# no timed assertion: a busy host is not a failure
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

for folder in ("feed", "book"):
    path = str(Path(__file__).resolve().parents[1] / folder)
    if path not in sys.path:
        sys.path.append(path)
