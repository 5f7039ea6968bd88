"""How the engine's feed gets lost messages back, and how well the venue's recovery services serve it.

The keys of ``engine.feed`` and of ``traffic.recovery``. Attributes have the names of the engine's and of the
exchange's own settings, so that each is handed on as it stands.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.faults import Chance
from lab.quantities import Count, Duration, FrozenModel, Rate

__all__ = ["Feed", "Recovery", "Service"]

Service = Literal["requests", "snapshots"]
COUNT_MAX = 2**32 - 1


class Feed(FrozenModel):
    """Line arbitration, and what is done about messages that neither line brought."""

    hold_back_ns: Annotated[
        Duration,
        Field(alias="hold_back", description="How long a gap on one line waits for the other."),
    ] = 1_000_000
    start: Annotated[
        Literal["first_message", "first_seen"],
        Field(description="first_message: message 1 must come first; first_seen: join in progress."),
    ] = "first_message"
    line_silence_ns: Annotated[
        Duration,
        Field(alias="line_silence", ge=1, description="A line that is silent for so long counts as down."),
    ] = 3_000_000_000
    delivery: Annotated[
        Literal["strict", "best_effort"],
        Field(
            description="strict: nothing behind a hole is delivered before the hole is filled; best_effort: a "
            "hole that cannot be recovered is skipped, and the book is not to be trusted from then on."
        ),
    ] = "strict"
    request_messages_max: Annotated[
        Count,
        Field(alias="request_messages", ge=1, le=65_534, description="Most messages asked for at once."),
    ] = 1024
    request_outstanding_max: Annotated[
        Count, Field(alias="request_outstanding", ge=1, le=8, description="Most re-requests out at a time.")
    ] = 4
    request_attempts: Annotated[
        Count,
        Field(ge=1, le=255, description="Time-outs in a row before a hole is left to the snapshot."),
    ] = 5
    request_timeout_ns: Annotated[
        Duration, Field(alias="request_timeout", ge=1, description="How long a re-request waits for a reply.")
    ] = 2_000_000
    give_up_messages: Annotated[
        Count,
        Field(alias="give_up", ge=1, description="A hole larger than this goes to the snapshot at once."),
    ] = 100_000
    snapshot_attempts: Annotated[
        Count, Field(ge=1, le=255, description="Snapshots that may fail in a row before the feed rests.")
    ] = 5
    snapshot_timeout_ns: Annotated[
        Duration, Field(alias="snapshot_timeout", ge=1, description="Longest a snapshot may take.")
    ] = 2_000_000_000
    retry_ns: Annotated[
        Duration,
        Field(alias="retry", description="Pause before a recovery that failed is tried again; 0s: never."),
    ] = 100_000_000


class Recovery(FrozenModel):
    """Limits and failings of the exchange's re-request server and of its snapshots, for the whole run."""

    messages_max: Annotated[
        Count,
        Field(le=65_534, description="Most messages in one reply; 0: as many as fit in one datagram."),
    ] = 0
    rate_per_s: Annotated[
        Rate | None,
        Field(alias="rate", ge=1, description="Re-requests answered per second; no limit by default."),
    ] = None
    delay_ns: Annotated[Duration, Field(alias="delay", description="How long every reply is held back.")] = 0
    loss: Annotated[Chance, Field(description="Share of re-requests ignored, by chance from the seed.")] = 0.0
    lose_requests: Annotated[
        Count, Field(le=COUNT_MAX, description="So many re-requests are ignored, the first ones of the run.")
    ] = 0
    refuse: Annotated[bool, Field(description="No re-request is ever answered.")] = False
    history_messages: Annotated[
        Count,
        Field(alias="history", description="How far back replies reach behind the newest message; 0: all."),
    ] = 0
    snapshot_cut_connections: Annotated[
        Count, Field(le=COUNT_MAX, description="So many snapshot connections are cut, the first of the run.")
    ] = 0
    snapshot_cut_after: Annotated[
        Count, Field(le=COUNT_MAX, description="Messages of the snapshot sent before the cut.")
    ] = 100
    snapshot_refuse: Annotated[bool, Field(description="Snapshot log-ins are rejected.")] = False
    snapshot_delay_ns: Annotated[
        Duration, Field(alias="snapshot_delay", description="How long a snapshot waits before it begins.")
    ] = 0
    snapshot_stall: Annotated[
        bool, Field(description="Snapshot connections are accepted and get heartbeats only.")
    ] = False
    snapshot_wrong_sequence: Annotated[
        int,
        Field(
            ge=-(2**31),
            lt=2**31,
            description="The snapshot says that it ends so many messages later (earlier when negative) than "
            "it does.",
        ),
    ] = 0
