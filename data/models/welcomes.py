"""Every welcome: sent, missed, left out or only observed, and why."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class WelcomeStatus(StrEnum):
    """`sending` is written before the call: after a crash it says that the call may have been made."""

    SENDING = "sending"
    SENT = "sent"
    MISSED = "missed"
    SKIPPED = "skipped"
    OBSERVED = "observed"


class Welcome(SQLModel, table=True):
    """One add and its greeting. `words` are what was, or should have been, said."""

    __tablename__ = "welcomes"
    __table_args__ = (
        Index("ix_welcomes_pair", "userid", "external_userid", "id"),
        Index("ix_welcomes_received", "received_at", "status", "userid"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    event_id: int = Field(sa_column=Column(BigInt, nullable=False, unique=True))
    kind: str = Field(max_length=100)
    userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    state: str = Field(default="", max_length=64)
    status: str = Field(max_length=10, index=True)
    reason: str = Field(default="", max_length=40, description="A code of `data.rules.welcome`.")
    note: str = Field(default="", description="The reason as a sentence.")
    rule_id: int | None = Field(default=None, sa_column=Column(BigInt))
    explanation: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    words: str = ""
    attachments: int = Field(default=0, description="How many went with the words.")
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    sent_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    #: When the follow that it greeted ended: a later add is greeted again.
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
