"""Webhooks: other programs that are told what happens, and what journeys say, until they have taken it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class Webhook(SQLModel, table=True):
    """A program that is told of what happens from `since` on: `events` of `data.rules.webhooks.EVENTS`, of tags those
    in `tag_ids`. The secret that signs what it is told is made of the configuration's and of `salt`."""

    __tablename__ = "webhooks"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64)
    url: str = Field(sa_column=Column(Text, nullable=False))
    events: list[str] = Field(sa_column=Column(Json, nullable=False))
    tag_ids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    enabled: bool = True
    salt: str = Field(max_length=32, repr=False)
    since: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    made_by: str = Field(default="", max_length=80)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class WebhookCall(SQLModel, table=True):
    """One request. `next_at`: when it is tried next; without it and without `taken_at` it was given up.

    `webhook_id`: whom it is for; without it a journey's step makes it, of `enrolment_id`.
    """

    __tablename__ = "webhook_calls"
    __table_args__ = (
        partial_index("ix_webhook_calls_next", "next_at", where="next_at IS NOT NULL"),
        Index("ix_webhook_calls_external_userid", "external_userid"),
        partial_index("ix_webhook_calls_webhook", "webhook_id", "id", where="webhook_id IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    enrolment_id: int = Field(sa_column=Column(BigInt, nullable=False))
    webhook_id: int | None = Field(default=None, sa_column=Column(BigInt))
    external_userid: str = Field(max_length=64)
    url: str = Field(sa_column=Column(Text, nullable=False))
    body: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    next_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    attempts: int = 0
    taken_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    error: str = Field(default="", max_length=200)
