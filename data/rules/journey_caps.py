"""Limits on what reaches one customer over all journeys and campaigns (触达上限), counted by days of the calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from data.rules.caps import Cap, DaysCap
from data.rules.preferences import window_start


def since_of(caps: Iterable[DaysCap], at: datetime, zone: tzinfo) -> datetime | None:
    """From when on messages count for the widest of the caps; None: there is no cap."""
    days = [cap.days for cap in caps]
    return window_start(at, zone, max(days)) if days else None


def is_full(cap: Cap, sent: Iterable[datetime]) -> bool:
    """Whether WeCom would likely not deliver another group-send; `sent`: when those before reached the customer, or
    were asked for that may still reach them."""
    return sum(at >= cap.since for at in sent) >= cap.most


def room(caps: Iterable[DaysCap], touched: Sequence[datetime], at: datetime, zone: tzinfo) -> int | None:
    """How many more messages the caps leave room for on the day of `at`; None: any number.

    `touched`: when messages reached the customer, or were asked for that may still reach them.
    """
    left = [cap.most - _count(touched, window_start(at, zone, cap.days)) for cap in caps]
    return max(min(left), 0) if left else None


def _count(touched: Sequence[datetime], since: datetime) -> int:
    return sum(at >= since for at in touched)
