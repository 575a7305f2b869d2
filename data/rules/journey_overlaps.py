"""Journeys by the calendar that would not begin on a day for those who are on them still since the one before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from bot.phrases import Phrase
from data.rules.enrolments import may_begin_again
from data.rules.journey_times import due_at
from data.rules.journey_triggers import OnCalendar
from data.rules.journeys import Branch, Journey
from data.rules.occurrences import list_occurrences, parse_cron
from data.rules.problems import Problem
from data.rules.schedule import moment_words
from data.rules.timings import Calendar

#: Days of the calendar that are compared: of a weekly one more than a year of them.
COMPARED = 60
_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def problems(journey: Journey, calendar: Calendar) -> Iterator[Problem]:
    """That a journey is over too late for its next day, as far as all of its customers go the same way."""
    after_days = journey.again.after_days
    if not isinstance(journey.trigger, OnCalendar) or after_days is None or _is_branched(journey):
        return
    try:
        cron = parse_cron(journey.trigger.cron)
        days = list(islice(list_occurrences(cron, _FROM, calendar.zone), COMPARED))
        for number, began in enumerate(days):
            ahead = (at for at in days[number + 1 :] if may_begin_again(began, after_days, at, calendar.zone))
            over, again = _over_at(journey, began, calendar), next(ahead, None)
            if again is None or over < again:
                continue
            words = Phrase(
                "%(began)s 开始的客户到 %(over)s 才走完，%(again)s 那次不会为他们开始：请缩短步骤或 goal_days",
                began=moment_words(began, calendar.zone),
                over=moment_words(over, calendar.zone),
                again=moment_words(again, calendar.zone),
            )
            yield Problem("steps" if journey.goal is None else "goal_days", words)
            return
    except ValueError:
        return  # no such line, or a year of holidays: others tell of that


def _is_branched(journey: Journey) -> bool:
    return any(isinstance(step.action, Branch) for step in journey.steps)


def _over_at(journey: Journey, began_at: datetime, calendar: Calendar) -> datetime:
    """When it is over for a customer for whom all of its steps are done. Raises ValueError where one is never due."""
    over = began_at
    for step in journey.steps:
        over = due_at(step.when, began_at, over, calendar, disturbs=step.disturbs)
    return over if journey.goal is None else over + timedelta(days=journey.goal_days)
