"""The smallest AF_XDP receiver: joins a tap's socket map and gives the frames that the wire hands over, as bytes."""

from __future__ import annotations

import ctypes
import ctypes.util
import mmap
import socket
import struct

from namespace_sockets import socket_inside

__all__ = ["AfXdpSocket"]

AF_XDP, SOL_XDP = 44, 283
MMAP_OFFSETS, RX_RING, UMEM_REG, FILL_RING, COMPLETION_RING = 1, 2, 4, 5, 6
FILL_RING_PAGE = 0x100000000
XDP_COPY = 2
CHUNK, CHUNKS = 2048, 64  # more frames than that, and the rest are lost: no test sends so many


class AfXdpSocket:
    """Receives on queue 0 of one interface; ``line`` is its key in the map of sockets ``map_descriptor``."""

    def __init__(self, namespace: str, interface: int, *, map_descriptor: int, line: int) -> None:
        self._socket = socket_inside(namespace, lambda: socket.socket(AF_XDP, socket.SOCK_RAW, 0))
        self._frames = mmap.mmap(-1, CHUNK * CHUNKS)
        self._pin = ctypes.c_char.from_buffer(self._frames)
        address = ctypes.addressof(self._pin)
        self._socket.setsockopt(SOL_XDP, UMEM_REG, struct.pack("QQII", address, CHUNK * CHUNKS, CHUNK, 0))
        for ring in (FILL_RING, COMPLETION_RING, RX_RING):
            self._socket.setsockopt(SOL_XDP, ring, struct.pack("I", CHUNKS))
        offsets = struct.unpack("16Q", self._socket.getsockopt(SOL_XDP, MMAP_OFFSETS, 128))
        self._producer, self._consumer, self._descriptors = offsets[0:3]
        self._ring = mmap.mmap(self._socket.fileno(), self._descriptors + 16 * CHUNKS, offset=0)
        fill_producer, _, fill_descriptors = offsets[8:11]
        with mmap.mmap(self._socket.fileno(), fill_descriptors + 8 * CHUNKS, offset=FILL_RING_PAGE) as fill:
            for index in range(CHUNKS):
                struct.pack_into("Q", fill, fill_descriptors + 8 * index, index * CHUNK)
            struct.pack_into("I", fill, fill_producer, CHUNKS)
        self._bind(interface)
        self._join(map_descriptor, line)

    def _bind(self, interface: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        name = struct.pack("HHIII", AF_XDP, XDP_COPY, interface, 0, 0)
        if libc.bind(self._socket.fileno(), name, len(name)):
            raise OSError(ctypes.get_errno(), "binding an AF_XDP socket")

    def _join(self, map_descriptor: int, line: int) -> None:
        library = ctypes.CDLL(ctypes.util.find_library("bpf"))
        key, value = ctypes.c_uint32(line), ctypes.c_uint32(self._socket.fileno())
        result = library.bpf_map_update_elem(
            map_descriptor, ctypes.byref(key), ctypes.byref(value), ctypes.c_uint64(0)
        )
        if result:
            raise OSError(-result, "putting the socket into the map")

    def frames(self) -> list[bytes]:
        """Every frame that has arrived so far, from the first one on."""
        (arrived,) = struct.unpack_from("I", self._ring, self._producer)
        found = []
        for index in range(arrived):
            at, size, _ = struct.unpack_from("QII", self._ring, self._descriptors + 16 * index)
            found.append(self._frames[at : at + size])
        return found

    def close(self) -> None:
        self._socket.close()
        self._ring.close()
