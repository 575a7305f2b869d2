"""Caps: in which period how many group-sends may reach a customer."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.group_send_caps import period_of
from data.rules.caps import DaysCap, WecomCap, caps_now, wecom_cap

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("kind", "since", "most"),
    [
        ("month", datetime(2024, 2, 1, tzinfo=ZONE), 29),
        ("week", datetime(2024, 2, 26, tzinfo=ZONE), 7),
        ("day", datetime(2024, 2, 29, tzinfo=ZONE), 1),
    ],
)
def test_periods_begin_by_the_companys_calendar(kind: WecomCap, since: datetime, most: int) -> None:
    assert wecom_cap(kind, datetime(2024, 2, 29, 23, 59, tzinfo=ZONE), ZONE) == (since, most)


@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from(["month", "week", "day"]))
def test_the_local_wecom_counts_in_the_same_periods(seconds: int, kind: WecomCap) -> None:
    cap = wecom_cap(kind, datetime.fromtimestamp(seconds, UTC), ZONE)
    begin, _, most = period_of(kind, seconds)
    assert (cap.since.timestamp(), cap.most) == (begin, most)


def test_the_companys_caps_hold_for_days_of_the_calendar_today_included() -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=ZONE)
    assert caps_now((), now, ZONE) == ()
    assert caps_now((DaysCap(7, 3), DaysCap(1, 2)), now, ZONE) == (
        (datetime(2026, 3, 4, tzinfo=ZONE), 2), (datetime(2026, 2, 26, tzinfo=ZONE), 3),
    )  # fmt: skip
