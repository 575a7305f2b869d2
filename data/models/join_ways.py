"""Join ways (群活码): codes that lead into customer groups, and on to the next group when one is full."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, LargeBinary, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class JoinWayStatus(StrEnum):
    """`adding` is written before the call that makes it. `unknown`: no answer came; WeCom has no list of codes, so a
    person decides. `gone`: WeCom has it no more, which nobody here wanted."""

    ADDING = "adding"
    UNKNOWN = "unknown"
    MADE = "made"
    GONE = "gone"
    REMOVED = "removed"


class JoinWay(SQLModel, table=True):
    """One code. `state` comes back with everybody who joined by it. With `auto_create` WeCom opens a new group, called
    `base_name` and a number from `base_id` on, when all of `chat_ids` are full."""

    __tablename__ = "join_ways"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=30)
    state: str = Field(max_length=30, unique=True)
    chat_ids: list[str] = Field(sa_column=Column(Json, nullable=False))
    auto_create: bool = True
    base_name: str = Field(default="", max_length=40)
    base_id: int = 1
    status: str = Field(max_length=10)
    config_id: str | None = Field(default=None, max_length=64, unique=True)
    qr_code: str = Field(default="", max_length=512)
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    called_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    read_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    removed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class JoinWayImage(SQLModel, table=True):
    """WeCom's picture of a code, fetched once for each `config_id`: what the code says never changes."""

    __tablename__ = "join_way_images"

    way_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    config_id: str = Field(max_length=64)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fetched_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
