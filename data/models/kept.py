"""Values that hold for all replicas and are few: settings made in the console, what a restore left, what is wanted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import Json, UtcDateTime


class KeptValue(SQLModel, table=True):
    """A value under a name (`data.queries.kept`). `revision` is raised by every change."""

    __tablename__ = "kept_values"

    key: str = Field(primary_key=True, max_length=32)
    value: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    revision: int = 1
    changed_by: str = Field(default="", max_length=80)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
