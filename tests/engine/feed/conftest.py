"""Puts the references and drivers of feed and book on the import path (--import-mode=importlib does not)."""

import sys
from pathlib import Path

for folder in ("feed", "book"):
    path = str(Path(__file__).resolve().parents[1] / folder)
    if path not in sys.path:
        sys.path.append(path)
