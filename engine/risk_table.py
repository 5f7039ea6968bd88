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

    order_shares: Annotated[Shares | None, Field(description="Shares of one order.")] = None
    notional: Annotated[Money | None, Field(description="Price x shares of one order, 1/10000.")] = None
    collar_permille: Annotated[Permille | None, Field(description="Distance from the middle, 1/1000.")] = None
    last_collar_permille: Annotated[
        Permille | None, Field(description="Distance from the last trade, 1/1000.")
    ] = None
    position_max: Annotated[
        Position | None, Field(description="Position of a symbol, open orders included, either way.")
    ] = None
    net_exposure: Annotated[Exposure | None, Field(description="Net exposure, 1/10000.")] = None
    gross_exposure: Annotated[Exposure | None, Field(description="Gross exposure, 1/10000.")] = None
    open_orders: Annotated[Count | None, Field(description="Open orders.")] = None
    order_tokens_permille: Annotated[
        Permille, Field(description="Least share of the order burst left, 1/1000.")
    ] = 0
    message_tokens_permille: Annotated[
        Permille, Field(description="Least share of the message burst left, 1/1000.")
    ] = 0


class RiskTrips(Strict):
    """Which answers close the gate until it is armed again."""

    at_once: Annotated[tuple[Reason, ...], Field(description="Reasons that close the gate at once.")] = ()
    counted: Annotated[
        tuple[Reason, ...],
        Field(description="Reasons that close it once there were `breaches` of them within the window."),
    ] = ()
    breaches: Annotated[
        Annotated[int, Field(ge=1, lt=2**32)], Field(description="How many of the counted ones close it.")
    ] = 1
    window_ns: Annotated[Nanoseconds, Field(description="From the first of them on, ns.")] = 1_000_000_000
    after_fill: Annotated[
        tuple[AfterFill, ...],
        Field(description="Hard limits that close it when an execution has gone beyond them."),
    ] = ()


class RiskSession(Strict):
    """Hours in market time, ns since midnight of the venue's day: open <= time < close."""

    open_ns: Annotated[Nanoseconds, Field(description="First ns since midnight.")]
    close_ns: Annotated[Nanoseconds, Field(description="First ns since midnight that is too late.")]

    @model_validator(mode="after")
    def opens_before_it_closes(self) -> Self:
        if self.close_ns < self.open_ns:
            raise ValueError("closes before it opens; a session over midnight needs two tables")
        return self


class RiskProfile(Strict):
    """Limits of some symbols; one left out is the table's own."""

    order_shares_max: Annotated[Shares | None, Field(description="Most shares of one order.")] = None
    notional_max: Annotated[Money | None, Field(description="Most price x shares, 1/10000.")] = None
    price_max: Annotated[Price | None, Field(description="Highest price, 1/10000.")] = None
    collar_permille: Annotated[
        Permille | None, Field(description="Farthest from the middle of the book, 1/1000.")
    ] = None
    last_collar_permille: Annotated[
        Permille | None, Field(description="Farthest from the last trade, 1/1000.")
    ] = None
    position_max: Annotated[
        Position | None, Field(description="Largest position, open orders included, either way.")
    ] = None


class RiskSymbol(Strict):
    """One symbol, by its name or its number in the feed (stock locate)."""

    stock: Annotated[
        Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[!-~]+$")] | None,
        Field(description="Its name, once the feed has said it."),
    ] = None
    locate: Annotated[
        Annotated[int, Field(ge=0, le=65_535)] | None, Field(description="Its number in the feed.")
    ] = None
    restricted: Annotated[bool, Field(description="No order at all.")] = False
    short: Annotated[bool, Field(description="May be sold short.")] = True
    profile: Annotated[Name | None, Field(description="Limits of its own.")] = None

    @model_validator(mode="after")
    def is_named_once(self) -> Self:
        if (self.stock is None) == (self.locate is None):
            raise ValueError("give either stock or locate")
        return self


class RiskTable(Strict):
    """Hard limits, 1/10000 of the currency unit, shares, ns. A limit of 0 lets nothing pass; None: off."""

    order_shares_max: Annotated[Shares, Field(description="Most shares of one order.")] = 1_000
    notional_max: Annotated[Money, Field(description="Most price x shares of one order, 1/10000.")] = (
        10_000_000_000
    )
    price_max: Annotated[Price, Field(description="Highest price, 1/10000.")] = 1_999_999_900
    collar_permille: Annotated[
        Permille, Field(description="Farthest from the middle of the book, 1/1000.")
    ] = 100
    last_collar_permille: Annotated[
        Permille | None,
        Field(description="Farthest from the last trade, 1/1000; without a last trade nothing passes."),
    ] = None
    position_max: Annotated[
        Position, Field(description="Largest position of a symbol, open orders included, either way.")
    ] = 100_000
    order_rate_per_s: Annotated[Rate, Field(description="Orders per second, sustained.")] = 100_000
    order_burst: Annotated[Rate, Field(description="Orders at once above the rate.")] = 10_000
    allow_unannounced: Annotated[
        bool, Field(description="Symbols whose trading state was never said may be traded.")
    ] = True
    message_rate_per_s: Annotated[
        Rate, Field(description="Orders, replaces and cancels per second, sustained.")
    ] = 1_000_000_000
    message_burst: Annotated[Rate, Field(description="Messages at once above the rate.")] = 1_000_000_000
    gross_exposure_max: Annotated[Exposure | None, Field(description="Gross exposure, 1/10000.")] = None
    net_exposure_max: Annotated[Exposure | None, Field(description="Net exposure, 1/10000.")] = None
    open_orders_max: Annotated[Count | None, Field(description="Open orders.")] = None
    quote_age_max_ns: Annotated[
        Nanoseconds | None, Field(description="The symbol was heard of less than this ago, ns.")
    ] = None
    feed_age_max_ns: Annotated[
        Nanoseconds | None, Field(description="The feed was heard less than this ago, ns.")
    ] = None
    duplicate_window_ns: Annotated[
        Nanoseconds, Field(description="The same terms within this are a duplicate, ns; 0: never.")
    ] = 0
    valid_for_ns: Annotated[
        Annotated[int, Field(ge=1, lt=2**63)] | None,
        Field(description="The table is stale so long after it was made, ns."),
    ] = None
    session: Annotated[RiskSession | None, Field(description="Market time in which orders may leave.")] = None
    soft: Annotated[RiskSoft, Field(description="What warns and passes.")] = RiskSoft()
    trips: Annotated[RiskTrips, Field(description="What closes the gate until it is armed again.")] = (
        RiskTrips()
    )
    profiles: Annotated[
        Annotated[dict[Name, RiskProfile], Field(max_length=1023)],
        Field(description="Limits of some symbols, by name."),
    ] = {}
    unlisted: Annotated[
        Literal["allowed", "no_short", "restricted"], Field(description="Symbols that are not named below.")
    ] = "allowed"
    symbols: Annotated[
        Annotated[tuple[RiskSymbol, ...], Field(max_length=65_536)],
        Field(description="Symbols with rules of their own."),
    ] = ()

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
