"""Markings (批量打标签): tags put on and taken off for many follows at once, in the background."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class MarkingStatus(StrEnum):
    """`preparing`: its list is still being handed in. `running` without a process that holds the lease: to be resumed.

    A marking that cannot go on without a person is `paused`, with the reason in `error`.
    """

    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class Marking(SQLModel, table=True):
    """One marking. Until `planned_at` it is being found out who needs it; `planned_until` is how far, by follow id.

    `examined` follows were looked at, `already` of them are as wanted, `items` need a call; of these `done` were
    marked and `failed` were not. `gains` and `losses` count per tag what the items bring.
    """

    __tablename__ = "markings"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    asked_by: str = Field(max_length=80, description="command, or the name of the API token.")
    audience: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    put_on: list[str] = Field(sa_column=Column(Json, nullable=False))
    take_off: list[str] = Field(sa_column=Column(Json, nullable=False))
    rule_ids: list[int] = Field(
        default_factory=no_items,
        sa_column=Column(Json, nullable=False, server_default="[]"),
        description="The auto-tagging rules that say what each follow gets; then the two lists are what they name.",
    )
    status: str = Field(max_length=10, index=True)
    planned_until: int = Field(default=0, sa_column=Column(BigInt, nullable=False))
    planned_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    examined: int = 0
    already: int = 0
    items: int = 0
    done: int = 0
    failed: int = 0
    gains: dict[str, int] = Field(sa_column=Column(Json, nullable=False))
    losses: dict[str, int] = Field(sa_column=Column(Json, nullable=False))
    per_minute: float = Field(default=0, description="Calls in the last minute, while it runs.")
    error: str = ""
    asked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    started_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class MarkingChange(SQLModel, table=True):
    """What is to change for some items of a marking: a few different changes stand for all items."""

    __tablename__ = "marking_changes"

    marking_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    change_no: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    put_on: list[str] = Field(sa_column=Column(Json, nullable=False))
    take_off: list[str] = Field(sa_column=Column(Json, nullable=False))


class MarkingItem(SQLModel, table=True):
    """A follow that a marking still has to mark, or could not mark: then `cause` is WeCom's number, 0 without one.

    What is done is removed: of a finished marking only the failures stay.
    """

    __tablename__ = "marking_items"
    __table_args__ = (
        partial_index("ix_marking_items_failed", "marking_id", "follow_id", where="cause IS NOT NULL"),
        {"sqlite_with_rowid": False},
    )

    marking_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    follow_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    change_no: int
    cause: int | None = None
