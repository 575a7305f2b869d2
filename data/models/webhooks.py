"""Webhooks: other programs that journeys tell, until they have taken it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, partial_index


class WebhookCall(SQLModel, table=True):
    """One request. `next_at`: when it is tried next; without it and without `taken_at` it was given up."""

    __tablename__ = "webhook_calls"
    __table_args__ = (
        partial_index("ix_webhook_calls_next", "next_at", where="next_at IS NOT NULL"),
        Index("ix_webhook_calls_external_userid", "external_userid"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    enrolment_id: int = Field(sa_column=Column(BigInt, nullable=False))
    external_userid: str = Field(max_length=64)
    url: str = Field(sa_column=Column(Text, nullable=False))
    body: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    next_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    attempts: int = 0
    taken_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    error: str = Field(default="", max_length=200)
