"""Customer groups (客户群) and who is in them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import UtcDateTime, partial_index


class CustomerGroup(SQLModel, table=True):
    """A customer group. `member_version` is WeCom's: a change of members is applied only onto the version it names."""

    __tablename__ = "customer_groups"

    chat_id: str = Field(primary_key=True, max_length=64)
    name: str = Field(default="", max_length=256)
    owner: str = Field(default="", max_length=64, index=True)
    notice: str = Field(default="")
    member_version: str = Field(default="", max_length=64)
    created_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    fetched_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    changed_at: datetime | None = Field(
        default=None, sa_column=Column(UtcDateTime), description="When an event or a fetch last changed the group."
    )
    dismissed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class GroupMember(SQLModel, table=True):
    """A member of a customer group, staff (`type` 1) or external (2). Kept after leaving, with `left_at`."""

    __tablename__ = "group_members"
    __table_args__ = (
        Index("ix_group_members_userid", "userid"),
        partial_index("ix_group_members_state", "state", "type", where="state <> ''"),
    )

    chat_id: str = Field(primary_key=True, max_length=64)
    userid: str = Field(primary_key=True, max_length=64, description="A staff userid or an external_userid.")
    type: int = 2
    join_scene: int | None = Field(default=None, description="1 invited, 2 by an invite link, 3 by QR code.")
    invitor: str = Field(default="", max_length=64)
    state: str = Field(default="", max_length=64)
    joined_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    left_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    quit_scene: int | None = Field(default=None, description="0 left, 1 removed; None: not told.")
