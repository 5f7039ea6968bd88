"""Puts this folder's reference models on the import path (tests run with --import-mode=importlib)."""

import sys
from pathlib import Path

for folder in ("order", "risk", "strategy"):
    path = str(Path(__file__).resolve().parents[1] / folder)
    if path not in sys.path:
        sys.path.append(path)
