"""`python -m traffic.trex.worker CONFIG.json`: commands on stdin enter, events on stdout leave (messages.py).

The process that has the TRex client library; the lab starts it and never loads that library itself. It gives its ports
back on every way out that leaves it a moment: stop, end of file, SIGTERM, a command that is wrong. Whatever ends it in
another way also ends its connection, and the server can be taken over with `force`.
Exit codes: 0, 64 a wrong configuration or command, 69 the server (or the library) is missing, gone or disagrees.
"""

import json
import os
import select
import signal
import sys
import warnings
from pathlib import Path
from types import FrameType

from pydantic import BaseModel

from traffic.errors import TrafficError
from traffic.trex.library import load_library
from traffic.trex.messages import (
    Ask,
    End,
    Idle,
    Push,
    Stop,
    Streams,
    WorkerConfig,
    parse_command,
    plain,
    read_config,
)
from traffic.trex.session import TrexSession

__all__ = ["main", "run"]

LOOK_S = 0.5  # between looks at the connection while nobody commands


def _say(event: dict[str, object] | BaseModel) -> None:
    message = plain(event) if isinstance(event, BaseModel) else event
    try:
        os.write(PROTOCOL, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        raise TrafficError("nobody reads stdout any more: stopping") from None


PROTOCOL = 1


def _keep_stdout_clean() -> None:
    """The library prints here and there: what it says goes to stderr, events have a descriptor of their own."""
    global PROTOCOL
    PROTOCOL = os.dup(1)
    os.dup2(2, 1)


def _obey(session: TrexSession, line: bytes) -> bool:
    """One command and its event; False: stop."""
    match parse_command(line):
        case Push() as push:
            _say({"event": "pushed", "at_ns": session.push(push)})
        case Streams(port=port, streams=streams, profiles=profiles):
            _say({"event": "streams", "count": session.streams(port, streams, profiles)})
        case Idle(ports=ports):
            _say({"event": "idle", "ports": list(ports), "idle": session.idle(ports)})
        case End(ports=ports):
            session.end(ports)
            _say({"event": "ended"})
        case Ask():
            _say(session.statistics())
        case Stop():
            return False
    return True


def _serve(session: TrexSession, stop_fd: int) -> None:
    rest = b""
    while True:
        readable, _, _ = select.select([0, stop_fd], [], [], LOOK_S)
        session.check()
        if stop_fd in readable:
            return
        if 0 not in readable:
            continue
        data = os.read(0, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in filter(None, (line.strip() for line in lines)):
            if not _obey(session, line):
                return


def run(config: WorkerConfig) -> None:
    """Connect, say so, obey until told to stop; TrafficError for everything the user can mend."""
    stop_fd = os.eventfd(0, os.EFD_CLOEXEC)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        os.eventfd_write(stop_fd, 1)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    session = TrexSession(load_library(), config)
    try:
        _say(session.ready)
        _serve(session, stop_fd)
    finally:
        session.close()
    _say({"event": "stopped"})


def main(arguments: list[str]) -> int:
    """One line on stderr for anything the user can mend."""
    if len(arguments) != 1:
        print("trex: error: usage: python -m traffic.trex.worker CONFIG.json", file=sys.stderr)
        return 64
    warnings.simplefilter("ignore")  # the library starts threads the old way
    _keep_stdout_clean()
    try:
        config = read_config(Path(arguments[0]))
        if config.die_with_parent and os.getppid() == 1:
            raise TrafficError("the parent process is gone already: nothing to serve")
        run(config)
    except TrafficError as error:
        print(f"trex: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of the library may still wait for a server that is gone
