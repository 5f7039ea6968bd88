"""A line out of a DPDK device: what it is refused for, and that what it publishes arrives whole in shared memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from exchange_process import Process, configure
from traffic._traffic import lib

from traffic.config import load_config
from traffic.errors import InputError

SECONDS = 30
MESSAGES = 2000
AROUND = {"interface": "lo", "source": "10.77.1.1", "group": "239.77.0.1", "port": 26477}
built = pytest.mark.skipif(
    not lib.dpdk_line_built(), reason="built without DPDK: apt-get install libdpdk-dev"
)

# The far end, in a process of its own: counts feed datagrams and messages until a line comes in on standard input.
READER = """
import select, sys
from engine._engine import ffi, lib
ports = []
for device in sys.argv[1:]:
    name, error = ffi.new("char[]", device.encode()), ffi.new("char[512]")
    port = ffi.new("struct dpdk *")
    options = ffi.new("struct dpdk_options *", {"device": name, "cpu": -1, "socket_map": -1, "port": 26477})
    if lib.dpdk_open(port, options, error, 512):
        sys.exit(ffi.string(error).decode())
    ports.append(port)
print("open", flush=True)
packets = ffi.new("struct packet[64]")
messages = [0] * len(ports)
while not select.select([sys.stdin], [], [], 0)[0]:
    for line, port in enumerate(ports):
        for packet in packets[0 : lib.dpdk_receive(port, packets)]:
            count = int.from_bytes(ffi.buffer(packet.data + 18, 2), "big")
            messages[line] += 0 if count == 0xFFFF else count
        lib.dpdk_release(port)
print(*messages, flush=True)
for port in ports:
    lib.dpdk_close(port)
"""


@pytest.mark.parametrize("device", ["", "eth0", "net_memif", "net_memif0,a b", "0000:3b:00.1"])
def test_what_is_no_device_is_a_usage_error(tmp_path: Path, device: str) -> None:
    with pytest.raises(InputError, match="device"):
        load_config(configure(tmp_path, lines=[{"name": "A", **AROUND, "device": device}]))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: DPDK's memory is locked")
def test_a_device_that_cannot_be_had_is_one_line_and_exit_69(tmp_path: Path) -> None:
    path = configure(tmp_path, lines=[{"name": "A", **AROUND, "device": "net_no_such_driver0"}])
    done = subprocess.run(
        [sys.executable, "-m", "traffic", str(path)],
        capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (69, 1), done.stderr
    assert "DPDK device net_no_such_driver0" in done.stderr
    assert not list(Path("/var/run/dpdk").glob("exchange-*"))


@built
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: DPDK's memory is locked")
def test_every_message_of_both_lines_arrives_in_shared_memory(tmp_path: Path) -> None:
    devices = {
        role: [
            f"net_memif{line},role={role},id={line},socket={tmp_path}/memif.sock,socket-abstract=no"
            for line in (0, 1)
        ]
        for role in ("server", "client")
    }
    lines = [
        {"name": name, **AROUND, "device": device}
        for name, device in zip("AB", devices["server"], strict=True)
    ]
    with Process(configure(tmp_path, lines=lines)) as process:
        assert process.event()["event"] == "ready"
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", READER, *devices["client"]]
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as reader:
            assert reader.stdin
            assert reader.stdout
            assert reader.stdout.readline() == "open\n"
            process.command(do="start", at_ns=time.monotonic_ns() + 20_000_000)
            assert process.event()["event"] == "published"
            time.sleep(0.3)  # the reader shares the CPU
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert [int(count) for count in reader.stdout.readline().split()] == [MESSAGES, MESSAGES]
            assert reader.wait(SECONDS) == 0
