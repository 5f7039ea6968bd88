"""The lab's side of the worker: typed calls enter, lines of JSON go to and come from a process that somebody runs."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from traffic.trex.messages import ProfileConfig, Ready, Statistics, StreamConfig, plain

__all__ = ["Channel", "TrexClient"]


class Channel(Protocol):
    """A worker process: `wait_for` gives the next event of that kind, or raises what the process ended with."""

    def send(self, message: Mapping[str, Any]) -> None: ...

    def wait_for(self, event: str, *, seconds: float) -> dict[str, Any]: ...


class TrexClient:
    """Commands of traffic/trex/messages.py, each with its answer. What fails is the channel's exception."""

    def __init__(self, channel: Channel, *, seconds: float = 30.0) -> None:
        self._channel, self._seconds = channel, seconds

    def _ask(self, message: Mapping[str, Any], event: str) -> dict[str, Any]:
        self._channel.send(message)
        return self._channel.wait_for(event, seconds=self._seconds)

    def ready(self) -> Ready:
        """What the handshake told; to be called first, once."""
        return Ready.model_validate(self._channel.wait_for("ready", seconds=self._seconds))

    def push(
        self, files: Mapping[int, str], *, speed_up: float = 1.0, gap_min_ns: int = 0, own_macs: bool = True
    ) -> int:
        """Play a file on each port; when they were asked for (CLOCK_MONOTONIC ns)."""
        message = {
            "do": "push",
            "files": [{"port": port, "path": path} for port, path in files.items()],
            "speed_up": speed_up,
            "gap_min_us": gap_min_ns / 1000,
            "own_macs": own_macs,
        }
        return int(self._ask(message, "pushed")["at_ns"])

    def streams(
        self, port: int, streams: Sequence[StreamConfig], profiles: Sequence[ProfileConfig] = ()
    ) -> None:
        """Put streams and those of profiles on a port, and start them all."""
        message = {
            "do": "streams",
            "port": port,
            "streams": [plain(each) for each in streams],
            "profiles": [plain(each) for each in profiles],
        }
        self._ask(message, "streams")

    def idle(self, ports: Sequence[int]) -> bool:
        return bool(self._ask({"do": "idle", "ports": list(ports)}, "idle")["idle"])

    def end(self, ports: Sequence[int]) -> None:
        """Stop what these ports send."""
        self._ask({"do": "end", "ports": list(ports)}, "ended")

    def statistics(self) -> Statistics:
        return Statistics.model_validate(self._ask({"do": "statistics"}, "statistics"))
