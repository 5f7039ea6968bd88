"""The name of a profile enters, the path of its file leaves."""

from __future__ import annotations

import difflib
from pathlib import Path

from traffic.errors import InputError

__all__ = ["SHIPPED", "profile_path"]

FOLDER = Path(__file__).parent
SHIPPED = ("imix_noise", "incast", "microburst", "rate_ramp")


def profile_path(profile: str) -> Path:
    """A name of SHIPPED, or the path of a Python file; InputError when it is neither."""
    if profile in SHIPPED:
        return FOLDER / f"{profile}.py"
    path = Path(profile)
    if path.suffix == ".py" and path.is_file():
        return path.resolve()
    if path.suffix == ".py":
        raise InputError(f"profile {profile}: there is no such file")
    close = difflib.get_close_matches(profile, SHIPPED, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise InputError(
        f"profile {profile}: unknown; {hint}there are {', '.join(SHIPPED)}, or name a Python file (x.py)"
    )
