"""How much of WeCom's call budgets is used: all processes of a company share them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class CallCount(SQLModel, table=True):
    """Calls that one process made of one API within the last `seconds`; only that process writes the row.

    `buckets`: pairs of a sixtieth's number since the epoch and the calls in it. From `ends_at` on none of it counts.
    """

    __tablename__ = "call_counts"

    process: str = Field(primary_key=True, max_length=32)
    path: str = Field(primary_key=True, max_length=256)
    seconds: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    buckets: list[list[int]] = Field(sa_column=Column(Json, nullable=False))
    ends_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class CallPause(SQLModel, table=True):
    """WeCom refused an API (45009), `refusals` times in a row: no process calls it before `paused_until`."""

    __tablename__ = "call_pauses"

    path: str = Field(primary_key=True, max_length=256)
    paused_until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    refusals: int = Field(default=1)
