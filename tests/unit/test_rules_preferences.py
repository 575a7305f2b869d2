"""May one more message go to a customer? Properties that hold for whatever they want and whatever reached them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.preferences import (
    ANSWERS,
    Preference,
    RefusalReason,
    TouchKind,
    may_touch,
    window_start,
)
from data.rules.problems import InvalidRuleError, parse

ZONES = [ZoneInfo(name) for name in ("Asia/Shanghai", "UTC", "America/New_York", "Pacific/Apia", "Europe/Berlin")]
zones = st.sampled_from(ZONES)
kinds = st.sampled_from(sorted(set(TouchKind) - ANSWERS))
instants = st.integers(1_704_067_200, 1_830_297_600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
preferences = st.builds(
    lambda opted_out, paused_until, cap: Preference(
        opted_out=opted_out, paused_until=paused_until, cap_count=cap and cap[0], cap_days=cap and cap[1]
    ),
    st.booleans(),
    st.none() | instants,
    st.none() | st.tuples(st.integers(1, 5), st.integers(1, 40)),
)
touched = st.lists(st.integers(-60 * 86_400, 0), max_size=12)


def before(now: datetime, seconds: list[int]) -> list[datetime]:
    return [now + timedelta(seconds=each) for each in seconds]


@given(preferences, touched, instants, zones, kinds)
def test_a_refusal_has_a_reason_and_what_it_waits_for_lies_ahead(
    wanted: Preference, ago: list[int], now: datetime, zone: ZoneInfo, kind: TouchKind
) -> None:
    verdict = may_touch(wanted, before(now, ago), now, zone, kind)
    assert verdict.allowed == (verdict.reason is None) == (verdict.sentence == "")
    if verdict.reason is RefusalReason.OPTED_OUT:
        assert wanted.opted_out
        assert verdict.until is None
    elif not verdict.allowed:
        assert verdict.until is not None
        assert verdict.until > now


@given(preferences, touched, instants, zones, kinds)
def test_at_the_instant_that_a_refusal_names_it_is_lifted_or_has_another_reason(
    wanted: Preference, ago: list[int], now: datetime, zone: ZoneInfo, kind: TouchKind
) -> None:
    reached = before(now, ago)
    verdict = may_touch(wanted, reached, now, zone, kind)
    if verdict.until is not None:
        later = may_touch(wanted, reached, verdict.until, zone, kind)
        assert later.allowed or (verdict.reason, later.reason) == (RefusalReason.PAUSED, RefusalReason.CAPPED)
        if verdict.reason is RefusalReason.CAPPED:
            just_before = may_touch(wanted, reached, verdict.until - timedelta(microseconds=1), zone, kind)
            assert just_before.reason is RefusalReason.CAPPED


@given(st.integers(1, 5), st.integers(1, 40), instants, zones, st.lists(st.integers(0, 30 * 86_400), max_size=60))
def test_who_asks_each_time_never_sends_more_than_the_cap_within_its_days(
    count: int, days: int, start: datetime, zone: ZoneInfo, tries: list[int]
) -> None:
    wanted = Preference(cap_count=count, cap_days=days)
    sent: list[datetime] = []
    for seconds in sorted(tries):
        now = start + timedelta(seconds=seconds)
        if may_touch(wanted, sent, now, zone, TouchKind.BROADCAST).allowed:
            sent.append(now)
    for at in sent:
        day = at.astimezone(zone).date()
        within = [each for each in sent if day - timedelta(days=days) < each.astimezone(zone).date() <= day]
        assert len(within) <= count


@given(preferences, touched, instants, zones, kinds)
def test_more_touches_never_allow_what_fewer_forbid_and_an_answer_always_may(
    wanted: Preference, ago: list[int], now: datetime, zone: ZoneInfo, kind: TouchKind
) -> None:
    fewer = may_touch(wanted, before(now, ago[:-1]), now, zone, kind)
    more = may_touch(wanted, before(now, ago), now, zone, kind)
    assert fewer.allowed or not more.allowed
    assert may_touch(None, before(now, ago), now, zone, kind).allowed
    for answer in ANSWERS:
        assert may_touch(wanted, before(now, ago), now, zone, answer).allowed
        assert may_touch(wanted, before(now, ago), now, zone, answer, answers=False) == more


def test_one_in_seven_days_is_every_monday() -> None:
    zone = ZONES[0]
    wanted = Preference(cap_count=1, cap_days=7)
    monday = datetime(2026, 3, 2, 20, 0, tzinfo=zone)
    sunday, next_monday = datetime(2026, 3, 8, 23, 59, tzinfo=zone), datetime(2026, 3, 9, 0, 0, tzinfo=zone)
    verdict = may_touch(wanted, [monday], sunday, zone, TouchKind.TASK)
    assert (verdict.reason, verdict.until) == (RefusalReason.CAPPED, next_monday)
    assert may_touch(wanted, [monday], next_monday, zone, TouchKind.TASK).allowed
    assert window_start(sunday, zone, 7) == datetime(2026, 3, 2, tzinfo=zone)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cap_count": 1},
        {"cap_days": 7},
        {"cap_count": 0, "cap_days": 7},
        {"cap_count": 1, "cap_days": 366},
        {"paused_until": "2026-03-04T05:06:07"},
        {"opted_out": "maybe"},
        {"colour": 1},
        {"reason": "x" * 201},
    ],
)
def test_what_cannot_be_wanted_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRuleError):
        parse(Preference, wrong)
