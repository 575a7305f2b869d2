"""Enrolments that move to a newer version of their journey: at which step they go on, and when that is due."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bot.phrases import Phrase
from data.rules.journey_steps import Standing
from data.rules.journey_times import due_at
from data.rules.journeys import Journey
from data.rules.problems import Problem
from data.rules.timings import Calendar


class Waiting(NamedTuple):
    """So many customers who wait for a step of a version; `key` is empty behind the last one."""

    version: int
    step: int
    key: str
    customers: int


#: By the version and the number of a step: the number of the one at which those go on who wait for it.
Ways = Mapping[tuple[int, int], int]


def key_of(journey: Journey, step: int) -> str:
    """The key of a step; empty behind the last one."""
    return journey.steps[step].key if step < len(journey.steps) else ""


def find_ways(waiting: Sequence[Waiting], newest: Journey, told: Mapping[str, str]) -> dict[tuple[int, int], int]:
    """Where those go on who wait for a step: at the one of the same key or, as `told`, at another; those behind the
    last step stay there. A step that is neither there nor told has no way."""
    ways: dict[tuple[int, int], int] = {}
    for each in waiting:
        number = newest.places.get(told.get(each.key, each.key)) if each.key else len(newest.steps)
        if number is not None:
            ways[each.version, each.step] = number
    return ways


def way_problems(waiting: Sequence[Waiting], newest: Journey, told: Mapping[str, str], ways: Ways) -> Iterator[Problem]:
    """What keeps them from being moved: steps that are gone, and ways that lead to none."""
    for key, to in told.items():
        if to not in newest.places:
            yield Problem(f"steps.{key}", Phrase("新版本里没有步骤 %(to)s", to=to))
        elif key not in {each.key for each in waiting if each.key}:
            yield Problem(f"steps.{key}", Phrase("没有客户在等步骤 %(key)s", key=key))
    for each in waiting:
        if (each.version, each.step) not in ways and each.key not in told:
            message = Phrase(
                "第 %(version)s 版有 %(customers)s 位客户在等这一步，新版本里没有：请写明从哪一步继续",
                version=each.version,
                customers=each.customers,
            )
            yield Problem(f"steps.{each.key}", message)


def moved(
    before: Journey, newest: Journey, standing: Standing, number: int, now: datetime, calendar: Calendar
) -> Standing:
    """Where a customer stands in the newest version who goes on at its step `number`.

    Where the step is due as it was before, nothing changes; else it is due as it says now, not before `now`. Raises
    ValueError where it is never due.
    """
    ends = len(newest.steps)
    if number >= ends:
        due = standing.before_at + timedelta(days=newest.goal_days)
        return standing._replace(step=number, due_at=max(due, now), wanted_at=None)
    step = newest.steps[number]
    if standing.step < len(before.steps):
        was = before.steps[standing.step]
        if (was.when, was.disturbs) == (step.when, step.disturbs):
            return standing._replace(step=number)
    due = due_at(step.when, standing.started_at, standing.before_at, calendar, disturbs=step.disturbs)
    return standing._replace(step=number, due_at=max(due, now), wanted_at=None)
