"""Seeded tables of limits: mostly open, a few limits tight, so that each reason comes up and others are reached."""

from __future__ import annotations

import random
from typing import Any, get_args

from engine.config import RiskConfig
from engine.risk_table import Reason, RiskProfile, RiskSession, RiskSoft, RiskSymbol, RiskTrips

__all__ = ["OPEN_NS", "random_limits"]

OPEN_NS = 34_200_000_000_000  # market time of a world's beginning
MS = 1_000_000
VALUE = 1_000_000  # of a hundred shares at about a hundred ticks
REASONS: tuple[str, ...] = get_args(Reason)
FREQUENT = [
    "order_shares",
    "notional",
    "collar",
    "position",
    "order_rate",
    "message_rate",
    "duplicate",
    "self_cross",
    "open_orders",
    "restricted",
]


def _value(chance: random.Random, most: int) -> int:
    return int(VALUE * chance.uniform(0.3, most))


def _tight(chance: random.Random) -> dict[str, Any]:
    """One group of limits, tight."""
    some, draw = chance.choice, chance.randrange
    kind = some((*range(17), 6, 7, 7, 7, 9, 13))
    if kind == 0:
        return {"order_shares_max": some((0, 1, 50, 99, 99, 100, 101))}
    if kind == 1:
        edges = (10_000 * draw(97, 104), 10_000 * draw(98, 104) - 1, 5_000 * draw(98, 104) - 1)
        return {"notional_max": some((0, _value(chance, 2), *edges))}
    if kind == 2:
        return {"price_max": draw(9_700, 10_300)}
    if kind == 3:
        return {"collar_permille": some((0, 1, 5, 6, 9, 10, 12, 15, 20))}
    if kind == 4:
        return {"last_collar_permille": some((0, 1, 5, 9, 10, 11, 15, 20, 30))}
    if kind == 5:
        return {"position_max": some((0, 50, 99, 99, 100, 101, 149, 150, 199, 200, 299))}
    if kind == 6:
        return {
            "order_burst": some((0, 1, 2, 3, 5)),
            "order_rate_per_s": some((0, 1, 7, 1_000, 33_333, 10**9)),
        }
    if kind == 7:
        return {
            "message_burst": some((0, 1, 2, 3, 4, 5, 8)),
            "message_rate_per_s": some((0, 0, 1, 7, 1_000, 33_333, 10**9)),
        }
    if kind == 8:
        return {"gross_exposure_max": _value(chance, 5)}
    if kind == 9:
        return {"net_exposure_max": _value(chance, 3)}
    if kind == 10:
        return {"open_orders_max": draw(0, 5)}
    if kind == 11:
        return {
            "quote_age_max_ns": some((0, 1, MS, 10 * MS)),
            "feed_age_max_ns": some((0, 1, MS, 10 * MS, None)),
        }
    if kind == 12:
        return {"feed_age_max_ns": some((0, 1, 10_000, MS))}
    if kind == 13:
        return {"duplicate_window_ns": some((1, 10_000, MS, 1_000 * MS, 10**12))}
    if kind == 14:
        return {"valid_for_ns": some((1, 10 * MS, 50 * MS, 300 * MS, 2_000 * MS))}
    if kind == 15:
        edge = OPEN_NS + draw(0, 400)
        return {"session": RiskSession(open_ns=edge, close_ns=edge + draw(0, 400))}
    return {"allow_unannounced": False}


def _soft(chance: random.Random, hard: dict[str, Any]) -> RiskSoft:
    below: dict[str, Any] = {}
    pairs = {
        "order_shares": ("order_shares_max", 1_000, (50, 99, 100)),
        "notional": ("notional_max", 10**10, (500_000, 990_000, 1_000_000)),
        "collar_permille": ("collar_permille", 100, (0, 4, 9)),
        "last_collar_permille": ("last_collar_permille", None, (0, 5, 10)),
        "position_max": ("position_max", 100_000, (50, 99, 100, 200)),
        "net_exposure": ("net_exposure_max", None, (500_000, 1_000_000, 2_000_000)),
        "gross_exposure": ("gross_exposure_max", None, (500_000, 1_000_000, 2_000_000)),
        "open_orders": ("open_orders_max", None, (0, 1, 2)),
    }
    for name, (key, default, values) in pairs.items():
        limit = hard.get(key, default)
        value = chance.choice(values)
        if chance.random() < 0.4 and (limit is None or value <= limit):
            below[name] = value
    for name in ("order_tokens_permille", "message_tokens_permille"):
        if chance.random() < 0.4:
            below[name] = chance.choice((1, 333, 500, 999, 1_000))
    return RiskSoft(**below)


def _trips(chance: random.Random) -> RiskTrips:
    def reasons() -> tuple[Any, ...]:
        pool = REASONS if chance.random() < 0.5 else FREQUENT
        return tuple(dict.fromkeys(chance.choice(pool) for _ in range(chance.randrange(4))))

    return RiskTrips(
        at_once=reasons(),
        counted=tuple(name for name in reasons() + reasons() if not name.startswith("limits_")),
        breaches=chance.choice((1, 2, 2, 3, 4)),
        window_ns=chance.choice((0, 1_000, 100_000, MS, 100 * MS, 10**12)),
        after_fill=tuple(
            name for name in ("position", "net_exposure", "gross_exposure") if chance.random() < 0.5
        ),
    )


def random_limits(chance: random.Random, symbols: tuple[int, ...]) -> RiskConfig:
    values: dict[str, Any] = {"late_after_ns": 0}
    for _ in range(chance.choices((0, 1, 2, 3), (25, 40, 25, 10))[0]):
        values |= _tight(chance)
    if chance.random() < 0.4:
        values["soft"] = _soft(chance, values)
    if chance.random() < 0.3:
        values["trips"] = _trips(chance)
    if chance.random() < 0.3:
        names = ["profile0", "profile1"]
        tight: list[dict[str, Any]] = [_tight(chance) | _tight(chance) | _tight(chance) for _ in names]
        values["profiles"] = {
            name: RiskProfile(**{key: value for key, value in own.items() if key in RiskProfile.model_fields})
            for name, own in zip(names, tight, strict=True)
        }
        values["symbols"] = tuple(
            RiskSymbol(
                locate=symbol,
                restricted=chance.random() < 0.15,
                short=chance.random() < 0.6,
                profile=chance.choice((None, *names)),
            )
            for symbol in symbols
            if chance.random() < 0.7
        )
    if chance.random() < 0.02:
        values["unlisted"] = chance.choice(("no_short", "restricted"))
    return RiskConfig(**values)
