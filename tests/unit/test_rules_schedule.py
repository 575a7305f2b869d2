"""Weekday and time windows by the company's wall clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.rules.problems import InvalidRuleError, parse
from data.rules.schedule import TimeWindow, any_holds, day_words, greeting_word, moment_words

SHANGHAI = ZoneInfo("Asia/Shanghai")


def local(day: int, clock: str) -> datetime:
    """An instant in the week of Monday, 18 May 2026, by Shanghai's clock; `day` 1 is Monday."""
    at = datetime.combine(date(2026, 5, 17) + timedelta(day), time.fromisoformat(clock), SHANGHAI)
    return at.astimezone(UTC)


def window(**fields: Any) -> TimeWindow:
    return parse(TimeWindow, fields)


@pytest.mark.parametrize(
    ("fields", "day", "clock", "holds"),
    [
        ({}, 3, "12:00", True),
        ({"start": "09:00", "end": "18:00"}, 3, "09:00", True),
        ({"start": "09:00", "end": "18:00"}, 3, "08:59:59", False),
        ({"start": "09:00", "end": "18:00"}, 3, "17:59:59", True),
        ({"start": "09:00", "end": "18:00"}, 3, "18:00", False),
        ({"weekdays": [6, 7]}, 6, "00:00", True),
        ({"weekdays": [6, 7]}, 5, "23:59", False),
        ({"weekdays": [6, 7]}, 8, "00:00", False),
        ({"weekdays": [5], "start": "22:00", "end": "06:00"}, 5, "22:00", True),
        ({"weekdays": [5], "start": "22:00", "end": "06:00"}, 5, "05:00", False),
        ({"weekdays": [5], "start": "22:00", "end": "06:00"}, 6, "05:59", True),
        ({"weekdays": [5], "start": "22:00", "end": "06:00"}, 6, "06:00", False),
        ({"weekdays": [5], "start": "22:00", "end": "06:00"}, 6, "22:00", False),
        ({"weekdays": [7], "start": "22:00", "end": "06:00"}, 8, "01:00", True),
        ({"weekdays": [1], "start": "18:00", "end": "00:00"}, 1, "23:59", True),
        ({"weekdays": [1], "start": "18:00", "end": "00:00"}, 2, "00:00", False),
        ({"weekdays": [1], "start": "09:00", "end": "09:00"}, 2, "08:59", True),
        ({"weekdays": []}, 1, "12:00", False),
    ],
)
def test_a_window_holds_by_the_wall_clock(fields: dict[str, Any], day: int, clock: str, holds: bool) -> None:
    assert window(**fields).holds(local(day, clock), SHANGHAI) is holds


def test_the_zone_decides_the_day() -> None:
    friday_evening_utc = datetime(2026, 5, 22, 18, 0, tzinfo=UTC)
    saturday = window(weekdays=[6])
    assert saturday.holds(friday_evening_utc, SHANGHAI)
    assert not saturday.holds(friday_evening_utc, ZoneInfo("Europe/Berlin"))


def test_a_time_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="aware"):
        window().holds(local(3, "12:00").replace(tzinfo=None), SHANGHAI)


@settings(deadline=None)
@given(
    start=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    end=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    day=st.integers(1, 7),
    minute=st.integers(0, 7 * 24 * 60 - 1),
)
def test_a_window_and_the_rest_of_the_week_never_overlap(start: time, end: time, day: int, minute: int) -> None:
    """The window of one day, counted from its start, holds exactly the minutes that it is long."""
    one = TimeWindow(weekdays=frozenset({day}), start=start, end=end)
    length = (end.hour - start.hour) * 60 + end.minute - start.minute
    length = length if length > 0 else length + 24 * 60
    begins = (day - 1) * 24 * 60 + start.hour * 60 + start.minute
    at = local(1, "00:00") + timedelta(minutes=minute)
    assert one.holds(at, SHANGHAI) is ((minute - begins) % (7 * 24 * 60) < length)


def test_any_one_window_is_enough() -> None:
    windows = [window(start="09:00", end="12:00"), window(start="14:00", end="18:00")]
    assert [any_holds(windows, local(1, clock), SHANGHAI) for clock in ("10:00", "13:00", "15:00")] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    "text", ["9:00", "24:00", "09:60", "09:00:00", "0900", "上午九点", "09:00+08:00", "٠٩:٠٠", 540, None]
)
def test_only_plain_times_are_read(text: Any) -> None:
    with pytest.raises(InvalidRuleError, match="start: 应为 24 小时制的时间"):
        window(start=text)


@pytest.mark.parametrize("day", [0, 8, "1", 1.5, True])
def test_only_iso_weekdays_are_read(day: Any) -> None:
    with pytest.raises(InvalidRuleError, match=r"weekdays"):
        window(weekdays=[day])


def test_json_is_short_and_stable() -> None:
    one = window(weekdays=[7, 1, 6], start="22:00", end="06:30")
    assert one.model_dump_json() == '{"weekdays":[1,6,7],"start":"22:00","end":"06:30"}'
    assert parse(TimeWindow, one.model_dump_json()) == one


@pytest.mark.parametrize(
    ("clock", "word"),
    [
        ("04:59", "晚上好"),
        ("05:00", "早上好"),
        ("10:59", "早上好"),
        ("11:00", "中午好"),
        ("13:00", "下午好"),
        ("17:59", "下午好"),
        ("18:00", "晚上好"),
        ("00:00", "晚上好"),
    ],
)
def test_the_greeting_follows_the_hour(clock: str, word: str) -> None:
    assert greeting_word(local(1, clock), SHANGHAI) == word


def test_words_for_days_and_moments() -> None:
    assert day_words(date(2026, 5, 2)) == "5月2日"
    assert moment_words(datetime(2026, 5, 1, 17, 5, tzinfo=UTC), SHANGHAI) == "5月2日 01:05"
