"""A scenario goes in; the configurations of exchange and engine come out, as the JSON that each reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.wires import bypass_built
from lab.faults import DeployOptions, exchange_settings_of, object_path
from lab.host import Cores
from lab.quantities import FrozenModel
from lab.results.files import sha256_of
from lab.run.dpdk import exchange_end, line_wire
from lab.run.mdp3 import mdp3_settings, two_lines_source
from lab.run.noise import noise_settings
from lab.run.pages import ENGINE_KILL_OFFSET
from lab.run.trex_plan import TrexPlan, publisher_settings, trex_plan
from lab.scenario import Engine, Scenario
from lab.scenario.dpdk import is_shared
from lab.topology import ORDER_WIRE, RECOVERY_WIRE
from lab.topology.wires import WIRES

__all__ = [
    "GATEWAY_PORT",
    "GROUPS",
    "LINE_PORT",
    "REQUEST_PORT",
    "SNAPSHOT_PORT",
    "PassPlan",
    "control_page",
    "control_socket",
    "engine_settings",
    "exchange_settings",
    "floor_plan",
    "main_plan",
    "memif_socket",
    "order_wire",
]

LINE_PORT = 26477
GATEWAY_PORT = 30001
REQUEST_PORT = 26478
SNAPSHOT_PORT = 26479
GROUPS = {"A": "239.77.1.1", "B": "239.77.2.1"}
ACCOUNT = {"username": "TAILGT", "password": "TAILGATE"}
FLOOR_RATE_PER_S = 100_000
FLOOR_EVERY = 32  # 3,125 answers a second, about as many as touch_taker gives, so that caches are as warm
DECISIONS_MAX = 1 << 22
JOURNAL_RING_MIN, JOURNAL_RING_MAX = 1 << 24, 1 << 30
MESSAGE_BYTES, PACKET_BYTES, ORDER_BYTES = 42, 40, 400  # in the journal; an order with its answers
MDP3_PACKET_BYTES = 400  # a packet of many sizes, rather large
TIMER_BYTES_PER_S = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PassPlan:
    """One pass of traffic over the wires: what is sent, who answers, what breaks."""

    name: str
    source: dict[str, Any]
    packing: dict[str, Any]
    bursts: dict[str, Any] | None
    seed: int
    engine: Engine
    stamping: bool = True
    profiling: bool = False
    lead_ns: int = 0
    heartbeat_ns: int = 1_000_000_000
    exchange: dict[str, Any] = field(default_factory=dict)  # what else the exchange is told
    strategies: tuple[Path, ...] = ()  # shared objects that may be deployed
    trex: TrexPlan | None = None  # who publishes instead of the exchange


def plain(model: FrozenModel) -> dict[str, Any]:
    """Attributes as they are: integers, not the text that a scenario file has."""
    return {
        name: getattr(model, name) for name in type(model).model_fields if getattr(model, name) is not None
    }


def source_settings(scenario: Scenario) -> dict[str, Any]:
    """The exchange's ``source`` for a scenario's traffic."""
    traffic = scenario.traffic
    if traffic.kind == "model":
        return {
            "kind": "model",
            "symbols": traffic.symbols,
            "messages": traffic.messages,
            "arrivals": traffic.arrivals,
            "rate_per_s": traffic.rate_per_s,
        }
    if traffic.kind == "two_lines":
        return two_lines_source(traffic)
    common: dict[str, Any] = {"speed": traffic.speed, "rate_per_s": traffic.rate_per_s}
    if traffic.gap_max_ns is not None:
        common["gap_max_ns"] = traffic.gap_max_ns
    if traffic.file:
        return {"kind": "itch_file", "paths": [str(path) for path in traffic.file], **common}
    return {"kind": "pcap", "paths": [str(path) for path in traffic.pcap or ()], **common}


def main_plan(scenario: Scenario, *, lead_ns: int = 0, trex_home: Path | None = None) -> PassPlan:
    """The scenario itself. MissingError: no TRex where one is wanted.

    ``lead_ns``: how long a packet takes from the send call to the wire, as measured.
    """
    bursts = scenario.traffic.bursts
    return PassPlan(
        name="run",
        source=source_settings(scenario),
        packing=plain(scenario.traffic.packing),
        bursts=plain(bursts) if bursts else None,
        seed=scenario.seed,
        engine=scenario.engine,
        lead_ns=lead_ns if scenario.traffic.driver == "exchange" else 0,
        heartbeat_ns=scenario.traffic.heartbeat_ns,
        trex=trex_plan(scenario.traffic, trex_home, shared=is_shared(scenario.engine)),
        exchange=exchange_extras(scenario),
        strategies=tuple(
            object_path(fault.strategy) for fault in scenario.faults if isinstance(fault, DeployOptions)
        ),
    )


def exchange_extras(scenario: Scenario) -> dict[str, Any]:
    """How the recovery services behave, and the faults that the exchange itself plays."""
    told = exchange_settings_of(scenario.faults, scenario.seed)
    told = {**told, **noise_settings(scenario)}
    if scenario.engine.venue == "mdp3":
        return told
    behaviour = {**plain(scenario.traffic.recovery), **told.pop("recovery", {})}
    return {**told, "recovery": behaviour}


def floor_plan(scenario: Scenario) -> PassPlan:
    """The same wires with the smallest possible answer: evenly spaced traffic into the reflector."""
    parameters = scenario.engine.parameters.model_copy(update={"every": FLOOR_EVERY})
    engine = scenario.engine.model_copy(
        update={
            "strategy": "reflector",
            "parameters": parameters,
            "protocol": "ouch42",
            "venue": "itch50",
            "journal": False,
        }
    )
    messages = FLOOR_RATE_PER_S * scenario.measure.wire_floor_duration_ns // 1_000_000_000
    return PassPlan(
        name="floor",
        source={
            "kind": "model",
            "symbols": 100,
            "messages": max(messages, 10 * FLOOR_EVERY),
            "arrivals": "even",
            "rate_per_s": FLOOR_RATE_PER_S,
        },
        packing={"messages_max": 1, "gap_min_ns": 4_000},
        bursts=None,
        seed=scenario.seed,
        engine=engine,
    )


def order_wire(engine: Engine) -> Literal["kernel", "af_xdp"]:
    """What carries the order session once ``auto`` is decided."""
    if engine.orders.wire != "auto":
        return engine.orders.wire
    return "af_xdp" if engine.wire in ("af_xdp", "dpdk") and bypass_built() else "kernel"


def exchange_settings(plan: PassPlan, *, directory: Path, scratch: Path, cores: Cores) -> dict[str, Any]:
    """The exchange's config."""
    return {
        "cpu": cores.exchange,
        "seed": plan.seed,
        "output": str(directory),
        "progress": str(scratch / f"{plan.name}-exchange.page"),
        "source": plan.source,
        "packing": plan.packing,
        "bursts": plan.bursts,
        "lead_ns": plan.lead_ns,
        "lines": [
            {
                "name": name,
                "interface": WIRES[name].interface,
                "source": WIRES[name].exchange_address,
                "group": group,
                "port": LINE_PORT,
                **exchange_end(plan.engine, name, memif_socket(plan, scratch)),
            }
            for name, group in GROUPS.items()
        ],
        "gateway": {
            "address": ORDER_WIRE.exchange_address,
            "port": GATEWAY_PORT,
            "protocol": plan.engine.protocol,
            "newest_wins": True,
            **ACCOUNT,
        },
        "heartbeat_ns": plan.heartbeat_ns,
        **plan.exchange,
        "recovery": None if serves_nothing(plan) else exchange_services(plan),
        "switches": switches(plan, scratch),
        "publisher": publisher_settings(plan.trex, scratch),
    }


