"""What customers want: not to be written to, or less; and that nothing is kept of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class Preference(SQLModel, table=True):
    """How much a customer wants to hear: nothing (`opted_out_at`), nothing until a date, or at most so much.

    `cap_count` messages within any `cap_days` days. Holds for every message to one customer.
    """

    __tablename__ = "preferences"

    external_userid: str = Field(primary_key=True, max_length=64)
    opted_out_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    paused_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    cap_count: int | None = None
    cap_days: int | None = None
    reason: str = Field(default="", max_length=200)
    changed_by: str = Field(default="", max_length=64)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Erasure(SQLModel, table=True):
    """The tombstone of an erased customer: a keyed hash of the id keeps the next sync from bringing the data back."""

    __tablename__ = "erasures"

    digest: str = Field(primary_key=True, max_length=64)
    erased_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    erased_by: str = Field(default="", max_length=64)
