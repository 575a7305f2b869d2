"""Days on which journeys begin: birthdays, dates in fields, silence, segments and the company's calendar."""

from __future__ import annotations

import calendar as months
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from data.rules.birthdays import BirthdayKey, celebrated_on
from data.rules.journey_triggers import Anniversary, Entered, FieldDay, OnCalendar, Silent
from data.rules.occurrences import list_occurrences, parse_cron
from data.rules.schedule import day_began, local_datetime
from data.rules.timings import Calendar

#: Triggers for which all customers are gone through.
DAY_TRIGGERS = (Anniversary, FieldDay, Silent, Entered, OnCalendar)
#: Days that passed while the program was not running are made up for, so many of them.
CAUGHT_UP = timedelta(days=31)


class Look(NamedTuple):
    """When it is looked who begins a journey: at the beginning of a day, or at a time of the calendar."""

    at: datetime
    day: date


def next_look(trigger: Any, looked_until: datetime, now: datetime, calendar: Calendar) -> Look | None:
    """The first look after `looked_until` whose time has come; of who has come to be in a segment only the last."""
    if isinstance(trigger, OnCalendar):
        without = calendar.holidays if trigger.skip_holidays else ()
        found = next(list_occurrences(parse_cron(trigger.cron), looked_until, calendar.zone, without=without), None)
        return Look(found, local_datetime(found, calendar.zone).date()) if found is not None and found <= now else None
    if isinstance(trigger, Entered):
        day = local_datetime(now, calendar.zone).date()
    else:
        day = local_datetime(looked_until, calendar.zone).date()
        if day_began(day, calendar.zone) <= looked_until:
            day += timedelta(days=1)
    at = day_began(day, calendar.zone)
    return Look(at, day) if looked_until < at <= now else None


def list_birthdays(trigger: Anniversary, day: date) -> frozenset[BirthdayKey]:
    """The birthdays for which a journey begins on a day."""
    return celebrated_on(day + timedelta(days=trigger.days_before))


class FieldDates(NamedTuple):
    """Dates for which a journey begins: `last`, or with `yearly` all up to it on one of the days (`MM-DD`)."""

    last: str
    yearly: tuple[str, ...] = ()

    def hold(self, value: str) -> bool:
        """Whether a date, as a field keeps it, is one of them."""
        return value == self.last or (value <= self.last and value[5:] in self.yearly)


def field_dates(trigger: FieldDay, day: date) -> FieldDates:
    """The dates in the field for which a journey begins on a day."""
    due = day - timedelta(days=trigger.days)
    if not trigger.yearly:
        return FieldDates(due.isoformat())
    leap = ("02-29",) if (due.month, due.day) == (2, 28) and not months.isleap(due.year) else ()
    return FieldDates(due.isoformat(), (due.isoformat()[5:], *leap))


def silent_span(trigger: Silent, day: date, calendar: Calendar) -> tuple[datetime, datetime]:
    """When customers have last done something, from and up to, for whom so many days are full on a day."""
    last = day - timedelta(days=trigger.days)
    return day_began(last, calendar.zone), day_began(last + timedelta(days=1), calendar.zone)


def cause_of(trigger: Any, look: Look, calendar: Calendar) -> str:
    """What begins a journey, in a word or two."""
    match trigger:
        case OnCalendar():
            return f"calendar {local_datetime(look.at, calendar.zone):%Y-%m-%d %H:%M}"
        case FieldDay():
            return f"date_field {trigger.field} {look.day}"
        case Silent():
            return f"silent {trigger.days} {look.day}"
        case _:
            return f"{trigger.on} {look.day}"