def serves_nothing(plan: PassPlan) -> bool:
    """True where no recovery is possible: another venue's lines, or a cycle, which overwrites what it has played."""
    return plan.engine.venue == "mdp3" or "cycle_messages" in plan.source


def exchange_services(plan: PassPlan) -> dict[str, Any]:
    """The exchange's re-request server and snapshot service."""
    return {
        "address": RECOVERY_WIRE.exchange_address,
        "request_port": REQUEST_PORT,
        "snapshot_port": SNAPSHOT_PORT,
        **ACCOUNT,
        **plan.exchange.get("recovery", {}),
    }


def late_after(engine: Engine) -> dict[str, int]:
    late_after_ns = engine.risk.late_after_ns
    return {} if late_after_ns is None else {"late_after_ns": late_after_ns}


def control_page(plan: PassPlan, scratch: Path) -> Path:
    return scratch / f"{plan.name}-engine.page"


def switches(plan: PassPlan, scratch: Path) -> dict[str, Any] | None:
    """The engine's kill switch, and when the exchange throws it; None: never."""
    commands = sorted(plan.exchange.get("switches", []), key=lambda command: int(command["at_ns"]))
    if not commands:
        return None
    return {"page": str(control_page(plan, scratch)), "offset": ENGINE_KILL_OFFSET, "commands": commands}


