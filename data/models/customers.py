"""Customers (客户), and follows: one row per staff member and customer: the pair that WeCom tags and loses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, String, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index, postgres_index

#: How many of the last digits of a telephone number are looked up.
MOBILE_ENDING = 4


class FollowStatus(StrEnum):
    """How a staff member and a customer stand. The four ways of not being a contact are never mixed."""

    PRESENT = "present"
    HALF = "half"  # the customer added, the staff member has not confirmed: WeCom answers 84061
    DELETED_BY_CUSTOMER = "deleted_by_customer"  # WeCom still lists it
    DELETED_BY_STAFF = "deleted_by_staff"
    OUT_OF_SIGHT = "out_of_sight"  # the staff member left, or lost the seat or the visible range


def _number(kind: Any = Integer) -> Column[Any]:
    return Column(kind, nullable=False, server_default="0")


def _ending_of(context: Any) -> str:
    return str(context.get_current_parameters()["mobile"])[-MOBILE_ENDING:]


class Customer(SQLModel, table=True):
    """A person in WeChat, or of another company's WeCom (`type` 2). Known by id alone until fetched."""

    __tablename__ = "customers"
    # Imports look for whole names, and orders for unionids. On SQLite they ask `FollowWords`, as whoever looks for a
    # part of a name does: there a row more in an index whose order is none of arrival is a page more to be written,
    # twice.
    __table_args__ = (
        postgres_index("ix_customers_name", "name", "external_userid"),
        postgres_index("ix_customers_unionid", "unionid"),
    )
    external_userid: str = Field(primary_key=True, max_length=64)
    name: str = Field(default="", max_length=256)
    avatar: str = Field(default="", max_length=512)
    type: int = Field(default=0, description="1 WeChat, 2 WeCom of another company, 0 not fetched yet.")
    gender: int = Field(default=0, description="0 unknown, 1 male, 2 female.")
    unionid: str = Field(default="", max_length=64)
    corp_name: str = Field(default="", max_length=256)
    position: str = Field(default="", max_length=128)
    first_seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    fetched_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class Follow(SQLModel, table=True):
    """A staff member's relation to a customer. `state` is WeCom's word for the channel it came through.

    `id` stands for the pair in tables of millions of rows, where two long ids would take most of the room.
    From `tag_list` on, a row repeats what other tables say, so that a segment looks at nothing else for each follow:
    `data/queries/follow_facts.py` keeps it.
    """

    __tablename__ = "follows"
    __table_args__ = (
        UniqueConstraint("userid", "external_userid", name="uq_follows_pair"),
        Index("ix_follows_changed_at", "changed_at"),
        partial_index("ix_follows_not_present", "status", where="status <> 'present'"),
        partial_index("ix_follows_left", "ended_at", where="status = 'deleted_by_customer'"),
        Index("ix_follows_external_userid", "external_userid", "added_at"),
        # As `ix_customers_name`.
        postgres_index("ix_follows_remark", "remark", where="remark <> ''"),
        # How many came in a month, by day, member and channel, is counted in it alone.
        postgres_index("ix_follows_added", "added_at", "userid", "state", "inherited", "known_before"),
        # The same of some members, or member by member; on SQLite of all of them, which leaps from one to the next.
        Index("ix_follows_member_added", "userid", "added_at", "inherited", "known_before", "state"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    status: str = Field(max_length=20)
    state: str = Field(default="", max_length=64, index=True)
    add_way: int | None = None
    remark: str = Field(default="", max_length=128)
    description: str = Field(default="", max_length=512)
    remark_mobiles: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    remark_corp_name: str = Field(
        default="", sa_column=Column(String(128), nullable=False, server_default=""), description="By the staff member."
    )
    oper_userid: str = Field(default="", max_length=64)
    inherited: bool = Field(default=False, description="Came by hand-over, not by the customer's own wish.")
    added_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    event_at: datetime | None = Field(
        default=None, sa_column=Column(UtcDateTime), description="WeCom's own time of the last event applied."
    )
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    tag_list: str = Field(
        default="", sa_column=Column(Text, nullable=False, server_default=""), description="As `,3,14,`: tag_no."
    )
    gender: int = Field(default=0, sa_column=_number(), description="The customer's, as `contact_type` is.")
    contact_type: int = Field(default=0, sa_column=_number())
    touched_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime), description="Of the last touch.")
    paid_orders: int = Field(default=0, sa_column=_number())
    paid_fen: int = Field(default=0, sa_column=_number(BigInt))
    bought_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime), description="The last paid order.")
    active_at: datetime | None = Field(
        default=None,
        sa_column=Column(UtcDateTime),
        description="When the customer last did something that we see: `follow_facts`.",
    )
    in_groups: int = Field(default=0, sa_column=_number(), description="Customer groups that the customer is in.")
    birthday: int | None = Field(default=None, description="`follow_facts.birthday_number`.")
    known_before: bool = Field(
        default=False,
        sa_column=Column(Boolean, nullable=False, server_default=text("false")),
        description="Somebody else had the customer as a contact earlier.",
    )
    shared: bool = Field(
        default=False,
        sa_column=Column(Boolean, nullable=False, server_default=text("false")),
        description="Somebody else has or had the customer as a contact too.",
    )


