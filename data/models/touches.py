"""Touches (触达): everything that reached one customer, whichever way it went."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime, partial_index


class Touch(SQLModel, table=True):
    """One message that reached a customer. `origin` names what it came from, and is unique: told twice, written once.

    `kind`: welcome, broadcast, own_send (a staff member's own broadcast), moment, kf or task. `clicked_at`: when the
    customer first followed a link in it.
    """

    __tablename__ = "touches"
    __table_args__ = (
        # Every touch is a page of this one more to be written, for customers' ids lie anywhere in it; so it is the only
        # one in their order, and has all that is asked of them one by one.
        Index("ix_touches_external_userid", "external_userid", "touched_at", "campaign_id"),
        # Whom one member's task reached lies together: they are written so.
        partial_index(
            "ix_touches_campaign", "campaign_id", "userid", "external_userid", where="campaign_id IS NOT NULL"
        ),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    origin: str = Field(max_length=100, unique=True)
    kind: str = Field(max_length=12)
    external_userid: str = Field(max_length=64)
    userid: str = Field(default="", max_length=64)
    campaign_id: int | None = Field(default=None, sa_column=Column(BigInt))
    touched_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    clicked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class OwnSendPull(SQLModel, table=True):
    """How far the group-sends that staff made themselves have been read."""

    __tablename__ = "own_send_pulls"

    id: int = Field(default=1, primary_key=True)
    read_until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
