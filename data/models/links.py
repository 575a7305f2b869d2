"""Tracked links (跟踪链接): short addresses of ours that lead on, and who has followed them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class Link(SQLModel, table=True):
    """`/l/{code}` leads to `url`. Texts name it `{{ link_NAME }}`, so its name stays.

    The first click of each customer puts `tag_ids` on, and with `tells_staff` tells who follows them.
    """

    __tablename__ = "links"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    code: str = Field(max_length=16, unique=True)
    name: str = Field(max_length=32, unique=True)
    url: str = Field(sa_column=Column(Text, nullable=False))
    tag_ids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    tells_staff: bool = False
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    retired_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class LinkClick(SQLModel, table=True):
    """A customer has followed a link, `clicks` times, out of what one run sent, or a welcome by one rule said.

    Both are 0: elsewhere. `follow_id`: the run's recipient that this customer is; of a group wave there is none.
    `userid`: who sent it.
    `due_at`: when what follows from the first click is to be done; `outcome`: what of it was done, and for whom.
    """

    __tablename__ = "link_clicks"
    __table_args__ = (
        UniqueConstraint("link_id", "external_userid", "run_id", "welcome_rule_id", name="uq_link_clicks"),
        Index("ix_link_clicks_external_userid", "external_userid"),
        partial_index("ix_link_clicks_run", "run_id", "external_userid", where="run_id <> 0"),
        partial_index("ix_link_clicks_due", "due_at", where="due_at IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    link_id: int = Field(sa_column=Column(BigInt, nullable=False))
    external_userid: str = Field(max_length=64)
    run_id: int = Field(default=0, sa_column=Column(BigInt, nullable=False))
    welcome_rule_id: int = Field(default=0, sa_column=Column(BigInt, nullable=False, server_default="0"))
    follow_id: int | None = Field(default=None, sa_column=Column(BigInt))
    userid: str = Field(default="", max_length=64)
    clicks: int = 1
    first_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    attempts: int = 0
    outcome: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))


class OtherClick(SQLModel, table=True):
    """How often a link was followed by others than customers.

    `kind`: outsider (WeCom knows no customer in them), staff, or unknown (WeCom did not say who it was).
    """

    __tablename__ = "link_other_clicks"
    __table_args__ = ({"sqlite_with_rowid": False},)

    link_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    run_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    kind: str = Field(primary_key=True, max_length=10)
    clicks: int = 1
    first_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
