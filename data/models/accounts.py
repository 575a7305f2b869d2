"""Accounts: who may use the console, by password or as a member of the company, and the browsers they are in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items


class Role(StrEnum):
    """What somebody may do; each may do what the one before may."""

    STAFF = "staff"
    MANAGER = "manager"
    ADMIN = "admin"


class Account(SQLModel, table=True):
    """Somebody who may use the console.

    `login` and `password_hash`: for those who come by password. `userid`: the member whom WeCom takes them for.
    `department_ids`: those that a manager sees, with what is below them. `failures`: wrong passwords in a row.
    """

    __tablename__ = "accounts"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    login: str | None = Field(default=None, max_length=64, unique=True)
    password_hash: str | None = Field(default=None, max_length=200, repr=False)
    userid: str | None = Field(default=None, max_length=64, unique=True)
    name: str = Field(default="", max_length=64)
    role: str = Field(max_length=16)
    department_ids: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    language: str = Field(default="", max_length=8)
    theme: str = Field(default="", max_length=8)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    disabled_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    failures: int = 0
    blocked_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class AccountSession(SQLModel, table=True):
    """A browser that is an account's until `expires_at`. Its cookie is not kept: `digest` is the SHA-256 of it."""

    __tablename__ = "account_sessions"

    digest: str = Field(primary_key=True, max_length=64)
    account_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    address: str = Field(default="", max_length=64)
    browser: str = Field(default="", max_length=200)


class Invitation(SQLModel, table=True):
    """A link that lets its holder choose a password, once: for a new account, or for one that exists.

    `is_first`: it makes the first admin, and is void as soon as there is one.
    """

    __tablename__ = "invitations"

    digest: str = Field(primary_key=True, max_length=64)
    role: str = Field(default="", max_length=16)
    name: str = Field(default="", max_length=64)
    department_ids: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    account_id: int | None = Field(default=None, sa_column=Column(BigInt))
    is_first: bool = False
    made_by: str = Field(default="", max_length=64)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
