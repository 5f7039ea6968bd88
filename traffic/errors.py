"""The exceptions of the package: one tree; every message says what, where, why and what to do.

TrafficError
├── InputError    a configuration or an input file is wrong      exit 64
└── MissingError  an interface, address or permission is missing  exit 69
"""

__all__ = ["InputError", "MissingError", "TrafficError"]


class TrafficError(Exception):
    """Anything the user can mend; the process prints it as one line and exits with `exit_code`."""

    exit_code = 70


class InputError(TrafficError):
    """A configuration or an input file is wrong."""

    exit_code = 64


class MissingError(TrafficError):
    """Something of this host is missing: an interface, an address, a permission."""

    exit_code = 69
