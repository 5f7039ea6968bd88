"""An interface of this thread's namespace goes in; what its driver says of it comes out, and a few settings go back.

The ioctl interface of <linux/ethtool.h> and <linux/net_tstamp.h>. Whatever a driver does not offer is None, which is
not the same as zero.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Channels", "Coalescing", "Driver", "Ethtool", "Rings", "Stamping"]

SIOCETHTOOL, SIOCSHWTSTAMP, SIOCGHWTSTAMP = 0x8946, 0x89B0, 0x89B1
GSET, GDRVINFO, GCOALESCE, GRINGPARAM, GSTRINGS = 0x01, 0x03, 0x0E, 0x10, 0x1B
GRXCLSRLCNT, GSSET_INFO, GFEATURES, SFEATURES = 0x2E, 0x37, 0x3A, 0x3B
GCHANNELS, SCHANNELS, GET_TS_INFO = 0x3C, 0x3D, 0x41
SS_FEATURES, NAME_BYTES, FEATURES_MAX = 4, 32, 256
SPEED_UNKNOWN = (0, 0xFFFFFFFF)
RXNFC_BYTES, RULE_COUNT_AT = 192, 184
RX_HARDWARE, RAW_HARDWARE = 1 << 2, 1 << 6
FILTER_NONE, FILTER_ALL = 0, 1
ABSENT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ERANGE, errno.ENOSYS)


@dataclass(frozen=True, kw_only=True)
class Driver:
    """``bus`` is the PCI address of a card, empty or something else for what is none."""

    name: str
    version: str
    firmware: str
    bus: str


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Queues in use, and how many there could be. A combined channel receives and sends."""

    rx: int
    tx: int
    other: int
    combined: int
    rx_max: int
    tx_max: int
    other_max: int
    combined_max: int

    @property
    def receiving(self) -> int:
        return self.rx + self.combined


@dataclass(frozen=True, kw_only=True)
class Rings:
    """Descriptors of each receive and send ring, and their most."""

    rx: int
    tx: int
    rx_max: int
    tx_max: int


@dataclass(frozen=True, kw_only=True)
class Coalescing:
    """How long and for how many frames the card holds an interrupt back."""

    rx_us: int
    rx_frames: int
    tx_us: int
    tx_frames: int
    adaptive_rx: bool
    adaptive_tx: bool


@dataclass(frozen=True, kw_only=True)
class Stamping:
    """``clock`` is N of /dev/ptpN, None without one. ``every_packet``: RX stamps are not for PTP frames only."""

    clock: int | None
    rx_hardware: bool
    every_packet: bool