class FollowTag(SQLModel, table=True):
    """A tag on a follow: tags belong to the pair, not to the customer.

    `live`: the two are contacts (`present`). A tag's customers are then counted in one index, without their follows.
    """

    __tablename__ = "follow_tags"
    __table_args__ = (
        Index("ix_follow_tags_tag", "tag_no", "live", "follow_id"),
        # PostgreSQL keeps rows of equal keys together: to count a tag reads a sixth of the pages. It takes the index
        # only for the very words that queries say.
        postgres_index("ix_follow_tags_live", "tag_no", where="live IS TRUE"),
        {"sqlite_with_rowid": False},
    )

    follow_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    tag_no: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    live: bool


class FollowMobile(SQLModel, table=True):
    """A telephone number that the staff member noted for the customer: by it a shop's orders find them."""

    __tablename__ = "follow_mobiles"
    __table_args__ = (Index("ix_follow_mobiles_ending", "ending", "mobile"), {"sqlite_with_rowid": False})

    mobile: str = Field(primary_key=True, max_length=32)
    follow_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False, index=True))
    ending: str = Field(
        default=None,
        sa_column=Column(String(MOBILE_ENDING), nullable=False, server_default="", default=_ending_of),
        description="The last digits, by which people ask for it.",
    )


class FollowWords(SQLModel, table=True):
    """By what a follow's customer is found: `grams` are the pairs of characters of all that people call them.

    On SQLite the last word of them is of the customer's unionid (`data.rules.grams.coded_id`).
    On SQLite the index of the pairs is `follow_grams`, full text of FTS5, which triggers keep; on PostgreSQL it is
    `ix_follow_words_grams` of this table. Models can say neither: the migration makes them. What writes it is
    `data/queries/follow_words.py`.
    """

    __tablename__ = "follow_words"

    follow_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    grams: str = Field(sa_column=Column(Text, nullable=False), description="`data.rules.grams.coded`.")


class TransferStatus(StrEnum):
    """`asking`: WeCom is being asked, or was and has not been heard. `waiting`: it takes effect within a day.

    `limit`: the new member has as many customers as possible. `failed`: WeCom refused it. `unknown`: WeCom says nothing
    of it. `observed`: somebody else's, seen by its event.
    """

    PLANNED = "planned"
    ASKING = "asking"
    WAITING = "waiting"
    DONE = "done"
    REFUSED = "refused"
    LIMIT = "limit"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    OBSERVED = "observed"


class Transfer(SQLModel, table=True):
    """A hand-over of one customer: the add that follows from it is not a new customer.

    `handover_id`: of which hand-over (`data/models/handovers.py`) it is a part; None: somebody else's. `started_at`:
    when it was planned, then when WeCom was asked. `takeover_at`: when it takes effect, by WeCom. `cause`: WeCom's
    number for why it failed.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        Index("ix_transfers_external_userid", "external_userid"),
        partial_index("ix_transfers_handover", "handover_id", "status", "id", where="handover_id IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    handover_id: int | None = Field(default=None, sa_column=Column(BigInt))
    handover_userid: str = Field(max_length=64)
    takeover_userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    status: str = Field(default="waiting", max_length=12, description="A TransferStatus.")
    cause: int | None = None
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    takeover_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
