"""TRex's latency histogram goes in as it came from the server (HdrHistogram, base64); percentiles in us come out.

A histogram that cannot be read gives none, and its text stays in the result: it is another program's word, and nothing
is judged by it.
"""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram

__all__ = ["percentiles_us", "with_percentiles"]

POINTS = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99_9": 99.9, "p99_99": 99.99, "max": 100.0}
UNREADABLE = (
    binascii.Error,
    zlib.error,
    HdrCookieException,
    HdrHistogramSettingsException,
    HdrLengthException,
    IndexError,
    ValueError,
)


def percentiles_us(encoded: str) -> dict[str, int] | None:
    """Percentiles and the count of values; None when it cannot be read."""
    try:
        histogram = HdrHistogram.decode(encoded)
    except UNREADABLE:
        return None
    found = {name: int(histogram.get_value_at_percentile(point)) for name, point in POINTS.items()}
    return {"count": int(histogram.get_total_count()), **found}


def with_percentiles(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of latency statistics and what its histogram says."""
    encoded = row.get("hdr")
    return {**row, "percentiles_us": percentiles_us(encoded) if isinstance(encoded, str) else None}
