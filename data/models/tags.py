"""The company's customer tags (企业标签) and their groups."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class TagGroup(SQLModel, table=True):
    """A group of tags."""

    __tablename__ = "tag_groups"

    group_id: str = Field(primary_key=True, max_length=64)
    name: str = Field(max_length=128)
    order: int = Field(default=0, sa_column=Column("order", BigInteger, nullable=False))
    made_by_us: bool | None = Field(default=None, description="As of a tag.")
    deleted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    changed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class Tag(SQLModel, table=True):
    """A tag; WeCom shows the larger `order` first. `tag_no` stands for its long id on the follows.

    One without a name was seen on a customer and is not, or not yet, in the company's list.
    """

    __tablename__ = "tags"

    tag_no: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    tag_id: str = Field(max_length=64, unique=True)
    group_id: str = Field(max_length=64, index=True)
    name: str = Field(max_length=128)
    order: int = Field(default=0, sa_column=Column("order", BigInteger, nullable=False))
    made_by_us: bool | None = Field(
        default=None, description="WeCom lets an app change only what it made. None: nobody has tried yet."
    )
    deleted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    changed_at: datetime | None = Field(
        default=None, sa_column=Column(UtcDateTime), description="When we last changed it through WeCom."
    )
