"""Caps on what reaches a customer beside their own wishes: WeCom's on group-sends, and the company's on everything."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
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


class DaysCap(NamedTuple):
    """At most `most` messages within any `days` days of the company's calendar, today included."""

    days: int
    most: int


def caps_now(caps: Iterable[DaysCap], now: datetime, zone: tzinfo) -> tuple[Cap, ...]:
    """The same as they hold on the day of `now`, the shortest first."""
    return tuple(Cap(window_start(now, zone, cap.days), cap.most) for cap in sorted(caps))
