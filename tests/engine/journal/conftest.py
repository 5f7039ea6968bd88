"""Puts this folder, and the venue's wire formats above it, on the import path."""

import sys
from pathlib import Path

for folder in (Path(__file__).resolve().parent, Path(__file__).resolve().parents[1]):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
