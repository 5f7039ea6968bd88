"""YAML or JSON of risk limits in, one frozen RiskTable out; what each key means is in engine/risk/README.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

__all__ = [
    "RiskProfile",
    "RiskSession",
    "RiskSoft",
    "RiskSymbol",
    "RiskTable",
    "RiskTableError",
    "RiskTrips",
    "load_risk_table",
]

Shares = Annotated[int, Field(ge=0, le=999_999)]
Price = Annotated[int, Field(ge=0, le=1_999_999_900)]
Money = Annotated[int, Field(ge=0, lt=2**63)]  # 1/10000 of the currency unit
Exposure = Annotated[int, Field(ge=0, lt=2**62 - 1)]
Position = Annotated[int, Field(ge=0, le=10**15)]
Permille = Annotated[int, Field(ge=0, le=1000)]
Rate = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=0, lt=2**32 - 1)]
Nanoseconds = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[a-z0-9_]+$")]
AfterFill = Literal["position", "net_exposure", "gross_exposure"]
Reason = Literal[
    "feed_not_live", "book_incomplete", "late", "session_down", "halted", "order_shares", "notional",
    "price_invalid", "collar", "position", "order_rate", "own_orders_full", "limits_invalid", "request_invalid",
    "limits_missing", "limits_stale", "session_hours", "feed_age", "quote_age", "restricted", "collar_last",
    "short_sale", "net_exposure", "gross_exposure", "self_cross", "duplicate", "open_orders", "message_rate",
]  # fmt: skip


class RiskTableError(Exception):
    """A table of limits cannot be used; the text names the file, the key and why."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class RiskSoft(Strict):
    """What warns, and passes. None: no warning. Tokens: the share of the burst that should be left."""

    order_shares: Shares | None = None
    notional: Money | None = None
    collar_permille: Permille | None = None
    last_collar_permille: Permille | None = None
    position_max: Position | None = None
    net_exposure: Exposure | None = None
    gross_exposure: Exposure | None = None
    open_orders: Count | None = None
    order_tokens_permille: Permille = 0
    message_tokens_permille: Permille = 0


class RiskTrips(Strict):
    """Which answers close the gate until it is armed again."""

    at_once: tuple[Reason, ...] = ()
    counted: tuple[Reason, ...] = ()
    breaches: Annotated[int, Field(ge=1, lt=2**32)] = 1
    window_ns: Nanoseconds = 1_000_000_000
    after_fill: tuple[AfterFill, ...] = ()

    @model_validator(mode="after")
    def counts_what_a_good_table_says(self) -> Self:
        for name in self.counted:
            if name.startswith("limits_"):
                raise ValueError(
                    f"counted: {name} is not counted, because the table is lost then; use at_once"
                )
        return self


class RiskSession(Strict):
    """Hours in market time, ns since midnight of the venue's day: open <= time < close."""

    open_ns: Nanoseconds
    close_ns: Nanoseconds

    @model_validator(mode="after")
    def opens_before_it_closes(self) -> Self:
        if self.close_ns < self.open_ns:
            raise ValueError("closes before it opens; a session over midnight needs two tables")
        return self


class RiskProfile(Strict):
    """Limits of some symbols; one left out is the table's own."""

    order_shares_max: Shares | None = None
    notional_max: Money | None = None
    price_max: Price | None = None
    collar_permille: Permille | None = None
    last_collar_permille: Permille | None = None
    position_max: Position | None = None


class RiskSymbol(Strict):
    """One symbol, by its name or its number in the feed (stock locate)."""

    stock: Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[!-~]+$")] | None = None
    locate: Annotated[int, Field(ge=0, le=65_535)] | None = None
    restricted: bool = False
    short: bool = True
    profile: Name | None = None

    @model_validator(mode="after")
    def is_named_once(self) -> Self:
        if (self.stock is None) == (self.locate is None):
            raise ValueError("give either stock or locate")
        return self


class RiskTable(Strict):
    """Hard limits, 1/10000 of the currency unit, shares, ns. A limit of 0 lets nothing pass; None: off."""

    order_shares_max: Shares = 1_000
    notional_max: Money = 10_000_000_000
    price_max: Price = 1_999_999_900
    collar_permille: Permille = 100
    last_collar_permille: Permille | None = None
    position_max: Position = 100_000
    order_rate_per_s: Rate = 100_000
    order_burst: Rate = 10_000
    allow_unannounced: bool = True
    message_rate_per_s: Rate = 1_000_000_000
    message_burst: Rate = 1_000_000_000
    gross_exposure_max: Exposure | None = None
    net_exposure_max: Exposure | None = None
    open_orders_max: Count | None = None
    quote_age_max_ns: Nanoseconds | None = None
    feed_age_max_ns: Nanoseconds | None = None
    duplicate_window_ns: Nanoseconds = 0
    valid_for_ns: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    session: RiskSession | None = None
    soft: RiskSoft = RiskSoft()
    trips: RiskTrips = RiskTrips()
    profiles: Annotated[dict[Name, RiskProfile], Field(max_length=1023)] = {}
    unlisted: Literal["allowed", "no_short", "restricted"] = "allowed"
    symbols: Annotated[tuple[RiskSymbol, ...], Field(max_length=65_536)] = ()

    @model_validator(mode="after")
    def names_fit(self) -> Self:
        seen: set[str | int] = set()
        for index, symbol in enumerate(self.symbols):
            key = symbol.locate if symbol.stock is None else symbol.stock
            assert key is not None
            if key in seen:
                raise ValueError(f"symbols.{index}: {key} is listed twice")
            seen.add(key)
            if symbol.profile is not None and symbol.profile not in self.profiles:
                raise ValueError(f"symbols.{index}: there is no profile {symbol.profile}")
        return self

    @model_validator(mode="after")
    def warns_before_it_blocks(self) -> Self:
        pairs = {
            "order_shares": self.order_shares_max,
            "notional": self.notional_max,
            "collar_permille": self.collar_permille,
            "last_collar_permille": self.last_collar_permille,
            "position_max": self.position_max,
            "net_exposure": self.net_exposure_max,
            "gross_exposure": self.gross_exposure_max,
            "open_orders": self.open_orders_max,
        }
        for name, hard in pairs.items():
            soft = getattr(self.soft, name)
            if soft is not None and hard is not None and soft > hard:
                raise ValueError(f"soft.{name}: {soft} lies above the hard limit {hard} and would never warn")
        return self


REASONS: tuple[str, ...] = get_args(Reason)


def _problem(path: Path, error: ValidationError) -> RiskTableError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return RiskTableError(f"{path}: {where or 'table'}: {first['msg']}")


def load_risk_table(path: Path) -> RiskTable:
    """A table from a YAML file. RiskTableError with one line: file, key or line, and why."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        text = json.dumps(document)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise RiskTableError(f"{path}: {why}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark is not None else ""
        raise RiskTableError(f"{path}: {line}{getattr(error, 'problem', None) or 'not YAML'}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise RiskTableError(f"{path}: only numbers, names, lists and mappings belong in a table") from error
    try:
        return RiskTable.model_validate_json(text)
    except ValidationError as error:
        raise _problem(path, error) from error
