"""What a table of limits means to this oracle: the keys of engine/risk/README.md, resolved for one symbol."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.risk_table import RiskTable

__all__ = ["LINES", "Hard", "Table"]

LINES = ("head", "limits", "account", "soft", "trips")
TOLERANCE_NS = 1_000_000_000


@dataclass(frozen=True)
class Hard:
    """Hard limits of one symbol; None: off."""

    shares: int
    notional: int
    price: int
    collar: int
    last_collar: int | None
    position: int


@dataclass
class Table:
    """One published table. ``wrong``: stray writes that stand, as (line, symbol or profile; word; bit)."""

    limits: RiskTable
    generation: int
    created_ns: int
    wrong: set[tuple[str | int, int, int]] = field(default_factory=set)

    def copy(self) -> Table:
        return Table(self.limits, self.generation, self.created_ns)

    def flip(self, what: str | int, word: int, bit: int) -> None:
        self.wrong ^= {(what, word, bit)}

    @property
    def broken(self) -> set[str | int]:
        return {what for what, _, _ in self.wrong}

    def stale(self, now_ns: int) -> bool:
        life = self.limits.valid_for_ns
        expired = life is not None and now_ns >= self.created_ns + life
        return expired or self.created_ns > now_ns + TOLERANCE_NS

    def _entry(self, symbol: int) -> tuple[bool, bool, str | None]:
        """Restricted, may be sold short, profile."""
        for listed in self.limits.symbols:
            if listed.locate == symbol:
                return listed.restricted, listed.short, listed.profile
        unlisted = self.limits.unlisted
        return unlisted == "restricted", unlisted == "allowed", None

    def restricted(self, symbol: int) -> bool:
        return self._entry(symbol)[0]

    def may_short(self, symbol: int) -> bool:
        return self._entry(symbol)[1]

    def profile(self, symbol: int) -> str | None:
        return self._entry(symbol)[2]

    def hard(self, symbol: int) -> Hard:
        limits, name = self.limits, self.profile(symbol)

        def of(key: str) -> int:
            own = getattr(limits.profiles[name], key) if name is not None else None
            value = getattr(limits, key) if own is None else own
            return value  # type: ignore[no-any-return]

        return Hard(
            shares=of("order_shares_max"),
            notional=of("notional_max"),
            price=of("price_max"),
            collar=of("collar_permille"),
            last_collar=of("last_collar_permille"),
            position=of("position_max"),
        )
