"""WeCom's own figures (统计) of each member and day: chats, messages, replies, and of the customer groups they own."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Column, Date, Float
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime


class BehaviourDay(SQLModel, table=True):
    """What WeCom counts of a member's single chats on a day, which begins at midnight in China.

    `reply_percent` (of the chats that customers began, how many were answered the same day) and `reply_minutes` (until
    the first answer, on average) are None where no customer began one.
    """

    __tablename__ = "behaviour_days"

    day: date = Field(sa_column=Column(Date, primary_key=True))
    userid: str = Field(primary_key=True, max_length=64)
    chats: int = Field(default=0, description="In which the member has written.")
    messages: int = Field(default=0, description="That the member has sent.")
    reply_percent: float | None = Field(default=None, sa_column=Column(Float))
    reply_minutes: float | None = Field(default=None, sa_column=Column(Float))
    deletions: int = Field(default=0, description="Customers who deleted or blocked the member.")
    applies: int = Field(default=0, description="Requests that the member has sent.")
    contacts: int = Field(default=0, description="Customers who became contacts.")


class OwnerDay(SQLModel, table=True):
    """What WeCom counts of the customer groups that a member owns, on a day. `chats_total` and `members_total`: at its
    end."""

    __tablename__ = "owner_days"

    day: date = Field(sa_column=Column(Date, primary_key=True))
    userid: str = Field(primary_key=True, max_length=64)
    chats_new: int = 0
    chats_total: int = 0
    chats_active: int = Field(default=0, description="In which somebody wrote.")
    members_new: int = 0
    members_total: int = 0
    members_active: int = Field(default=0, description="Who wrote.")
    messages: int = 0


class FigurePull(SQLModel, table=True):
    """On which day (in China) figures were read the last time: of a member (`key`: userid), of a customer-acquisition
    link (its link_id), or of all owners of groups for a day (that day)."""

    __tablename__ = "figure_pulls"

    kind: str = Field(primary_key=True, max_length=10, description="member, link or owners.")
    key: str = Field(primary_key=True, max_length=64)
    pulled_on: date = Field(sa_column=Column(Date, nullable=False))
    pulled_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
