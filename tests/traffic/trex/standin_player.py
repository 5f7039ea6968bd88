"""The stand-in as a whole installation: it understands TRex's command line and trex_cfg.yaml, and plays pcap files with
packet sockets on the interfaces that they name, as well as Python can. For tests of the lab without a TRex.

make_home() makes a folder that passes for TREX_HOME.
"""

import argparse
import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml

FILE_HEADER, RECORD = 24, struct.Struct("<IIII")


def make_home(folder: Path, *, before: str = "") -> Path:
    """A TREX_HOME whose programs are this file; `before` is shell that runs first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("_t-rex-64", "t-rex-64"):
        program = folder / name
        program.write_text(f'#!/bin/sh\n{before}\nexec {sys.executable} {Path(__file__)} "$@"\n')
        program.chmod(0o755)
    return folder


def records(path: str) -> list[tuple[float, bytes]]:
    data, at, found = Path(path).read_bytes(), FILE_HEADER, []
    while at < len(data):
        seconds, nanoseconds, size, _ = RECORD.unpack_from(data, at)
        at += RECORD.size
        found.append((seconds + nanoseconds * 1e-9, data[at : at + size]))
        at += size
    return found


def interface_of(word: str) -> str | None:
    return word.partition("iface=")[2] or None


def main() -> None:
    sys.path.append(str(Path(__file__).parent))
    from standin import IDLE, Server, serve

    class Player(Server):
        """Files are played by a thread a port, as push_remote says."""

        def __init__(self, options: argparse.Namespace, interfaces: list[str]) -> None:
            super().__init__(options)
            self.sockets: list[socket.socket | None] = []
            self.sent = [0] * 16
            for word in interfaces:
                name = interface_of(word)
                opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) if name else None
                if opened is not None:
                    opened.bind((name, 0))
                self.sockets.append(opened)

        def do_push_remote(self, params: dict[str, Any]) -> Any:
            super().do_push_remote(params)
            threading.Thread(target=self.play, args=(params,), daemon=True).start()
            return {}

        def play(self, params: dict[str, Any]) -> None:
            port, rows = params["port_id"], records(params["pcap_filename"])
            wire = self.sockets[port]
            assert wire is not None
            due, before = time.monotonic(), rows[0][0]
            for at, frame in rows:
                due += (
                    max(params["min_ipg_usec"] * 1e-6, (at - before) / params["speedup"])
                    if at != before
                    else 0
                )
                before = at
                while (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                if self.state[port] == IDLE:
                    return
                wire.send(frame)
                self.sent[port] += 1
            self.state[port] = IDLE

        def do_get_port_stats(self, params: dict[str, Any]) -> Any:
            return super().do_get_port_stats(params) | {"opackets": self.sent[params["port_id"]]}

    parser = argparse.ArgumentParser()
    parser.add_argument("--cfg", required=True)
    for name in ("--iom", "--prefix", "-c"):
        parser.add_argument(name)
    for name in ("-i", "--no-scapy-server", "--software", "--hdrh"):
        parser.add_argument(name, action="store_true")
    given = parser.parse_args()
    (document,) = yaml.safe_load(Path(given.cfg).read_text())
    options = argparse.Namespace(
        address="*", rpc_port=document["zmq_rpc_port"], publish_port=document["zmq_pub_port"],
        api=os.environ.get("STANDIN_API", "5.1"), mode="STL", owner="",
        mute=[], die=[], refuse=[],
    )  # fmt: skip
    player = Player(options, document["interfaces"])
    for name in [name for name in sys.modules if name == "yaml" or name.startswith("yaml.")]:
        del sys.modules[name]  # the library brings its own
    serve(player)


if __name__ == "__main__":
    main()
