"""When a step of a journey is due: an offset and a time of the day by the company's clock, moved to where staff and
customers may be disturbed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal

from pydantic import Field

from bot.phrases import Phrase
from data.rules.occurrences import among, is_workday, next_open
from data.rules.problems import Problem, RuleModel
from data.rules.schedule import LocalTime, day_began, local_datetime
from data.rules.timings import Calendar

OFFSET_DAYS_MAX = 730
MINUTES_MAX = 30 * 24 * 60
LATE_HOURS_MAX = 30 * 24
#: Holidays in a row that are looked beyond; more than a year of them is a mistake in the settings.
DAYS_LOOKED_AT = 400


class When(RuleModel):
    """`days` calendar days after the step before it was done (or after the journey began, `since`), `at` a time of the
    day, or at the same time as that; or so many `minutes` after it.

    Never before what it counts from: at 09:00 on a day that is at ten already is the next day's 09:00.
    `only`: on working days (no weekend but one that is worked, no holiday), or on days without holidays.
    """

    since: Literal["step", "start"] = "step"
    days: Annotated[int, Field(strict=True, ge=0, le=OFFSET_DAYS_MAX)] = 0
    at: LocalTime | None = None
    minutes: Annotated[int, Field(strict=True, ge=1, le=MINUTES_MAX)] | None = None
    only: Literal["any", "workdays", "no_holidays"] = "any"


class LateStep(RuleModel):
    """What becomes of a step that could not be done in time, because the bot was not running: until `within_hours`
    after it was due it is done all the same, later it is done or skipped."""

    within_hours: Annotated[int, Field(strict=True, ge=0, le=LATE_HOURS_MAX)] = 12
    then: Literal["do", "skip"] = "skip"


def when_problems(when: When, path: str) -> list[Problem]:
    """What does not go together."""
    if when.minutes is not None and (when.days or when.at is not None):
        return [Problem(f"{path}.minutes", Phrase("minutes 不能和 days、at 一起填写"))]
    return []


def due_at(when: When, started_at: datetime, before_at: datetime, calendar: Calendar, *, disturbs: bool) -> datetime:
    """The instant at which a step is due. `before_at`: when the step before it was done.

    A step that `disturbs` somebody is moved to the hours in which that is allowed. A time of the day that the clock
    skips is due when it has skipped it; of one that it shows twice the first counts. Raises ValueError where there is
    no day for it within more than a year.
    """
    since = before_at if when.since == "step" else started_at
    earliest = max(since, before_at)
    zone = calendar.zone
    if when.minutes is not None:
        return _open(max(since + timedelta(minutes=when.minutes), earliest), when, calendar, disturbs)
    local = local_datetime(since, zone)
    day = local.date() + timedelta(days=when.days)
    if when.at is None:
        return _open(max(_at(day, local.time(), zone), earliest), when, calendar, disturbs)
    # Counted from the beginning its day may be over since long.
    day = max(day, local_datetime(earliest, zone).date())
    found = _at(day, when.at, zone)
    if found < earliest:
        found = _at(day + timedelta(days=1), when.at, zone)
    return _open(found, when, calendar, disturbs)


def _at(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)


def _open(at: datetime, when: When, calendar: Calendar, disturbs: bool) -> datetime:
    """`at`, or the first instant after it on a day and in the hours that are allowed."""
    zone = calendar.zone
    for _ in range(DAYS_LOOKED_AT):
        at = next_open(calendar.hours, at, zone) if disturbs else at
        day = local_datetime(at, zone).date()
        if _is_allowed(day, when.only, calendar):
            return at
        tomorrow = day + timedelta(days=1)
        at = day_began(tomorrow, zone) if when.at is None else _at(tomorrow, when.at, zone)
    raise ValueError("a step is never due, no day within more than a year is allowed")


def _is_allowed(day: date, only: str, calendar: Calendar) -> bool:
    if only == "workdays":
        return is_workday(day, calendar.holidays, calendar.workdays)
    return only == "any" or not among(day, calendar.holidays)


def next_allowed(when: When, at: datetime, calendar: Calendar, *, disturbs: bool) -> datetime:
    """`at`, or the first instant after it at which the step may be done. Raises ValueError as `due_at`."""
    return _open(at, When(only=when.only), calendar, disturbs)


def same_time_next_day(when: When, at: datetime, calendar: Calendar, *, disturbs: bool) -> datetime:
    """When a step is tried again that could not be done at `at`: on the next day that is allowed, at the time of the
    day that it names, or the same. Raises ValueError as `due_at`."""
    return due_at(When(days=1, at=when.at, only=when.only), at, at, calendar, disturbs=disturbs)


def is_too_late(late: LateStep, due: datetime, now: datetime) -> bool:
    """Whether a step that was due then is not to be done any more."""
    return late.then == "skip" and now - due > timedelta(hours=late.within_hours)
