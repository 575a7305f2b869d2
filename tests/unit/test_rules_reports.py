"""Weeks and months, what they are compared with, when the weekly report is sent, and which of WeCom's days are read."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from data.rules.behaviour import CHINA, Days, member_spans, owner_days, read_member, read_owners, reading_day
from data.rules.cohorts import has_age, keep
from data.rules.reports import FIRST_DAY, LAST_DAY, Kind, days_of, due_week, last_over, period_of, spans_of

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
WEDNESDAY = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@given(st.sampled_from(("week", "month")), st.dates(min_value=FIRST_DAY, max_value=LAST_DAY))
def test_periods_follow_each_other_without_a_gap(kind: Kind, day: date) -> None:
    period = period_of(kind, day)
    assert period.first <= day <= period.last
    assert period.after.first in (period.last + timedelta(days=1), period.first)
    assert period.before.last in (period.first - timedelta(days=1), period.last)
    assert period.days == 7 if kind == "week" else 28 <= period.days <= 31


def test_what_is_not_over_is_compared_with_as_much_of_the_one_before() -> None:
    week = period_of("week", date(2026, 3, 4))
    now, before = spans_of(week, WEDNESDAY, SHANGHAI)
    assert (now.begin, now.end) == (datetime(2026, 3, 1, 16, tzinfo=UTC), WEDNESDAY)
    assert (before.begin, before.end) == (now.begin - timedelta(days=7), now.end - timedelta(days=7))
    had, had_before = days_of(week, date(2026, 3, 4))
    assert (had.first, had.last, had_before.last) == (date(2026, 3, 2), date(2026, 3, 3), date(2026, 2, 24))
    assert days_of(week, date(2026, 3, 2))[0].days == 0
    # A month is compared with the whole one before, however long that was; a week in which the clock is put on is one.
    month = period_of("month", date(2026, 2, 1))
    assert [each.days for each in days_of(month, date(2026, 3, 4))] == [28, 31]
    summer = period_of("week", date(2026, 3, 29)).span(BERLIN)
    assert summer.end - summer.begin == timedelta(days=7, hours=-1)
    assert last_over("month", WEDNESDAY, SHANGHAI) == month


def test_the_report_is_due_on_mondays_and_made_up_for_on_tuesdays() -> None:
    monday = datetime(2026, 3, 9, tzinfo=SHANGHAI)
    hours = {0: False, 9: True, 23: True, 24: False, 32: False, 33: True, 48: False, 57: False, -15: False}
    for hour, is_due in hours.items():
        week = due_week(time(9), monday + timedelta(hours=hour), SHANGHAI)
        assert (week is not None) == is_due, hour
        assert week is None or (week.first, week.last) == (date(2026, 3, 2), date(2026, 3, 8))


def test_a_relation_counts_as_long_as_nobody_ended_it() -> None:
    began = datetime(2026, 1, 5, 12, tzinfo=UTC)
    ended = [(began, began + each) for each in (timedelta(hours=23), timedelta(days=1), timedelta(days=29))]
    assert keep(5, ended) == (5, 4, 3, 2, 2)
    week = period_of("week", date(2026, 1, 5))
    assert [has_age(week, 7, date(2026, 1, day)) for day in (18, 19)] == [False, True]


def test_a_months_figures_are_read_again_and_what_was_missed_since() -> None:
    today = date(2026, 6, 30)
    assert reading_day(datetime(2026, 6, 29, 21, 29, tzinfo=UTC)) is None
    assert reading_day(datetime(2026, 6, 29, 21, 30, tzinfo=UTC)) == today
    assert member_spans(today - timedelta(days=1), today, 30) == [Days(date(2026, 5, 31), date(2026, 6, 29))]
    for pulled_on, back in ((None, 180), (today - timedelta(days=400), 30)):
        spans = member_spans(pulled_on, today, back)
        assert (spans[0].first, spans[-1].last) == (today - timedelta(days=180), date(2026, 6, 29))
        assert all((each.last - each.first).days < 30 for each in spans)
        assert all(after.first - before.last == timedelta(days=1) for before, after in pairwise(spans))
    assert len(owner_days({}, today, 5)) == 5
    read = {today - timedelta(days=back): today - timedelta(days=max(back - 4, 1)) for back in range(2, 10)}
    missed = today - timedelta(days=7)
    read.pop(missed)
    assert owner_days(read, today, 5) == [missed, *(today - timedelta(days=back) for back in (4, 3, 2, 1))]
    read = dict.fromkeys((today - timedelta(days=back) for back in range(1, 10)), today)
    assert owner_days(read, today, 5) == [], "all was read today"


def test_answers_are_read_as_far_as_they_make_sense() -> None:
    day = date(2026, 3, 2)
    days = Days(day, day)
    at = int(datetime(2026, 3, 2, tzinfo=CHINA).timestamp())
    told = {"stat_time": at, "chat_cnt": 3, "message_cnt": 9, "reply_percentage": 66.67, "new_contact_cnt": "x"}
    odd = [{**told, "stat_time": at - 1}, {"chat_cnt": 1}, "x", {**told, "stat_time": None}]
    (row,) = read_member({"behavior_data": [told, *odd]}, days)
    assert row == {
        "day": day, "chats": 3, "messages": 9, "deletions": 0, "applies": 0, "contacts": 0, "reply_percent": 66.67,
        "reply_minutes": None,
    }  # fmt: skip
    assert read_member({}, days) == []
    assert read_owners({"items": [{"owner": "a", "data": {"msg_total": 5}}, {"owner": "b", "data": {}}]}, ["a"])["a"][
        "messages"
    ] == 5  # fmt: skip
