"""The exchange as a process of its own, two wires to hear it on, and its frames taken apart.

Nothing here calls the code under test.
"""

import ctypes
import json
import select
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

CLONE_NEWNET = 0x40000000
PACKET_OUTGOING = 4


def run_ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@dataclass
class Wires:
    """A network namespace with two veth pairs (x0-x1, y0-y1); frames arriving at x1 and y1 are kept."""

    namespace: str
    sockets: list[socket.socket] = field(default_factory=list)

    def open(self) -> "Wires":
        run_ip("netns", "add", self.namespace)
        run_ip("-n", self.namespace, "link", "set", "lo", "up")
        for name in "xy":
            run_ip(
                "-n", self.namespace, "link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1"
            )
            for end in "01":
                run_ip("-n", self.namespace, "link", "set", name + end, "up")
        worker = threading.Thread(target=self._open_sockets)
        worker.start()
        worker.join()
        return self

    def close(self) -> None:
        """The namespace is its maker's to remove."""
        for each in self.sockets:
            each.close()

    def _open_sockets(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{self.namespace}") as handle:
            assert libc.setns(handle.fileno(), CLONE_NEWNET) == 0  # of this thread only
        for name in ("x1", "y1"):
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            tap.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
            tap.bind((name, 0x0800))
            tap.setblocking(False)
            self.sockets.append(tap)
        self.sockets.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))

    def readable(self, stream: IO[str] | None, *, timeout_s: float = 0.02) -> bool:
        """Whether the process has said something; waits so long, so that the wires can be emptied in between."""
        return bool(select.select([stream], [], [], timeout_s)[0])

    def frames(self, line: int) -> list[bytes]:
        """What arrived on a line so far; the kernel's queue holds a few thousand frames."""
        arrived: list[bytes] = []
        while True:
            try:
                data, address = self.sockets[line].recvfrom(2048)
            except BlockingIOError:
                return arrived
            if address[2] != PACKET_OUTGOING:
                arrived.append(data)


def configure(folder: Path, **changes: object) -> Path:
    config = {
        "seed": 7,
        "output": str(folder / "out"),
        "progress": str(folder / "progress"),
        "source": {
            "kind": "model",
            "symbols": 5,
            "messages": 2000,
            "arrivals": "poisson",
            "rate_per_s": 20_000,
        },
        "packing": {"messages_max": 4, "gap_min_ns": 100_000},
        "bursts": {"messages": 60, "every_ns": 30_000_000, "spacing_ns": 2_000, "packing": 8},
        "session": "TAILGATE01",
        "lines": [
            {"name": "A", "interface": "x0", "source": "10.77.1.1", "group": "239.77.0.1", "port": 26477},
            {"name": "B", "interface": "y0", "source": "10.77.2.1", "group": "239.205.0.2", "port": 26478},
        ],
        "gateway": {"address": "127.0.0.1", "port": 30001},
        "heartbeat_ns": 50_000_000,
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config | changes))
    return path


class Process:
    """`python -m traffic` with its commands and events."""

    def __init__(self, config: Path, *, namespace: str | None = None) -> None:
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "traffic", str(config)], cwd=config.parent, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def event(self) -> dict[str, object]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return dict(json.loads(line))

    def command(self, **command: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Exit code and what stderr says."""
        _, complaint = self.process.communicate(timeout=30)
        return self.process.returncode, complaint


def sum_of(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def check_frame(data: bytes, *, group: bytes, source: bytes, port: int) -> tuple[bytes, int, int, bytes]:
    """(session, sequence, count, blocks) of a frame whose headers and checksums are right."""
    assert data[:6] == b"\x01\x00\x5e" + bytes([group[1] & 0x7F]) + group[2:]
    assert data[12:14] == b"\x08\x00"
    ip, udp = data[14:34], data[34:]
    total, ttl = struct.unpack_from(">H", ip, 2)[0], ip[8]
    assert (ip[0], ip[9], total, ttl) == (0x45, 17, len(data) - 14, 16)
    assert (ip[12:16], ip[16:20]) == (source, group)
    assert sum_of(ip) == 0xFFFF
    assert struct.unpack_from(">HHH", udp) == (port, port, len(udp))
    assert udp[6:8] != b"\0\0"
    assert sum_of(ip[12:20] + struct.pack(">HH", 17, len(udp)) + udp) == 0xFFFF
    session, sequence, count = struct.unpack_from(">10sQH", udp, 8)
    return session, sequence, count, udp[28:]
