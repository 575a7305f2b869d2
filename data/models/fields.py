"""Custom fields (自定义字段) of customers, and their birthdays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class FieldDefinition(SQLModel, table=True):
    """A field that the company has defined. `kind`: text, number, date or flag."""

    __tablename__ = "field_definitions"

    name: str = Field(primary_key=True, max_length=64)
    title: str = Field(default="", max_length=64)
    kind: str = Field(max_length=8)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class CustomerField(SQLModel, table=True):
    """A customer's value of a field: `text` for texts and dates (YYYY-MM-DD), `number` for numbers and flags (0, 1)."""

    __tablename__ = "customer_fields"
    __table_args__ = (
        Index("ix_customer_fields_text", "name", "text"),
        Index("ix_customer_fields_number", "name", "number"),
    )

    external_userid: str = Field(primary_key=True, max_length=64)
    name: str = Field(primary_key=True, max_length=64)
    text: str | None = Field(default=None, max_length=512)
    number: float | None = None
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Birthday(SQLModel, table=True):
    """A customer's birthday. `month_day` is month * 100 + day in `calendar`: solar (公历) or lunar (农历)."""

    __tablename__ = "birthdays"
    __table_args__ = (Index("ix_birthdays_day", "calendar", "month_day"),)

    external_userid: str = Field(primary_key=True, max_length=64)
    calendar: str = Field(max_length=5)
    month_day: int
    is_leap_month: bool = Field(default=False, description="A lunar leap month (闰月).")
    year: int | None = Field(default=None, description="Of the same calendar, where it is known.")
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
