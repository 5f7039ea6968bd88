"""The engine as a receiver: the C of engine/, stepped without wires, with a venue that answers its orders.

Every order is accepted and then cancelled, so that neither open orders nor missing answers close the gate: the only
thing that keeps orders back is what is to be tested.
"""

from __future__ import annotations

from typing import Any

from engine._engine import ffi, lib
from venue_bytes import Enter, accepted, canceled, enters_in

from engine import Engine, EngineConfig
from engine.config import BookConfig, FeedConfig, RecoveryConfig, ServerConfig, SnapshotConfig, StrategyConfig
from tests.feed_integrity.case import Case
from tests.feed_integrity.faults import US
from tests.feed_integrity.receiver import Observed, Row, Sent

__all__ = ["EngineReceiver"]

SENT_BYTES = 1 << 16
BOOK_TROUBLES = (
    "unknown_reference",
    "duplicate_reference",
    "overfill",
    "full",
    "bad_side",
    "bad_symbol",
    "zero_shares",
    "zero_price",
)
# Never used: nothing here has wires.
REQUESTS = ServerConfig(address="127.0.0.1", port=1)
SNAPSHOTS = SnapshotConfig(address="127.0.0.1", port=2, username="STEP", password="STEP")


def config_of(case: Case) -> EngineConfig:
    policy = case.policy
    return EngineConfig(
        decisions=2048 if case.reflector else 1024,
        open_orders=64,
        stages=False,
        book=BookConfig(orders=512, levels=512),
        strategy=StrategyConfig(name="reflector" if case.reflector else "touch_taker", every=1),
        recovery=RecoveryConfig(
            requests=REQUESTS if policy.requests else None, snapshots=SNAPSHOTS if policy.snapshots else None
        ),
        feed=FeedConfig(
            session="TAILGATE01" if case.session_given else "",
            first_sequence=0 if case.first_seen else case.first,
            delivery="strict" if policy.strict else "best_effort",
            follow_sessions=policy.follow_sessions,
            session_confirm_packets=policy.confirm_packets,
            unconfirmed_jump_messages=policy.jump_messages,
            hold_back_ns=policy.hold_back_us * US,
            line_silence_ns=policy.line_silence_us * US,
            reorder_packets=policy.reorder_packets,
            request_messages_max=policy.request_messages,
            request_outstanding_max=policy.request_outstanding,
            request_attempts=policy.request_attempts,
            request_timeout_ns=policy.request_timeout_us * US,
            give_up_messages=policy.give_up_messages,
            snapshot_attempts=policy.snapshot_attempts,
            snapshot_timeout_ns=policy.snapshot_timeout_us * US,
            retry_ns=policy.retry_us * US,
        ),
    )


class EngineReceiver:
    def __init__(self, case: Case) -> None:
        self._engine = Engine(config_of(case))
        self._runner = self._engine._runner
        self._c: Any = self._runner._engine
        self._feed = ffi.addressof(self._c, "feed")
        self._sent = ffi.new("uint8_t[]", SENT_BYTES)

    def close(self) -> None:
        self._engine.close()

    def step(self, source: int, datagram: bytes, now_ns: int) -> list[Sent]:
        lib.engine_step(self._c, source, datagram, len(datagram), now_ns)
        return self._left(now_ns)

    def timer(self, now_ns: int) -> list[Sent]:
        lib.engine_step_timer(self._c, now_ns)
        return self._left(now_ns)

    def _left(self, now_ns: int) -> list[Sent]:
        """The orders that left; Engine.step() does the same, with a buffer for a real session's worth of them."""
        size = lib.runner_take_sent(self._runner._runner, self._sent, SENT_BYTES)
        if not size:
            return []
        stream = bytes(ffi.buffer(self._sent, size))
        orders = list(enters_in(stream))
        for order in orders:
            self._engine.receive(accepted(order) + canceled(order, order.shares), now_ns=now_ns)
        return [_sent_of(order) for order in orders]

    def observe(self) -> Observed:
        feed = self._feed
        session = bytes(ffi.buffer(feed.session)) if feed.session_known else b""
        state = ffi.string(lib.feed_state_name(feed.state)).decode().upper()
        return Observed(state, session, feed.session_ordinal, feed.next_sequence, feed.statistics.delivered)

    def take_requests(self) -> list[bytes]:
        return self._engine.take_requests()

    @property
    def wants_snapshot(self) -> bool:
        return self._engine.wants_snapshot

    @property
    def snapshot_is_open(self) -> bool:
        return self._engine.snapshot_is_open

    def snapshot_open(self, now_ns: int) -> None:
        self._engine.snapshot_open(now_ns)

    def snapshot_bytes(self, data: bytes, now_ns: int) -> list[Sent]:
        self._runner.receive_snapshot(data, now_ns)
        return self._left(now_ns)

    def snapshot_close(self, now_ns: int) -> None:
        self._engine.snapshot_close(now_ns)

    def take_snapshot_sent(self) -> bytes:
        return self._engine.take_snapshot_sent()

    def rows(self) -> list[Row]:
        return self._engine.book().tolist()  # type: ignore[no-any-return]

    def troubles(self) -> dict[str, int]:
        book = self._c.book
        found = {
            ffi.string(lib.book_outcome_name(outcome)).decode(): int(book.statistics.outcomes[outcome])
            for outcome in range(lib.BOOK_OUTCOME_COUNT)
        }
        troubles = {name: found[name] for name in BOOK_TROUBLES if found[name]}
        if book.statistics.symbol_mismatches:
            troubles["symbol_mismatches"] = int(book.statistics.symbol_mismatches)
        return troubles if troubles or book.complete else {"incomplete": 1}

    def decided_blind(self) -> int:
        rows = self._engine.decisions()
        return int(((rows["reason"] == 0) & (rows["feed_state"] != lib.FEED_LIVE)).sum())

    def answered(self) -> list[int]:
        return [int(position) for position in self._engine.decisions()["trigger_sequence"]]


def _sent_of(order: Enter) -> Sent:
    return Sent(int(order.token[1:13], 16), order.side, order.price, order.shares)
