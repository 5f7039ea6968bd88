"""One connection to a TRex server: typed requests enter, typed answers leave (worker only).

The handshake has two steps. get_version needs no agreement, so that a server of any age can be named; then
api_sync_v2 compares interfaces: the server refuses another major number, or a minor number above its own.
What fails says so in one line: MissingError for a server that is not there, dies, disagrees or does not give a port.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from traffic.errors import InputError, MissingError
from traffic.profiles.render import load_stl
from traffic.trex.library import Library
from traffic.trex.messages import (
    FlowStatistics,
    LatencyStatistics,
    PortReady,
    PortStatistics,
    ProfileConfig,
    Push,
    Ready,
    Statistics,
    StreamConfig,
    WorkerConfig,
)
from traffic.trex.streams import build_stream

__all__ = ["TrexSession"]

KEEP_SOURCE_MAC = 0x8000_0000  # bits of push_remote's count, as STLClient.push_remote() sets them
KEEP_TARGET_MAC = 0x4000_0000
SETTLE_S = 0.01
AT_REST = ("IDLE", "STREAMS")
GONE = (
    "no answer",
    "Failed to get server response",
    "Failed to send message",
    "Not connected",
    "Connection lost",
)
PORT_COUNTERS = ("opackets", "obytes", "ipackets", "ibytes", "oerrors", "ierrors")


def _one_line(error: object) -> str:
    """What TRex said, without its colours and frames."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return " ".join(part.strip(" *-") for part in text.split("\n") if part.strip(" *-"))


