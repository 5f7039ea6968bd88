"""A local TRex installation: where it is and what it is to drive enter; its configuration, command and fate leave.

Starting, recording and stopping the process is the caller's. The server is started by its own program (_t-rex-64) for
interfaces that the kernel or shared memory have. PCI ports get their drivers first, by trex-cfg, as TRex's own wrapper
does it; the program then takes the place of that shell, so that it is one process with one number either way.
With fewer than MIN_CPUS_BUSY CPUs it runs in low-end mode: all its threads on one CPU, where they sleep in turns.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from traffic.errors import InputError, MissingError

__all__ = [
    "Installation",
    "ServerConfig",
    "config_text",
    "find_installation",
    "how_it_ended",
    "interface_text",
    "why_it_ended",
]

PROGRAM, WRAPPER = "_t-rex-64", "t-rex-64"
BIND_THEN_RUN = """\
./trex-cfg "$@"
case $? in
    0) ;;
    16) set -- "$@" --mlx4-so ;;
    32) set -- "$@" --mlx5-so ;;
    48) set -- "$@" --mlx4-so --mlx5-so ;;
    128) set -- "$@" --bnxt-so ;;
    *) echo "ERROR trex-cfg could not make the ports ready"; exit 1 ;;
esac
exec ./_t-rex-64 "$@"
"""
MIN_CPUS_BUSY = 4
PCI = re.compile(r"(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
MEMIF = re.compile(r"memif:(?P<socket>/[^,\s]+),id=(?P<id>[0-9]{1,5})(?:,role=(?P<role>master|slave))?")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")
PREFIX = re.compile(r"[A-Za-z0-9_-]{1,48}")
DUMMY = "dummy"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A folder with TRex's programs."""

    home: Path

    @property
    def program(self) -> Path:
        return self.home / PROGRAM


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What the server drives and where it runs. `macs` are (own, other end's) of each port, in its order.

    `interfaces` are TRex's own words (interface_text()). `cpus`: one for low-end mode, else master, receive and
    then transmit.
    """

    interfaces: Sequence[str]
    macs: Sequence[tuple[str, str]]
    prefix: str
    cpus: Sequence[int]
    rpc_port: int = 4501
    publish_port: int = 4500
    memory_mb: int = 512

    @property
    def low_end(self) -> bool:
        return len(self.cpus) < 3

    @property
    def with_pci(self) -> bool:
        return any(PCI.fullmatch(each) for each in self.interfaces)


def find_installation(home: Path | None) -> Installation:
    """MissingError: TREX_HOME says nothing, or there is no TRex."""
    if home is None:
        raise MissingError(
            "no TRex installation is named: set TREX_HOME or --trex-home to the folder that has t-rex-64"
        )
    for program in (PROGRAM, WRAPPER):
        if not (home / program).exists():
            raise MissingError(
                f"TREX_HOME {home}: no {program} in it: name the folder of an unpacked TRex release"
            )
    return Installation(home=home.resolve())


def interface_text(index: int, name: str) -> str:
    """TRex's word for port `index`: a PCI address, memif:SOCKET,id=N[,role=...], or an interface of the kernel."""
    if PCI.fullmatch(name) or name == DUMMY:
        return name
    if memif := MEMIF.fullmatch(name):
        role = memif["role"] or "master"
        return f"--vdev=net_memif{index},role={role},id={memif['id']},socket-abstract=no,socket={memif['socket']}"
    if NAME.fullmatch(name):
        return f"--vdev=net_af_packet{index},iface={name}"
    raise InputError(
        f"port {name!r}: a PCI address (0000:03:00.0), memif:/path/of.sock,id=0 or the name of an interface"
    )


def config_text(config: ServerConfig) -> str:
    """trex_cfg.yaml, version 2. TRex drives pairs of ports: an odd one gets a dummy beside it."""
    if not PREFIX.fullmatch(config.prefix):
        raise InputError(f"prefix {config.prefix!r}: 1 to 48 letters, digits, '-' and '_'")
    kinds = {"pci" if PCI.fullmatch(each) else "vdev" for each in config.interfaces if each != DUMMY}
    if len(kinds) > 1:
        raise InputError("ports: TRex takes PCI ports or virtual ones, not both at once")
    interfaces, macs = list(config.interfaces), list(config.macs)
    if len(interfaces) % 2:
        interfaces.append(DUMMY)
        macs.append(("02:00:00:00:00:fe", "02:00:00:00:00:ff"))
    document: dict[str, object] = {
        "version": 2,
        "port_limit": len(interfaces),
        "interfaces": interfaces,
        "prefix": config.prefix,
        "limit_memory": config.memory_mb,
        "zmq_rpc_port": config.rpc_port,
        "zmq_pub_port": config.publish_port,
        "port_info": [{"dest_mac": other, "src_mac": own} for own, other in macs],
    }
    if config.low_end:
        document |= {"low_end": True, "low_end_core": config.cpus[0]}
    else:
        master, receive, *transmit = config.cpus
        pairs = [{"socket": 0, "threads": list(transmit)} for _ in range(len(interfaces) // 2)]
        document["platform"] = {"master_thread_id": master, "latency_thread_id": receive, "dual_if": pairs}
    return yaml.safe_dump([document], sort_keys=False, default_flow_style=None, width=1000)


def command(installation: Installation, config: ServerConfig, path: Path) -> list[str]:
    """The command line; it is to run in the installation's folder, with LD_LIBRARY_PATH set to it."""
    options = [
        "-i",
        "--cfg",
        str(path),
        "--iom",
        "0",
        "--no-scapy-server",
        "--hdrh",
        "--prefix",
        config.prefix,
    ]
    cores = [] if config.low_end else ["-c", str(len(config.cpus) - 2)]
    if config.with_pci:
        return ["sh", "-c", BIND_THEN_RUN, "trex", *options, *cores]
    return [str(installation.program), *options, *cores, "--software"]


_CAUSES = (
    (re.compile(r"Address already in use", re.I), "its RPC port is occupied"),
    (re.compile(r"[0-9a-f:.]+ does not exist"), "trex-cfg"),
    (re.compile(r"net_\w+: ioctl failed.*"), None),
    (re.compile(r"ERROR.*", re.I), None),
    (re.compile(r"EAL: Cannot.*|EAL: .*[Ff]ailed.*", re.I), None),
    (re.compile(r"error while loading shared libraries.*"), None),
    (re.compile(r".*assert.*", re.I), None),
)


def how_it_ended(code: int) -> str:
    """Its return code as subprocess has it, in words."""
    return (
        f"ended with exit code {code}"
        if code >= 0
        else f"was ended by signal {-code} ({signal.strsignal(-code)})"
    )


def why_it_ended(log: str) -> str:
    """The line of its output that tells most, or its last one."""
    lines = [" ".join(line.split()) for line in log.splitlines() if line.strip()]
    for pattern, meaning in _CAUSES:
        for line in lines:
            if found := pattern.search(line):
                return f"{meaning}: {line[:160]}" if meaning else found[0][:160]
    words = [line for line in lines if re.search(r"\w", line)]  # and no rules between paragraphs
    return f"its last words: {words[-1][:160]}" if words else "it said nothing"
