"""Hand-overs (继承): a member's customers and groups given to colleagues, planned as rows and done in batches.

The customers of a hand-over are rows of `transfers` (`data/models/customers.py`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, partial_index


class HandoverStatus(StrEnum):
    """`planning`: its rows are being written. `running`: WeCom is asked, or its results are awaited. One that cannot
    go on without a person is `paused`, with the reason in `error`."""

    PLANNING = "planning"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class Handover(SQLModel, table=True):
    """One hand-over of `userid`, who has left (`resigned`) or is still there.

    `takeovers`: who takes over, as {"userid", "count"}; without a count what is left, shared evenly. `planned_until`:
    the last customer of whom it is decided. `left_out`: customers who cannot be handed over now, by why. `next_at`:
    when there is something to do next.
    """

    __tablename__ = "handovers"
    __table_args__ = (
        partial_index("ix_handovers_next", "next_at", where="next_at IS NOT NULL"),
        Index("ix_handovers_userid", "userid"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    userid: str = Field(max_length=64)
    resigned: bool
    takeovers: list[dict[str, Any]] = Field(sa_column=Column(Json, nullable=False))
    audience: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    message: str = Field(default="", sa_column=Column(Text, nullable=False), description="What customers are told.")
    asked_by: str = Field(max_length=80, description="command, or the name of the API token.")
    status: str = Field(max_length=10)
    planned_until: str = Field(default="", max_length=64)
    planned: int = 0
    left_out: dict[str, int] = Field(sa_column=Column(Json, nullable=False))
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    asked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    planned_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    next_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class GroupTransfer(SQLModel, table=True):
    """A customer group of a hand-over. `status` as in `transfers`; a group changes its owner at once."""

    __tablename__ = "group_transfers"
    __table_args__ = (Index("ix_group_transfers_takeover", "takeover_userid", "started_at"),)

    handover_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    chat_id: str = Field(primary_key=True, max_length=64)
    takeover_userid: str = Field(max_length=64)
    status: str = Field(max_length=12)
    cause: int | None = None
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class Unassigned(SQLModel, table=True):
    """A customer of a member who left, whom nobody has taken over, as WeCom's list said when it was last read."""

    __tablename__ = "unassigned"

    userid: str = Field(primary_key=True, max_length=64)
    external_userid: str = Field(primary_key=True, max_length=64, index=True)
    left_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    read_no: int = Field(default=0, sa_column=Column(BigInt, nullable=False), description="Of the reading that saw it.")
