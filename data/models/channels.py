"""Channels (渠道活码): contact ways through which customers come."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import Json, UtcDateTime, no_items


class Channel(SQLModel, table=True):
    """A contact way. `state` comes back in the events of customers who scanned its code."""

    __tablename__ = "channels"

    config_id: str = Field(primary_key=True, max_length=64)
    state: str = Field(default="", max_length=64, index=True)
    name: str = Field(default="", max_length=128)
    qr_code: str = Field(default="", max_length=512)
    userids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    department_ids: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    skip_verify: bool = True
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
