"""`python -m traffic CONFIG.json`: a configuration enters, an exit code leaves (0 or that of errors.py)."""

import sys
from pathlib import Path

from traffic.errors import TrafficError
from traffic.process import run


def main(arguments: list[str]) -> int:
    """Run the exchange; one line on stderr for anything the user can mend."""
    if len(arguments) != 1:
        print("traffic: error: usage: python -m traffic CONFIG.json", file=sys.stderr)
        return 64
    try:
        run(Path(arguments[0]))
    except TrafficError as error:
        print(f"traffic: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
