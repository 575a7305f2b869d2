"""What customers want: not to be written to, or less; and that nothing is kept of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import Json, UtcDateTime, partial_index


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
    """The tombstone of an erased customer: keyed hashes of the ids keep the next sync from bringing the data back.

    `pending`: whose rows are still to be looked for, and in which events; empty once nothing is left of them.
    """

    __tablename__ = "erasures"
    __table_args__ = (partial_index("ix_erasures_pending", "erased_at", where="finished_at IS NULL"),)

    digest: str = Field(primary_key=True, max_length=64, description="Of the external_userid.")
    unionid_digest: str = Field(default="", max_length=64, index=True, description="Empty: the unionid is not known.")
    erased_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    erased_by: str = Field(default="", max_length=64)
    pending: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    finished_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ErasureKey(SQLModel, table=True):
    """The key of the tombstones' hashes, made with the first of them. It is in the database because it must not be
    lost: without it no tombstone is recognised, and the next sync brings everybody back.
    """

    __tablename__ = "erasure_keys"

    id: int = Field(default=1, primary_key=True)
    key: str = Field(max_length=64, repr=False)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
