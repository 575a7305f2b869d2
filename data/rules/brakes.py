"""Brakes: when a campaign pauses by itself, because WeCom refuses too much of it or a surge of customers leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

#: Where too little is known of it: what is usually lost, as a share of the contacts and a day.
ASSUMED_RATE = 0.001
#: No company is taken to lose fewer than that.
LEAST_RATE = 0.0001
#: The usual rate is that of so long before.
USUAL_DAYS = 28
#: With fewer days than these nothing is known of it.
KNOWN_DAYS = 7
_DAY = 86_400.0


@dataclass(slots=True)
class Refused:
    """What WeCom has answered to a campaign's calls. A call is in trouble when it, or part of it, was refused."""

    calls: int = 0
    refused_calls: int = 0
    troubled_calls: int = 0
    recipients: int = 0
    refused: int = 0

    def note(self, recipients: int, refused: int, *, whole: bool) -> None:
        """Count one call more."""
        self.calls += 1
        self.refused_calls += whole
        self.troubled_calls += refused > 0 or whole
        self.recipients += recipients
        self.refused += refused


def is_refused(told: Refused, percent: int, least: int) -> bool:
    """Whether so large a share of the calls, or of their recipients, is refused that the campaign pauses.

    `percent` 0: never. `least`: not before so many calls are in trouble.
    """
    if not percent or told.troubled_calls < max(least, 1):
        return False
    of_calls = told.refused_calls * 100 >= percent * told.calls
    return of_calls or told.refused * 100 >= percent * told.recipients > 0


class Reached(NamedTuple):
    """How many customers received it, and since when they could have left."""

    customers: int
    since: datetime


def usual_rate(left: int, present: int, days: float) -> float:
    """Which share of the contacts leaves in a day: `left` of `present` did in so many days."""
    if days < KNOWN_DAYS or present <= 0:
        return ASSUMED_RATE
    return max(left / (present * days), LEAST_RATE)


def expected_leaving(reached: Iterable[Reached], rate: float, since: datetime, now: datetime) -> float:
    """How many of those who received it would have left all the same from `since` on."""
    seconds = sum(each.customers * max((now - max(each.since, since)).total_seconds(), 0.0) for each in reached)
    return rate * seconds / _DAY


def is_surge(left: int, expected: float, times: float, least: int) -> bool:
    """Whether so many left that the campaign pauses. `times` 0: never; `least`: fewer are never a surge."""
    return times > 0 and left >= max(least, 1) and left >= times * expected


def counted_from(now: datetime, hours: int, accepted_at: datetime | None) -> datetime:
    """From when on those who leave count: within so many hours, and not what a person has accepted.

    A clock that was turned back does not make what is to come accepted.
    """
    begins = now - timedelta(hours=hours)
    return begins if accepted_at is None else max(begins, min(accepted_at, now))
