"""A profile and its tunables enter on the command line; its streams, as TRex's own JSON, leave on stdout.

python -m traffic.profiles.render PROFILE [--direction N] [--port-id N] [--tunable NAME=VALUE]...

The profile is loaded by the real TRex library, in this process and in no other (traffic/trex/library.py says why).
Exit codes: 0, 64 a profile or a tunable is wrong, 69 the library is missing; then one line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from traffic.errors import InputError, TrafficError
from traffic.profiles.names import profile_path
from traffic.trex.library import load_library

__all__ = ["load_stl", "main", "render"]


def load_stl(profile: str, *, direction: int, port_id: int, tunables: Mapping[str, str]) -> Any:
    """TRex's own STLProfile, in a process that has the library; InputError says what is wrong with it."""
    path = profile_path(profile)
    from trex.common.trex_exceptions import TRexError
    from trex_stl_lib.api import STLProfile

    said = io.StringIO()
    given = [part for name, value in tunables.items() for part in (f"--{name}", value)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            loaded = STLProfile.load_py(str(path), direction=direction, port_id=port_id, tunables=given)
    except TRexError as error:
        last = [line.strip() for line in str(error).splitlines() if line.strip()][-1]
        raise InputError(f"profile {profile}: {last}") from None
    except SystemExit as end:  # the library swallows only that of get_streams()
        raise InputError(
            f"profile {profile}: it ends the program, sys.exit({end.code!r}), and gives no streams"
        ) from None
    if loaded is None:  # its argument parser gave up, or it called sys.exit
        raise InputError(f"profile {profile}: {_complaint(said.getvalue())}")
    return loaded


def render(
    profile: str, *, direction: int, port_id: int, tunables: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The streams of a profile as TRex's JSON."""
    load_library()
    loaded = load_stl(profile, direction=direction, port_id=port_id, tunables=tunables)
    streams: list[dict[str, Any]] = loaded.to_json()
    return streams


def _complaint(text: str) -> str:
    """What argparse said, in one line."""
    wrong = re.findall(r"error: (.*)", text)
    known = sorted(set(re.findall(r"--([A-Za-z][\w-]*)", text.split("error:")[0])) - {"help"})
    what = wrong[-1] if wrong else "it ends the program, or returns nothing, and gives no streams"
    return f"{what}; its tunables: {', '.join(known) or 'none'}"


def _tunable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z][\w-]*", name):
        raise InputError(f"tunable {text!r}: write NAME=VALUE")
    return name, value


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise InputError(f"{message}; usage: {' '.join(self.format_usage().split()[1:])}")


def main(arguments: list[str]) -> int:
    """Prints a JSON array; one line on stderr for anything the user can mend."""
    parser = _Parser(prog="python -m traffic.profiles.render", description="Prints the streams of a profile.")
    parser.add_argument("profile", help="a name in traffic/profiles, or the path of a Python file")
    parser.add_argument("--direction", type=int, default=0)
    parser.add_argument("--port-id", type=int, default=0)
    parser.add_argument("--tunable", action="append", default=[], metavar="NAME=VALUE")
    try:
        options = parser.parse_args(arguments)
        streams = render(
            options.profile,
            direction=options.direction,
            port_id=options.port_id,
            tunables=dict(_tunable(text) for text in options.tunable),
        )
    except TrafficError as error:
        print(f"traffic.profiles.render: error: {error}", file=sys.stderr)
        return error.exit_code
    json.dump(streams, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
