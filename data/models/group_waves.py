"""Broadcasts to customer groups (客户群群发): which groups a run is for, and what became of each."""

from __future__ import annotations

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, partial_index


class GroupRecipient(SQLModel, table=True):
    """A customer group that a run matched, and what became of it (RecipientState). Without a `batch_no` nothing is
    sent."""

    __tablename__ = "group_recipients"
    __table_args__ = (
        partial_index("ix_group_recipients_batch", "run_id", "batch_no", where="batch_no IS NOT NULL"),
        {"sqlite_with_rowid": False},
    )

    run_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    chat_id: str = Field(primary_key=True, max_length=64)
    batch_no: int | None = None
    state: int
