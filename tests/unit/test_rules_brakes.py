"""Brakes: what pauses a campaign, for any numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from data.rules.brakes import (
    ASSUMED_RATE,
    KNOWN_DAYS,
    LEAST_RATE,
    Reached,
    Refused,
    counted_from,
    expected_leaving,
    is_refused,
    is_surge,
    usual_rate,
)

NOW = datetime(2026, 3, 4, 10, tzinfo=UTC)
calls = st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 10_000), st.booleans()), max_size=40)
numbers = st.integers(0, 10**6)
hours = st.integers(-2000, 2000).map(lambda each: NOW + timedelta(hours=each))
reached = st.lists(st.builds(Reached, numbers, hours), max_size=5)


def counted(told: list[tuple[int, int, bool]]) -> Refused:
    found = Refused()
    for recipients, refused, whole in told:
        found.note(recipients, recipients if whole else min(refused, recipients), whole=whole)
    return found


@given(calls, st.integers(0, 100), st.integers(1, 50))
def test_nothing_pauses_without_its_share_or_before_so_many_calls_are_in_trouble(
    told: list[tuple[int, int, bool]], percent: int, least: int
) -> None:
    found = counted(told)
    if is_refused(found, percent, least):
        assert percent > 0
        assert found.troubled_calls >= least
        share = max(found.refused_calls / found.calls, found.refused / found.recipients)
        assert share * 100 >= percent - 1e-6
    assert not is_refused(found, 0, least)
    assert not is_refused(Refused(), percent, least)


@given(calls, st.integers(1, 100), st.integers(1, 50), st.integers(1, 10_000))
def test_one_refusal_more_never_lets_a_campaign_go_on(
    told: list[tuple[int, int, bool]], percent: int, least: int, recipients: int
) -> None:
    before = is_refused(counted(told), percent, least)
    after = is_refused(counted([*told, (recipients, recipients, True)]), percent, least)
    assert after or not before


def test_one_of_one_stops_nothing_and_all_of_many_does() -> None:
    assert not is_refused(counted([(1, 1, True)]), 30, 5)
    assert is_refused(counted([(100, 100, True)] * 5), 30, 5)
    assert is_refused(counted([(100, 40, False)] * 5), 30, 5)
    assert not is_refused(counted([(100, 1, False)] * 500), 30, 5)


@given(numbers, numbers, st.floats(0, 1000))
def test_a_rate_is_never_below_the_least_and_assumed_while_little_is_known(
    left: int, present: int, days: float
) -> None:
    rate = usual_rate(left, present, days)
    assert rate >= LEAST_RATE
    if days < KNOWN_DAYS or not present:
        assert rate == ASSUMED_RATE


@given(reached, st.floats(0, 1), hours)
def test_nobody_is_expected_to_leave_before_they_received_it_or_what_was_accepted(
    whom: list[Reached], rate: float, since: datetime
) -> None:
    expected = expected_leaving(whom, rate, since, NOW)
    assert expected >= 0
    assert expected_leaving(whom, rate, NOW, NOW) == 0
    assert expected_leaving([each for each in whom if each.since < NOW], rate, since, NOW) == expected


@given(numbers, st.floats(0, 10**6), st.floats(0, 1000), st.integers(1, 10**6))
def test_a_surge_is_large_both_ways(left: int, expected: float, times: float, least: int) -> None:
    if is_surge(left, expected, times, least):
        assert left >= least
        assert left >= times * expected
    assert not is_surge(left, expected, 0, least)
    assert not is_surge(left, left + 1.0, max(times, 1), least)


@given(st.integers(1, 720), st.one_of(st.none(), hours))
def test_what_counts_begins_in_the_window_after_what_was_accepted_and_never_in_the_future(
    window: int, accepted_at: datetime | None
) -> None:
    begins = counted_from(NOW, window, accepted_at)
    assert NOW - timedelta(hours=window) <= begins <= NOW
    assert accepted_at is None or accepted_at > NOW or begins >= accepted_at
