"""Scripts (话术): ready words for staff, found by what they say; who has used which, and whose favourites they are."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Date, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class ScriptRow(SQLModel, table=True):
    """A script. `content` is a MessageContent, `department_ids` those whose members may use it (empty: everybody).

    `version` is raised by every edit.
    """

    __tablename__ = "scripts"
    __table_args__ = (Index("ix_scripts_category", "category", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    title: str = Field(max_length=64, unique=True)
    category: str = Field(default="", max_length=32)
    enabled: bool = True
    content: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    department_ids: list[int] = Field(sa_column=Column(Json, nullable=False))
    version: int = 1
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ScriptDepartment(SQLModel, table=True):
    """Whose scripts they are, for the database to ask. Department 0 stands for everybody."""

    __tablename__ = "script_departments"
    __table_args__ = ({"sqlite_with_rowid": False},)

    department_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    script_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False, index=True))


class ScriptGram(SQLModel, table=True):
    """A pair of characters that a script has, and how much it says of it: a title more than a text."""

    __tablename__ = "script_grams"
    __table_args__ = ({"sqlite_with_rowid": False},)

    gram: str = Field(primary_key=True, max_length=8)
    script_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False, index=True))
    weight: int


class ScriptFavourite(SQLModel, table=True):
    """A member keeps a script at hand."""

    __tablename__ = "script_favourites"
    __table_args__ = ({"sqlite_with_rowid": False},)

    userid: str = Field(primary_key=True, max_length=64)
    script_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False, index=True))
    chosen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class ScriptUse(SQLModel, table=True):
    """How often a member took a script on a day of the company's calendar."""

    __tablename__ = "script_uses"
    __table_args__ = (Index("ix_script_uses_day", "day", "script_id"), {"sqlite_with_rowid": False})

    script_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    userid: str = Field(primary_key=True, max_length=64)
    day: date = Field(sa_column=Column(Date, primary_key=True))
    uses: int
