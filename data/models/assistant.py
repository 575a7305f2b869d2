"""The staff assistant: what a member was shown last, so that the next message can mean a line of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items


class AssistantState(SQLModel, table=True):
    """What one member was shown: until `until` a number means a line of `numbers`, and words without a name mean the
    customer of `follow_id`.

    `kind` says what the numbers are (`data.rules.assistant.Shown`).
    """

    __tablename__ = "assistant_states"

    userid: str = Field(primary_key=True, max_length=64)
    kind: str = Field(default="", max_length=12)
    numbers: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    follow_id: int | None = Field(default=None, sa_column=Column(BigInt))
    until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
