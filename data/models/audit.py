"""The audit log: who changed what in the console, with what it was before and after."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class AuditEntry(SQLModel, table=True):
    """One change. `what` names the thing, like `welcome_rule 3`; `before` and `after` hold what differs of it.

    `external_userid`: the customer whom the change is about; their erasure takes the entry along.
    """

    __tablename__ = "audit_entries"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    account_id: int | None = Field(default=None, sa_column=Column(BigInt, index=True))
    who: str = Field(max_length=80)
    action: str = Field(max_length=64)
    what: str = Field(default="", max_length=120, index=True)
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    address: str = Field(default="", max_length=64)
    external_userid: str | None = Field(default=None, max_length=64, index=True)
