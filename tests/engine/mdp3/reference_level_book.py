"""The book by price as lists, written from the rules: what the engine's must equal."""

from typing import Any

__all__ = ["UNKNOWN", "ReferenceBook", "Side"]

UNKNOWN = "unknown"
SIDES = {b"0": "bid", b"1": "ask", b"E": "implied_bid", b"F": "implied_ask"}
NEW, CHANGE, DELETE, DELETE_THRU, DELETE_FROM, OVERLAY = range(6)
Side = list[Any]  # per level (price, quantity, orders), None = empty, UNKNOWN


class ReferenceBook:
    """Four sides of fixed depth."""

    def __init__(self, depth: int = 10, implied_depth: int = 2) -> None:
        self.depths = {"bid": depth, "ask": depth, "implied_bid": implied_depth, "implied_ask": implied_depth}
        self.sides: dict[str, Side] = {}
        self.reset()

    def reset(self) -> None:
        self.sides = {name: [None] * depth for name, depth in self.depths.items()}

    def forget(self) -> None:
        self.sides = {name: [UNKNOWN] * depth for name, depth in self.depths.items()}

    def apply(self, side: str, action: int, level: int, price: int, quantity: int, orders: int) -> bool:
        """One instruction; False when it contradicts what was known."""
        levels, depth, index = self.sides[side], self.depths[side], level - 1
        new = (price, quantity, orders)
        before = levels[index - 1] if index else new
        there = levels[index]
        match action:
            case 0:
                levels.insert(index, new)
                levels.pop()
                return before is not None
            case 1:
                levels[index] = new
                return there == UNKNOWN or (there is not None and there[0] == price)
            case 2:
                levels[index : index + 1] = []
                right = there == UNKNOWN or (there is not None and price in (there[0], 2**63 - 1))
            case 3:
                levels[:level] = []
                right = there is not None
            case 4:
                levels[index:] = []
                right = there is not None
            case _:
                levels[index] = new
                return before is not None
        levels += [None] * (depth - len(levels))
        return right

    def known(self, *sides: str) -> bool:
        return not any(UNKNOWN in self.sides[side] for side in sides)

    def shown(self) -> dict[str, list[Any]]:
        """As Mdp3Channel.book() shows it: None where not known, cut at the first level known to be empty."""
        result = {}
        for name, levels in self.sides.items():
            cut = levels.index(None) if None in levels else len(levels)
            result[name] = [None if level == UNKNOWN else level for level in levels[:cut]]
        return result
