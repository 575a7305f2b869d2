"""The company's people (成员) and departments (部门), as far as the app may see them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import Json, UtcDateTime, no_items


class Staff(SQLModel, table=True):
    """A member of the company. `follows_customers`: in the app's visible range and with the 客户联系 feature."""

    __tablename__ = "staff"

    userid: str = Field(primary_key=True, max_length=64)
    name: str = Field(default="", max_length=64)
    alias: str = Field(default="", max_length=64)
    position: str = Field(default="", max_length=128)
    department_ids: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    main_department_id: int | None = None
    leader_userids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    status: int = Field(default=1, description="WeCom's: 1 active, 2 disabled, 4 not activated, 5 left.")
    follows_customers: bool = False
    seen_at: datetime = Field(
        sa_column=Column(UtcDateTime, nullable=False), description="When a reading last changed this row."
    )
    gone_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class Department(SQLModel, table=True):
    """A department; the root's id is 1."""

    __tablename__ = "departments"

    id: int = Field(primary_key=True)
    name: str = Field(default="", max_length=128)
    parent_id: int = 0
    leader_userids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    gone_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
