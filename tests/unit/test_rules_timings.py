"""When waves are sent: what is refused at once, and what becomes of a sending that is late."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar, Late, Timing, Turn, judge, problems

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 2, 27, 12, tzinfo=ZONE)
CALENDAR = Calendar(
    ZONE, TimeWindow.model_validate({"start": "08:00", "end": "22:00"}), [(date(2026, 3, 1), date(2026, 3, 31))]
)


@pytest.mark.parametrize(
    ("timing", "path"),
    [
        ({"at": "2026-03-01T10:00:00+08:00", "cron": "0 10 * * *"}, "timing"),
        ({"at": "2026-02-27T11:59:00+08:00"}, "timing.at"),
        ({"at": "2026-02-28T23:00:00+08:00"}, "timing.at"),
        ({"until": "2026-03-01"}, "timing.until"),
        ({"skip_holidays": True}, "timing.skip_holidays"),
        ({"fresh_words": True}, "timing.fresh_words"),
        ({"cron": "* * * * *"}, "timing.cron"),
        ({"cron": "0 10 31 2 *"}, "timing.cron"),
        ({"cron": "0 10,23 * * *"}, "timing.cron"),
        ({"cron": "0 10 * * *", "until": "2026-02-27"}, "timing.cron"),
        ({"cron": "0 10 * 3 *", "until": "2026-12-31", "skip_holidays": True}, "timing.cron"),
    ],
)
def test_what_could_never_be_sent_so_is_refused(timing: dict[str, Any], path: str) -> None:
    assert [each.path for each in problems(Timing.model_validate(timing), NOW, CALENDAR)] == [path]


@pytest.mark.parametrize(
    "timing",
    [{}, {"at": "2026-02-28T21:59:00+08:00"}, {"cron": "0 10 * * 1-5", "skip_holidays": True, "fresh_words": True}],
)
def test_what_can_be_sent_so_is_taken(timing: dict[str, Any]) -> None:
    assert problems(Timing.model_validate(timing), NOW, CALENDAR) == []


def test_when_it_is_due_first_and_then() -> None:
    assert Timing().first_due(NOW, CALENDAR) == NOW
    later = NOW + timedelta(days=2)
    assert Timing(at=later).first_due(NOW, CALENDAR) == later
    assert Timing(at=later).due_after(later, CALENDAR) is None
    weekly = Timing(cron="0 10 * * 5", skip_holidays=True)
    assert weekly.first_due(NOW, CALENDAR) == datetime(2026, 4, 3, 10, tzinfo=ZONE)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from(["send", "skip", "wait"]),
       st.none() | st.integers(1, 10_000))  # fmt: skip
def test_what_is_in_time_goes_and_of_several_that_are_due_only_the_last(
    late: int, within: int, then: Any, next_minutes: int | None
) -> None:
    due = NOW - timedelta(minutes=late)
    next_due = None if next_minutes is None else due + timedelta(minutes=next_minutes)
    turn = judge(Late(within_minutes=min(within, 10_000), then=then), due, next_due, NOW)
    if next_due is not None and next_due <= NOW:
        assert turn is Turn.SUPERSEDED
    elif late <= max(within, 5) or then == "send":
        assert turn is Turn.GO
    else:
        assert turn.value == then
