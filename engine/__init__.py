"""The device under test: a C engine that takes market data in and sends orders out, with a thin skin around it."""

from __future__ import annotations

from engine.config import EngineConfig
from engine.step import Engine, Order

__all__ = ["Engine", "EngineConfig", "Order"]
