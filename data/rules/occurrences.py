"""When something that repeats is due: cron times by the company's wall clock, its holidays, the hours in which staff
are asked."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Any, NamedTuple

from bot.phrases import Phrase
from data.rules.schedule import TimeWindow, local_datetime

CRON_MAX_LENGTH = 100
#: A day that never comes (31 November) is not looked for until the year 9999: that would take seconds.
YEARS = "2000-2099"
#: So many times without one that counts: there is none.
TRIES = 2000
SATURDAY = 6
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?P<first>\*|[a-z]{3}|\d)(?:-(?P<last>[a-z]{3}|\d))?(?:/(?P<step>\d{1,2}))?")
#: From and to, both included.
Days = Sequence[tuple[date, date]]


def among(day: date, days: Days) -> bool:
    """Whether a day is one of those."""
    return any(first <= day <= last for first, last in days)


def is_workday(day: date, holidays: Days, worked: Days) -> bool:
    """Whether a company works on a day: from Monday to Friday but on holidays, and on what is `worked` all the same."""
    return among(day, worked) or (day.isoweekday() < SATURDAY and not among(day, holidays))


class Cron(NamedTuple):
    """A cron line that can be used. `trigger` computes with wall clock times."""

    line: str
    trigger: Any


def parse_cron(line: str) -> Cron:
    """Five fields: minute, hour, day of the month, month, weekday (0 or 7 is Sunday). Raises ValueError with why not.

    One minute only, so that nothing is sent more often than once an hour.
    """
    from apscheduler.triggers.cron import CronTrigger

    fields = line.lower().split()
    if len(fields) != 5 or len(line) > CRON_MAX_LENGTH:
        raise ValueError(Phrase("应为 5 个字段：分 时 日 月 周，如 0 10 * * 1"))
    minute, hour, day, month, weekday = fields
    if not minute.isdecimal():
        raise ValueError(Phrase("分钟应为一个数字：最多每小时发送一次"))
    if day != "*" and weekday != "*":
        raise ValueError(Phrase("日和周只能限定一个，另一个写 *"))
    try:
        trigger = CronTrigger(
            year=YEARS, minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=UTC
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(Phrase("不能识别的 cron 写法：%(line)s", line=line)) from error
    return Cron(line, trigger)


def _weekdays(field: str) -> str:
    """The weekdays as names: numbers mean other days to APScheduler than to cron."""
    if field == "*":
        return field
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(part)
        first, last, step = match["first"], match["last"], match["step"]
        if first == "*":
            begin, end = 0, 6
        else:
            begin = _weekday(first)
            end = _weekday(last) if last else begin
            # Up to Sunday: 7, at the end of the week.
            end = 7 if last and end == 0 and begin > 0 else end
        if begin > end or (first == "*" and last) or (step and not last and first != "*") or step == "0":
            raise ValueError(part)
        found |= {number % 7 for number in range(begin, end + 1, int(step or 1))}
    return ",".join(_WEEKDAYS[number] for number in sorted(found))


def _weekday(word: str) -> int:
    number = int(word) if word.isdecimal() else _WEEKDAYS.index(word)
    if number > 7:
        raise ValueError(word)
    return number % 7


def list_occurrences(
    cron: Cron, after: datetime, zone: tzinfo, *, until: date | None = None, without: Days = ()
) -> Iterator[datetime]:
    """The instants after `after`, ascending, up to the day `until`, on none of the days `without`.

    Each wall clock time counts once: what the clock skips is due when it has skipped it, and of what it shows twice the
    first. (With a zone of its own APScheduler repeats the second for ever.)
    """
    # What the clock has skipped may still be to come although it shows a later time already.
    wall = local_datetime(after, zone).replace(tzinfo=UTC) - timedelta(hours=1)
    for _ in range(TRIES):
        found = cron.trigger.get_next_fire_time(None, wall + timedelta(microseconds=1))
        if found is None or (until is not None and found.date() > until):
            return
        wall = found
        at = found.replace(tzinfo=zone).astimezone(UTC)
        if at > after and not among(found.date(), without):
            after = at
            yield at


def next_occurrence(
    cron: Cron, after: datetime, zone: tzinfo, *, until: date | None = None, without: Days = ()
) -> datetime | None:
    """The first instant after `after`, if there is one."""
    return next(list_occurrences(cron, after, zone, until=until, without=without), None)


def last_occurrence(
    cron: Cron, after: datetime, upto: datetime, zone: tzinfo, *, until: date | None = None, without: Days = ()
) -> datetime | None:
    """The last instant in (after, upto], if there is one. What lies long before `upto` is not gone through."""
    back = timedelta(hours=2)
    while True:
        begin = max(after, upto - back)
        found = list_occurrences(cron, begin, zone, until=until, without=without)
        last = deque(takewhile(lambda at: at <= upto, found), maxlen=1)
        if last or begin == after:
            return last[0] if last else None
        back *= 4


def next_open(window: TimeWindow, at: datetime, zone: tzinfo) -> datetime:
    """`at`, or the next instant that lies in the window."""
    if window.holds(at, zone):
        return at
    local = local_datetime(at, zone)
    for days in range(9):
        day = local.date() + timedelta(days=days)
        opens = datetime.combine(day, window.start, zone).astimezone(UTC)
        if opens > at and window.holds(opens, zone):
            return opens
    raise ValueError("the window never opens")
