"""Faults the lab can inject: a registry of small files, each with its options, ``inject()`` and ``heal()``.

How to write the next one
    1. Add ``lab/faults/<name>.py`` with an options model deriving from ``FaultOptions``; its ``do`` field is
       ``Literal["<name>"]`` and ``at`` is a trigger. Describe every field: the text reaches the JSON Schema.
    2. Derive a class from ``Fault[YourOptions]``, set ``name`` and ``options_model``, decorate it with
       ``@register``. Touch the world only through ``FaultContext``; add a method there when one is missing.
    3. ``heal()`` must be idempotent and must work when ``inject()`` failed halfway or never ran: the lab
       calls it on every way out, the crash clean-up included.
    4. Import the module at the end of this file, list it in lab/python_sources.txt, and add a test.

``armed = True`` means that ``inject()`` is called before traffic starts, because the wire itself fires the
fault at a sequence number; otherwise the lab calls it when the trigger is reached. ``duration_ns()`` says how
long after injection the lab calls ``heal()``; None means at the end of the run.
"""

from __future__ import annotations

from lab.faults.base import (
    Fault,
    FaultContext,
    FaultOptions,
    SequenceTrigger,
    Trigger,
    fault_for,
    register,
    registered,
)
from lab.faults.drop import Drop, DropOptions
from lab.faults.link_down import LinkDown, LinkDownOptions
from lab.faults.pause import Pause, PauseOptions

__all__ = [
    "Drop",
    "DropOptions",
    "Fault",
    "FaultContext",
    "FaultOptions",
    "LinkDown",
    "LinkDownOptions",
    "Pause",
    "PauseOptions",
    "SequenceTrigger",
    "Trigger",
    "fault_for",
    "register",
    "registered",
]
