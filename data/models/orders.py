"""Orders (订单) of shops, mini-programs and payments in chats, and to whom they belong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class Order(SQLModel, table=True):
    """One order of one shop (`source`). Without `external_userid` it waits until its customer turns up or is named.

    `unionid`, `mobile` and `number` are what the shop knows of the buyer; `amount_fen` is in hundredths of a yuan.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("source", "number", name="uq_orders_number"),
        Index("ix_orders_external_userid", "external_userid", "placed_at"),
        partial_index("ix_orders_unmatched", "id", where="external_userid IS NULL"),
        partial_index("ix_orders_unmatched_unionid", "unionid", where="external_userid IS NULL AND unionid <> ''"),
        partial_index("ix_orders_unmatched_mobile", "mobile", where="external_userid IS NULL AND mobile <> ''"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    source: str = Field(max_length=32)
    number: str = Field(max_length=64)
    external_userid: str | None = Field(default=None, max_length=64)
    userid: str = Field(default="", max_length=64, description="The staff member who sold it, where that is known.")
    unionid: str = Field(default="", max_length=64)
    mobile: str = Field(default="", max_length=32)
    status: str = Field(max_length=12, description="placed, paid, finished, refunded or cancelled.")
    amount_fen: int = Field(sa_column=Column(BigInt, nullable=False))
    items: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    placed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    matched_by: str = Field(default="", max_length=16, description="external_userid, unionid, mobile, number or claim.")
    matched_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    received_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
