"""WeChat customer service (微信客服): its accounts, rules, conversations, and every message of them."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import Column, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class KfState(IntEnum):
    """Who has a conversation, in WeCom's numbers. Only in `NEW` and `BOT` may the bot write to the customer."""

    NEW = 0
    BOT = 1
    QUEUED = 2
    PERSON = 3
    ENDED = 4


class KfOrigin(IntEnum):
    """Where a message comes from; `OURS` is not WeCom's number: what we send is not handed out by it."""

    OURS = 0
    CUSTOMER = 3
    EVENT = 4
    SERVICER = 5


class KfStatus(StrEnum):
    """Where a message stands. `open`: a customer's is to be answered, ours is to be sent.

    `done`: a customer's was looked at. `sent`: WeCom took ours. `refused`: it did not, or the window was closed.
    `failed`: WeCom took it and told later that the customer did not get it; of a customer's: it could not be handled.
    `observed`: ours would have been sent, if the program did more than look.
    """

    OPEN = "open"
    DONE = "done"
    SENT = "sent"
    REFUSED = "refused"
    FAILED = "failed"
    OBSERVED = "observed"


class KfAccount(SQLModel, table=True):
    """A customer-service account. `cursor`: up to where its messages are stored, written with them.

    `granted`: the app may use it. `read_at`: up to which instant it is read whole; `error`: why it could not be read
    since. `choices`: `data.rules.kf.KfChoices`. `servicers`: who answers there, as {"userid", "receives"}.
    """

    __tablename__ = "kf_accounts"

    open_kfid: str = Field(primary_key=True, max_length=64)
    name: str = Field(default="", max_length=64)
    avatar: str = Field(default="", max_length=512)
    granted: bool = True
    choices: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    servicers: list[dict[str, Any]] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    cursor: str = Field(default="", max_length=128)
    read_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class KfRuleRow(SQLModel, table=True):
    """A rule that says what is answered; of one account, or with an empty `open_kfid` of all."""

    __tablename__ = "kf_rules"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64, unique=True)
    open_kfid: str = Field(default="", max_length=64)
    priority: int = 0
    enabled: bool = True
    version: int = 1
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class KfSession(SQLModel, table=True):
    """The conversation of one person with one account.

    `contact_id`: the id under which the person is a customer of 客户联系; their own one until something else is known.
    `replies`: sent since the customer's last message (`written_at`). `due_at`: when there is something to do next;
    who does it has the `claim` until `claimed_until`.
    """

    __tablename__ = "kf_sessions"
    __table_args__ = (
        UniqueConstraint("open_kfid", "external_userid", name="uq_kf_sessions_pair"),
        partial_index("ix_kf_sessions_due", "due_at", where="due_at IS NOT NULL"),
        partial_index("ix_kf_sessions_unread", "id", where="fetched_at IS NULL"),
        Index("ix_kf_sessions_contact_id", "contact_id"),
        Index("ix_kf_sessions_external_userid", "external_userid"),
        Index("ix_kf_sessions_changed", "changed_at", "id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    open_kfid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    contact_id: str = Field(max_length=64)
    nickname: str = Field(default="", max_length=256)
    avatar: str = Field(default="", max_length=512)
    gender: int = 0
    unionid: str = Field(default="", max_length=64)
    fetched_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    state: int = 4
    state_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    servicer_userid: str = Field(default="", max_length=64)
    scene: str = Field(default="", max_length=64)
    scene_param: str = Field(default="", max_length=256)
    blocked: bool = Field(default=False, description="A servicer has WeCom refuse what the customer writes.")
    began_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    written_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    replies: int = 0
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    claim: str = Field(default="", max_length=32)
    claimed_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class KfMessage(SQLModel, table=True):
    """One message, event or act of a conversation. `msgid` is WeCom's, or of what we send our own.

    `content` is what WeCom gave or is given, under `msgtype`; `words` is what a person reads of it. `code`: it is sent
    by this code of an event, which ends at `code_until`. `answers_id`: the row that it answers. `explanation`: of a
    customer's, which rule answered and why. `msgtype` `trans` is a change of who has the conversation.
    """

    __tablename__ = "kf_messages"
    __table_args__ = (
        UniqueConstraint("open_kfid", "msgid", name="uq_kf_messages_msgid"),
        Index("ix_kf_messages_session", "session_id", "sent_at", "id"),
        partial_index("ix_kf_messages_open", "session_id", "id", where="status = 'open'"),
        Index("ix_kf_messages_external_userid", "external_userid"),
        Index("ix_kf_messages_sent_at", "sent_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    session_id: int = Field(sa_column=Column(BigInt, nullable=False))
    open_kfid: str = Field(max_length=64)
    external_userid: str = Field(max_length=64)
    msgid: str = Field(max_length=128)
    origin: int
    msgtype: str = Field(max_length=32)
    content: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    words: str = Field(default="", sa_column=Column(Text, nullable=False))
    servicer_userid: str = Field(default="", max_length=64)
    made_by: str = Field(default="", max_length=80, description="Who wrote ours: a rule, or a person's name.")
    sent_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    status: str = Field(max_length=8)
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))
    rule_id: int | None = Field(default=None, sa_column=Column(BigInt))
    explanation: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    answers_id: int | None = Field(default=None, sa_column=Column(BigInt))
    journey_id: int | None = Field(default=None, sa_column=Column(BigInt))
    code: str = Field(default="", sa_column=Column(Text, nullable=False), repr=False)
    code_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    attempts: int = 0
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    recalled_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