class Ethtool:
    """One interface by name; every call is one or two ioctls in the namespace of the calling thread."""

    def __init__(self, interface: str) -> None:
        self.interface = interface

    def _ioctl(self, request: int, data: bytes) -> bytes | None:
        """The structure as the kernel left it; None when the driver has no such thing. OSError for all else."""
        value = ctypes.create_string_buffer(data, len(data))
        wanted = struct.pack("16sP", self.interface.encode(), ctypes.addressof(value)).ljust(40, b"\0")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            try:
                fcntl.ioctl(any_socket, request, wanted)
            except OSError as error:
                if error.errno in ABSENT:
                    return None
                raise
        return value.raw

    def _ask(self, command: int, size: int) -> bytes | None:
        return self._ioctl(SIOCETHTOOL, struct.pack("I", command).ljust(size, b"\0"))

    def driver(self) -> Driver | None:
        raw = self._ask(GDRVINFO, 196)
        if raw is None:
            return None
        name, version, firmware, bus = (text_of(raw[at : at + 32]) for at in range(4, 132, 32))
        return Driver(name=name, version=version, firmware=firmware, bus=bus)

    def speed_mbps(self) -> int | None:
        """None when the driver does not know, or there is no carrier."""
        raw = self._ask(GSET, 44)
        if raw is None:
            return None
        low, high = struct.unpack_from("H", raw, 12)[0], struct.unpack_from("H", raw, 28)[0]
        speed = high << 16 | low
        return None if speed in SPEED_UNKNOWN else speed

    def channels(self) -> Channels | None:
        raw = self._ask(GCHANNELS, 36)
        if raw is None:
            return None
        _, rx_max, tx_max, other_max, combined_max, rx, tx, other, combined = struct.unpack("9I", raw)
        return Channels(
            rx=rx,
            tx=tx,
            other=other,
            combined=combined,
            rx_max=rx_max,
            tx_max=tx_max,
            other_max=other_max,
            combined_max=combined_max,
        )

    def set_channels(self, *, rx: int, tx: int, other: int, combined: int) -> None:
        """OSError when the driver refuses."""
        asked = struct.pack("9I", SCHANNELS, 0, 0, 0, 0, rx, tx, other, combined)
        if self._ioctl(SIOCETHTOOL, asked) is None:
            raise OSError(errno.EOPNOTSUPP, "the driver sets no channels", self.interface)

    def rings(self) -> Rings | None:
        raw = self._ask(GRINGPARAM, 36)
        if raw is None:
            return None
        numbers = struct.unpack("9I", raw)
        return Rings(rx=numbers[5], tx=numbers[8], rx_max=numbers[1], tx_max=numbers[4])

    def coalescing(self) -> Coalescing | None:
        raw = self._ask(GCOALESCE, 92)
        if raw is None:
            return None
        numbers = struct.unpack("23I", raw)
        return Coalescing(
            rx_us=numbers[1],
            rx_frames=numbers[2],
            tx_us=numbers[5],
            tx_frames=numbers[6],
            adaptive_rx=bool(numbers[10]),
            adaptive_tx=bool(numbers[11]),
        )

    def stamping(self) -> Stamping | None:
        raw = self._ask(GET_TS_INFO, 44)
        if raw is None:
            return None
        _, can, clock, filters = struct.unpack_from("IIiI", raw[:12] + raw[28:32])
        return Stamping(
            clock=None if clock < 0 else clock,
            rx_hardware=bool(can & RX_HARDWARE and can & RAW_HARDWARE),
            every_packet=bool(filters & 1 << FILTER_ALL),
        )

    def stamp_filter(self) -> tuple[int, int, int] | None:
        """flags, tx_type and rx_filter that the card stamps with now."""
        raw = self._ioctl(SIOCGHWTSTAMP, bytes(12))
        return None if raw is None else struct.unpack("3i", raw)

    def set_stamp_filter(self, flags: int, tx_type: int, rx_filter: int) -> int | None:
        """Asks for stamps; returns the filter that the driver chose, which may be another. None: it has none."""
        raw = self._ioctl(SIOCSHWTSTAMP, struct.pack("3i", flags, tx_type, rx_filter))
        return None if raw is None else int(struct.unpack("3i", raw)[2])

    def rule_count(self) -> int | None:
        """Flow steering rules in the card."""
        raw = self._ask(GRXCLSRLCNT, RXNFC_BYTES)
        return None if raw is None else int(struct.unpack_from("I", raw, RULE_COUNT_AT)[0])

    def _feature_names(self) -> list[str]:
        asked = struct.pack("IIQI", GSSET_INFO, 0, 1 << SS_FEATURES, 0)
        found = self._ioctl(SIOCETHTOOL, asked)
        count = min(struct.unpack_from("I", found, 16)[0], FEATURES_MAX) if found else 0
        raw = self._ioctl(
            SIOCETHTOOL, struct.pack("III", GSTRINGS, SS_FEATURES, count) + bytes(NAME_BYTES * count)
        )
        if raw is None:
            return []
        return [text_of(raw[at : at + NAME_BYTES]) for at in range(12, 12 + NAME_BYTES * count, NAME_BYTES)]

    def _feature_words(self) -> tuple[list[str], list[tuple[int, ...]]]:
        """Names by bit, and for every 32 of them: available, requested, active, never changed."""
        names = self._feature_names()
        blocks = (len(names) + 31) // 32
        raw = self._ioctl(SIOCETHTOOL, struct.pack("II", GFEATURES, blocks) + bytes(16 * blocks))
        if raw is None:
            return [], []
        return names, [struct.unpack_from("4I", raw, 8 + 16 * block) for block in range(blocks)]

    def features(self) -> dict[str, bool]:
        """Offloads by the kernel's names (``rx-lro``, ``tx-checksum-ip-generic``, ...): on or off."""
        names, words = self._feature_words()
        return {name: bool(words[bit // 32][2] >> bit % 32 & 1) for bit, name in enumerate(names) if name}

    def requested(self) -> dict[str, bool]:
        """Those that can be changed: what was asked of them, which may be more than can be had now."""
        names, words = self._feature_words()
        return {
            name: bool(words[bit // 32][1] >> bit % 32 & 1)
            for bit, name in enumerate(names)
            if name and words[bit // 32][0] & ~words[bit // 32][3] & 1 << bit % 32
        }

    def set_features(self, wanted: Mapping[str, bool]) -> None:
        """Asks for offloads, of those in ``requested()``, on or off. OSError when the driver refuses."""
        names = self._feature_names()
        blocks = [[0, 0] for _ in range((len(names) + 31) // 32)]
        for bit, name in enumerate(names):
            if name in wanted:
                blocks[bit // 32][0] |= 1 << bit % 32
                blocks[bit // 32][1] |= wanted[name] << bit % 32
        words = [word for block in blocks for word in block]
        asked = struct.pack(f"{2 + len(words)}I", SFEATURES, len(blocks), *words)
        if self._ioctl(SIOCETHTOOL, asked) is None:
            raise OSError(errno.EINVAL, "the driver refuses these offloads", self.interface)


def text_of(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace")
