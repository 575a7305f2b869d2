"""Group welcomes (入群欢迎语素材): what a customer group says to those who join it, in WeCom's stock."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, partial_index


class GroupWelcomeStatus(StrEnum):
    """How a group welcome stands in WeCom's stock.

    `adding` is written before the call that adds it. `unknown`: no answer came, or the program ended meanwhile; WeCom
    has no list of its stock, so a person looks. `refused`: WeCom made nothing of it, `error` says why. `gone`: somebody
    has deleted it in WeCom. `retired`: it is over; what it said stays here.
    """

    PLANNED = "planned"
    ADDING = "adding"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    MADE = "made"
    GONE = "gone"
    RETIRED = "retired"


class GroupWelcome(SQLModel, table=True):
    """One of them. `version` rises with every change; `written_version` is the one that WeCom has, 0 for none.

    `next_at`: when WeCom is called for it next, None where nothing is to be done; `calling_until`: a call is under way,
    which ends before then. `drift`: the fields in which WeCom showed something else when it was read at `checked_at`.
    """

    __tablename__ = "group_welcomes"
    __table_args__ = (partial_index("ix_group_welcomes_next", "next_at", where="next_at IS NOT NULL"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64)
    content: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    notify: bool = Field(description="Staff are told that they can choose it, when WeCom gets it.")
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    version: int = 1
    written_version: int = 0
    status: str = Field(max_length=10)
    template_id: str | None = Field(default=None, max_length=128, unique=True)
    called_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    calling_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    written_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    next_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    tries: int = Field(default=0, description="Calls in a row that came to nothing.")
    checked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    drift: list[str] | None = Field(default=None, sa_column=Column(Json))
    cause: int | None = Field(default=None, description="WeCom's number for why the last call came to nothing.")
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    retired_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
