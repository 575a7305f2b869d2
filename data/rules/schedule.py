"""Times of the week in the company's time zone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, PlainSerializer

from bot.phrases import Phrase
from data.rules.problems import RuleModel, SortedSet

MIDNIGHT = time()
EVERY_DAY = frozenset(range(1, 8))


def _local_time(value: Any) -> time:
    if isinstance(value, time) and value.tzinfo is None and not value.second and not value.microsecond:
        return value
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    raise ValueError(Phrase("应为 24 小时制的时间，如 09:30"))


#: `09:30` in JSON: minutes, without a zone, because the zone is the company's.
LocalTime = Annotated[
    time,
    BeforeValidator(_local_time),
    PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str),
]
#: 1 is Monday, 7 is Sunday (ISO 8601).
Weekday = Annotated[int, Field(strict=True, ge=1, le=7)]
#: An aware instant that somebody writes: one at the ends of the calendar would overflow in another zone.
Instant = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2100, 1, 1, tzinfo=UTC))]


class TimeWindow(RuleModel):
    """From `start` up to but not including `end`, on the given weekdays.

    When `end` is not after `start` the window crosses midnight and belongs to the weekday on which it starts:
    22:00 to 06:00 on Friday holds Saturday 05:59. Equal times are a full day, so the default is always.
    """

    weekdays: SortedSet[Weekday] = EVERY_DAY
    start: LocalTime = MIDNIGHT
    end: LocalTime = MIDNIGHT

    def holds(self, at: datetime, zone: tzinfo) -> bool:
        """Whether the aware instant `at` lies in the window by the wall clock of `zone`."""
        day = self.day_of(local_datetime(at, zone))
        return day is not None and day.isoweekday() in self.weekdays

    def day_of(self, local: datetime) -> date | None:
        """The day on which the window begins that holds a moment of the wall clock, whatever its weekdays."""
        if self.start < self.end:
            return local.date() if self.start <= local.time() < self.end else None
        if local.time() >= self.start:
            return local.date()
        return local.date() - timedelta(days=1) if local.time() < self.end else None

    def holds_time(self, at: time) -> bool:
        """Whether a time of the day lies in the window on the days that it is for."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


#: What people write for weekdays and between them.
_WEEKDAY_WORDS = (
    ("星期", "周"), ("礼拜", "周"), ("工作日", "1-5"), ("周末", "6-7"), ("每天", "1-7"), ("周一", "1"), ("周二", "2"),
    ("周三", "3"), ("周四", "4"), ("周五", "5"), ("周六", "6"), ("周日", "7"), ("周天", "7"), ("至", "-"), ("到", "-"),
    ("~", "-"), ("–", "-"), ("—", "-"), ("、", ","),
)  # fmt: skip
_WEEKDAYS = re.compile(r"[1-7](?:-[1-7])?(?:,[1-7](?:-[1-7])?)*")


def read_weekdays(text: str) -> list[int] | None:
    """`1-5`, `6,7`, `周一至周五`, `周末` as weekdays, 1 for Monday; `6-1` goes on over Sunday. None for anything
    else."""
    plain = unicodedata.normalize("NFKC", text).strip()
    for word, sign in _WEEKDAY_WORDS:
        plain = plain.replace(word, sign)
    if not _WEEKDAYS.fullmatch(plain):
        return None
    days: set[int] = set()
    for part in plain.split(","):
        first, *rest = (int(day) for day in part.split("-"))
        last = rest[-1] if rest else first
        days |= set(range(first, last + 1)) if first <= last else {*range(first, 8), *range(1, last + 1)}
    return sorted(days)


def any_holds(windows: Iterable[TimeWindow], at: datetime, zone: tzinfo) -> bool:
    """Whether `at` lies in one of the windows."""
    return any(window.holds(at, zone) for window in windows)


def local_datetime(at: datetime, zone: tzinfo) -> datetime:
    """`at` by the wall clock of `zone`. A naive `at` is a mistake of the caller: ValueError."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone: times are aware")
    return at.astimezone(zone)


def last_daily(at: time, zone: tzinfo, now: datetime) -> datetime:
    """The last instant up to `now` at which the wall clock of `zone` showed `at`."""
    local = local_datetime(now, zone)
    today = local.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    # By the wall clock: the day before need not be 24 hours before.
    return (today if today <= local else today - timedelta(days=1)).astimezone(UTC)


def greeting_word(at: datetime, zone: tzinfo) -> str:
    """What one says at this time of day: 早上好, 中午好, 下午好, 晚上好."""
    hour = local_datetime(at, zone).hour
    if 5 <= hour < 11:
        return "早上好"
    if 11 <= hour < 13:
        return "中午好"
    if 13 <= hour < 18:
        return "下午好"
    return "晚上好"


def day_words(day: date) -> str:
    """`5月20日`."""
    return Phrase("%(month)s月%(day)s日", month=day.month, day=day.day)


def moment_words(at: datetime, zone: tzinfo) -> str:
    """`5月20日 14:05` by the wall clock of `zone`."""
    local = local_datetime(at, zone)
    return Phrase("%(month)s月%(day)s日 %(time)s", month=local.month, day=local.day, time=f"{local:%H:%M}")


def day_began(day: date, zone: tzinfo) -> datetime:
    """The instant at which a day began by the wall clock of `zone`."""
    return datetime.combine(day, MIDNIGHT, zone).astimezone(UTC)
