"""The TRex client library: nothing enters, its STL interface and version leave; for a process of its own.

lbr-trex-client brings old copies of scapy, zmq and yaml along. On import it puts them in front of sys.path and throws
newer ones out of sys.modules, so that a process which loads it can use no others: traffic.trex.worker does, and so may
whatever else renders STL profiles; the lab never does. Python 3.13 dropped the module cgi, which its scapy needs.
"""

import importlib
import sys
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from traffic.errors import MissingError

__all__ = ["DISTRIBUTION", "Library", "load_library"]

DISTRIBUTION = "lbr-trex-client"
INSTALL = f"python -m pip install {DISTRIBUTION}"
BUNDLED = ("scapy", "zmq", "yaml")
PLOTTING = "matplotlib"  # its scapy takes half a second to load it, for plots that nobody asks for


@dataclass(frozen=True, kw_only=True)
class Library:
    """`api` is the module trex.stl.api: STLClient, STLStream, STLPktBuilder, TRexError and scapy's layers."""

    version: str
    api: Any
    api_name: str
    api_major: int
    api_minor: int

    @property
    def speaks(self) -> str:
        return f"{self.api_name} {self.api_major}.{self.api_minor}"


def load_library() -> Library:
    """Load it. MissingError when it is not there or this Python cannot import it.

    RuntimeError when another scapy, zmq or yaml is loaded already: the caller's mistake, not the user's.
    """
    foreign = [
        name for name in BUNDLED if name in sys.modules and "lbr_trex_client" not in _place(sys.modules[name])
    ]
    if foreign:
        raise RuntimeError(
            f"{', '.join(foreign)} of this process would be replaced: load it in another process"
        )
    try:
        found = version(DISTRIBUTION)
    except PackageNotFoundError:
        raise MissingError(f"the TRex client library is not installed: {INSTALL}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library that is ten years old in places
        hidden = sys.modules.setdefault(PLOTTING, None) is None  # type: ignore[arg-type]  # None: not to be found
        try:
            importlib.import_module("lbr_trex_client")
            api: Any = importlib.import_module("trex.stl.api")
        except ImportError as error:
            python = ".".join(map(str, sys.version_info[:2]))
            raise MissingError(
                f"{DISTRIBUTION} {found} cannot be imported by Python {python}: {error}: use Python 3.11 or 3.12"
            ) from None
        finally:
            if hidden:
                del sys.modules[PLOTTING]
        speaks = api.STLClient(verbose_level="none").ctx.api_ver
    return Library(
        version=found, api=api, api_name=speaks["name"], api_major=speaks["major"], api_minor=speaks["minor"]
    )


def _place(module: Any) -> str:
    return str(getattr(module, "__file__", "") or "")
