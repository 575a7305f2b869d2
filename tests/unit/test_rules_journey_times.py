"""When steps of journeys are due: compared with a search through all quarters of an hour, and at the clock's edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.journey_times import LateStep, When, due_at, is_too_late, when_problems
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar

QUARTER = timedelta(minutes=15)
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
HOLIDAYS = [(date(2026, 10, 1), date(2026, 10, 7)), (date(2026, 3, 27), date(2026, 3, 30))]
WORKED = [(date(2026, 10, 10), date(2026, 10, 10)), (date(2026, 3, 28), date(2026, 3, 28))]

# In no zone here does the clock skip these, or show them twice.
quarters = st.integers(16, 92).map(lambda number: time(number // 4, number % 4 * 15))
windows = st.sampled_from([("00:00", "00:00"), ("09:00", "21:00"), ("18:00", "10:00"), ("08:15", "08:30")])
#: Of the whole year, and often right before the days that are no usual ones.
instants = st.integers(0, 365 * 96 - 1).map(lambda number: BEGAN + number * QUARTER) | st.integers(0, 8 * 96).map(
    lambda number: datetime(2026, 10, 4, tzinfo=UTC) + number * QUARTER
)
whens = st.builds(
    When,
    since=st.sampled_from(["step", "start"]),
    days=st.integers(0, 9),
    at=st.none() | quarters,
    only=st.sampled_from(["any", "workdays", "no_holidays"]),
) | st.builds(
    When,
    since=st.sampled_from(["step", "start"]),
    minutes=st.integers(1, 400).map(lambda number: number * 15),
    only=st.sampled_from(["any", "workdays", "no_holidays"]),
)


def calendar_of(hours: tuple[str, str] = ("00:00", "00:00"), zone: ZoneInfo = SHANGHAI) -> Calendar:
    window = TimeWindow.model_validate({"start": hours[0], "end": hours[1]})
    return Calendar(zone, window, HOLIDAYS, WORKED)


def searched(when: When, started_at: datetime, before_at: datetime, calendar: Calendar, disturbs: bool) -> datetime:
    """The first quarter of an hour of which all holds that a step asks for."""
    since = before_at if when.since == "step" else started_at
    first_day = since.astimezone(calendar.zone).date() + timedelta(days=when.days)
    at = max(since, before_at)
    # The same wall clock time on the first day, where no time is named.
    named = datetime.combine(first_day, since.astimezone(calendar.zone).time(), calendar.zone)
    while True:
        local = at.astimezone(calendar.zone)
        if when.minutes is not None:
            reached = at >= since + timedelta(minutes=when.minutes)
        elif when.at is None:
            reached = at >= named
        else:
            reached = local.date() >= first_day and local.time() == when.at
        day = local.date()
        is_holiday = any(first <= day <= last for first, last in HOLIDAYS)
        is_worked = any(first <= day <= last for first, last in WORKED)
        may = {
            "any": True,
            "no_holidays": not is_holiday,
            "workdays": is_worked or (not is_holiday and day.weekday() < 5),
        }[when.only]
        if reached and may and (not disturbs or calendar.hours.holds(at, calendar.zone)):
            return at
        at += QUARTER


@given(whens, instants, st.integers(0, 400), windows, st.sampled_from([SHANGHAI, BERLIN]), st.booleans())
def test_a_step_is_due_at_the_first_instant_that_it_may(
    when: When, started_at: datetime, later: int, hours: tuple[str, str], zone: ZoneInfo, disturbs: bool
) -> None:
    calendar = calendar_of(hours, zone)
    if when.at is not None and disturbs and not calendar.hours.holds_time(when.at):
        return  # such a journey is refused
    before_at = started_at + later * QUARTER
    found = due_at(when, started_at, before_at, calendar, disturbs=disturbs)
    assert found == searched(when, started_at, before_at, calendar, disturbs)


def test_what_the_clock_skips_is_due_after_it_and_what_it_shows_twice_the_first_time() -> None:
    calendar = calendar_of(zone=BERLIN)
    when = When(days=1, at=time(2, 30))
    gap = datetime(2026, 3, 28, 12, tzinfo=BERLIN).astimezone(UTC)
    assert due_at(when, gap, gap, calendar, disturbs=False) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    fold = datetime(2026, 10, 24, 12, tzinfo=BERLIN).astimezone(UTC)
    assert due_at(when, fold, fold, calendar, disturbs=False) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    # Between the two that the clock shows, the first is over.
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    today = When(at=time(2, 30))
    assert due_at(today, between, between, calendar, disturbs=False) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_weekend_that_is_worked_is_a_working_day() -> None:
    friday = datetime(2026, 10, 9, 12, tzinfo=UTC)
    found = due_at(When(days=1, at=time(10), only="workdays"), friday, friday, calendar_of(), disturbs=True)
    assert found == datetime(2026, 10, 10, 2, tzinfo=UTC)


def test_what_is_due_at_this_very_instant_is_due_now() -> None:
    ten = datetime(2026, 5, 5, 2, tzinfo=UTC)
    assert due_at(When(at=time(10)), ten, ten, calendar_of(), disturbs=True) == ten


def test_a_company_that_never_works_is_told_so() -> None:
    closed = Calendar(SHANGHAI, TimeWindow(), [(date(2026, 1, 1), date(2029, 1, 1))])
    at = datetime(2026, 5, 5, tzinfo=UTC)
    with pytest.raises(ValueError, match="no day"):
        due_at(When(only="no_holidays"), at, at, closed, disturbs=False)


def test_what_does_not_go_together_is_told() -> None:
    (problem,) = when_problems(When(minutes=5, days=1), "steps[0].when")
    assert problem.path == "steps[0].when.minutes"
    assert not when_problems(When(days=1, at=time(9)), "steps[0].when")


def test_late_is_what_is_later_than_the_step_allows() -> None:
    due = datetime(2026, 5, 5, tzinfo=UTC)
    edge = due + timedelta(hours=12)
    assert not is_too_late(LateStep(), due, edge)
    assert is_too_late(LateStep(), due, edge + timedelta(seconds=1))
    assert not is_too_late(LateStep(then="do"), due, edge + timedelta(days=30))
