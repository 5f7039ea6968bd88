"""Puts this folder's helpers on the import path (tests run with --import-mode=importlib)."""

import sys
from pathlib import Path

folder = str(Path(__file__).resolve().parent)
if folder not in sys.path:
    sys.path.append(folder)
