"""Staff tasks (待办): what a staff member is asked to do for one customer, with the words for them."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Date, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class StaffTaskStatus(StrEnum):
    """`refused`: the staff member said "not this one". `lapsed`: its time was over. `withdrawn`: it is not wanted any
    more, because the customer bought, left, wants to hear nothing, or the journey was stopped."""

    OPEN = "open"
    DONE = "done"
    REFUSED = "refused"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class StaffTask(SQLModel, table=True):
    """One task. A staff member's list of a day holds the open ones that are worth most, as many as the day's cap
    leaves room for beside those done that day; the others come on a later day's, until `valid_until`.

    `content`: text as rendered for this customer, and attachments, as MessageContent. `later_until`: the staff member
    put it off. `first_listed_on`: the first day (local) on whose list it stood, of who has it now. `why`: of one
    refused, withdrawn (an EndReason, or NO_WORDS) or lapsed (a LapseReason). `moves`: each time that it went to another
    member's list, as {"from_userid", "to_userid", "at", "why"}, of which the last is a MoveReason.
    """

    __tablename__ = "staff_tasks"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "step", "due_at", name="uq_staff_tasks_step"),
        partial_index("ix_staff_tasks_open", "userid", "worth", "due_at", where="status = 'open'"),
        partial_index("ix_staff_tasks_valid", "valid_until", where="status = 'open'"),
        Index("ix_staff_tasks_answered", "answered_by", "answered_at"),
        Index("ix_staff_tasks_customer", "external_userid", "due_at"),
        Index("ix_staff_tasks_counted", "journey_id", "version", "step", "status"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    enrolment_id: int = Field(sa_column=Column(BigInt, nullable=False))
    journey_id: int = Field(sa_column=Column(BigInt, nullable=False))
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"}, description="Of the journey.")
    step: int
    userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    content: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    hint: str = Field(default="", sa_column=Column(Text, nullable=False))
    worth: int
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    valid_until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    status: str = Field(max_length=10)
    first_listed_on: date | None = Field(default=None, sa_column=Column(Date))
    later_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    answered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    answered_by: str = Field(default="", max_length=64, description="userid of who did it, or refused it.")
    why: str = Field(default="", max_length=200)
    moves: list[dict[str, Any]] = Field(
        default_factory=no_items, sa_column=Column(Json, nullable=False, server_default=text("'[]'"))
    )
