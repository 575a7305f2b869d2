"""Who may do what: API tokens (hashed), WeCom's access tokens (shared by replicas), leases of jobs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class ApiToken(SQLModel, table=True):
    """A token for `/api/v1`. Only its SHA-256 is kept; the token itself is shown once."""

    __tablename__ = "api_tokens"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64, unique=True)
    digest: str = Field(max_length=64, unique=True)
    scopes: list[str] = Field(sa_column=Column(Json, nullable=False))
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_used_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class AccessToken(SQLModel, table=True):
    """WeCom's access token of one secret; `key` is a hash, so that no secret is kept."""

    __tablename__ = "access_tokens"

    key: str = Field(primary_key=True, max_length=64)
    token: str = Field(max_length=512, repr=False)
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Lease(SQLModel, table=True):
    """One replica's right to run a job. `fence` rises with every holder: a late holder's writes can be refused."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True, max_length=64)
    holder: str = Field(max_length=64)
    fence: int = Field(default=1, sa_column=Column(BigInt, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
