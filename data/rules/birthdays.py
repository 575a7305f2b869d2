"""Birthdays by the solar calendar (公历) and by the lunar one (农历): which ones are celebrated on a day.

29 February is celebrated on 28 February where the year has none, the 30th of a lunar month on the 29th where the month
is short. A birthday in a leap month (闰月) is celebrated in the leap month of a year that has it, and in the ordinary
month of that number otherwise.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import NamedTuple

from borax.calendars.lunardate import LCalendars, LunarDate

SOLAR, LUNAR = "solar", "lunar"
#: The lunar calendar is known for these solar years, as a whole.
LUNAR_YEARS = range(1901, 2100)


class BirthdayKey(NamedTuple):
    """A birthday without its year; `month_day` is month * 100 + day, as in the table."""

    calendar: str
    month_day: int
    is_leap_month: bool = False


def celebrated_on(day: date) -> frozenset[BirthdayKey]:
    """The birthdays that are celebrated on a (solar) day. Beyond the known lunar years only the solar ones."""
    found = {BirthdayKey(SOLAR, day.month * 100 + day.day)}
    if (day.month, day.day) == (2, 28) and not calendar.isleap(day.year):
        found.add(BirthdayKey(SOLAR, 229))
    if day.year in LUNAR_YEARS:
        found |= _lunar(LunarDate.from_solar(day))
    return frozenset(found)


def _lunar(day: LunarDate) -> set[BirthdayKey]:
    """The lunar birthdays of a lunar day."""
    is_leap = bool(day.leap)
    days = {day.day}
    if day.day == 29 and LCalendars.ndays(day.year, day.month, day.leap) == 29:
        days.add(30)
    kinds = {is_leap}
    if not is_leap and LCalendars.leap_month(day.year) != day.month:
        kinds.add(True)
    return {BirthdayKey(LUNAR, day.month * 100 + each, kind) for each in days for kind in kinds}


def upcoming(today: date, days: int) -> frozenset[BirthdayKey]:
    """The birthdays that are celebrated today or within so many days after."""
    return frozenset().union(*(celebrated_on(today + timedelta(days=ahead)) for ahead in range(days + 1)))
