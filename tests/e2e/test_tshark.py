"""tshark, through pyshark, reads what is really on the wires; it must agree with what the lab wrote down."""

from __future__ import annotations

import asyncio
import gc
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyshark
import pytest
from lab_cli import Run, runs_in, start

pytestmark = [
    pytest.mark.privileged,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # pyshark and asyncio's child watchers
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PREFIX = "tgshark"
SCENARIO = """\
title: A few thousand messages for tshark to read
traffic: {symbols: 20, rate: 2k/s, duration: 2s, arrivals: poisson, packing: 3}
engine: {wire: kernel}
measure: {wire_floor: false}
"""


def dumpcap(namespace: str, interface: str, file: Path) -> subprocess.Popen[bytes]:
    """Starts a capture and waits until it runs."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", namespace, "dumpcap", "-q", "-P", "-i", interface, "-w", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while not (file.exists() and file.stat().st_size >= 24):
        assert process.poll() is None, "dumpcap ended"
        assert time.monotonic() < deadline, "dumpcap did not start"
        time.sleep(0.02)
    return process


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """A run over kernel sockets, where the wires can be watched, and a folder with a.pcap, b.pcap, orders.pcap."""
    folder = tmp_path_factory.mktemp("tshark")
    (folder / "shark.yaml").write_text(SCENARIO)
    run = start("run", folder / "shark.yaml", "--results", folder / "results", "--prefix", PREFIX)
    # The exchange's progress page is there before its session starts: all interfaces are up by then.
    page = Path(f"/dev/shm/tailgate-{PREFIX}/run-exchange.page")
    deadline = time.monotonic() + 60
    while not page.exists():
        assert run.poll() is None, "the run ended early"
        assert time.monotonic() < deadline, "the run did not start"
        time.sleep(0.01)
    captures = [
        dumpcap(f"{PREFIX}-engine", "line_a", folder / "a.pcap"),
        dumpcap(f"{PREFIX}-engine", "line_b", folder / "b.pcap"),
        dumpcap(f"{PREFIX}-exchange", "orders", folder / "orders.pcap"),
    ]
    assert run.wait(timeout=120) in (0, 1, 2)
    for capture in captures:
        capture.terminate()
        capture.wait(timeout=20)
    (only,) = runs_in(folder / "results").values()
    return only, folder


def read(file: Path, layers: dict[str, str], *parameters: str) -> Iterator[Any]:
    """tshark's view of a capture, packet by packet."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(
        loop
    )  # pyshark then installs the child watcher that does not lose tshark's exit code
    capture = pyshark.FileCapture(
        str(file), decode_as=layers, custom_parameters=list(parameters), keep_packets=False
    )
    try:
        yield from capture
    finally:
        capture.close()
        loop.run_until_complete(asyncio.sleep(0.1))  # its pipes close when the loop turns once more
        asyncio.set_child_watcher(None)
        asyncio.set_event_loop(None)
        loop.close()
        del capture
        gc.collect()  # what it left open complains here, where complaints are expected


def integer(text: str) -> int:
    return int(text, 0)


def letter(field: Any) -> str:
    """A character field, which tshark writes as itself or as its code."""
    text = str(field).strip("'")
    return text if len(text) == 1 else chr(int(text, 0))


@pytest.mark.parametrize("line", ["a", "b"])
def test_tshark_sees_every_packet_with_its_sequence_and_count(captured: tuple[Run, Path], line: str) -> None:
    run, folder = captured
    packets = np.load(run.path / "raw" / "run" / "exchange" / "packets.npy")
    seen = [
        (integer(packet.moldudp64.sequence), integer(packet.moldudp64.count))
        for packet in read(folder / f"{line}.pcap", {"udp.port==26477": "moldudp64"})
        if hasattr(packet, "moldudp64")
    ]
    data = [one for one in seen if 0 < one[1] < 0xFFFF]
    assert data == list(zip(packets["first_sequence"].tolist(), packets["count"].tolist(), strict=True))


def test_tshark_reads_the_orders_that_the_drop_copy_has(captured: tuple[Run, Path]) -> None:
    run, folder = captured
    rows = np.load(run.path / "raw" / "run" / "exchange" / "drop_copy.npy")
    rows = rows[rows["kind"] == b"O"]
    assert len(rows) > 10
    expected = [
        (
            row["token"].decode(),
            row["side"].decode(),
            int(row["shares"]),
            row["stock"].decode().strip(),
            int(row["price"]),
        )
        for row in rows
    ]
    seen = []
    heuristic = ("--enable-heuristic", "ouch_soupbintcp")
    for packet in read(folder / "orders.pcap", {"tcp.port==30001": "soupbintcp"}, *heuristic):
        for layer in packet.layers:
            if layer.layer_name == "ouch" and letter(layer.packet_type) == "O":
                seen.append(
                    (
                        str(layer.order_token),
                        letter(layer.buy_sell_indicator),
                        integer(layer.shares),
                        str(layer.stock).strip(),
                        integer(layer.price),
                    )
                )
    assert seen == expected
