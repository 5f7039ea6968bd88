"""A stand-in for a TRex server, for tests: it speaks the documented RPC (JSON-RPC 2.0 over ZeroMQ, zipped) and plays
no packet. `python standin.py RPC_PORT PUBLISH_PORT [--api MAJOR.MINOR] [--mode STL] [--owner NAME] [--mute METHOD]
[--die METHOD] [--refuse METHOD]`; prints "up" when it listens and, on stderr, every method that it was called with.

Methods, parameters and error texts are those of doc/trex_rpc_server_spec.asciidoc and of server v3.08 as observed.
The ZeroMQ is the one that the client library brings along, so that nothing else needs to be installed.
"""

import argparse
import json
import os
import sys
import threading
import time
from typing import Any

from traffic.trex.library import load_library

HANDLER = "standin1"
PORTS = 4
IDLE, STREAMS, TX, PCAP_TX = "IDLE", "STREAMS", "TX", "PCAP_TX"


class Refused(Exception):
    """An error that the server reports."""


class Server:
    """The state behind the RPC."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.owner = [options.owner] * PORTS
        self.state = [IDLE] * PORTS
        self.streams: list[dict[int, Any]] = [{} for _ in range(PORTS)]
        self.pushed: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, params: dict[str, Any]) -> Any:
        if method in self.options.refuse:
            raise Refused(f"{method} is refused today")
        if method not in ("get_version", "api_sync_v2", "ping") and params.get("api_h") != "handle01":
            raise Refused("API verification failed - API handler provided mismatch for class: 'STL'")
        known = getattr(self, f"do_{method}", None)
        if known is None:
            return {}
        return known(params)

    def do_get_version(self, _params: dict[str, Any]) -> Any:
        return {
            "version": "v3.08",
            "mode": self.options.mode,
            "built_by": "a test",
            "build_date": "",
            "build_time": "",
        }

    def do_api_sync_v2(self, params: dict[str, Any]) -> Any:
        major, minor = map(int, self.options.api.split("."))
        ours, theirs = f"{major}.{minor}", f"{params['major']}.{params['minor']}"
        tail = f"\n(API type 'STL': - server: '{ours}', client: '{theirs}')"
        if params["major"] < major:
            raise Refused("RPC version mismatch: a newer client version is required" + tail)
        if params["major"] > major or params["minor"] > minor:
            raise Refused(
                "Version mismatch: your client version is too new to be supported by the server" + tail
            )
        return {"api_h": "handle01"}

    def do_get_system_info(self, _params: dict[str, Any]) -> Any:
        ports = [
            {
                "index": index, "driver": "net_af_packet", "description": "af_packet", "numa": -1, "pci_addr": "N/A",
                "hw_mac": f"02:00:00:00:00:0{index}", "supp_speeds": [], "is_fc_supported": False,
                "is_led_supported": False, "is_link_supported": True, "is_prom_supported": True,
                "is_virtual": True, "rx": {"caps": ["flow_stats", "latency"], "counters": 127}, "dp_core_count": 1,
            }
            for index in range(PORTS)
        ]  # fmt: skip
        return {
            "core_type": "a test", "dp_core_count": 1, "dp_core_count_per_port": 1, "hostname": "here", "uptime": "",
            "port_count": PORTS, "ports": ports, "rx": {"caps": []}, "tagged": False,
        }  # fmt: skip

    def do_get_supported_cmds(self, _params: dict[str, Any]) -> Any:
        return [name.removeprefix("do_") for name in dir(self) if name.startswith("do_")] + [
            "get_profile_list"
        ]

    def do_get_port_xstats_names(self, _params: dict[str, Any]) -> Any:
        return {"xstats_names": ["rx_good_packets"]}

    def do_get_port_xstats_values(self, _params: dict[str, Any]) -> Any:
        return {"xstats_values": [0]}

    def do_get_port_status(self, params: dict[str, Any]) -> Any:
        port = params["port_id"]
        return {
            "owner": self.owner[port], "state": self.state[port], "state_profile": {}, "service": False,
            "service_filtered": False, "profile_count": 1, "max_stream_id": 0,
            "attr": {
                "promiscuous": {"enabled": False}, "multicast": {"enabled": False}, "link": {"up": True},
                "fc": {"mode": 0}, "speed": 10000, "vxlan_fs": [], "layer_cfg": {
                    "ether": {"src": f"02:00:00:00:00:0{port}", "dst": "02:00:00:00:00:ff", "state": "configured"},
                    "ipv4": {"state": "none"}, "ipv6": {"enabled": False}},
                "vlan": {"tags": []}, "rx_filter_mode": "hw",
            },
            "rx_info": {"queue": {"is_active": False}},
        }  # fmt: skip

    def do_acquire(self, params: dict[str, Any]) -> Any:
        port = params["port_id"]
        if self.owner[port] and self.owner[port] != params["user"] and not params["force"]:
            raise Refused(f"port is already taken by '{self.owner[port]}'")
        self.owner[port] = params["user"]
        return HANDLER

    def do_release(self, params: dict[str, Any]) -> Any:
        self._owned(params)
        self.owner[params["port_id"]] = ""
        return {}

    def _owned(self, params: dict[str, Any]) -> int:
        if params.get("handler") != HANDLER:
            raise Refused("invalid handler provided. please acquire the port again")
        return int(params["port_id"])

    def do_push_remote(self, params: dict[str, Any]) -> Any:
        port = self._owned(params)
        if self.state[port] not in (IDLE, STREAMS):
            raise Refused(f"Command 'push_remote' cannot be executed on current state: '{self.state[port]}'")
        if not os.path.exists(params["pcap_filename"]):
            raise Refused(f"cannot open {params['pcap_filename']}")
        self.state[port] = PCAP_TX
        self.pushed.append(params)
        print("pushed " + json.dumps(params), file=sys.stderr, flush=True)
        return {}

    def do_add_stream(self, params: dict[str, Any]) -> Any:
        port = self._owned(params)
        self.streams[port][params["stream_id"]] = params["stream"]
        self.state[port] = STREAMS
        print("stream " + json.dumps(params["stream"]), file=sys.stderr, flush=True)
        return {}

    def do_start_traffic(self, params: dict[str, Any]) -> Any:
        port = self._owned(params)
        self.state[port] = TX
        return {"multiplier": 1.0, "ts": time.time()}

    def do_stop_traffic(self, params: dict[str, Any]) -> Any:
        port = self._owned(params)
        self.state[port] = STREAMS if self.streams[port] else IDLE
        return {}

    def do_remove_all_streams(self, params: dict[str, Any]) -> Any:
        port = self._owned(params)
        self.streams[port].clear()
        self.state[port] = IDLE
        return {}

    def do_get_tpg_status(self, _params: dict[str, Any]) -> Any:
        return {"enabled": False}

    def do_get_all_streams(self, _params: dict[str, Any]) -> Any:
        return {"profiles": {}}

    def do_publish_now(self, params: dict[str, Any]) -> Any:
        self.events.append({"name": "trex-barrier", "type": params["key"], "data": {}, "seq": 0})
        return {}

    def do_get_async_events(self, _params: dict[str, Any]) -> Any:
        events, self.events = self.events, []
        return {"data": events}

    def do_get_port_stats(self, params: dict[str, Any]) -> Any:
        sent = 1000 + params["port_id"] if self.pushed else 0
        zero = dict.fromkeys(
            ("m_total_tx_bps", "m_total_tx_pps", "m_total_rx_bps", "m_total_rx_pps", "m_cpu_util"), 0.0
        )
        return {
            "opackets": sent,
            "obytes": 64 * sent,
            "ipackets": 7,
            "ibytes": 448,
            "oerrors": 0,
            "ierrors": 0,
            **zero,
        }

    def do_get_global_stats(self, _params: dict[str, Any]) -> Any:
        return {
            "m_cpu_util": 12.5, "m_cpu_util_raw": 12.5, "m_bw_per_core": 0.0, "m_rx_cpu_util": 0.0,
            "m_rx_drop_bps": 0.0, "m_tx_bps": 0.0, "m_tx_pps": 0.0, "m_rx_bps": 0.0, "m_rx_pps": 0.0,
            "m_total_queue_full": 3 if self.pushed else 0,
            "m_tx_expected_bps": 0.0, "m_tx_expected_pps": 0.0, "m_tx_cps": 0.0, "m_total_tx_bytes": 0,
        }  # fmt: skip

    def do_get_active_pgids(self, _params: dict[str, Any]) -> Any:
        return {"ids": {"latency": [5], "flow_stats": [9]}}

    def do_get_pgid_stats(self, _params: dict[str, Any]) -> Any:
        sent, seen = (100, 90) if TX in self.state else (0, 0)
        counts = {"tp": {"2": sent}, "tb": {"2": 64 * sent}, "rp": {"2": seen}, "rb": {"2": 64 * seen}}
        rates = {name: {"2": 0.0} for name in ("rbs", "rps", "tbs", "tps")}
        return {
            "ver_id": {"5": 1, "9": 2},
            "flow_stats": {"5": {**counts, **rates}, "9": {**counts, **rates}, "g": {}},
            "latency": {
                "5": {
                    "er": {"drp": 4, "ooo": 1, "dup": 0, "sth": 1, "stl": 0} if sent else {},
                    "lat": {"average": 12.5, "jit": 3, "total_max": 90, "total_min": 4, "last_max": 40,
                            "histogram": {"10": 80, "20": 10} if sent else {}, "hdrh": "HISTFAAAAB4="},
                },
                "g": {"bad_hdr": 2, "old_flow": 0},
            },
        }  # fmt: skip


def answer(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    method = request["method"]
    if method not in ("get_async_events", "publish_now"):
        print(f"called {method}", file=sys.stderr, flush=True)
    if method in server.options.die:
        os._exit(0)
    if method in server.options.mute:
        time.sleep(3600)
    try:
        return {
            "jsonrpc": "2.0",
            "id": request["id"],
            "result": server.call(method, request.get("params") or {}),
        }
    except Refused as refusal:
        error = {"code": -32000, "message": "server error", "specific_err": str(refusal)}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}


def tick(publisher: Any) -> None:
    """The publisher's trigger: the subscriber asks for events when it hears it."""
    while True:
        publisher.send(b"{}")
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rpc_port")
    parser.add_argument("publish_port")
    parser.add_argument("--api", default="5.1")
    parser.add_argument("--mode", default="STL")
    parser.add_argument("--owner", default="")
    for name in ("--mute", "--die", "--refuse"):
        parser.add_argument(name, action="append", default=[])
    serve(Server(argparse.Namespace(**vars(parser.parse_args()), address="127.0.0.1")))


def serve(server: Server) -> None:
    load_library()
    import zmq  # the library's
    from trex.utils.zipmsg import ZippedMsg

    zipped = ZippedMsg()
    context = zmq.Context()
    rpc, publisher = context.socket(zmq.REP), context.socket(zmq.PUB)
    rpc.bind(f"tcp://{server.options.address}:{server.options.rpc_port}")
    publisher.bind(f"tcp://{server.options.address}:{server.options.publish_port}")
    threading.Thread(target=tick, args=(publisher,), daemon=True).start()
    print("up", flush=True)
    while True:
        data = rpc.recv()
        if zipped.is_compressed(data):
            data = zipped.decompress(data)
        request = json.loads(data)
        said = (
            [answer(server, one) for one in request] if isinstance(request, list) else answer(server, request)
        )
        rpc.send(zipped.compress(json.dumps(said).encode()))


if __name__ == "__main__":
    main()
