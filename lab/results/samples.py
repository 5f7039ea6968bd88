"""SAMPLES rows in, samples.parquet out, and back: a row per trigger, null for what does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from lab.errors import UsageError
from lab.measure.match import NO_LINE, SAMPLES, Status
from lab.measure.rows import LINE_NAMES, MISSING, Rows
from lab.results.files import replacing

__all__ = ["read_columns", "read_samples", "write_samples"]

STATUS_NAMES = tuple(status.name.lower() for status in Status)
NULLABLE = tuple(name for name in SAMPLES.names or () if name.endswith("_ns"))
REASON_NAMES_KEY = b"tailgate.reason_names"


def write_samples(path: Path, samples: Rows, *, reason_names: Mapping[int, str]) -> None:
    """Status, side, line and reason are written as words; times and durations are nanoseconds."""
    columns: dict[str, Any] = {}
    for name in SAMPLES.names or ():
        values = samples[name]
        if name in NULLABLE:
            columns[name] = pa.array(values, mask=values == MISSING)
        elif name == "side":
            columns[name] = _words(values.astype("U1"), values == b"")
        elif name == "status":
            columns[name] = _words(np.array(STATUS_NAMES)[values], np.zeros(len(values), bool))
        elif name == "wire_line":
            line = np.array([*LINE_NAMES, ""])[np.where(values == NO_LINE, len(LINE_NAMES), values)]
            columns[name] = _words(line, values == NO_LINE)
        else:
            columns[name] = pa.array(values)
    names = np.array([reason_names.get(code, f"reason {code}") for code in range(256)])
    columns["reason_name"] = _words(names[samples["reason"]], samples["reason"] == 0)
    table = pa.table(columns)
    with replacing(path) as file:
        parquet.write_table(table, file, compression="zstd")


def _words(values: Rows, missing: Rows) -> Any:
    words, index = np.unique(values, return_inverse=True)
    indices = pa.array(index.astype(np.int32), mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words.tolist(), pa.string()))


def read_samples(path: Path) -> Rows:
    """The SAMPLES rows that ``write_samples`` was given. UsageError when the file is not one of its."""
    columns = read_columns(path, SAMPLES.names or ())
    samples = np.zeros(len(columns["trigger_sequence"]), SAMPLES)
    for name, values in columns.items():
        if name == "status":
            samples[name] = _codes(values, STATUS_NAMES, default=0)
        elif name == "wire_line":
            samples[name] = _codes(values, LINE_NAMES, default=NO_LINE)
        else:
            samples[name] = values
    return samples


def read_columns(path: Path, names: Sequence[str]) -> dict[str, Rows]:
    """Columns by name: ns as int64 with MISSING for null, words as text with "" for null."""
    try:
        table = parquet.ParquetFile(path).read(columns=list(names))
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"cannot read {path}", why=" ".join(str(error).split())) from error
    absent = [name for name in names if name not in table.column_names]
    if absent:
        raise UsageError(f"{path} has no column {absent[0]}", why="another version wrote it")
    return {name: _plain(name, table.column(name)) for name in names}


def _plain(name: str, column: Any) -> Rows:
    if name in NULLABLE:
        return np.asarray(column.fill_null(MISSING).to_numpy(), np.int64)
    if pa.types.is_dictionary(column.type):
        return np.asarray(column.cast(pa.string()).fill_null("").to_numpy()).astype("U")
    return np.asarray(column.to_numpy())


def _codes(values: Rows, words: Sequence[str], *, default: int) -> Rows:
    result: Rows = np.select([values == word for word in words], list(range(len(words))), default)
    return result
