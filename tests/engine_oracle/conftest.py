"""Puts the root on the import path: these modules know each other as tests.engine_oracle (python -m finds them so)."""

import sys
from pathlib import Path

root = str(Path(__file__).resolve().parents[2])
if root not in sys.path:
    sys.path.append(root)
