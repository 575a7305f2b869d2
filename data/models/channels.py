"""Channels: where customers come from, codes (渠道活码) and acquisition links (获客链接), and what is wanted of
those that we made."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Date, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class ChannelKind(StrEnum):
    """A code that can be printed is a contact way of WeCom's; a link is opened on a phone, such as from an advert."""

    CODE = "code"
    LINK = "link"


class Channel(SQLModel, table=True):
    """A contact way. `state` comes back in the events of customers who scanned its code. Of a link `config_id` is its
    link_id, `qr_code` its address, and `state` is known where it was made here: it stands in the address that is given
    out."""

    __tablename__ = "channels"

    config_id: str = Field(primary_key=True, max_length=64)
    kind: str = Field(default="code", max_length=10, sa_column_kwargs={"server_default": "code"})
    state: str = Field(default="", max_length=64, index=True)
    name: str = Field(default="", max_length=128)
    qr_code: str = Field(default="", max_length=512)
    userids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    department_ids: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    skip_verify: bool = True
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    deleted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ChannelStatus(StrEnum):
    """How a channel of ours stands at WeCom.

    `making` is written before the call that makes it. `unknown`: no answer came, or the program ended meanwhile: the
    list of WeCom is read until that is clear. `refused`: WeCom made nothing of it, `error` says why. `gone`: somebody
    has deleted it in WeCom. A link is `deleting`, then `deleted`, when somebody here wants that; a code never is.
    """

    PLANNED = "planned"
    MAKING = "making"
    UNKNOWN = "unknown"
    MADE = "made"
    REFUSED = "refused"
    GONE = "gone"
    DELETING = "deleting"
    DELETED = "deleted"


class ChannelPlan(SQLModel, table=True):
    """What is wanted of a channel of ours. `state` is its own, by which WeCom's answer is found again.

    `definition` is a `data.rules.channels.ChannelPlanned`; its welcome and tags are rules of their own. `wanted` is
    what the contact way (or link) should be now, `written` what WeCom has. `next_at`: when WeCom is called for it next,
    None if nothing is to be done; `calling_until`: a call is under way, which ends before then. `named`: whom the
    definition names, departments as their members.
    """

    __tablename__ = "channel_plans"
    __table_args__ = (
        partial_index("ix_channel_plans_next", "next_at", where="next_at IS NOT NULL"),
        partial_index("ix_channel_plans_import", "import_id", where="import_id IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    kind: str = Field(default="code", max_length=10, sa_column_kwargs={"server_default": "code"})
    state: str = Field(max_length=30, unique=True)
    name: str = Field(max_length=64)
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    welcome_rule_id: int | None = Field(default=None, sa_column=Column(BigInt))
    tag_rule_id: int | None = Field(default=None, sa_column=Column(BigInt))
    version: int = 1
    status: str = Field(max_length=10)
    config_id: str | None = Field(default=None, max_length=64, unique=True)
    qr_code: str = Field(default="", max_length=512, description="Where the picture of the code is; of a link, itself.")
    wanted: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    written: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    duty: dict[str, Any] = Field(sa_column=Column(Json, nullable=False), description="Why these are on the code.")
    named: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    stranded_as: str = Field(
        default="",
        max_length=16,
        sa_column_kwargs={"server_default": ""},
        description="Why nobody stands behind its code, as people were told of it; empty: they do.",
    )
    called_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    calling_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    written_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    next_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    tries: int = Field(default=0, description="Calls in a row that came to nothing.")
    cause: int | None = Field(default=None, description="WeCom's number for why the last call came to nothing.")
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    background: str = Field(default="", max_length=64, description="The picture behind its poster, of the library.")
    paused_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    archived_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    import_id: int | None = Field(default=None, sa_column=Column(BigInt))
    made_by: str = Field(max_length=80)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ChannelMember(SQLModel, table=True):
    """Somebody whom a channel names, for asking whose channels somebody sees."""

    __tablename__ = "channel_members"
    __table_args__ = (Index("ix_channel_members_userid", "userid"), {"sqlite_with_rowid": False})

    plan_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    userid: str = Field(primary_key=True, max_length=64)


class ChannelImage(SQLModel, table=True):
    """WeCom's picture of a channel's code, fetched from `address`, which WeCom gave."""

    __tablename__ = "channel_images"

    plan_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    address: str = Field(max_length=512)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    fetched_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ChannelImport(SQLModel, table=True):
    """Channels that were handed in as a file. `rows` are those that can be made, `made` how many of them were seen to,
    `present` how many of these were there already."""

    __tablename__ = "channel_imports"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    filename: str = Field(max_length=128)
    rows: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    faults: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    made: int = 0
    present: int = 0
    status: str = Field(max_length=10, description="previewed, running or done.")
    made_by: str = Field(max_length=80)
    account_id: int | None = Field(default=None, sa_column=Column(BigInt))
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ChannelDay(SQLModel, table=True):
    """What came of those who were added through a channel on a day of the company's calendar. An empty `state` stands
    for all who came by none, and says that the day was counted at `counted_at`.

    `kept_1`: relations that were still there a day later, as are `kept_7` and `kept_30`; orders are those within 30
    days of the adding.
    """

    __tablename__ = "channel_days"
    # It holds the numbers, too: a year of hundreds of channels is summed up from it alone.
    __table_args__ = (
        Index(
            "ix_channel_days_numbers", "day", "state", "added", "people", "welcomed", "kept_1", "kept_7", "kept_30",
            "orders", "amount_fen",
        ),
        {"sqlite_with_rowid": False},
    )  # fmt: skip

    state: str = Field(primary_key=True, max_length=64)
    day: date = Field(sa_column=Column(Date, primary_key=True))
    added: int = 0
    people: int = 0
    welcomed: int = 0
    kept_1: int = 0
    kept_7: int = 0
    kept_30: int = 0
    orders: int = 0
    amount_fen: int = Field(default=0, sa_column=Column(BigInt, nullable=False))
    counted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
