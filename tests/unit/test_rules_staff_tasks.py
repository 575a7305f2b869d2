"""A day's list: how much it holds, whose tasks are on it, until when one is put off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from data.rules.schedule import local_datetime
from data.rules.staff_tasks import Later, later_until, may_answer, owners_of, room

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def test_a_list_holds_what_the_day_has_left() -> None:
    assert [room(30, done) for done in (0, 29, 30, 31)] == [30, 1, 0, 0]
    assert room(0, 500) is None


@given(st.dictionaries(st.sampled_from("abcde"), st.sampled_from("abcde")), st.sampled_from("abcde"))
def test_who_has_a_task_on_their_list_may_answer_it_and_nobody_else(substitutes: dict[str, str], who: str) -> None:
    assert set(owners_of(who, substitutes)) == {owner for owner in "abcde" if may_answer(owner, who, substitutes)}
    assert who in owners_of(who, substitutes)


def test_tomorrow_begins_with_the_day_of_the_company() -> None:
    now = datetime(2026, 3, 4, 15, 59, tzinfo=UTC)
    assert later_until(Later.TOMORROW, now, SHANGHAI) == datetime(2026, 3, 4, 16, 0, tzinfo=UTC)
    assert later_until(Later.TODAY, now, SHANGHAI) == now + timedelta(hours=2)
    summer = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert (
        local_datetime(later_until(Later.TOMORROW, summer, BERLIN), BERLIN).isoformat() == "2026-03-29T00:00:00+01:00"
    )


@given(st.integers(0, 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_what_is_put_off_is_put_off(now: datetime) -> None:
    for later in Later:
        assert now < later_until(later, now, BERLIN) <= now + timedelta(hours=26)
