"""Commands: bytes of stdin enter, whole and checked commands leave.

{"do": "start", "at_ns": T}   {"do": "recovery", "set": {...}}   {"do": "gateway", "set": {...}}   {"do": "stop"}
{"do": "follow", "map": N} or {"do": "follow", "page": PATH, "offset": N}: with a publisher, before the start
end of file = stop
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from traffic.config import GatewayBehaviour, RecoveryBehaviour
from traffic.errors import InputError

__all__ = ["Behave", "BehaveGateway", "Commands", "Follow", "Start", "Stop"]


@dataclass(frozen=True, kw_only=True)
class Start:
    """Publish, the first packet at `at_ns` (CLOCK_MONOTONIC)."""

    at_ns: int


@dataclass(frozen=True, kw_only=True)
class Behave:
    """The recovery services are to behave like this; `given` names the keys that were set."""

    behaviour: RecoveryBehaviour
    given: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class BehaveGateway:
    """The order gateway is to behave like this from now on; what was not given is as by default."""

    behaviour: GatewayBehaviour


@dataclass(frozen=True, kw_only=True)
class Follow:
    """Another publishes; the BPF map with this number tells how far it is, or the page at ``offset`` of a file."""

    map_id: int = 0
    page: str | None = None
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class Stop:
    """End the session."""


class Commands:
    """Lines of JSON on a descriptor, whatever pieces they arrive in; `behaviour` is None without recovery."""

    def __init__(
        self, descriptor: int, *, behaviour: RecoveryBehaviour | None, follows: bool = False
    ) -> None:
        self.descriptor = descriptor
        self._behaviour = behaviour
        self._rest = b""
        self._started = False
        self._follows = follows

    def read(self) -> Iterator[Start | Follow | Behave | BehaveGateway | Stop]:
        """What has arrived; InputError for what is not understood."""
        data = os.read(self.descriptor, 65536)
        if not data:
            yield Stop()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(None, (line.strip() for line in lines)):
            yield self._parse(line)

    def _parse(self, line: bytes) -> Start | Follow | Behave | BehaveGateway | Stop:
        try:
            command = json.loads(line)
        except ValueError:
            command = None
        match command:
            case {"do": "stop", **rest} if not rest:
                return Stop()
            case {"do": "start", "at_ns": at_ns, **rest} if (
                not rest and type(at_ns) is int and 0 < at_ns < 2**62
            ):
                return self._start(at_ns)
            case {"do": "follow", "map": map_id, **rest} if (
                not rest and type(map_id) is int and 0 < map_id < 2**32
            ):
                return self._follow(Follow(map_id=map_id))
            case {"do": "follow", "page": str(page), "offset": offset, **rest} if (
                not rest and type(offset) is int and 0 <= offset < 2**32
            ):
                return self._follow(Follow(page=page, offset=offset))
            case {"do": "recovery", "set": dict(changes), **rest} if not rest:
                return self._behave(changes)
            case {"do": "gateway", "set": dict(changes), **rest} if not rest:
                try:
                    return BehaveGateway(behaviour=GatewayBehaviour.model_validate(changes))
                except ValidationError as error:
                    raise InputError(f"command gateway: {_faults(error)}") from None
        raise InputError(
            f"command {line.decode(errors='replace')[:200]!r}: expected "
            '{"do": "start", "at_ns": T}, {"do": "recovery" or "gateway", "set": {...}} or {"do": "stop"}'
        )

    def _follow(self, command: Follow) -> Follow:
        if not self._follows or self._started:
            raise InputError("command follow: for a configuration with a publisher, and before the start")
        return command

    def _start(self, at_ns: int) -> Start:
        if self._started:
            raise InputError("command start: given twice: the schedule runs once a process")
        self._started = True
        return Start(at_ns=at_ns)

    def _behave(self, changes: dict[str, object]) -> Behave:
        if self._behaviour is None:
            raise InputError("command recovery: the configuration has no recovery: add it")
        try:
            self._behaviour = RecoveryBehaviour.model_validate(self._behaviour.model_dump() | changes)
        except ValidationError as error:
            raise InputError(f"command recovery: {_faults(error)}") from None
        return Behave(behaviour=self._behaviour, given=frozenset(changes))


def _faults(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_url=False)
    )
