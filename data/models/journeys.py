"""Journeys (旅程): their versions, the customers who are on them, and what became of each step for each of them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class JourneyStatus(StrEnum):
    """`draft`: never started. `running`: begins for customers, and goes on. `paused`: neither.

    `closed`: begins for nobody any more; who is on it goes on. `stopped`: over for everybody.
    """

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    CLOSED = "closed"
    STOPPED = "stopped"


class EndReason(StrEnum):
    """Why a journey is over for a customer. `finished`: all its steps are behind them."""

    FINISHED = "finished"
    GOAL = "goal"
    STOP = "stop"
    LOST = "lost"
    OPTED_OUT = "opted_out"
    #: A person took the customer off it, or stopped the journey.
    WITHDRAWN = "withdrawn"


class BarReason(StrEnum):
    """Why a journey did not begin for a customer to whom what begins it has happened."""

    #: They are on it already.
    ON_IT = "on_it"
    #: They were on it, and it does not begin anew for them, or not yet.
    NOT_AGAIN = "not_again"
    NO_CONTACT = "no_contact"
    #: They are no contact any more of the member through whom it would have begun, but somebody else's.
    NOT_THEIRS = "not_theirs"
    OPTED_OUT = "opted_out"
    NOT_OF_MEMBERS = "not_of_members"
    NOT_IN_AUDIENCE = "not_in_audience"
    PAUSED = "paused"
    CLOSED = "closed"


class StepOutcome(StrEnum):
    """What became of a step for a customer. Only `done` did anything; `moved` is not the last word about it."""

    DONE = "done"
    #: Held back for now: it is tried again later.
    MOVED = "moved"
    #: The customer is not of whom the step is for.
    NOT_FOR = "not_for"
    HELD_OUT = "held_out"
    #: The bot was not running when it was due.
    LATE = "late"
    #: A limit left no room, for as long as the step may wait.
    CAPPED = "capped"
    #: A journey that goes before it wanted the customer, for as long as the step may wait.
    OUTRANKED = "outranked"
    #: The customer wants to hear nothing until a date.
    RESTING = "resting"
    #: Nobody of the staff can reach the customer.
    NO_SENDER = "no_sender"
    #: The customer has not written to customer service lately, for as long as the step may wait.
    CLOSED = "closed"
    FAILED = "failed"


class JourneyRow(SQLModel, table=True):
    """One journey; what it says is in its versions, of which customers begin the newest.

    `scanned_until`: until when it is known for whom a day has begun it (birthdays, dates, silence, the calendar).
    `error`: why it was paused, where no person did it. `was_closed`: it was closed then, and is so again when it is
    resumed.
    `listens_to`: what happens that begins it or ends it, by any of its versions (`data.rules.happenings.ear`).
    """

    __tablename__ = "journeys"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64)
    owner: str = Field(
        default="", max_length=64, sa_column_kwargs={"server_default": ""}, description="userid of who is told of it."
    )
    status: str = Field(max_length=10, index=True)
    version: int = Field(default=1, description="The newest.")
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    started_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    scanned_until: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    error: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    was_closed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    listens_to: list[str] = Field(
        default_factory=no_items, sa_column=Column(Json, nullable=False, server_default=text("'[]'"))
    )


class JourneyVersion(SQLModel, table=True):
    """What a journey says (`data.rules.journeys.Journey` as JSON) from a version on. Versions are never changed."""

    __tablename__ = "journey_versions"

    journey_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    version: int = Field(primary_key=True)
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    made_by: str = Field(max_length=80)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class Enrolment(SQLModel, table=True):
    """A customer on a journey. `userid`: through whom, where what began it says so.

    `step` is the number of the next one, due at `due_at`; `wanted_at` is when it was due first, where it was moved.
    `before_at`: when the one before it was done. `held_out`: nothing is done, to compare the others with.
    `cause`: what began it, in the words of a Happening or of a day.
    """

    __tablename__ = "enrolments"
    __table_args__ = (
        partial_index("ix_enrolments_due", "journey_id", "due_at", where="ended_at IS NULL"),
        # A journey in numbers is read from this one and `ix_enrolments_counted` alone.
        Index("ix_enrolments_customer", "external_userid", "journey_id", "held_out", "end_reason"),
        Index(
            "uq_enrolments_running", "journey_id", "external_userid", unique=True,
            sqlite_where=text("ended_at IS NULL"), postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_enrolments_counted", "journey_id", "version", "held_out", "end_reason", "step"),
    )  # fmt: skip

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    journey_id: int = Field(sa_column=Column(BigInt, nullable=False))
    version: int
    external_userid: str = Field(max_length=64)
    userid: str = Field(default="", max_length=64)
    cause: str = Field(default="", max_length=200)
    started_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    step: int = 0
    before_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    due_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    wanted_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    held_out: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    end_reason: str = Field(default="", max_length=10, description="An EndReason.")


class BarredBeginning(SQLModel, table=True):
    """What begins a journey has happened to a customer, and it did not begin. Of the same reason (a BarReason) one row
    a day (`day`, by the company's calendar, as YYYY-MM-DD), however often it happened: `times`, first at `at` and last
    at `last_at`, when it was `cause`. Of who is on it, or may not begin it again yet, one row in all: `day` is
    when they began."""

    __tablename__ = "barred_beginnings"
    __table_args__ = (
        UniqueConstraint("external_userid", "journey_id", "reason", "day", name="uq_barred_beginnings_day"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    journey_id: int = Field(sa_column=Column(BigInt, nullable=False))
    version: int
    external_userid: str = Field(max_length=64)
    reason: str = Field(max_length=16)
    day: str = Field(max_length=10)
    cause: str = Field(default="", max_length=200)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    last_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    times: int = 1


class StepRecord(SQLModel, table=True):
    """What became of a step (its number and `key` in a version) for an enrolment at an instant, and why (`reason`, for
    people).

    `at`: when it was done, or when it was due. `wave_id`: of a broadcast, whose recipient tells what became of it; a
    task is known by enrolment, step and instant: in another version a step may have the same number.
    """

    __tablename__ = "step_records"
    __table_args__ = ({"sqlite_with_rowid": False},)

    enrolment_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    step: int = Field(primary_key=True)
    at: datetime = Field(sa_column=Column(UtcDateTime, primary_key=True))
    version: int
    key: str = Field(max_length=32)
    outcome: str = Field(max_length=10, description="A StepOutcome.")
    reason: str = Field(default="", max_length=200)
    wave_id: int | None = Field(default=None, sa_column=Column(BigInt))


class StepCount(SQLModel, table=True):
    """How many records there are of a step's outcome, and for how many of their enrolments the goal was reached after
    it was done (`converted`). Written with the records: to count those takes many seconds. Records that go for their
    age stay counted."""

    __tablename__ = "step_counts"
    __table_args__ = ({"sqlite_with_rowid": False},)

    journey_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    version: int = Field(primary_key=True)
    step: int = Field(primary_key=True)
    outcome: str = Field(primary_key=True, max_length=10, description="A StepOutcome.")
    number: int = Field(sa_column=Column(BigInt, nullable=False))
    converted: int = Field(sa_column=Column(BigInt, nullable=False))


class JourneyWave(SQLModel, table=True):
    """A broadcast of a journey's step: a wave of the journey's own campaign. While it is open customers are put on its
    list; then it is sent as any other is.

    `sent_with`: others said the same at the same time, and all were sent as this wave, which has the lists of all. Of
    several journeys it has a campaign of its own, and as its `journey_id` SEVERAL.
    """

    __tablename__ = "journey_waves"
    __table_args__ = (
        Index("ix_journey_waves_journey", "journey_id", "step"),
        partial_index("ix_journey_waves_open", "opened_at", where="closed_at IS NULL"),
        partial_index("ix_journey_waves_together", "sent_with", where="sent_with IS NOT NULL"),
    )

    wave_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    journey_id: int = Field(sa_column=Column(BigInt, nullable=False))
    version: int
    step: int
    opened_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    sent_with: int | None = Field(default=None, sa_column=Column(BigInt))
