"""Digests: once a day, on the days that count, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.digests import LATE, DigestDays, comes, due_day, is_together

zones = st.sampled_from(["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]).map(
    ZoneInfo
)
instants = st.integers(0, 10 * 365 * 24 * 60).map(
    lambda each: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=each)
)
times = st.times().map(lambda each: each.replace(second=0, microsecond=0))


@given(times, zones, instants)
def test_a_day_is_due_from_its_time_on_and_not_long_after(at: time, zone: ZoneInfo, now: datetime) -> None:
    days = DigestDays(zone, every_day=True)
    day = due_day(at, days, now)
    if day is not None:
        local = now.astimezone(zone)
        assert day == local.date()
        due = datetime.combine(day, at, zone).astimezone(UTC)
        assert due <= now <= due + LATE


@given(times, times, zones, instants)
def test_what_is_told_at_about_the_same_time_waits_for_a_digest_that_still_comes(
    at: time, other: time, zone: ZoneInfo, now: datetime
) -> None:
    days = DigestDays(zone, every_day=True)
    if due_day(at, days, now) is not None:
        assert comes(at, days, now)
        late = now + LATE + timedelta(minutes=1)
        assert not comes(at, days, late) or late.astimezone(zone).date() != now.astimezone(zone).date()
    assert is_together(at, other) == is_together(other, at)
    minutes = abs((at.hour - other.hour) * 60 + at.minute - other.minute)
    assert is_together(at, other) == (minutes <= 60)


@given(times, zones, st.dates(date(2020, 1, 2), date(2029, 12, 30)), st.data())
def test_every_day_that_is_not_almost_over_has_its_digest(
    at: time, zone: ZoneInfo, day: date, data: st.DataObject
) -> None:
    """Whatever the zone does that day: at its time, or when the clock has skipped it."""
    if at >= time(20):
        at = at.replace(hour=at.hour - 8)
    due = datetime.combine(day, at, zone).astimezone(UTC)
    if due.astimezone(zone).date() != day:
        return  # a day that the zone has skipped
    found = due_day(at, DigestDays(zone, every_day=True), due + timedelta(minutes=data.draw(st.integers(0, 60))))
    assert found == day


@given(times, zones, instants)
def test_days_off_have_none(at: time, zone: ZoneInfo, now: datetime) -> None:
    day = due_day(at, DigestDays(zone), now)
    assert day is None or day.isoweekday() < 6
    today = now.astimezone(zone).date()
    span = [(today - timedelta(days=1), today)]
    assert due_day(at, DigestDays(zone, holidays=span), now) is None
    assert due_day(at, DigestDays(zone, holidays=span, workdays=span), now) == due_day(
        at, DigestDays(zone, every_day=True), now
    )


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-08T06:59", None),  # 01:59 in New York
        ("2026-03-08T07:00", date(2026, 3, 8)),  # 03:00: the clock has skipped 02:30, which was to come at 07:30
        ("2026-11-01T05:31", date(2026, 11, 1)),  # 01:31 for the first time
        ("2026-11-01T06:31", date(2026, 11, 1)),  # and once more
    ],
)
def test_a_time_that_the_clock_skips_or_shows_twice(now: str, day: date | None) -> None:
    at = time(1, 30) if "-11-" in now else time(2, 30)
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    if "T07:00" in now:
        instant += timedelta(minutes=30)
    assert due_day(at, DigestDays(ZoneInfo("America/New_York"), every_day=True), instant) == day
