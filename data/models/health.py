"""What each callback has shown so far: `siyu check` reads from it what is not set up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class CallbackHealth(SQLModel, table=True):
    """Signs of life of one configured callback."""

    __tablename__ = "callback_health"

    name: str = Field(primary_key=True, max_length=32)
    verified_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    last_event_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    last_add_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    last_welcome_code_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    adds_without_code: int = Field(default=0, description="Adds in a row that brought no welcome code.")
