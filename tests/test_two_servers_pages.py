"""The pages from bare servers to a first histogram: what they say to type can be typed, what they quote is said.

Commands of this package are looked at by test_docs. Those of ethtool and ip are run here, in a namespace of the test's
own in which a veth pair has the names of the pages: a veth refuses most settings, but understands them all.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.host import Cores
from lab.host.nic import CardReport, examine_nic
from lab.host.pci import interface_of
from lab.scenario import load_scenarios
from lab.topology.namespaces import NAMED, inside

PAGES = Path(__file__).parents[1] / "scenarios" / "two_servers"
# Where each program that a page names comes from in Debian 12; "" is this repository or the shell.
PROGRAMS = {
    **dict.fromkeys(("tailgate", "ci/setup", "echo"), ""),
    **{"ethtool": "ethtool", "ip": "iproute2", "taskset": "util-linux", "modprobe": "kmod", "grep": "grep"},
    **{"sysctl": "procps", "systemctl": "systemd", "reboot": "systemd", "cpupower": "linux-cpupower"},
    **{"update-grub": "grub2-common", "apt-get": "apt", "dpdk-devbind.py": "dpdk"},
}
MISTYPED = re.compile(
    r"bad command line|unknown|Usage:|is garbage|Command line is not complete|Cannot find device",
    re.IGNORECASE,
)


def text(page: str) -> str:
    return (PAGES / page).read_text()


def indented(page: str) -> list[str]:
    """Indented lines that are commands: everything but drawings, output and boot parameters."""
    blocks = re.findall(
        r"^    (\S[^\n]*)$", re.sub(r"```.*?```", "", text(page), flags=re.DOTALL), re.MULTILINE
    )
    drawn = re.compile(r"^(\+--|\||server|good|warning|unknown|port 0000|isolcpus=)")
    return [line for line in blocks if not drawn.match(line)]


ALL = [(page.name, line) for page in sorted(PAGES.glob("*.md")) for line in indented(page.name)]


def test_every_page_is_listed_and_leads_somewhere() -> None:
    listed = re.findall(r"^\d\. .*\]\(([^)]+)\)$", text("README.md").replace("`", ""), re.MULTILINE)
    assert listed == [page.name for page in sorted(PAGES.glob("[0-9]*.md"))]
    for page in PAGES.glob("*.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (PAGES / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize(("page", "line"), ALL, ids=[f"{page}: {line}" for page, line in ALL])
def test_a_command_is_of_a_program_that_is_known(page: str, line: str) -> None:
    assert shlex.split(line)[0] in PROGRAMS, (
        "or it is no command: then it has no business being indented like one"
    )


@pytest.fixture(scope="module")
def cards() -> Iterator[Path]:
    """A namespace with enp1s0f0 and enp1s0f1."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a network namespace is made")
    name = f"tgpages{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        pair = ["link", "add", "enp1s0f0", "type", "veth", "peer", "name", "enp1s0f1", "numrxqueues", "2"]
        subprocess.run(["ip", "-n", name, *pair], check=True)
        yield NAMED / name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


TYPED = [(page, line) for page, line in ALL if line.split()[0] in ("ethtool", "ip")]


@pytest.mark.privileged
@pytest.mark.parametrize(("page", "line"), TYPED, ids=[f"{page}: {line}" for page, line in TYPED])
def test_settings_of_ports_are_typed_right(cards: Path, page: str, line: str) -> None:
    with inside(cards):
        done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
    assert not MISTYPED.search(done.stderr), done.stderr
    if line.startswith("ip "):
        assert done.returncode == 0


@pytest.mark.privileged
def test_the_rows_that_page_3_quotes_are_those_of_a_veth(cards: Path) -> None:
    with inside(cards):
        rows = {row.name: row for row in examine_nic("enp1s0f1", cores=Cores(engine=1, exchange=0, lab=0))}
    quoted = re.findall(
        r"^    (good|warning|unknown) +(enp1s0f1: [A-Za-z ]+?)  +(.*)$", text("3_doctor.md"), re.MULTILINE
    )
    assert len(quoted) == 5
    for status, name, observed in quoted:
        assert (rows[name].status, rows[name].observed) == (status, observed)


def test_page_3_has_every_row(tmp_path: Path) -> None:
    rows = examine_nic(
        "card",
        ask=lambda _: CardReport(),
        system=tmp_path,
        processes=tmp_path,
        cores=Cores(engine=1, exchange=0, lab=0),
    )
    table = " ".join(re.findall(r"^\| ([^|]+) \|", text("3_doctor.md"), re.MULTILINE))
    assert set(re.split(r",? (?=[A-Za-z])|, ", table)) >= {
        word for row in rows for word in row.name.split(": ")[1].split()
    }


def test_the_line_that_page_7_quotes_is_said(tmp_path: Path) -> None:
    device = tmp_path / "bus/pci/devices/0000:01:00.1"
    device.mkdir(parents=True)
    (tmp_path / "vfio-pci").mkdir()
    (device / "driver").symlink_to(tmp_path / "vfio-pci")
    with pytest.raises(UsageError) as caught:
        interface_of("0000:01:00.1", system=tmp_path)
    assert f"    {caught.value}\n" in text("7_dpdk.md")


def test_the_ports_that_page_4_shows_are_a_scenario(tmp_path: Path) -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", text("4_first_run.md"), re.DOTALL)
    path = tmp_path / "own.yaml"
    path.write_text("title: own\n" + block)
    [scenario] = load_scenarios([path])
    assert scenario.ports.wires == {"A": ("enp1s0f0", "enp1s0f1"), "order": ("0000:02:00.0", "0000:02:00.1")}


def test_the_commands_of_page_4_load_their_scenarios() -> None:
    for line in [line for line in indented("4_first_run.md") if line.startswith("tailgate run")]:
        words = shlex.split(line)
        settings = dict(words[at + 1].split("=") for at, word in enumerate(words) if word == "--set")
        [scenario] = load_scenarios([words[2]], settings=settings, root=PAGES.parents[1])
        assert [port for pair in scenario.ports.wires.values() for port in pair] == list(settings.values())
