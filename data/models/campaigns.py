"""Campaigns (群发计划): what a manager plans; its waves; their runs; and the ledger of calls and of recipients."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class RunStatus(StrEnum):
    """How a run stands. `awaiting`: all tasks are made, staff confirm them when they like.

    `paused` cannot go on without a person, with the reason in `error`; what was asked of WeCom stays asked.
    `cancelled` is final at once for what was not asked yet; the rest is withdrawn and read a last time by `ended_at`.
    `skipped`: it was late, and lateness was to mean that. `words_due`: somebody has to write what it says.
    """

    WORDS_DUE = "words_due"
    DUE = "due"
    PLANNING = "planning"
    SENDING = "sending"
    AWAITING = "awaiting"
    FINISHED = "finished"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    SKIPPED = "skipped"


class PauseRule(StrEnum):
    """Which rule let a run wait for a person, where it was not a person.

    `late`: its time had passed; `approval`: it reaches more than was approved; `test`: nobody has said that its test
    was right; `link`: a tracked link cannot be used; `wecom`: WeCom will not go on before something is mended;
    `refusals`: too much of the campaign is refused; `leaving`: a surge of customers leaves.
    """

    LATE = "late"
    APPROVAL = "approval"
    TEST = "test"
    LINK = "link"
    WECOM = "wecom"
    REFUSALS = "refusals"
    LEAVING = "leaving"


#: These stop a campaign as a whole: staff are not reminded of it either.
BRAKES = (PauseRule.REFUSALS, PauseRule.LEAVING)


class BatchStatus(StrEnum):
    """How a call stands. `sending` is written before the call, so that none is forgotten.

    `making`: a job of WeCom's makes a Moments post.
    `unknown`: no answer came, or the program ended meanwhile; it is looked up in WeCom before anything else happens.
    `reconciled`: found there. `refused`: WeCom made nothing of it, `error` says why. `cancelled`: it was never asked.
    """

    PLANNED = "planned"
    SENDING = "sending"
    MAKING = "making"
    CREATED = "created"
    UNKNOWN = "unknown"
    RECONCILED = "reconciled"
    REFUSED = "refused"
    CANCELLED = "cancelled"


#: In the place of a journey's id: of several journeys at once.
SEVERAL = -1


class RecipientState(IntEnum):
    """What became of a recipient. 0 to 3 are WeCom's own numbers; from 10 on it is why nothing is sent to them."""

    WAITING = 0
    SENT = 1
    NOT_FRIEND = 2
    OVER_CAP = 3
    #: WeCom made no task for this recipient.
    REFUSED = 4
    #: Not confirmed when the run was cancelled or its time was over.
    STOPPED = 5
    OPTED_OUT = 10
    PAUSED = 11
    CAPPED = 12
    #: Somebody else of the staff reaches the same customer.
    DUPLICATE = 13
    #: The staff member has left, or has no customer contact, and nobody else reaches the customer.
    SENDER_UNABLE = 14
    #: No contact any more when it was to be sent.
    LEFT = 15
    #: Has bought lately, and the wave is not for those.
    BOUGHT = 16
    #: Gets nothing, so that those who do can be compared with them.
    HOLD_OUT = 17
    #: Not to send this wave, and nobody else reaches the customer.
    SENDER_EXCLUDED = 20
    #: On leave, and nobody else reaches the customer.
    SENDER_ON_LEAVE = 21
    #: The journey that sends it is over for the customer: they have bought, or something else has ended it.
    JOURNEY_OVER = 22


class Campaign(SQLModel, table=True):
    """One plan under one name. `version` rises with every edit.

    `test_first`: nothing is sent until a person has seen a test of what it says; `go_version` is the newest version of
    which somebody has. `test_of`: it is a test itself, of `test_version` of that campaign; 0: of words that are no
    campaign's.
    `journey_id`: it holds the broadcasts of that journey and is planned by it, not by people. SEVERAL: one that several
    journeys send together.
    `accepted_at`: whoever resumed it then knew what had happened until then; its brakes count what comes after.
    """

    __tablename__ = "campaigns"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64)
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    owner: str = Field(
        default="", max_length=64, sa_column_kwargs={"server_default": ""}, description="userid of who is told of it."
    )
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    version: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    test_first: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    go_version: int | None = None
    go_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    test_of: int | None = Field(default=None, sa_column=Column(BigInt, index=True))
    test_version: int | None = None
    journey_id: int | None = Field(default=None, sa_column=Column(BigInt, index=True))
    accepted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class Wave(SQLModel, table=True):
    """One content, or several `variants`, to one audience: a part of a campaign. `audience` of a list only counts it:
    see WaveCustomer.

    Of a Moments post `audience` is who publishes it and who may see it; it has no `sender_policy`.
    """

    __tablename__ = "waves"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    campaign_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    kind: str = Field(max_length=12, description="customers, groups or moments.")
    content: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    audience: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    variants: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False, server_default="[]"))
    hold_out_percent: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    sender_policy: str = Field(max_length=12)
    sender_tag_ids: list[str] = Field(
        default_factory=no_items, sa_column=Column(Json, nullable=False, server_default="[]")
    )
    sender_fallback: str = Field(
        default="first_added", max_length=12, sa_column_kwargs={"server_default": "first_added"}
    )
    excluded_userids: list[str] = Field(
        default_factory=no_items, sa_column=Column(Json, nullable=False, server_default="[]")
    )
    valid_hours: int = Field(description="What staff have not confirmed so long after the beginning is withdrawn.")
    timing: dict[str, Any] = Field(default_factory=dict, sa_column=Column(Json, nullable=False, server_default="{}"))
    not_bought_hours: int | None = Field(
        default=None, description="Who has bought so short a time before the sending is left out."
    )


