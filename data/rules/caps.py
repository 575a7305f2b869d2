"""Caps on what reaches a customer beside their own wishes: WeCom's on group-sends, and the company's on everything."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple

from data.rules.preferences import window_start
from data.rules.schedule import MIDNIGHT, local_datetime

#: What an administrator of the company chose in WeCom: as many a month as it has days, seven a week, or one a day.
WecomCap = Literal["month", "week", "day"]


class Cap(NamedTuple):
    """At most `most` since an instant."""

    since: datetime
    most: int


def wecom_cap(kind: WecomCap, now: datetime, zone: tzinfo) -> Cap:
    """How many group-sends WeCom lets reach a customer in the period of `now` (WeCom doc 92135).

    A week is taken to begin on Monday: WeCom does not say.
    """
    day = local_datetime(now, zone).date()
    if kind == "day":
        first, most = day, 1
    elif kind == "week":
        first, most = day - timedelta(days=day.weekday()), 7
    else:
        first, most = day.replace(day=1), calendar.monthrange(day.year, day.month)[1]
    return Cap(datetime.combine(first, MIDNIGHT, zone).astimezone(UTC), most)


def company_cap(count: int, days: int, now: datetime, zone: tzinfo) -> Cap | None:
    """How many messages of all kinds may reach a customer within so many days, today included; None: any number."""
    return Cap(window_start(now, zone, days), count) if count else None
