"""Happenings (客户动态): what has just happened to a customer, for the journeys that it begins or ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class Happening(SQLModel, table=True):
    """Written in the transaction of the fact itself, so that none is missed, and removed once journeys were asked.

    `kind` is a trigger's `on` (added, tagged, group, ordered, clicked, form, event), or lost, opted_out. `userid`: the
    staff member of the follow, where it is about one. `detail`: what triggers of the kind ask, see
    `data/rules/happenings.py`.
    """

    __tablename__ = "happenings"
    __table_args__ = (Index("ix_happenings_external_userid", "external_userid"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    kind: str = Field(max_length=12)
    external_userid: str = Field(max_length=64)
    userid: str = Field(default="", max_length=64)
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    happened_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
