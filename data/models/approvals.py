"""Approvals (审批) of campaigns by another manager, and the template cards by which they are asked for."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, partial_index


class ApprovalStatus(StrEnum):
    """How a request stands. `void`: the campaign was changed, started or removed, or approval was asked for again."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"
    EXPIRED = "expired"


class Approval(SQLModel, table=True):
    """A request for approval of one version of a campaign, and what became of it.

    `counts`: recipients by wave when it was asked for; `recipients` is their sum. `start_at`: approval starts the
    campaign, at this instant. `approvers` got a card. `reason`: why it was rejected or is void.
    """

    __tablename__ = "approvals"
    __table_args__ = (partial_index("ix_approvals_pending", "expires_at", where="status = 'pending'"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    campaign_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    campaign_name: str = Field(max_length=64)
    version: int
    status: str = Field(max_length=10)
    counts: dict[str, int] = Field(sa_column=Column(Json, nullable=False))
    recipients: int
    senders: int
    start_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    submitted_by: str = Field(max_length=80, description="command, or the name of the API token.")
    requested_by: str = Field(default="", max_length=64, description="userid of whom it was asked for, if told.")
    approvers: list[str] = Field(sa_column=Column(Json, nullable=False))
    submitted_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    decided_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    decided_by: str = Field(
        default="", max_length=80, description="A userid, an account's login after @, or the API token's name."
    )
    decided_via: str = Field(default="", max_length=10, description="card, console, api or command.")
    reason: str = Field(default="", sa_column=Column(Text, nullable=False))


class Card(SQLModel, table=True):
    """A template card with buttons for some staff who are told things in one language: the row first, then the call.

    `called` says that a call was begun whose answer is not known. `response_code` came with the answer and changes the
    card once.
    """

    __tablename__ = "cards"
    __table_args__ = (partial_index("ix_cards_due", "due_at", where="status = 'waiting'"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    approval_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    task_id: str = Field(max_length=128, unique=True)
    userids: list[str] = Field(sa_column=Column(Json, nullable=False))
    language: str = Field(default="zh", max_length=2, sa_column_kwargs={"server_default": "zh"})
    body: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    status: str = Field(default="waiting", max_length=10, description="waiting, sent, dropped, observed or failed.")
    called: bool = False
    attempts: int = 0
    msgid: str = Field(default="", max_length=200)
    response_code: str = Field(default="", max_length=512)
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    sent_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class CardChange(SQLModel, table=True):
    """Words in the place of a card's buttons, for some who have it. A `response_code` is used once: one row each."""

    __tablename__ = "card_changes"
    __table_args__ = (partial_index("ix_card_changes_due", "due_at", where="status = 'waiting'"),)

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    card_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    response_code: str = Field(max_length=512, unique=True)
    userids: list[str] = Field(sa_column=Column(Json, nullable=False))
    words: str = Field(max_length=64)
    status: str = Field(default="waiting", max_length=10, description="waiting, sent, observed or failed.")
    called: bool = False
    attempts: int = 0
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    sent_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
