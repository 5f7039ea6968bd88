"""Puts this folder's references and drivers on the import path (--import-mode=importlib does not)."""

import sys
from pathlib import Path

folder = str(Path(__file__).resolve().parent)
if folder not in sys.path:
    sys.path.append(folder)
