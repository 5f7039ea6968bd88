"""The control socket: one JSON line in, one JSON line out, for whoever may open the file and has a role.

A request is ``{"do": "strategy deploy", ...arguments}``. The peer's user id comes from the kernel (SO_PEERCRED), its
role from the configuration; the user that the engine runs as is admin unless the table says otherwise. What changes
the engine is in the audit trail before it is done and again when it was; without a trail it is refused - but for a
kill, which is done first. Automatic rollbacks are written to the trail as they are seen.

Cold: threads of their own, none of them the engine's. A kill waits for no other command.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

from engine.audit import AuditTrail
from engine.config import EngineConfig
from engine.control_handlers import HANDLERS, NO_ANSWER, WRONG, Desk, Reply, Wrong

__all__ = ["ControlServer"]

REQUEST_BYTES_MAX = 65_536
CLIENT_SECONDS = 2.0
LOOK_SECONDS = 0.1
CLIENTS_MAX = 8
CREDENTIALS = struct.Struct("3i")


class ControlServer:
    """Listens from construction to close()."""

    def __init__(
        self, config: EngineConfig, hands: Any, report: Callable[[], Mapping[str, Any]], trail: AuditTrail
    ) -> None:
        """OSError when the socket cannot be made. The trail is the caller's, who seals it after close()."""
        assert config.ctl
        self._ctl = config.ctl
        self._audit = trail
        self._desk = Desk(hands=hands, config=config, report=report)
        self._clients = threading.BoundedSemaphore(CLIENTS_MAX)
        self._stop = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = str(config.ctl.socket)
        if os.path.exists(path):
            os.unlink(path)
        before = os.umask(0o777)
        try:
            self._socket.bind(path)
        finally:
            os.umask(before)
        os.chmod(path, int(config.ctl.mode, 8))
        self._socket.listen(CLIENTS_MAX)
        self._socket.settimeout(LOOK_SECONDS)
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for _ in range(CLIENTS_MAX):  # the last answers
            self._clients.acquire(timeout=CLIENT_SECONDS + 1)
        self._note_changes()
        self._socket.close()
        self._ctl.socket.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._note_changes()
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            if not self._clients.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(target=self._client, args=(client,), daemon=True).start()

    def _client(self, client: socket.socket) -> None:
        try:
            with client:
                client.settimeout(CLIENT_SECONDS)
                reply = self._answer(client)
                client.sendall(json.dumps(reply.to_json(), default=str).encode() + b"\n")
        except OSError:
            return  # the client has gone; what it asked for is done and in the trail
        finally:
            self._clients.release()

    def _answer(self, client: socket.socket) -> Reply:
        _, uid, _ = CREDENTIALS.unpack(
            client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        )
        data = b""
        while not data.endswith(b"\n"):
            piece = client.recv(REQUEST_BYTES_MAX)
            data += piece
            if not piece or len(data) > REQUEST_BYTES_MAX:
                return Reply(exit=WRONG, message="a request is one line of JSON")
        try:
            request = json.loads(data)
            json.dumps(request, allow_nan=False)
        except (ValueError, RecursionError):
            return Reply(exit=WRONG, message="a request is one line of JSON")
        if not isinstance(request, dict) or not isinstance(request.get("do"), str):
            return Reply(exit=WRONG, message='a request is an object with "do"')
        return self.carry_out(request, uid)

    def role_of(self, uid: int) -> str | None:
        return self._ctl.roles.get(str(uid), "admin" if uid == os.geteuid() else None)

    def carry_out(self, request: Mapping[str, Any], uid: int) -> Reply:
        """One request of one user, from its authorisation to its answer."""
        command, role = str(request["do"]), self.role_of(uid)
        arguments = {name: value for name, value in request.items() if name != "do"}
        record = {"command": command, "arguments": arguments, "uid": uid, "role": role}
        handler = HANDLERS.get(command)
        if handler is None:
            known = ", ".join(HANDLERS)
            return self._refuse(
                record, Reply(exit=WRONG, message=f"{command}: no such command; known: {known}")
            )
        if role not in handler.roles:
            may = ", ".join(sorted(handler.roles))
            said = f"{command}: user {uid} is {role or 'nobody'} here, it takes one of {may}"
            return self._refuse(record, Reply(exit=WRONG, message=said))
        if not handler.changes:
            return self._run(handler.run, arguments)
        if command != "kill all" and (failure := self._append("command", record)):
            return Reply(
                exit=NO_ANSWER, message=f"{command}: not done, the audit trail cannot be written: {failure}"
            )
        reply = self._run(handler.run, {**arguments, "uid": uid})
        answer = {**record, **reply.to_json()}
        if failure := self._append("answer", answer):
            return Reply(**{**vars(reply), "message": f"{reply.message} (not in the audit trail: {failure})"})
        self._note_changes()
        return reply

    def _run(self, run: Callable[[Desk, Mapping[str, Any]], Reply], arguments: Mapping[str, Any]) -> Reply:
        try:
            return run(self._desk, arguments)
        except Wrong as error:
            return Reply(exit=WRONG, message=str(error))

    def _refuse(self, record: Mapping[str, Any], reply: Reply) -> Reply:
        self._append("refused", {**record, "message": reply.message})
        return reply

    def _append(self, kind: str, fields: Mapping[str, Any]) -> str:
        """Empty, or why the record is not in the trail."""
        try:
            who = f"user {fields['uid']}" if "uid" in fields else "engine"
            self._audit.append(kind, json.loads(json.dumps(dict(fields), default=str)), who=who)
        except OSError as error:
            return error.strerror or str(error)
        except ValueError as error:  # sealed: the engine has ended
            return str(error)
        return ""

    def _note_changes(self) -> None:
        with self._desk.mailbox:
            changes = self._desk.hands.news()
            if changes:
                self._desk.hands.reclaim()
        for change in changes:
            self._append("strategy", change.to_json())
