"""When the waves of a campaign are sent: once or again and again, in the hours that are allowed, late or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from itertools import islice, takewhile
from typing import Literal, NamedTuple

from pydantic import Field

from bot.phrases import Phrase
from data.rules.occurrences import Days, last_occurrence, list_occurrences, next_occurrence, next_open, parse_cron
from data.rules.problems import Problem, RuleModel
from data.rules.schedule import Instant, TimeWindow, moment_words

LATE_MINUTES_MAX = 7 * 24 * 60
#: What begins so soon is not late: the bell rings every two seconds, and another sending may have its turn first.
PUNCTUAL = timedelta(minutes=5)
#: So many occurrences are looked at when a wave is checked.
CHECKED = 60


class Calendar(NamedTuple):
    """The company's clock: its zone, the hours in which staff are asked to send, its holidays, and what is worked
    although it is at a weekend."""

    zone: tzinfo
    hours: TimeWindow
    holidays: Days
    workdays: Days = ()


class Late(RuleModel):
    """What becomes of a sending that could not begin in time, because the bot was not running."""

    within_minutes: int = Field(default=120, ge=0, le=LATE_MINUTES_MAX)
    then: Literal["send", "skip", "wait"] = "wait"


class Timing(RuleModel):
    """When a wave is sent: once, `at` an instant or when its campaign is started; or again and again by `cron`.

    `until`: the last day. `fresh_words`: each sending after the first wants its content written anew.
    """

    at: Instant | None = None
    cron: str | None = None
    until: date | None = None
    skip_holidays: bool = False
    fresh_words: bool = False
    late: Late = Late()

    @property
    def repeats(self) -> bool:
        return self.cron is not None

    def first_due(self, started_for: datetime, calendar: Calendar) -> datetime | None:
        """When it is due for the first time, for a campaign that is started now or for later; None: never."""
        return self.due_after(started_for, calendar) if self.repeats else self.at or started_for

    def due_after(self, after: datetime, calendar: Calendar) -> datetime | None:
        """When it is due again."""
        if self.cron is None:
            return None
        cron, without = parse_cron(self.cron), self._without(calendar)
        return next_occurrence(cron, after, calendar.zone, until=self.until, without=without)

    def list_due(self, begin: datetime, end: datetime, calendar: Calendar) -> Sequence[datetime]:
        """When it repeats from `begin` until before `end`."""
        if self.cron is None:
            return ()
        return _list_due(self.cron, begin, end, calendar.zone, self.until, tuple(self._without(calendar)))

    def following(self, after: datetime, now: datetime, calendar: Calendar) -> datetime | None:
        """When it is due again; of several times that have passed since, the last."""
        due = self.due_after(after, calendar)
        if self.cron is None or due is None or due > now:
            return due
        cron, without = parse_cron(self.cron), self._without(calendar)
        return last_occurrence(cron, due, now, calendar.zone, until=self.until, without=without) or due

    def _without(self, calendar: Calendar) -> Days:
        return calendar.holidays if self.skip_holidays else ()


@lru_cache(maxsize=2_000)
def _list_due(
    line: str, begin: datetime, end: datetime, zone: tzinfo, until: date | None, without: Days
) -> tuple[datetime, ...]:
    """Kept: to find one takes APScheduler a tenth of a millisecond, and a month is looked at again and again."""
    found = list_occurrences(parse_cron(line), begin - timedelta(microseconds=1), zone, until=until, without=without)
    return tuple(takewhile(lambda at: at < end, found))


def problems(timing: Timing, now: datetime, calendar: Calendar) -> list[Problem]:
    """What keeps a wave from being sent so."""
    if timing.at is not None and timing.cron is not None:
        return [Problem("timing", Phrase("at 和 cron 只能填写一个"))]
    if timing.cron is None:
        found = [
            Problem(f"timing.{name}", Phrase("只用于按 cron 重复的发送"))
            for name, given in (("until", timing.until), ("skip_holidays", timing.skip_holidays),
                                ("fresh_words", timing.fresh_words))
            if given
        ]  # fmt: skip
        if timing.at is not None and timing.at <= now:
            found.append(Problem("timing.at", Phrase("时间已经过去")))
        return found + _outside_hours("timing.at", [timing.at] if timing.at else [], calendar)
    try:
        cron = parse_cron(timing.cron)
    except ValueError as error:
        return [Problem("timing.cron", str(error))]
    without: Days = calendar.holidays if timing.skip_holidays else ()
    ahead = list(islice(list_occurrences(cron, now, calendar.zone, until=timing.until, without=without), CHECKED))
    if not ahead:
        return [Problem("timing.cron", Phrase("这个时间不会再出现"))]
    return _outside_hours("timing.cron", ahead, calendar)


def _outside_hours(path: str, ats: Sequence[datetime], calendar: Calendar) -> list[Problem]:
    hours = calendar.hours
    for at in ats:
        if not hours.holds(at, calendar.zone):
            when = moment_words(at, calendar.zone)
            return [
                Problem(
                    path,
                    Phrase(
                        "%(when)s 不在允许发送的时间（%(start)s–%(end)s）之内",
                        when=when,
                        start=f"{hours.start:%H:%M}",
                        end=f"{hours.end:%H:%M}",
                    ),
                )
            ]
    return []


class Closed(NamedTuple):
    """A sending that is over at `ends` before staff may be asked, from `opens` on: nothing of it would be sent."""

    ends: datetime
    opens: datetime


def find_closed(valid_hours: int, due_at: datetime, calendar: Calendar) -> Closed | None:
    """Whether all the time of a sending that is due then lies in hours in which staff are not asked."""
    ends, opens = due_at + timedelta(hours=valid_hours), next_open(calendar.hours, due_at, calendar.zone)
    return Closed(ends, opens) if opens >= ends else None


def warnings(timing: Timing, valid_hours: int, now: datetime, calendar: Calendar) -> list[str]:
    """What keeps a wave from being sent if it were started now."""
    due_at = timing.first_due(now, calendar)
    closed = find_closed(valid_hours, due_at, calendar) if due_at is not None else None
    if closed is None:
        return []
    opens, ends = (moment_words(at, calendar.zone) for at in (closed.opens, closed.ends))
    return [
        Phrase(
            "要到 %(opens)s 才可以请员工发送，而它的有效期（%(valid_hours)s 小时）到 %(ends)s 就结束：不会有人收到",
            opens=opens,
            valid_hours=valid_hours,
            ends=ends,
        )
    ]


class Turn(StrEnum):
    """What becomes of a sending whose turn it is."""

    GO = "go"
    SKIP = "skip"
    WAIT = "wait"
    #: A later one of the same wave is due as well, and one is enough.
    SUPERSEDED = "superseded"


def judge(late: Late, due_at: datetime, next_due: datetime | None, now: datetime) -> Turn:
    """What becomes of a sending that was due at `due_at`; `next_due` is when its wave is due again."""
    if next_due is not None and next_due <= now:
        return Turn.SUPERSEDED
    if now - due_at <= max(timedelta(minutes=late.within_minutes), PUNCTUAL):
        return Turn.GO
    return {"send": Turn.GO, "skip": Turn.SKIP, "wait": Turn.WAIT}[late.then]
