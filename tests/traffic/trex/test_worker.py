"""The worker and the client library against a stand-in server: handshake, work, and every way in which it can fail."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from worker_process import StandIn, Worker, free_ports

from traffic.profiles.load import rendered

Standin = Callable[..., StandIn]
Work = Callable[..., Worker]


def failed(worker: Worker, code: int) -> str:
    """The one line that it ended with."""
    ended, said = worker.end()
    assert ended == code, said
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("trex: error: ")]
    assert len(lines) == 1, said
    return lines[0]


def test_versions_are_agreed_and_ports_are_given_back(standin: Standin, worker: Work) -> None:
    server = standin()
    one = worker(server.config())
    ready = one.hear()
    assert ready["event"] == "ready"
    assert ready["server_version"] == "v3.08"
    assert ready["api"] == "STL 5.1"
    assert [port["port"] for port in ready["ports"]] == [0, 1, 2]
    one.tell(do="stop")
    assert one.hear() == {"event": "stopped"}
    assert one.end()[0] == 0
    assert server.said("called").count("release") == 3


def test_files_of_two_ports_are_pushed_in_one_request(standin: Standin, worker: Work, tmp_path: Path) -> None:
    server = standin()
    one = worker(server.config())
    one.hear()
    files = []
    for port in (0, 1):
        path = tmp_path / f"{port}.pcap"
        path.touch()
        files.append({"port": port, "path": str(path)})
    one.tell(do="push", files=files, speed_up=2, gap_min_us=1.5)
    assert one.hear()["event"] == "pushed"
    pushed = server.said("pushed")
    assert [each["pcap_filename"] for each in pushed] == [file["path"] for file in files]
    assert all(each["speedup"] == 2.0 and each["min_ipg_usec"] == 1.5 for each in pushed)
    assert all(each["count"] == 0xC000_0001 for each in pushed), "once, with the addresses of the file"
    called = server.said("called")
    first = called.index("push_remote")
    assert called[first + 1] == "push_remote", "nothing came between them"
    one.tell(do="idle", ports=[0, 1])
    assert one.hear()["idle"] is False
    one.tell(do="end", ports=[0, 1])
    assert one.hear() == {"event": "ended"}
    one.tell(do="idle", ports=[0, 1])
    assert one.hear()["idle"] is True


def test_a_stream_is_built_and_serialised_as_asked(standin: Standin, worker: Work) -> None:
    import base64

    server = standin()
    one = worker(server.config())
    one.hear()
    stream = {
        "name": "probe", "source_mac": "02:00:00:00:00:07", "target_mac": "02:00:00:00:00:08",
        "source": "10.0.0.1", "target": "10.0.0.2", "udp_port": 9, "frame_bytes": 100, "rate_per_s": 1000,
        "flow": 5, "latency": True,
    }  # fmt: skip
    one.tell(
        do="streams", port=2, streams=[stream, {**stream, "name": "noise", "latency": False, "packets": 10}]
    )
    assert one.hear() == {"event": "streams", "count": 2}
    probe, noise = server.said("stream")
    frame = base64.b64decode(probe["packet"]["binary"])
    assert len(frame) == 96, "a frame's FCS is the port's"
    assert frame[:14].hex() == "0200000000080200000000070800"
    assert frame[26:34] == bytes([10, 0, 0, 1, 10, 0, 0, 2])
    assert int.from_bytes(frame[36:38], "big") == 9
    assert probe["mode"] == {"type": "continuous", "rate": {"type": "pps", "value": 1000.0}}
    assert probe["flow_stats"]["enabled"]
    assert probe["flow_stats"]["rule_type"] == "latency"
    assert probe["flags"] == 0b011, "both addresses are the packet's"
    assert noise["mode"]["type"] == "single_burst"
    assert noise["mode"]["total_pkts"] == 10
    assert noise["flow_stats"]["rule_type"] == "stats"


def test_a_profile_is_what_the_console_would_make_of_it(standin: Standin, worker: Work) -> None:
    """Its streams reach the server as traffic.profiles.render prints them for the pacer."""
    server = standin()
    one = worker(server.config())
    one.hear()
    wanted = {"profile": "imix_noise", "tunables": {"pps": "4000"}}
    one.tell(do="streams", port=2, profiles=[wanted])
    rows = json.loads(rendered("imix_noise", (("pps", "4000"),), 0))
    assert one.hear() == {"event": "streams", "count": len(rows)}
    built = server.said("stream")
    assert [stream["mode"] for stream in built] == [row["mode"] for row in rows]
    assert [stream["packet"]["binary"] for stream in built] == [row["packet"]["binary"] for row in rows]
    assert [stream["vm"] for stream in built] == [row["vm"] for row in rows]


def test_counters_and_latency_come_as_numbers_since_the_start(
    standin: Standin, worker: Work, tmp_path: Path
) -> None:
    server = standin()
    one = worker(server.config())
    one.hear()
    path = tmp_path / "a.pcap"
    path.touch()
    one.tell(do="push", files=[{"port": 0, "path": str(path)}])
    one.hear()
    stream = {"name": "p", "source": "10.0.0.1", "target": "10.0.0.2", "udp_port": 9, "rate_per_s": 9}
    one.tell(do="streams", port=2, streams=[{**stream, "flow": 5, "latency": True}])
    one.hear()
    one.tell(do="statistics")
    said = one.hear()
    assert [port["sent_packets"] for port in said["ports"]] == [1000, 1001, 1002]
    assert said["queue_full"] == 3
    assert said["flows"][0] == {"flow": 5, "sent_packets": 100, "received_packets": 90, "dropped": 4}
    assert said["flows"][1] == {"flow": 9, "sent_packets": 100, "received_packets": 90, "dropped": None}
    assert said["latency"][0]["histogram"] == {"10": 80, "20": 10}
    assert said["latency"][0]["hdr"].startswith("HIST")
    assert said["latency"][0]["out_of_order"] == 1


@pytest.mark.parametrize(
    ("api", "theirs"), [("6.0", "a newer client"), ("4.9", "too new"), ("5.0", "too new")]
)
def test_another_interface_is_named_on_both_sides(
    standin: Standin, worker: Work, api: str, theirs: str
) -> None:
    line = failed(worker(standin("--api", api).config()), 69)
    assert f"v3.08 speaks interface {api}" in line
    assert "the client STL 5.1 (lbr-trex-client 3.4.0)" in line
    assert "install the lbr-trex-client that goes with the server" in line


def test_a_younger_server_of_the_same_major_number_is_taken(standin: Standin, worker: Work) -> None:
    assert worker(standin("--api", "5.7").config()).hear()["event"] == "ready"


def test_a_server_in_another_mode_is_refused(standin: Standin, worker: Work) -> None:
    line = failed(worker(standin("--mode", "ASTF").config()), 69)
    assert "runs in mode ASTF: start it for stateless traffic (-i)" in line


def test_no_server_is_one_line(worker: Work) -> None:
    rpc, publish = free_ports(2)
    config = {"server": "127.0.0.1", "rpc_port": rpc, "publish_port": publish, "timeout_s": 1, "ports": [0]}
    line = failed(worker(config), 69)
    assert f"TRex server 127.0.0.1:{rpc}: no answer within 1 s: start it" in line


def test_something_else_on_the_port_is_one_line(worker: Work) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = {"server": "127.0.0.1", "rpc_port": other.getsockname()[1], "timeout_s": 1, "ports": [0]}
        assert "no answer within 1 s" in failed(worker(config), 69)


@pytest.mark.parametrize("method", ["api_sync_v2", "get_system_info"])
def test_a_server_that_dies_in_the_handshake_is_one_line(standin: Standin, worker: Work, method: str) -> None:
    assert "TRex server 127.0.0.1:" in failed(worker(standin("--die", method).config()), 69)


def test_a_server_that_dies_later_ends_the_worker(standin: Standin, worker: Work) -> None:
    server = standin()
    one = worker(server.config())
    one.hear()
    server.kill()
    line = failed(one, 69)
    assert "the connection is lost" in line or "no answer" in line


def test_a_port_of_another_user_is_named_with_its_owner(standin: Standin, worker: Work) -> None:
    line = failed(worker(standin("--owner", "somebody").config()), 69)
    assert "port 0 is taken by 'somebody'" in line
    assert "force" in line


def test_a_port_of_another_user_can_be_taken_over(standin: Standin, worker: Work) -> None:
    assert worker(standin("--owner", "somebody").config(force=True)).hear()["event"] == "ready"


def test_a_port_that_is_not_there_is_a_usage_error(standin: Standin, worker: Work) -> None:
    line = failed(worker(standin().config(ports=[0, 9])), 64)
    assert "no port 9: it has 0, 1, 2, 3" in line


def test_a_file_that_the_server_cannot_read_is_its_own_words(standin: Standin, worker: Work) -> None:
    one = worker(standin().config())
    one.hear()
    one.tell(do="push", files=[{"port": 0, "path": "/nowhere/a.pcap"}])
    assert "push_remote: cannot open /nowhere/a.pcap" in failed(one, 69)


@pytest.mark.parametrize(
    "command",
    [
        {"do": "push", "files": []},
        {"do": "push", "files": [{"port": 0, "path": "relative.pcap"}]},
        {"do": "dance"},
        {"do": "streams", "port": 2, "streams": [{"name": "x"}]},
        {"do": "streams", "port": 2},
        {"do": "streams", "port": 2, "profiles": [{"profile": "imix_niose"}]},
        {"do": "streams", "port": 2, "profiles": [{"profile": "imix_noise", "tunables": {"ppps": "1"}}]},
        {"do": "idle", "ports": [3]},
    ],
)
def test_a_wrong_command_ends_it_and_gives_the_ports_back(
    standin: Standin, worker: Work, command: dict[str, Any]
) -> None:
    server = standin()
    one = worker(server.config())
    one.hear()
    one.tell(**command)
    failed(one, 64)
    assert server.said("called").count("release") == 3


def test_a_library_that_is_not_installed_is_named_with_the_command(worker: Work, tmp_path: Path) -> None:
    """A Python that finds no such distribution: the folder of sites is hidden from it."""
    hidden = tmp_path / "sitecustomize.py"
    hidden.write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'lbr-trex-client':\n"
        "        raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
    )
    config = {"server": "127.0.0.1", "ports": [0]}
    line = failed(worker(config, PYTHONPATH=str(tmp_path)), 69)
    assert "not installed: python -m pip install lbr-trex-client" in line


def test_a_wrong_configuration_names_every_key(worker: Work) -> None:
    line = failed(worker({"ports": [], "sever": "x"}), 64)
    assert "ports" in line
    assert "sever" in line


def test_end_of_file_is_stop(standin: Standin, worker: Work) -> None:
    server = standin()
    one = worker(server.config())
    one.hear()
    assert one.process.stdin
    one.process.stdin.close()
    assert one.hear() == {"event": "stopped"}
    one.process.stdin = None
    assert one.end()[0] == 0
    assert json.dumps(server.said("called")).count("release") == 3
