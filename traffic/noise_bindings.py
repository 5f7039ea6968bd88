"""Compiled profiles enter; the exchange's noise leaves: what it is to send and when, and afterwards what it sent.

Memory is Python's; a ``Noise`` keeps what it gave to C.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from traffic._traffic import ffi, lib
from traffic.bindings import Bytes, Records, pointer, touched
from traffic.errors import InputError
from traffic.profiles.program import FOREVER_NS, ProgramStream

__all__ = ["NOISE_DTYPE", "Noise", "NoiseProfile", "play"]

NOISE_DTYPE = np.dtype(
    [("intended_ns", "<i8"), ("sent_ns", "<i8"), ("stream", "<u4"), ("burst", "<i4"), ("bytes", "<u4"),
     ("line", "<u4")]
)  # fmt: skip
FRAMES_MAX = 10_000_000
STREAMS_MAX = 256  # NOISE_STREAMS_MAX

assert NOISE_DTYPE.itemsize == ffi.sizeof("struct noise_record")


@dataclass(frozen=True, kw_only=True)
class NoiseProfile:
    """A compiled profile on a line (its index); times count from the market's first packet."""

    profile: str
    line: int
    streams: Sequence[ProgramStream]
    from_ns: int = 0
    until_ns: int = FOREVER_NS


class Noise:
    """Streams and records for ``struct noise_options``; InputError when there would be too many."""

    def __init__(self, profiles: Sequence[NoiseProfile], *, horizon_ns: int) -> None:
        self._kept: list[object] = []
        self.names = [(each.profile, stream.name) for each in profiles for stream in each.streams]
        self._count = len(self.names)
        if self._count > STREAMS_MAX:
            raise InputError(f"noise: {self._count} streams; {STREAMS_MAX} can be played beside each other")
        self.streams = ffi.new("struct noise_stream[]", max(self._count, 1))
        timings = ffi.new("struct noise_timing[]", max(self._count, 1))
        place = 0
        for each in profiles:
            first = place
            for stream in each.streams:
                self._time(timings[place], each, stream, first)
                self._program(self.streams[place], each, stream)
                place += 1
        frames = int(lib.noise_plan(timings, self._count, horizon_ns, ffi.NULL, 0, FRAMES_MAX))
        if frames >= FRAMES_MAX:
            raise InputError(
                f"noise: {FRAMES_MAX:,} frames or more within {horizon_ns / 1e9:g} s; "
                "a profile's chain of streams takes no time, or its rate is too high"
            )
        self.records: Records = touched(np.zeros(frames, NOISE_DTYPE))
        lib.noise_plan(
            timings,
            self._count,
            horizon_ns,
            pointer("struct noise_record *", self.records),
            frames,
            FRAMES_MAX,
        )

    def _array(self, kind: str, items: int) -> Any:
        kept = ffi.new(kind, max(items, 1))
        self._kept.append(kept)
        return kept

    @staticmethod
    def _time(timing: Any, profile: NoiseProfile, stream: ProgramStream, first: int) -> None:
        for name in ("gap_ps", "wait_ps", "pause_ps", "packets", "bursts", "turns"):
            setattr(timing, name, getattr(stream, name))
        timing.next = -1 if stream.next < 0 else first + stream.next
        timing.starts = stream.starts
        timing.line = profile.line
        timing.from_ns, timing.until_ns = profile.from_ns, profile.until_ns

    def _program(self, given: Any, profile: NoiseProfile, stream: ProgramStream) -> None:
        frame = self._array("uint8_t[]", len(stream.frame))
        ffi.memmove(frame, stream.frame, len(stream.frame))
        variables = self._array("struct field_variable[]", len(stream.variables))
        for to, variable in zip(variables, stream.variables, strict=False):
            to.initial, to.min, to.max = variable.initial, variable.minimum, variable.maximum
            to.step = variable.step
        operations = self._array("struct field_operation[]", len(stream.operations))
        for to, operation in zip(operations, stream.operations, strict=False):
            for name, value in vars(operation).items():
                setattr(to, name, value)
        program = given.program
        program.frame, program.frame_bytes = frame, len(stream.frame)
        program.variables, program.variable_count = variables, len(stream.variables)
        program.operations, program.operation_count = operations, len(stream.operations)
        program.cache, program.random_initial = stream.cache, stream.seed
        given.line, given.line_mac = profile.line, stream.line_mac
        if not lib.field_good(ffi.addressof(program)):
            raise InputError(
                f"profile {profile.profile}, stream {stream.name}: it reaches outside of its frame"
            )

    def give(self, options: Any) -> None:
        """Fills a ``struct noise_options``."""
        options.records = pointer("struct noise_record *", self.records)
        options.record_count = self.records.size
        options.streams, options.stream_count = self.streams, self._count

    def counters(self, *, lines: Sequence[str]) -> list[dict[str, object]]:
        """What each stream sent; read when the loop is joined."""
        planned = np.bincount(self.records["stream"], minlength=self._count)
        return [
            {
                "profile": profile,
                "stream": name,
                "line": lines[stream.line],
                "planned": int(planned[place]),
                "frames": int(stream.frames),
                "bytes": int(stream.bytes),
                "errors": int(stream.errors),
                "forced": int(stream.forced),
                "late_max_ns": int(stream.late_max_ns),
            }
            for place, ((profile, name), stream) in enumerate(zip(self.names, self.streams, strict=False))
        ]


def play(noise: Noise) -> list[tuple[int, int, bytes]]:
    """(intended time, stream, frame) of every record, made as the loop makes them, sent nowhere."""
    for place in range(len(noise.names)):
        lib.field_begin(ffi.addressof(noise.streams[place].program))
    played = []
    for record in noise.records:
        program = noise.streams[int(record["stream"])].program
        size = lib.field_run(ffi.addressof(program))
        frame: Bytes = np.frombuffer(ffi.buffer(program.frame, size), np.uint8)
        played.append((int(record["intended_ns"]), int(record["stream"]), frame.tobytes()))
    return played