class WaveCustomer(SQLModel, table=True):
    """A customer on a wave's list; with a `userid` through this staff member alone."""

    __tablename__ = "wave_customers"
    __table_args__ = (
        Index("ix_wave_customers_external_userid", "external_userid"),
        {"sqlite_with_rowid": False},
    )

    wave_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    external_userid: str = Field(primary_key=True, max_length=64)
    userid: str = Field(primary_key=True, max_length=64)


class Run(SQLModel, table=True):
    """One occurrence of a wave. Until `planned_at` its recipients are being found; `planned_until` is how far, by
    follow id, and `planned_as_of` the instant as of which the audience is asked.

    `matched` follows were looked at, `recipients` of them are to receive it, `left_out` counts the others by why. Of a
    Moments post these are the members who are to publish it, `on_leave` names those who would if they were not on
    leave, and `reach` customers could see it when it was planned.
    `rest_until`: nothing is sent before this instant, because WeCom wants a pause or staff are not to be asked yet.
    `content`: what it says, where that is not what its wave says; empty while somebody has to write it. It was written
    as `words_version` of the campaign. `variant`: which one it sends alone, as a Winner said when it began.
    While it is paused: `paused_at`, and who did it (`paused_by`: a userid, a token's name or "command") or which rule.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("wave_id", "due_at", name="uq_runs_due"),
        Index("ix_runs_status", "status", "due_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    wave_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    campaign_id: int = Field(sa_column=Column(BigInt, nullable=False, index=True))
    status: str = Field(max_length=10)
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    valid_until: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    started_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    planned_as_of: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    planned_until: int = Field(default=0, sa_column=Column(BigInt, nullable=False))
    planned_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    rest_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    rests: int = Field(
        default=0, sa_column_kwargs={"server_default": "0"}, description="Pauses in a row without a success between."
    )
    matched: int = 0
    recipients: int = 0
    reach: int | None = None
    left_out: dict[str, int] = Field(default_factory=dict, sa_column=Column(Json, nullable=False))
    on_leave: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False, server_default="[]"))
    error: str = Field(default="", sa_column=Column(Text, nullable=False))
    content: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    words_version: int | None = None
    variant: str = Field(default="", max_length=20, sa_column_kwargs={"server_default": ""})
    paused_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    paused_by: str = Field(default="", max_length=80, sa_column_kwargs={"server_default": ""})
    pause_rule: str = Field(
        default="", max_length=10, sa_column_kwargs={"server_default": ""}, description="A PauseRule, or empty."
    )


class Batch(SQLModel, table=True):
    """One call that makes one task: one sender, up to WeCom's 10,000 recipients. The ledger of what was asked.

    Of the kind `moments`: a post. Then nobody is the sender, the recipients are the members who are to publish it,
    `msgid` is its moment_id, `jobid` the job that makes it, and `ignored` what WeCom left out of what was asked for.
    `variant`: which of its wave's contents it carries, by name.

    `body` is what was asked, without the recipients. `first_called_at` stays when it is asked again. `next_at`: when it
    is looked up or its results are read next. `candidates`: msgids that may be it, for a person to decide; `members`:
    who WeCom gave the task to, where that is not the sender. `remind`: a person wants the staff reminded. `final_at`:
    nothing about it can change any more.
    """

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("run_id", "batch_no", name="uq_batches_number"),
        Index("ix_batches_status", "run_id", "status"),
        partial_index("ix_batches_next", "next_at", where="final_at IS NULL AND next_at IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    run_id: int = Field(sa_column=Column(BigInt, nullable=False))
    batch_no: int
    kind: str = Field(default="customers", max_length=12, sa_column_kwargs={"server_default": "customers"})
    userid: str = Field(max_length=64)
    variant: str = Field(default="", max_length=20, sa_column_kwargs={"server_default": ""})
    recipients: int
    status: str = Field(max_length=10)
    msgid: str | None = Field(default=None, max_length=128, unique=True)
    jobid: str | None = Field(default=None, max_length=128)
    body: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    first_called_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    called_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    made_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    next_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    candidates: list[str] | None = Field(default=None, sa_column=Column(Json))
    members: list[str] | None = Field(default=None, sa_column=Column(Json))
    ignored: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    confirmed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    withdrawn_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    remind: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    reminded_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    final_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    cause: int | None = Field(default=None, description="WeCom's number for why it was refused.")
    error: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    sent: int = 0
    not_friend: int = 0
    over_cap: int = 0
    refused: int = 0
    stopped: int = 0


class Recipient(SQLModel, table=True):
    """A follow that a run matched, and what became of it (RecipientState). Without a `batch_no` nothing is sent."""

    __tablename__ = "recipients"
    __table_args__ = (
        partial_index("ix_recipients_batch", "run_id", "batch_no", where="batch_no IS NOT NULL"),
        {"sqlite_with_rowid": False},
    )

    run_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    follow_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    batch_no: int | None = None
    state: int
