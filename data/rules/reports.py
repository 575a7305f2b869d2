"""Reports: the week or month that one is about, the one before it, and when the weekly one is sent."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal, NamedTuple

from data.rules.schedule import day_began, local_datetime

Kind = Literal["week", "month"]
KINDS: tuple[Kind, ...] = ("week", "month")
#: Reports reach back to the first of these days, and no further on than the last.
FIRST_DAY, LAST_DAY = date(2010, 1, 4), date(2099, 12, 1)
MONDAY, TUESDAY = 1, 2


class Span(NamedTuple):
    """From an instant up to but not including another."""

    begin: datetime
    end: datetime


class Period(NamedTuple):
    """A week from Monday, or a month of the calendar; `last` belongs to it."""

    kind: Kind
    first: date
    last: date

    @property
    def before(self) -> Period:
        """The week or month before."""
        return period_of(self.kind, self.first - timedelta(days=1))

    @property
    def after(self) -> Period:
        """The week or month after."""
        return period_of(self.kind, self.last + timedelta(days=1))

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def until(self, day: date) -> Period:
        """As much of it as is over at the beginning of a day; of one that has not begun: nothing, `last` before
        `first`."""
        return self._replace(last=max(min(self.last, day - timedelta(days=1)), self.first - timedelta(days=1)))

    def cut(self, days: int) -> Period:
        """Its first so many days."""
        return self._replace(last=min(self.last, self.first + timedelta(days=days - 1)))

    def span(self, zone: tzinfo) -> Span:
        """Its instants by the company's clock."""
        return Span(day_began(self.first, zone), day_began(self.last + timedelta(days=1), zone))


def period_of(kind: Kind, day: date) -> Period:
    """The week or month that a day is in."""
    day = min(max(day, FIRST_DAY), LAST_DAY)
    if kind == "week":
        monday = day - timedelta(days=day.isoweekday() - 1)
        return Period(kind, monday, monday + timedelta(days=6))
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return Period(kind, first, following - timedelta(days=1))


def last_over(kind: Kind, now: datetime, zone: tzinfo) -> Period:
    """The last week or month that is over."""
    return period_of(kind, local_datetime(now, zone).date()).before


def spans_of(period: Period, now: datetime, zone: tzinfo) -> tuple[Span, Span]:
    """The instants of a period as far as they have been, and those of the one before to compare them with.

    Of a period that is not over, as much of the one before as has been of this one.
    """
    span, earlier = period.span(zone), period.before.span(zone)
    if now >= span.end:
        return span, earlier
    now = max(now, span.begin)
    return Span(span.begin, now), Span(earlier.begin, min(earlier.begin + (now - span.begin), earlier.end))


def days_of(period: Period, today: date) -> tuple[Period, Period]:
    """The same for figures by whole days, of which there are none of `today` yet."""
    had = period.until(today)
    return had, period.before if had == period else period.before.cut(had.days)


def due_week(at: time, now: datetime, zone: tzinfo) -> Period | None:
    """The week whose report is to be sent now: the last one, on Monday from `at` on, and on Tuesday what could not be
    sent then."""
    local = local_datetime(now, zone)
    if local.isoweekday() not in (MONDAY, TUESDAY) or local.time() < at:
        return None
    return last_over("week", now, zone)
