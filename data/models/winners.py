"""Winners (胜出版本): which variant of a wave is sent alone from now on, and who has chosen it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class Winner(SQLModel, table=True):
    """A variant that a person has chosen: runs of its wave that begin before `undone_at` send it alone.

    `figures`: the comparison over the runs of the wave as it was then.
    """

    __tablename__ = "winners"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    wave_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    variant: str = Field(max_length=20)
    chosen_by: str = Field(max_length=80, description="command, or the name of the API token.")
    chosen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    figures: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    undone_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    undone_by: str = Field(default="", max_length=80)
