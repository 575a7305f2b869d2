"""Who is sent the weekly report, and how many relations of a week or month are still there, as counted once a day."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Date
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class ReportReader(SQLModel, table=True):
    """An account that is sent the report of the last week every Monday, narrowed to what it may see."""

    __tablename__ = "report_readers"

    account_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    chosen_by: str = Field(default="", max_length=80)
    chosen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Cohort(SQLModel, table=True):
    """The relations of a member that began in a week or month, and how many of them neither side had ended after so
    many days. With an empty `userid`: when all members of it were counted."""

    __tablename__ = "cohorts"

    kind: str = Field(primary_key=True, max_length=5, description="week or month.")
    first: date = Field(sa_column=Column(Date, primary_key=True))
    userid: str = Field(primary_key=True, max_length=64)
    began: int = 0
    after_1: int = 0
    after_7: int = 0
    after_30: int = 0
    after_90: int = 0
    counted_on: date = Field(sa_column=Column(Date, nullable=False))
