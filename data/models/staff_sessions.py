"""Sessions of the staff: who looks at their own pages, as WeCom has told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class StaffSession(SQLModel, table=True):
    """A browser that is a member's until `expires_at`. Its cookie is not kept: `digest` is the SHA-256 of it."""

    __tablename__ = "staff_sessions"

    digest: str = Field(primary_key=True, max_length=64)
    userid: str = Field(max_length=64)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
