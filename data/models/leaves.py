"""Leaves (请假): when staff send nothing, and who stands in for them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Date
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class Leave(SQLModel, table=True):
    """A staff member is on leave on these days of the company's calendar, the last one too; no two of one overlap.

    `substitute`: who stands in with the customers whom both follow; may be empty.
    """

    __tablename__ = "leaves"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    userid: str = Field(max_length=64, index=True)
    first_day: date = Field(sa_column=Column(Date, nullable=False))
    last_day: date = Field(sa_column=Column(Date, nullable=False))
    substitute: str = Field(default="", max_length=64)
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
