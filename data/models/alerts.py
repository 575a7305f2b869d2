"""Alerts: app messages that staff must get. A row first, then the call, so that none is lost and none comes twice."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime, partial_index


class Alert(SQLModel, table=True):
    """A message to one staff member. `dedupe_key` is unique: an event handled again writes no second alert."""

    __tablename__ = "alerts"
    __table_args__ = (partial_index("ix_alerts_due", "due_at", where="status = 'waiting'"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    dedupe_key: str = Field(max_length=200, unique=True)
    kind: str = Field(max_length=40)
    userid: str = Field(max_length=64, index=True)
    external_userid: str = Field(default="", max_length=64, index=True)
    words: str
    media_id: str = Field(
        default="",
        max_length=200,
        sa_column_kwargs={"server_default": ""},
        description="Of a file that is sent, WeCom's; `words` is then what it is called.",
    )
    media_type: str = Field(
        default="file", max_length=8, sa_column_kwargs={"server_default": "file"}, description="image, video or file."
    )
    status: str = Field(
        default="waiting", max_length=10, description="waiting, sent, replied, merged, observed or failed."
    )
    attempts: int = 0
    error: str = ""
    msgid: str = Field(default="", max_length=200)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    sent_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
