"""Makes the TRex client library importable in this process; MissingError when it cannot be.

The library (lbr-trex-client) brings its own old scapy and zmq and puts them in front of ours, so only a helper process
may call this: never the lab, never the exchange.
"""

from __future__ import annotations

import importlib
import warnings

from traffic.errors import MissingError

__all__ = ["load_library"]


def load_library() -> None:
    """From now on ``trex_stl_lib.api`` and ``trex.stl.api`` can be imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old scapy's, about ciphers
        try:
            importlib.import_module("lbr_trex_client")
            importlib.import_module("trex_stl_lib.api")
        except ImportError as error:
            raise MissingError(
                f"the TRex client library cannot be imported ({error}): "
                "pip install lbr-trex-client==3.4.0 (for Python 3.11)"
            ) from None
