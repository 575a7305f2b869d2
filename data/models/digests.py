"""Digests (每日汇总): what each member of staff is told once a day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class Digest(SQLModel, table=True):
    """A member was told of a day; written with the message. With an empty `userid`: all who are to be told were."""

    __tablename__ = "digests"

    day: str = Field(primary_key=True, max_length=10, description="2026-03-04, by the company's calendar.")
    userid: str = Field(primary_key=True, max_length=64)
    written_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class DigestChoice(SQLModel, table=True):
    """When a member wants to be told, if not at the company's time: `08:30`, or empty for never."""

    __tablename__ = "digest_choices"

    userid: str = Field(primary_key=True, max_length=64)
    at: str = Field(default="", max_length=5)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
