"""Commands and strategies that the lab gives to a running engine: asked in threads, so that its own loop goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.control_client import ControlError, ask
from lab.measure.data import FaultRecord

__all__ = ["Deployment", "Request", "record_of_deployment", "record_of_request"]

SECONDS = 20.0


class Request:
    """One request to the control socket. ``reply`` is empty until it is answered."""

    def __init__(self, socket: Path, request: Mapping[str, Any]) -> None:
        self.request = dict(request)
        self.asked_ns = time.monotonic_ns()
        self.reply: dict[str, Any] = {}
        self.failure = ""
        self._thread = threading.Thread(target=self._ask, args=(socket,), daemon=True)
        self._thread.start()

    def _ask(self, socket: Path) -> None:
        try:
            self.reply = ask(socket, self.request, seconds=SECONDS)
        except ControlError as error:
            self.failure = str(error)

    @property
    def under_way(self) -> bool:
        return self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join(SECONDS)

    @property
    def said(self) -> str:
        return self.failure or str(self.reply.get("message", "no answer"))


class Deployment:
    """A strategy that is checked and loaded before it is wanted, and then planned: the engine swaps by itself.

    ``prepared`` is answered when the engine has it in a slot, ``planned`` when it knows its message or time.
    """

    def __init__(self, socket: Path, path: Path, parameters: Mapping[str, int]) -> None:
        self.path = path
        self._socket = socket
        self.prepared = Request(
            socket, {"do": "strategy prepare", "path": str(path), "parameters": dict(parameters)}
        )
        self.planned: Request | None = None

    @property
    def generation(self) -> int:
        """0: it was refused, or nobody has answered yet."""
        done = self.prepared.reply.get("ok")
        return int(self.prepared.reply["detail"]["generation"]) if done else 0

    def plan(self, **when: int) -> None:
        """``at_sequence`` or ``at_ns``. Nothing to plan when it was refused."""
        self.prepared.wait()
        if self.generation:
            request = {"do": "strategy deploy", "generation": self.generation, **when}
            self.planned = Request(self._socket, request)

    @property
    def under_way(self) -> bool:
        return self.prepared.under_way or (self.planned is not None and self.planned.under_way)

    def wait(self) -> None:
        self.prepared.wait()
        if self.planned is not None:
            self.planned.wait()

    @property
    def refused(self) -> str:
        """Why it will not come; empty when it will."""
        for request in (self.prepared, self.planned):
            if request is not None and not request.reply.get("ok"):
                return request.said
        return ""


def record_of_request(request: Request | None, name: str) -> FaultRecord:
    """``injected`` is when it was given, ``healed`` when the engine had carried it out (0: refused); the name is the
    command's."""
    if request is None:
        return FaultRecord(name=name, injected_ns=0, detail="its trigger was never reached")
    done_ns = int(request.reply.get("at_ns") or 0) if request.reply.get("ok") else 0
    detail = request.said
    if done_ns:
        detail += f", from message {request.reply['sequence']} on"
    about = request.reply.get("detail", {})
    subject = next((f"{key} {about[key]}" for key in ("symbol", "letter") if key in about), "")
    kill = done_ns and name.startswith("kill ")
    return FaultRecord(
        name=name,
        injected_ns=request.asked_ns,
        healed_ns=done_ns,
        detail=detail,
        windows=((request.asked_ns, done_ns),) if kill else (),
        subject=subject if kill else "",
    )


def record_of_deployment(
    name: str, deployment: Deployment | None, changes: Sequence[Mapping[str, Any]]
) -> FaultRecord:
    """``injected`` and ``healed`` are when the engine swapped it in; refused: when it was asked for, and 0.

    ``detected`` and ``recovered`` are when the engine put it out again.
    """
    if deployment is None:
        return FaultRecord(name=name, injected_ns=0, detail="the engine has no control socket")
    label = deployment.path.name
    if why := deployment.refused:
        return FaultRecord(name=name, injected_ns=deployment.prepared.asked_ns, detail=f"{label}: {why}")
    mine = deployment.generation
    swaps = [row for row in changes if row["after_generation"] == mine and row["cause"] == "deployed"]
    if not swaps:
        return FaultRecord(name=name, injected_ns=0, detail=f"{label}: its trigger was never reached")
    swap = swaps[0]
    out = [row for row in changes if row["before_generation"] == mine and row["cause"] != "deployed"]
    out_ns = int(out[0]["at_ns"]) if out else 0
    detail = f"{label}: {swap['after']} is active from message {swap['sequence']} on"
    if swap["detail"]:
        detail += f", planned for {swap['detail']}"
    if out_ns:
        detail += (
            f", put out at message {out[0]['sequence']} ({cause_of(out[0])}), {out[0]['after']} is active"
        )
    return FaultRecord(
        name=name,
        injected_ns=int(swap["at_ns"]),
        healed_ns=int(swap["at_ns"]),
        detected_ns=out_ns,
        recovered_ns=out_ns,
        detail=detail,
    )


def cause_of(change: Mapping[str, Any]) -> str:
    words = {
        "time": f"a call took {change['detail'] / 1000:.1f} us",
        "orders": f"order {change['detail']} was over its budget",
        "rejections": "risk refused too many of its orders",
        "hang": f"a call did not come back within {change['detail'] / 1e6:.0f} ms",
        "crash": str(change["signal"]),
        "output": f"it wrote {change['detail']} actions",
        "operator": "by command",
    }
    return words.get(str(change["cause"]), str(change["cause"]))
