"""When a journey may begin anew: days of the calendar, whatever the clock does meanwhile."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from data.rules.enrolments import begins_again_at, may_begin_again

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def berlin(day: date, hour: int, minute: int = 0, fold: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN, fold=fold).astimezone(UTC)


def test_every_day_at_ten_is_every_day_over_a_change_of_the_clock() -> None:
    for changes in (date(2026, 3, 29), date(2026, 10, 25)):
        for days in range(-2, 3):
            today = changes + timedelta(days=days)
            began, next_day = berlin(today, 10), berlin(today + timedelta(days=1), 10)
            assert may_begin_again(began, 1, next_day, BERLIN)
            assert not may_begin_again(began, 1, next_day - timedelta(seconds=1), BERLIN)
    # At a time that the clock skips: it is looked for as soon as the clock has skipped it.
    assert may_begin_again(berlin(date(2026, 3, 28), 2, 30), 1, berlin(date(2026, 3, 29), 3), BERLIN)
    # At one that it shows twice: the first counts.
    assert may_begin_again(berlin(date(2026, 10, 24), 2, 30), 1, berlin(date(2026, 10, 25), 2, 30), BERLIN)


def test_never_and_always() -> None:
    at = datetime(2026, 3, 4, 5, tzinfo=UTC)
    assert not may_begin_again(at, None, at + timedelta(days=9999), SHANGHAI)
    assert may_begin_again(at, 0, at - timedelta(hours=3), SHANGHAI), "what came first may be told last"


@given(st.integers(0, 10 * 365 * 24 * 60), st.integers(1, 730))
def test_without_changes_of_the_clock_a_day_has_24_hours(minutes: int, days: int) -> None:
    began_at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    assert begins_again_at(began_at, days, SHANGHAI) == began_at + timedelta(days=days)
    assert abs(begins_again_at(began_at, days, BERLIN) - began_at - timedelta(days=days)) <= timedelta(hours=1)
