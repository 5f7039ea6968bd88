"""A local installation: the configuration that is made for it, and what its output says of its end."""

from pathlib import Path

import pytest
import yaml

from traffic.errors import InputError, MissingError
from traffic.trex.server import (
    Installation,
    ServerConfig,
    command,
    config_text,
    find_installation,
    how_it_ended,
    interface_text,
    why_it_ended,
)

MACS = [("02:00:00:00:00:01", "02:00:00:00:01:01"), ("02:00:00:00:00:02", "02:00:00:00:01:02")]


def config(*interfaces: str, cpus: tuple[int, ...] = (0,)) -> ServerConfig:
    words = [interface_text(index, name) for index, name in enumerate(interfaces)]
    macs = (MACS * len(words))[: len(words)]
    return ServerConfig(interfaces=words, macs=macs, prefix="tailgate-x", cpus=cpus)


def read(text: str) -> dict[str, object]:
    (document,) = yaml.safe_load(text)
    return dict(document)


def test_interfaces_of_the_kernel_become_af_packet() -> None:
    document = read(config_text(config("line_a", "line_b")))
    assert document["interfaces"] == [
        "--vdev=net_af_packet0,iface=line_a",
        "--vdev=net_af_packet1,iface=line_b",
    ]
    assert document["port_limit"] == 2
    assert document["port_info"] == [{"src_mac": own, "dest_mac": other} for own, other in MACS]
    assert (document["low_end"], document["low_end_core"]) == (True, 0)
    assert "platform" not in document


def test_two_ports_may_share_an_interface() -> None:
    words = read(config_text(config("line_a", "line_b", "line_a", "line_b")))["interfaces"]
    assert words[2:] == ["--vdev=net_af_packet2,iface=line_a", "--vdev=net_af_packet3,iface=line_b"]  # type: ignore[index]


def test_memif_has_its_socket_and_role() -> None:
    assert interface_text(1, "memif:/run/a.sock,id=7,role=slave") == (
        "--vdev=net_memif1,role=slave,id=7,socket-abstract=no,socket=/run/a.sock"
    )
    assert "role=master,id=0" in interface_text(0, "memif:/run/a.sock,id=0")


def test_pci_ports_with_enough_cpus_have_a_core_each() -> None:
    made = config("0000:03:00.0", "03:00.1", cpus=(0, 1, 2, 3))
    document = read(config_text(made))
    assert document["interfaces"] == ["0000:03:00.0", "03:00.1"]
    assert document["platform"] == {
        "master_thread_id": 0,
        "latency_thread_id": 1,
        "dual_if": [{"socket": 0, "threads": [2, 3]}],
    }
    assert "low_end" not in document
    line = command(Installation(home=Path("/opt/trex")), made, Path("/x/trex_cfg.yaml"))
    assert line[:2] == ["sh", "-c"], "drivers are bound first"
    assert line[2].rstrip().endswith('exec ./_t-rex-64 "$@"')
    assert "--software" not in line
    assert line[-2:] == ["-c", "2"]


def test_an_odd_port_gets_a_dummy_beside_it() -> None:
    document = read(config_text(config("line_a")))
    assert document["interfaces"] == ["--vdev=net_af_packet0,iface=line_a", "dummy"]
    assert len(document["port_info"]) == 2  # type: ignore[arg-type]


def test_virtual_ports_are_run_by_the_program_itself_in_software_mode() -> None:
    line = command(Installation(home=Path("/opt/trex")), config("line_a", "line_b"), Path("/x/c.yaml"))
    assert line[0] == "/opt/trex/_t-rex-64"
    assert line[-1] == "--software"
    assert line[line.index("--cfg") + 1] == "/x/c.yaml"


@pytest.mark.parametrize("name", ["", "a b", "x" * 16, "memif:relative.sock,id=1", "memif:/a", "eth0,evil=1"])
def test_a_port_that_is_none_is_named(name: str) -> None:
    with pytest.raises(InputError, match="a PCI address"):
        interface_text(0, name)


def test_pci_and_virtual_ports_do_not_mix() -> None:
    with pytest.raises(InputError, match="not both at once"):
        config_text(config("03:00.0", "line_b"))


def test_no_installation_is_said_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="set TREX_HOME or --trex-home"):
        find_installation(None)
    with pytest.raises(MissingError, match="no _t-rex-64 in it"):
        find_installation(tmp_path)
    for name in ("_t-rex-64", "t-rex-64"):
        (tmp_path / name).touch()
    assert find_installation(tmp_path).program == tmp_path / "_t-rex-64"


def test_its_end_is_told_in_words() -> None:
    assert [how_it_ended(code) for code in (0, 127, -9)] == [
        "ended with exit code 0",
        "ended with exit code 127",
        "was ended by signal 9 (Killed)",
    ]


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("Starting\nzmq_bind: Address already in use\nbye\n", "its RPC port is occupied"),
        ("Starting\n ERROR  could not find interface\nmore\n", "ERROR could not find interface"),
        (
            "./_t-rex-64: error while loading shared libraries: libzmq.so.5: no\n",
            "error while loading shared",
        ),
        ("EAL: Cannot get hugepage information.\n", "EAL: Cannot get hugepage information."),
        (
            "0000:99:00.0 does not exist \nERROR trex-cfg could not make\n",
            "trex-cfg: 0000:99:00.0 does not exist",
        ),
        (
            "AFPACKET: x(): net_af_packet0: ioctl failed (SIOCGIFINDEX):No such device\nEAL: Bus failed.\n",
            "net_af_packet0",
        ),
        ("one\ntwo\n-----\n", "its last words: two"),
        ("", "it said nothing"),
    ],
)
def test_the_telling_line_of_its_output_is_found(log: str, why: str) -> None:
    assert why_it_ended(log).startswith(why)