def recovery_services(engine: Engine) -> dict[str, Any]:
    """The services that the engine may use."""
    address = RECOVERY_WIRE.exchange_address
    offered = {
        "requests": {"address": address, "port": REQUEST_PORT},
        "snapshots": {"address": address, "port": SNAPSHOT_PORT, "names_session": True, **ACCOUNT},
    }
    return {name: offered[name] for name in engine.recovery}


def control_socket(plan: PassPlan, scratch: Path) -> Path:
    """Where ``tailgate ctl`` finds the engine of a pass."""
    return scratch / f"{plan.name}-engine.sock"


def memif_socket(plan: PassPlan, scratch: Path) -> Path:
    """Where the ends of a pass's shared-memory lines find each other."""
    return scratch / f"{plan.name}-memif.sock"


def journal_ring_bytes(
    messages: int, packets: int, duration_ns: int, *, message_bytes: int = MESSAGE_BYTES
) -> int:
    """A ring that holds a whole pass twice over where it can, so that the drain thread takes no time in it."""
    lines = 2 * (message_bytes * messages + PACKET_BYTES * packets)
    seconds = duration_ns // 1_000_000_000 + 1
    expected = lines + ORDER_BYTES * messages // 8 + TIMER_BYTES_PER_S * seconds
    return min(max(1 << (2 * expected).bit_length(), JOURNAL_RING_MIN), JOURNAL_RING_MAX)


def engine_settings(
    plan: PassPlan,
    *,
    directory: Path,
    scratch: Path,
    cores: Cores,
    socket_map: int | None,
    session: str,
    first_sequence: int,
    messages: int,
    packets: int,
    duration_ns: int,
) -> dict[str, Any]:
    """The engine's config. ``messages`` sizes the decision log: at most one decision a message."""
    engine = plan.engine
    around: dict[str, Any] = {
        "cpu": cores.engine,
        "output": str(directory),
        "control": str(control_page(plan, scratch)),
        "lines": [
            {
                **line_wire(engine, name, WIRES[name].interface, socket_map, memif_socket(plan, scratch)),
                "interface": WIRES[name].interface,
                "group": group,
                "port": LINE_PORT,
            }
            for name, group in GROUPS.items()
        ],
    }
    if engine.journal:
        size = MDP3_PACKET_BYTES if engine.venue == "mdp3" else MESSAGE_BYTES
        ring_bytes = journal_ring_bytes(messages, packets, duration_ns, message_bytes=size)
        path = str(directory / "engine.journal")
        around["journal"] = {"path": path, "ring_bytes": ring_bytes, "cpu": cores.lab}
    if engine.venue == "mdp3":
        return {**around, **mdp3_settings(engine.mdp3, packets=messages)}
    return {
        **around,
        "gateway": {
            "address": ORDER_WIRE.exchange_address,
            "port": GATEWAY_PORT,
            "protocol": engine.protocol,
            **ACCOUNT,
        },
        "orders": {"wire": order_wire(engine)},
        "watchdog": plain(engine.watchdog),
        "recovery": recovery_services(engine),
        "feed": {
            "session": session,
            "first_sequence": first_sequence if engine.feed.start == "first_message" else 0,
            **{name: value for name, value in plain(engine.feed).items() if name != "start"},
        },
        "book": {"orders": engine.capacity.orders, "levels": engine.capacity.levels},
        "strategy": {"name": engine.strategy, **plain(engine.parameters)},
        "strategies": {
            "allow": sorted({sha256_of(path) for path in plan.strategies}),
            "budget": {"event_ns_max": engine.budget.event_ns},
        },
        "ctl": {"socket": str(control_socket(plan, scratch)), "audit": str(directory / "audit.jsonl")},
        "risk": engine.risk.model_dump(mode="json", exclude={"late_after_ns"}) | late_after(engine),
        "decisions": min(max(messages, 1024), DECISIONS_MAX),
    }
