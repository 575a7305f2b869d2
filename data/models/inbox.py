"""The inbox: every event WeCom sent, what is still to be done about it, and what came of it.

On SQLite these tables are in a file of their own, so that bulk writes never delay the storing of a callback.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import Column, LargeBinary, MetaData
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, partial_index

inbox_metadata = MetaData()


class TaskStatus(StrEnum):
    """Where a task stands. `waiting` includes waiting for a retry; `dead` needs a person (`siyu replay`)."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    DEAD = "dead"


class OutcomeStatus(StrEnum):
    """What one handler made of one event."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Lane(IntEnum):
    """Who goes first."""

    WELCOME = 0
    NORMAL = 1
    STORM = 2


class InboxEvent(SQLModel, table=True):
    """One event as WeCom sent it. `digest` names its plaintext: what WeCom re-sends is stored once."""

    __tablename__ = "inbox_events"
    metadata = inbox_metadata

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    digest: bytes = Field(sa_column=Column(LargeBinary(32), nullable=False, unique=True))
    callback: str = Field(max_length=32, description="Which configured callback received it.")
    kind: str = Field(max_length=100, description="As `Event.kind` spells it.")
    subject: str = Field(max_length=160, description="What it is about; empty: independent.")
    body: str = Field(description="The decrypted XML.")
    disposition: str = Field(max_length=12, description="queued, ignored or unhandled.")
    reason: str = Field(default="", max_length=200, description="Why it is ignored.")
    repeats: int = Field(default=0, description="How often WeCom sent it again.")
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    last_received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class InboxTask(SQLModel, table=True):
    """Work that an event asks for. A welcome is a task of its own, so that it never waits for earlier events."""

    __tablename__ = "inbox_tasks"
    metadata = inbox_metadata
    # Partial indexes: finished tasks, which are nearly all, cost a claim nothing.
    __table_args__ = (
        partial_index("ix_inbox_tasks_claim", "lane", "id", where="status = 'waiting'"),
        partial_index(
            "ix_inbox_tasks_subject",
            "subject",
            "id",
            where="status IN ('waiting', 'claimed') AND subject <> ''",
        ),
        partial_index(
            "ix_inbox_tasks_collapse", "collapse_key", "id", where="status = 'waiting' AND collapse_key <> ''"
        ),
        partial_index("ix_inbox_tasks_lease", "lease_until", where="status = 'claimed'"),
        partial_index("ix_inbox_tasks_dead", "id", where="status = 'dead'"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    event_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    lane: int
    subject: str = Field(max_length=160)
    collapse_key: str = Field(default="", max_length=200)
    status: str = Field(default=TaskStatus.WAITING, max_length=8)
    run: int = Field(default=1, description="Raised when a repeat or a replay asks for the work again.")
    again: bool = Field(default=False, description="A repeat came while the task was claimed: run once more.")
    attempts: int = Field(default=0, description="Tries that have failed in this run.")
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    claim: str = Field(default="", max_length=40, description="Who holds it: only the holder may finish it.")
    lease_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    finished_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    note: str = Field(default="", description="Cause of the last failure, or what answered it instead.")


class InboxOutcome(SQLModel, table=True):
    """What a handler made of an event: a re-run repeats only what did not finish. `detail` explains itself."""

    __tablename__ = "inbox_outcomes"
    metadata = inbox_metadata

    event_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    handler: str = Field(primary_key=True, max_length=100)
    run: int = 1
    status: str = Field(max_length=8)
    reason: str = Field(default="", description="One sentence.")
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
