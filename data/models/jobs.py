"""Jobs: how the repeated work of the program went last."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class JobState(SQLModel, table=True):
    """How a job went last, in whichever process it ran. `outcome`: done or failed, with the `error`; `holder` names the
    process, `good_at` is when it was done last."""

    __tablename__ = "job_states"

    name: str = Field(primary_key=True, max_length=40)
    holder: str = Field(default="", max_length=64)
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    ended_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    outcome: str = Field(max_length=8)
    error: str = Field(default="", max_length=300)
    good_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
