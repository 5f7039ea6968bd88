"""Impairment rules and what executes them, as typed Python: configurations enter, what was done leaves.

Chances are of 2^32 in C, from 0 to 1 here.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from traffic._traffic import ffi, lib
from traffic.bindings import counters_of, pointer, touched, zeroed
from traffic.config import ImpairmentConfig

__all__ = ["Impairer", "impairment_place", "impairment_rule", "impairment_takes", "of_2_32"]

_ACTIONS = MappingProxyType({"drop": 1, "duplicate": 2, "reorder": 3, "delay": 4, "corrupt": 5})
_PATTERNS = MappingProxyType({"run": 1, "every": 2, "random": 3, "gilbert_elliott": 4})
_CORRUPTIONS = MappingProxyType(
    {None: 0, "bits": 1, "truncate": 2, "count": 3, "zero_block": 4, "checksum": 5}
)
_HELD_PACKETS = 1024 + 1


def of_2_32(chance: float) -> int:
    """The chance in units of 2^-32; certainty is 2^32 - 1."""
    return min(round(chance * 2**32), 2**32 - 1)


def impairment_rule(config: ImpairmentConfig, *, seed: int, index: int, line: int) -> Any:
    """A fresh `struct impairment_rule` of rule `index` for a line (0, 1, or 2 for the replies)."""
    rule = ffi.new("struct impairment_rule *")
    for name in (
        "from_position", "from_ns", "until_ns", "packets", "repeat_every", "repeat_left", "every", "amount",
        "delay_ns",
    ):  # fmt: skip
        setattr(rule, name, getattr(config, name))
    for name in ("probability", "good_to_bad", "bad_to_good", "probability_good"):
        setattr(rule, name, of_2_32(getattr(config, name)))
    rule.action = _ACTIONS[config.action]
    rule.pattern = _PATTERNS[config.pattern]
    rule.corruption = _CORRUPTIONS[config.corruption]
    line = 0 if config.together else line
    rule.random = lib.impairment_seed(seed, index, line)
    rule.places = lib.impairment_seed(seed ^ (2**64 - 1), index, line)
    rule.armed = 1
    return rule


def impairment_takes(rule: Any, position: int, messages: int, now_ns: int) -> bool:
    """Ask a rule for one packet; it advances."""
    return bool(lib.impairment_takes(rule, position, messages, now_ns))


def impairment_place(rule: Any, bound: int) -> int:
    """A seeded place from 0 to bound - 1."""
    return int(lib.impairment_place(rule, bound))


class Impairer:
    """One way out with its rules, and the memory for what they hold back."""

    def __init__(self, rules: Sequence[tuple[int, Any]], *, payload_offset: int) -> None:
        self.indices = [index for index, _ in rules]
        self._held = touched(zeroed(_HELD_PACKETS * ffi.sizeof("struct impairer_packet")))
        options = ffi.new("struct impairer_options *")
        options.rule_count = len(rules)
        for place, (_, rule) in enumerate(rules):
            options.rules[place] = rule[0]
        options.payload_offset = payload_offset
        options.held = pointer("struct impairer_packet *", self._held)
        self.struct = ffi.new("struct impairer *")
        lib.impairer_init(self.struct, options)

    def counters(self) -> dict[str, int]:
        return counters_of(self.struct.counters)

    def rules(self, *, line: str, start_ns: int) -> list[dict[str, object]]:
        """What each rule did; times absolute."""
        found: list[dict[str, object]] = []
        for place, index in enumerate(self.indices):
            rule = self.struct.options.rules[place]
            found.append(
                {
                    "rule": index,
                    "line": line,
                    "windows": int(rule.windows),
                    "seen": int(rule.seen),
                    "hit": int(rule.hit),
                    "controls": int(rule.controls),
                    "first_hit_ns": start_ns + int(rule.first_hit_ns) if rule.hit else 0,
                    "last_hit_ns": start_ns + int(rule.last_hit_ns) if rule.hit else 0,
                }
            )
        return found
