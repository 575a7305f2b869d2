"""Rosters (客户名单): customers that were handed in as a file."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class Roster(SQLModel, table=True):
    """A list of customers under a name. Until `made_at` its members are being written, and nothing may use it."""

    __tablename__ = "rosters"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64)
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    begun_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    made_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    rows: int = 0
    customers: int = 0
    skipped: int = 0


class RosterMember(SQLModel, table=True):
    """A customer on a roster."""

    __tablename__ = "roster_members"
    __table_args__ = (
        Index("ix_roster_members_external_userid", "external_userid"),
        {"sqlite_with_rowid": False},
    )

    roster_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    external_userid: str = Field(primary_key=True, max_length=64)
