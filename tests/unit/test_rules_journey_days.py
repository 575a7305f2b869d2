"""On which days journeys begin, and for whom."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from data.rules.birthdays import LUNAR, SOLAR, BirthdayKey
from data.rules.journey_days import Look, cause_of, field_dates, list_birthdays, next_look, silent_span
from data.rules.journey_triggers import Anniversary, FieldDay, Silent, Trigger
from data.rules.schedule import TimeWindow, day_began, local_datetime
from data.rules.timings import Calendar
from tests.unit.test_rules_journeys import CALENDAR

TRIGGER: TypeAdapter[Any] = TypeAdapter(Trigger)
ZONE = CALENDAR.zone
DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))


def looks(trigger: dict[str, Any], since: datetime, now: datetime, calendar: Calendar = CALENDAR) -> list[Look]:
    """All looks between two instants, each as if it had been done."""
    found: list[Look] = []
    while (look := next_look(TRIGGER.validate_python(trigger), since, now, calendar)) is not None:
        found.append(look)
        since = look.at
    return found


@given(st.integers(0, 2 * 365 * 24 * 3600), st.integers(0, 20))
def test_each_day_that_begins_is_looked_at_once_and_in_order(seconds: int, days: int) -> None:
    since = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    for zone in (ZONE, ZoneInfo("America/New_York")):
        now, calendar = since + timedelta(days=days, hours=7), CALENDAR._replace(zone=zone)
        found = looks({"on": "birthday"}, since, now, calendar)
        first, last = local_datetime(since, zone).date(), local_datetime(now, zone).date()
        expected = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        expected = [day for day in expected if since < day_began(day, zone) <= now]
        assert [look.day for look in found] == expected
        assert [look.at for look in found] == [day_began(day, zone) for day in expected]


def test_of_a_segment_only_the_last_day_is_looked_at() -> None:
    since = datetime(2026, 3, 1, 12, tzinfo=UTC)
    segment = {"on": "segment", "segment": {"tags": {"tag_ids": ["et1"]}}}
    assert [look.day for look in looks(segment, since, since + timedelta(days=5))] == [date(2026, 3, 6)]
    assert looks(segment, since, since + timedelta(hours=1)) == []


def test_the_calendar_is_looked_at_at_its_times() -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    member_day = {"on": "calendar", "cron": "0 10 18 * *"}
    found = looks(member_day, since, datetime(2026, 5, 18, 2, tzinfo=UTC))
    assert [f"{look.at:%m-%d %H}" for look in found] == ["03-18 02", "04-18 02", "05-18 02"]
    assert cause_of(TRIGGER.validate_python(member_day), found[0], CALENDAR) == "calendar 2026-03-18 10:00"
    closed = CALENDAR._replace(holidays=((date(2026, 4, 10), date(2026, 4, 20)),))
    without = looks({**member_day, "skip_holidays": True}, since, datetime(2026, 5, 19, tzinfo=UTC), closed)
    assert [look.day.month for look in without] == [3, 5]


@pytest.mark.parametrize(
    ("day", "ahead", "key"),
    [
        (date(2026, 3, 2), 0, BirthdayKey(SOLAR, 302)),
        (date(2026, 2, 26), 3, BirthdayKey(SOLAR, 301)),
        (date(2027, 2, 28), 0, BirthdayKey(SOLAR, 229)),
        # The sixth month of 2025 came twice; in 2026 who was born in the second is wished well in the only one.
        (date(2025, 7, 25), 0, BirthdayKey(LUNAR, 601, is_leap_month=True)),
        (date(2026, 7, 14), 0, BirthdayKey(LUNAR, 601, is_leap_month=True)),
    ],
)
def test_birthdays_are_those_that_are_celebrated_then(day: date, ahead: int, key: BirthdayKey) -> None:
    assert key in list_birthdays(Anniversary(days_before=ahead), day)


def _returns(value: date, year: int) -> date:
    """The day of a year on which a date returns."""
    try:
        return value.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


@given(DAYS, DAYS, st.sampled_from([-400, -3, 0, 1, 30, 400]))
def test_a_date_in_a_field_counts_once_or_every_year(value: date, day: date, days: int) -> None:
    once = field_dates(FieldDay(field="due", days=days), day)
    assert once.hold(value.isoformat()) == (day == value + timedelta(days=days))
    yearly = field_dates(FieldDay(field="due", days=days, yearly=True), day)
    target = day - timedelta(days=days)
    expected = target >= value and _returns(value, target.year) == target
    assert yearly.hold(value.isoformat()) == expected


def test_days_are_full_when_the_day_comes_on_which_the_last_of_them_has_passed() -> None:
    since, upto = silent_span(Silent(days=7), date(2026, 3, 9), CALENDAR)
    assert local_datetime(since, ZONE).date() == date(2026, 3, 2)
    assert upto - since == timedelta(days=1)
    assert TimeWindow().holds(since, ZONE)
