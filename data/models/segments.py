"""Saved segments (客户分群): the typed tree (`data/rules/segments.py`) kept as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class SegmentRow(SQLModel, table=True):
    """A question about the customers that has a name. `version` is raised by every edit."""

    __tablename__ = "segments"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64, unique=True)
    version: int = 1
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
