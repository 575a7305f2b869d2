"""Syncs: complete readings of WeCom, their progress and what they changed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class SyncStatus(StrEnum):
    """`waiting`: asked for, not begun. `running` without a process that holds the lease: to be resumed."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class SyncStage(StrEnum):
    """What is read, in this order."""

    DIRECTORY = "directory"
    TAGS = "tags"
    CUSTOMERS = "customers"
    GROUPS = "groups"


class SyncRun(SQLModel, table=True):
    """One sync. `stages` are those that are finished."""

    __tablename__ = "sync_runs"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    cause: str = Field(max_length=20, description="first, nightly, command or api.")
    status: str = Field(max_length=10, index=True)
    stages: list[str] = Field(sa_column=Column(Json, nullable=False))
    asked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    started_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    error: str = ""


class SyncPart(SQLModel, table=True):
    """What one sync is resumed by: a staff member's customers, a customer group, or a whole small stage.

    `report` counts what was changed so far; `problems` are records that could not be used, and why.
    """

    __tablename__ = "sync_parts"

    run_id: int = Field(sa_column=Column(BigInt, primary_key=True))
    stage: str = Field(primary_key=True, max_length=12)
    key: str = Field(primary_key=True, max_length=64)
    done_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    rows: int = Field(default=0, description="How many records WeCom listed.")
    report: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    problems: list[Any] = Field(sa_column=Column(Json, nullable=False))
