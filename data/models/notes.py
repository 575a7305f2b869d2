"""Notes (跟进记录) that staff write down about customers, and when they mean to be in touch next (下次联系)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Date, Index, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime, partial_index


class Note(SQLModel, table=True):
    """What is noted about a customer as a member's contact. `author`: who wrote it, where that was not the member."""

    __tablename__ = "notes"
    __table_args__ = (Index("ix_notes_customer", "external_userid", "written_at"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    words: str = Field(sa_column=Column(Text, nullable=False))
    author: str = Field(default="", max_length=80)
    written_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class NextContact(SQLModel, table=True):
    """The day (local) on which a member means to be in touch with a customer; none: it has come to pass, or was taken
    back. `contacted_at`: when the member said last that they had been."""

    __tablename__ = "next_contacts"
    __table_args__ = (
        Index("ix_next_contacts_customer", "external_userid"),
        partial_index("ix_next_contacts_due", "userid", "due_on", where="due_on IS NOT NULL"),
    )

    userid: str = Field(primary_key=True, max_length=64)
    external_userid: str = Field(primary_key=True, max_length=64)
    due_on: date | None = Field(default=None, sa_column=Column(Date))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    contacted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
