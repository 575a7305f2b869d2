"""Moments posts (客户朋友圈): the members who publish one, and how customers react to it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class PublisherState(StrEnum):
    """How it stands with a member's part of a post. `refused`: WeCom made no task for the member; `stopped`: not
    published when its time was over, or when it was cancelled."""

    WAITING = "waiting"
    PUBLISHED = "published"
    REFUSED = "refused"
    STOPPED = "stopped"


class Publisher(SQLModel, table=True):
    """A member who is to publish a run's post. WeCom does not tell when that was: `seen_at` is when we first saw it.

    `audience` customers can see it, once `audience_at` is set. `final_at`: nothing more is read of it.
    """

    __tablename__ = "publishers"

    run_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    userid: str = Field(primary_key=True, max_length=64)
    state: str = Field(default=PublisherState.WAITING, max_length=12)
    seen_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    audience: int = 0
    audience_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    likes: int = 0
    comments: int = 0
    final_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ReactionKind(StrEnum):
    """What a customer did with a post."""

    LIKE = "like"
    COMMENT = "comment"


class MomentReaction(SQLModel, table=True):
    """A customer liked a member's post, or commented on it: WeCom does not tell the words. What is taken back stays."""

    __tablename__ = "moment_reactions"
    __table_args__ = (
        UniqueConstraint("run_id", "userid", "external_userid", "kind", "reacted_at", name="uq_moment_reactions"),
        Index("ix_moment_reactions_external_userid", "external_userid", "reacted_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    run_id: int = Field(sa_column=Column(BigInt, nullable=False))
    userid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    kind: str = Field(max_length=8)
    reacted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
