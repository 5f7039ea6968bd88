"""Faults the lab can inject: a registry of small files, each with its options, ``inject()`` and ``heal()``.

How to write the next one
    1. Add ``lab/faults/<name>.py`` with an options model deriving from ``FaultOptions``; its ``do`` field is
       ``Literal["<name>"]`` and ``at`` is a trigger. Describe every field: the text reaches the JSON Schema.
    2. Derive a class from ``Fault[YourOptions]``, set ``name`` and ``options_model``, decorate it with
       ``@register``. Touch the world only through ``FaultContext``; add a method there when one is missing.
    3. ``heal()`` must be idempotent and must work when ``inject()`` failed halfway or never ran: the lab
       calls it on every way out, the crash clean-up included.
    4. Import the module at the end of this file, list it in lab/python_sources.txt, and add a test.

``armed = True`` means that nobody waits for the trigger: the wire itself (``WireFault``), or the exchange
(``SenderFault``), fires the fault at its message or time, and ``inject()`` is called before traffic starts;
otherwise the lab calls it when the trigger is reached. ``duration_ns()`` says how long after injection the lab
calls ``heal()``; None means at the end of the run.
"""

from __future__ import annotations

from lab.faults.base import (
    ExchangePlan,
    Fault,
    FaultContext,
    FaultOptions,
    SequenceTrigger,
    Service,
    Trigger,
    fault_for,
    register,
    registered,
)
from lab.faults.chance import Chance
from lab.faults.corrupt import Corrupt, CorruptOptions
from lab.faults.ctl import Ctl, CtlOptions
from lab.faults.cut_snapshot import CutSnapshot, CutSnapshotOptions
from lab.faults.delay import Delay, DelayOptions
from lab.faults.deploy import Deploy, DeployOptions, object_path
from lab.faults.disconnect import Disconnect, DisconnectOptions
from lab.faults.drop import Drop, DropOptions
from lab.faults.duplicate import Duplicate, DuplicateOptions
from lab.faults.impairment import ImpairmentOptions, SenderFault, WireFault
from lab.faults.kill import Kill, KillOptions
from lab.faults.link_down import LinkDown, LinkDownOptions
from lab.faults.pause import Pause, PauseOptions
from lab.faults.plan import exchange_settings_of, impairs_wire, sender_index_of, sessions_of, wire_places_of
from lab.faults.refuse_requests import RefuseRequests, RefuseRequestsOptions
from lab.faults.reorder import Reorder, ReorderOptions
from lab.faults.rule import Place, Rule, Sessions
from lab.faults.session_roll import FIRST_SESSION, SessionRoll, SessionRollOptions, session_names
from lab.faults.stall import Stall, StallOptions
from lab.faults.switch_wire import SwitchWire, SwitchWireOptions
from lab.faults.xdp_detach import XdpDetach, XdpDetachOptions

__all__ = [
    "FIRST_SESSION",
    "Chance",
    "Corrupt",
    "CorruptOptions",
    "Ctl",
    "CtlOptions",
    "CutSnapshot",
    "CutSnapshotOptions",
    "Delay",
    "DelayOptions",
    "Deploy",
    "DeployOptions",
    "Disconnect",
    "DisconnectOptions",
    "Drop",
    "DropOptions",
    "Duplicate",
    "DuplicateOptions",
    "ExchangePlan",
    "Fault",
    "FaultContext",
    "FaultOptions",
    "ImpairmentOptions",
    "Kill",
    "KillOptions",
    "LinkDown",
    "LinkDownOptions",
    "Pause",
    "PauseOptions",
    "Place",
    "RefuseRequests",
    "RefuseRequestsOptions",
    "Reorder",
    "ReorderOptions",
    "Rule",
    "SenderFault",
    "SequenceTrigger",
    "Service",
    "SessionRoll",
    "SessionRollOptions",
    "Sessions",
    "Stall",
    "StallOptions",
    "SwitchWire",
    "SwitchWireOptions",
    "Trigger",
    "WireFault",
    "XdpDetach",
    "XdpDetachOptions",
    "exchange_settings_of",
    "fault_for",
    "impairs_wire",
    "object_path",
    "register",
    "registered",
    "sender_index_of",
    "session_names",
    "sessions_of",
    "wire_places_of",
]
