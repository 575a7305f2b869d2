"""Customer-acquisition links (获客链接): what WeCom tells of them. The links themselves are channels of kind `link`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Date, Index
from sqlmodel import Field, SQLModel

from data.types import Json, UtcDateTime, no_items


class AcquisitionDay(SQLModel, table=True):
    """What WeCom counts of a link on a day, which begins at midnight in China, read last on `pulled_on`."""

    __tablename__ = "acquisition_days"
    __table_args__ = {"sqlite_with_rowid": False}

    link_id: str = Field(primary_key=True, max_length=64)
    day: date = Field(sa_column=Column(Date, primary_key=True))
    clicks: int = Field(default=0, description="Customers who opened it.")
    added: int = Field(default=0, description="Customers who were added by it.")
    pulled_on: date = Field(sa_column=Column(Date, nullable=False))


class AcquisitionCustomer(SQLModel, table=True):
    """A member's customer who came by a link, as WeCom lists them. `chat_status`: 0 has not written, 1 has, 2 unknown;
    `messages`: how many they have sent, as far as WeCom has told (it stops at ten)."""

    __tablename__ = "acquisition_customers"
    __table_args__ = (Index("ix_acquisition_customers_link", "link_id", "chat_status"), {"sqlite_with_rowid": False})

    external_userid: str = Field(primary_key=True, max_length=64)
    userid: str = Field(primary_key=True, max_length=64)
    link_id: str = Field(max_length=64)
    state: str = Field(default="", max_length=64)
    chat_status: int = 0
    messages: int = 0
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class AcquisitionQuota(SQLModel, table=True):
    """How many customers the company may still add by links; one row. `parts`: pairs of the day on which a part ends
    (in China) and how many are left of it. `warned`: what managers were told last, so that they are told once."""

    __tablename__ = "acquisition_quota"

    id: int = Field(default=1, primary_key=True)
    total: int = 0
    balance: int = 0
    parts: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    warned: str = Field(default="", max_length=40)
    read_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
