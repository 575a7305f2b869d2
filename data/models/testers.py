"""Test customers (测试客户): who receives the contents of campaigns before the others do."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class Tester(SQLModel, table=True):
    """A customer, through the staff member who follows them."""

    __tablename__ = "testers"
    __table_args__ = (
        UniqueConstraint("userid", "external_userid", name="uq_testers_pair"),
        Index("ix_testers_external_userid", "external_userid"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    added_by: str = Field(max_length=80, description="command, or the name of the API token.")
    added_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
