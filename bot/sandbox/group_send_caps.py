"""How many group-sends a customer or group may still receive: by month, week or day of China's calendar."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from bot.sandbox.group_sends import SENT, GroupSends
from bot.sandbox.population import DAY_SECONDS, Population
from bot.sandbox.settings import GroupSendCap
from bot.sandbox.world import CHINA_SECONDS

Period = tuple[float, float, int]


def period_of(cap: GroupSendCap, at: float) -> Period:
    """(begin, end, most) of the period in which `at` lies, epoch seconds: so many a customer may receive in it."""
    day = datetime.fromtimestamp(at + CHINA_SECONDS, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if cap == "day":
        begin, days, most = day, 1, 1
    elif cap == "week":
        begin, days, most = day - timedelta(days=day.weekday()), 7, 7
    else:
        days = most = calendar.monthrange(day.year, day.month)[1]
        begin = day.replace(day=1)
    start = begin.timestamp() - CHINA_SECONDS
    return start, start + days * DAY_SECONDS, most


class Received:
    """Counts what everyone received in the period that was asked about last; a customer of the base costs one byte."""

    def __init__(self, population: Population, sends: GroupSends) -> None:
        self._population, self._sends = population, sends
        self._period: Period | None = None
        self._base = bytearray()
        self._others: dict[str, int] = {}

    def take(self, id_: str, period: Period) -> bool:
        """Whether the customer or group may receive one more in the period; if so, count it."""
        if period != self._period:
            self._count(period)
        slot = self._population.slot(id_)
        most = period[2]
        if slot is None:
            received = self._others.get(id_, 0)
            if received < most:
                self._others[id_] = received + 1
            return received < most
        if self._base[slot] >= most:
            return False
        self._base[slot] += 1
        return True

    def _count(self, period: Period) -> None:
        """Count anew: after a start, in a new period, or when the cap was changed."""
        self._period = period
        self._base = bytearray(self._population.customers)
        self._others = {}
        begin, end, _ = period
        for send in self._sends:
            for task in self._sends.tasks(send.msgid).values():
                if begin <= task.send_time < end:
                    for id_, result in task.slice(0, len(task)):
                        if result == SENT:
                            self._add(id_)

    def _add(self, id_: str) -> None:
        slot = self._population.slot(id_)
        if slot is None:
            self._others[id_] = self._others.get(id_, 0) + 1
        else:
            self._base[slot] = min(255, self._base[slot] + 1)