class TrexSession:
    """Connected, with the ports of `config` taken; close() gives them back."""

    def __init__(self, library: Library, config: WorkerConfig) -> None:
        self._library, self._config = library, config
        self._where = f"TRex server {config.server}:{config.rpc_port}"
        self._client = library.api.STLClient(
            username=config.user,
            server=config.server,
            sync_port=config.rpc_port,
            async_port=config.publish_port,
            verbose_level="none",
            sync_timeout=config.timeout_s,
            async_timeout=config.timeout_s,
        )
        self.ready = self._connect()

    def _connect(self) -> Ready:
        version = self._version()
        try:
            self._client.connect()
        except self._library.api.TRexError as error:
            raise MissingError(self._refused(version, _one_line(error))) from None
        except (KeyError, TypeError, ValueError) as error:  # the library takes the server's word unchecked
            raise MissingError(
                f"{self._where}: {version} answers as no server of {self._library.speaks} does: {error!r}"
            ) from None
        with self._no_bare_failure("its ports"):
            self._take_ports()
        info = self._client.get_server_system_info()["ports"]
        described = {int(port["index"]): port for port in info}
        return Ready(
            server=f"{self._config.server}:{self._config.rpc_port}",
            server_version=version,
            client_version=self._library.version,
            api=self._library.speaks,
            ports=tuple(
                PortReady(
                    port=index,
                    driver=str(described[index].get("driver", "")),
                    description=str(described[index].get("description", "")),
                    speed_gbps=max(described[index].get("supp_speeds") or [0]) / 1000,
                    mac=str(described[index].get("hw_mac", "")),
                )
                for index in self._config.ports
            ),
        )

    def _version(self) -> str:
        deadline = time.monotonic() + self._config.patience_s
        while True:
            try:
                answer = self._client.probe_server()
                break
            except self._library.api.TRexError as error:
                if time.monotonic() < deadline:
                    continue
                raise MissingError(
                    f"{self._where}: {self._silence(error)}: start it (t-rex-64 -i), or name another server"
                ) from None
        if not isinstance(answer, dict) or "version" not in answer:
            raise MissingError(
                f"{self._where}: answers get_version with {str(answer)[:80]!r}: no TRex server"
            )
        mode = answer.get("mode", "STL")
        if mode != "STL":
            self._client.disconnect()
            raise MissingError(
                f"{self._where}: {answer['version']} runs in mode {mode}: start it for stateless traffic (-i)"
            )
        return str(answer["version"])

    def _refused(self, version: str, said: str) -> str:
        mine = f"{self._library.speaks} (lbr-trex-client {self._library.version})"
        if "mismatch" in said.lower():
            found = re.search(r"server: '([^']*)', client: '([^']*)'", said)
            theirs = f"interface {found[1]}" if found else "another interface"
            return (
                f"{self._where}: {version} speaks {theirs}, the client {mine}: "
                "install the lbr-trex-client that goes with the server, or another server"
            )
        if any(sign in said for sign in GONE):
            return f"{self._where}: {version} answered once and is gone: {self._silence(said)}"
        return f"{self._where}: {version} does not take the client {mine}: {said}"

    def _silence(self, error: object) -> str:
        said = _one_line(error)
        return f"no answer within {self._config.timeout_s} s" if any(sign in said for sign in GONE) else said

    def _take_ports(self) -> None:
        there = self._client.get_all_ports()
        if unknown := sorted(set(self._config.ports) - set(there)):
            raise InputError(
                f"{self._where}: no port {unknown[0]}: it has {', '.join(map(str, there)) or 'none'}; see traffic.ports"
            )
        for index in self._config.ports:
            owner = self._client.ports[index].get_owner() if not self._config.force else ""
            try:
                self._client.acquire(ports=[index], force=self._config.force, sync_streams=False)
            except self._library.api.TRexError as error:
                who = f" by {owner!r}" if owner else ""
                raise MissingError(
                    f"{self._where}: port {index} is taken{who}: {_one_line(error)}: "
                    "end that session, or take it over with traffic.trex.force"
                ) from None
        self._client.reset(ports=list(self._config.ports))

    @contextmanager
    def _no_bare_failure(self, what: str) -> Iterator[None]:
        """TRex's errors as ours, in one line."""
        try:
            yield
        except self._library.api.TRexError as error:
            raise MissingError(f"{self._where}: {what}: {self._silence(error)}") from None

    def check(self) -> None:
        """MissingError when the server has gone since."""
        if not self._client.is_connected():
            cause = _one_line(self._client.conn.get_disconnection_cause() or "it does not answer any more")
            raise MissingError(f"{self._where}: the connection is lost: {cause}")

    def _port(self, index: int) -> Any:
        if index not in self._config.ports:
            raise InputError(f"port {index} is not among those of the configuration: {self._config.ports}")
        return self._client.ports[index]

    def _call(self, method: str, parameters: dict[str, Any], what: str) -> Any:
        answer = self._client.conn.rpc.transmit(method, params=parameters)
        if not answer:
            raise MissingError(f"{self._where}: {what}: {self._silence(answer.err())}")
        return answer.data()

    def push(self, command: Push) -> int:
        """Begin to play every file; all in one request, so that the ports begin together. Returns the time asked.

        CLOCK_MONOTONIC ns. The library's own push_remote() asks for one port after the other.
        """
        count = 1 | KEEP_TARGET_MAC | (KEEP_SOURCE_MAC if command.own_macs else 0)
        batch = self._client.conn.rpc.create_batch()
        for file in command.files:
            parameters = {
                "handler": self._port(file.port).handler,
                "port_id": file.port,
                "pcap_filename": file.path,
                "ipg_usec": -1,
                "speedup": command.speed_up,
                "count": count,
                "duration": -1,
                "is_dual": False,
                "slave_handler": "",
                "min_ipg_usec": command.gap_min_us,
            }
            batch.add("push_remote", parameters, self._client.conn.rpc.api_h)
        asked_ns = time.monotonic_ns()
        answer = batch.invoke()
        if not answer:
            said = self._silence("; ".join(str(part) for part in _listed(answer.err()) if part))
            raise MissingError(f"{self._where}: push_remote: {said}")
        return asked_ns

    def streams(self, port: int, streams: Sequence[StreamConfig], profiles: Sequence[ProfileConfig]) -> int:
        """Put streams and those of profiles on a port beside what it has, and start them."""
        self._port(port)
        built = [build_stream(self._library, config) for config in streams]
        for each in profiles:
            loaded = load_stl(each.profile, direction=each.direction, port_id=port, tunables=each.tunables)
            built += loaded.get_streams()
        with self._no_bare_failure(f"streams on port {port}"):
            self._client.add_streams(built, ports=[port])
            self._client.start(ports=[port], force=True)
        return len(built)

    def idle(self, ports: Sequence[int]) -> bool:
        """Whether nothing is being sent, as the server says."""
        states = []
        for port in ports:
            self._port(port)
            status = self._call(
                "get_port_status", {"port_id": port, "profile_id": "*", "block": False}, "status"
            )
            states.append(status["state"])
        return all(state in AT_REST for state in states)

    def end(self, ports: Sequence[int]) -> None:
        """Stop what is sent, and take streams off."""
        for port in ports:
            handler = self._port(port).handler
            where = {"handler": handler, "port_id": port, "profile_id": "*"}
            if not self.idle([port]):
                self._call("stop_traffic", where, f"stop port {port}")
            deadline = time.monotonic() + self._config.timeout_s
            while not self.idle([port]) and time.monotonic() < deadline:
                time.sleep(SETTLE_S)  # the request is answered before the transmitting core has heard of it
            self._call("remove_all_streams", where, f"clear port {port}")

    def statistics(self) -> Statistics:
        """TRex's counters since the ports were taken."""
        with self._no_bare_failure("statistics"):
            stats = self._client.get_stats(ports=list(self._config.ports))
        flows, latencies = stats["flow_stats"], stats["latency"]
        numbered = sorted(group for group in {*flows, *latencies} if isinstance(group, int))
        return Statistics(
            ports=tuple(
                PortStatistics(
                    port=port,
                    **dict(zip(
                        ("sent_packets", "sent_bytes", "received_packets", "received_bytes", "send_errors",
                         "receive_errors"),
                        (int(stats[port][name]) for name in PORT_COUNTERS),
                        strict=True,
                    )),
                )
                for port in self._config.ports
            ),
            flows=tuple(_flow(group, flows.get(group, {}), latencies.get(group)) for group in numbered),
            latency=tuple(_latency(group, latencies[group]) for group in numbered if group in latencies),
            queue_full=int(stats["global"].get("queue_full", 0)),
            cpu_percent=float(stats["global"].get("cpu_util", 0.0)),
            bad_latency_headers=int(latencies.get("global", {}).get("bad_hdr", 0)),
        )  # fmt: skip

    def close(self) -> None:
        """Stop, give the ports back, disconnect. A server that is gone is no error here."""
        try:
            if self._client.is_connected():
                self.end(self._config.ports)
                self._client.disconnect()
        except (MissingError, self._library.api.TRexError):
            return


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _total(counts: Any) -> int:
    value = counts.get("total", 0) if isinstance(counts, dict) else 0
    return int(value) if isinstance(value, int | float) else 0


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _flow(group: int, counts: dict[str, Any], latency: dict[str, Any] | None) -> FlowStatistics:
    sent, received = _total(counts.get("tx_pkts", {})), _total(counts.get("rx_pkts", {}))
    dropped = int(latency["err_cntrs"]["dropped"]) if latency else None
    return FlowStatistics(flow=group, sent_packets=sent, received_packets=received, dropped=dropped)


def _latency(group: int, row: dict[str, Any]) -> LatencyStatistics:
    times, errors = row["latency"], row["err_cntrs"]
    return LatencyStatistics(
        flow=group,
        average_us=_number(times["average"]),
        jitter_us=_number(times["jitter"]),
        minimum_us=_number(times["total_min"]),
        maximum_us=_number(times["total_max"]),
        histogram={str(edge): int(count) for edge, count in sorted(times["histogram"].items())},
        hdr=times.get("hdrh"),
        out_of_order=int(errors["out_of_order"]),
        duplicate=int(errors["dup"]),
        sequence_too_high=int(errors["seq_too_high"]),
        sequence_too_low=int(errors["seq_too_low"]),
    )
