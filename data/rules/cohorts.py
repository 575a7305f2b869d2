"""Cohorts: the relations that began in a week or month, and how many are still there some days later."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from data.rules.reports import Kind, Period, period_of

#: After so many days it is looked whether a relation is still there.
AGES = (1, 7, 30, 90)
#: A quarter of weeks, a year of months, and the one that goes on.
SHOWN = 13


class Kept(NamedTuple):
    """Of the relations that `began`, how many were there after each of `AGES`."""

    began: int
    after_1: int
    after_7: int
    after_30: int
    after_90: int

    @property
    def after(self) -> tuple[int, ...]:
        """By age."""
        return self[1:]


def periods(kind: Kind, today: date) -> list[Period]:
    """The weeks or months that are shown, the one that goes on first."""
    found = [period_of(kind, today)]
    while len(found) < SHOWN:
        found.append(found[-1].before)
    return found


def is_final(period: Period, counted_on: date) -> bool:
    """Whether all of its relations had every age when they were counted: nothing changes any more."""
    return has_age(period, AGES[-1], counted_on)


def has_age(period: Period, age: int, today: date) -> bool:
    """Whether all of its relations are at least so many days old at the beginning of a day."""
    return today > period.last + timedelta(days=age)


def keep(began: int, ended: Iterable[tuple[datetime, datetime]]) -> Kept:
    """Count relations of which some have ended, given as when they began and ended."""
    lost = [0] * len(AGES)
    for added_at, ended_at in ended:
        for number, age in enumerate(AGES):
            lost[number] += ended_at < added_at + timedelta(days=age)
    return Kept(began, *(began - each for each in lost))
