"""Digests: on which days they are sent, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from data.rules.occurrences import Days, is_workday
from data.rules.schedule import local_datetime

#: One that could not be sent in time is sent so much later at most.
LATE = timedelta(hours=6)
#: What else would be told of the day so long before or after it is told in it.
TOGETHER = timedelta(hours=1)


class DigestDays(NamedTuple):
    """On which days the company is told something: every day, or those on which it works.

    `workdays` are worked although they are at a weekend, `holidays` are not.
    """

    zone: tzinfo
    every_day: bool = False
    holidays: Days = ()
    workdays: Days = ()

    def holds(self, day: date) -> bool:
        """Whether it is such a day."""
        return self.every_day or is_workday(day, self.holidays, self.workdays)


def due_day(at: time, days: DigestDays, now: datetime) -> date | None:
    """The day whose digest is to be sent now, if its time has come and is not long over.

    Of a time that the clock shows twice the first counts, of one that it skips the instant after.
    """
    today, due = _today(at, days, now)
    return today if days.holds(today) and due <= now <= due + LATE else None


def comes(at: time, days: DigestDays, now: datetime) -> bool:
    """Whether the day of `now` has a digest, for which it is not too late."""
    today, due = _today(at, days, now)
    return days.holds(today) and now <= due + LATE


def is_together(at: time, digest_at: time) -> bool:
    """Whether what is told at a time of the day is told in a digest of that day."""
    day = date.min
    return abs(datetime.combine(day, at) - datetime.combine(day, digest_at)) <= TOGETHER


def _today(at: time, days: DigestDays, now: datetime) -> tuple[date, datetime]:
    today = local_datetime(now, days.zone).date()
    return today, datetime.combine(today, at, days.zone).astimezone(UTC)
