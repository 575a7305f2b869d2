"""Journeys that begin for many at once: how far all customers were gone through, and who was in a segment."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime, partial_index


class ScanKind(StrEnum):
    """`day`: a day has come, or a time of the calendar. `existing`: a person wants it to begin for all there are."""

    DAY = "day"
    EXISTING = "existing"


class JourneyScan(SQLModel, table=True):
    """The last time that all follows were gone through for a journey, by their ids: behind `after_id`, up to
    `until_id`. Whoever begins does so at `at`, on `version`.

    `only_seen`: nobody begins: it is only written down who is in the segment.
    """

    __tablename__ = "journey_scans"
    __table_args__ = (partial_index("ix_journey_scans_open", "journey_id", where="ended_at IS NULL"),)

    journey_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    kind: str = Field(primary_key=True, max_length=8, description="A ScanKind.")
    version: int
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    only_seen: bool = False
    after_id: int = Field(default=0, sa_column=Column(BigInt, nullable=False))
    until_id: int = Field(sa_column=Column(BigInt, nullable=False))
    begun: int = Field(default=0, description="So many customers have begun.")
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class JourneyMember(SQLModel, table=True):
    """A customer who was in the segment of a journey's trigger when that was looked at last."""

    __tablename__ = "journey_members"
    __table_args__ = (
        Index("ix_journey_members_external_userid", "external_userid"),
        {"sqlite_with_rowid": False},
    )

    journey_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    external_userid: str = Field(primary_key=True, max_length=64)
