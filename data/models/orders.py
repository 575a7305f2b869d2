"""Orders (订单) of shops, mini-programs and payments in chats, and to whom they belong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Index, String, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class Order(SQLModel, table=True):
    """One order of one shop (`source`). Without `external_userid` it waits until its customer turns up or is named.

    `told_external_userid`, `unionid`, `mobile`, `trade_number` are what the shop says of the buyer; `amount_fen` is in
    hundredths of a yuan, less what was given back. `tag_due_at`: when tag rules are to be asked about it.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("source", "number", name="uq_orders_number"),
        Index("ix_orders_external_userid", "external_userid", "placed_at", "status", "amount_fen"),
        Index("ix_orders_source", "source", "id"),
        Index("ix_orders_status", "status", "id"),
        Index("ix_orders_any_number", "number"),
        # Reports count those of a week or month in it alone.
        Index("ix_orders_counted", "placed_at", "credited_to", "status", "covered", "amount_fen"),
        partial_index("ix_orders_waiting", "id", "waits_because", where="waits_because <> ''"),
        partial_index("ix_orders_told", "told_external_userid", where="told_external_userid <> ''"),
        partial_index("ix_orders_unionid", "unionid", where="unionid <> ''"),
        partial_index("ix_orders_mobile", "mobile", where="mobile <> ''"),
        partial_index("ix_orders_trade_number", "trade_number", where="trade_number <> ''"),
        partial_index("ix_orders_tag_due", "tag_due_at", where="tag_due_at IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    source: str = Field(max_length=32)
    number: str = Field(max_length=64)
    external_userid: str | None = Field(default=None, max_length=64)
    userid: str = Field(default="", max_length=64, description="The staff member who sold it, where that is known.")
    told_external_userid: str = Field(default="", max_length=64)
    unionid: str = Field(default="", max_length=64)
    mobile: str = Field(default="", max_length=32)
    trade_number: str = Field(default="", max_length=64, description="The merchant's number of the payment.")
    status: str = Field(max_length=12, description="placed, paid, finished, refunded or cancelled.")
    amount_fen: int = Field(sa_column=Column(BigInt, nullable=False))
    items: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    placed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    told_at: datetime | None = Field(
        default=None, sa_column=Column(UtcDateTime), description="The shop's own time of this state."
    )
    matched_by: str = Field(default="", max_length=16, description="external_userid, unionid, mobile, number or claim.")
    matched_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    waits_because: str = Field(
        default="", max_length=20, description="Why it has no customer; empty for those that have one."
    )
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    tag_due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    tag_attempts: int = 0
    covered: bool = Field(
        default=False,
        sa_column=Column(Boolean, nullable=False, server_default=text("false")),
        description="A payment in a chat for an order that the shop sent as well: that one counts.",
    )
    credited_to: str = Field(
        default="",
        sa_column=Column(String(64), nullable=False, server_default=""),
        description="The member whom it counts for, as `data/queries/order_credits.py` keeps it; empty: nobody.",
    )


class PaymentPull(SQLModel, table=True):
    """How far payments in chats have been read: all until `read_until`, and of a span as far as its cursor."""

    __tablename__ = "payment_pulls"

    id: int = Field(default=1, primary_key=True)
    read_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    begin_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    end_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    cursor: str = ""


class RepeatedRequest(SQLModel, table=True):
    """The answer to a request that carried an idempotency key: the same request again gets it again.

    `caller` is the API token's number, `digest` the SHA-256 of what was asked.
    """

    __tablename__ = "repeated_requests"
    __table_args__ = (Index("ix_repeated_requests_asked_at", "asked_at"),)

    caller: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    key: str = Field(primary_key=True, max_length=200)
    digest: str = Field(max_length=64)
    status: int = 0
    body: str = ""
    asked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
