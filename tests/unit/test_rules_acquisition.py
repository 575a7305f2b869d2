"""Customer-acquisition links: names that are found again, days that are read, what managers are told of the quota."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.rules.acquisition import (
    NAME_MAX_LENGTH,
    address_of,
    due_days,
    link_body,
    mark_of,
    read_link,
    read_quota,
    scheme_of,
    warning_of,
)

TODAY = date(2026, 3, 10)


@given(st.text(max_size=64), st.from_regex(r"[A-Za-z0-9_.-]{1,30}", fullmatch=True))
def test_a_links_name_fits_and_is_found_again(name: str, state: str) -> None:
    body = link_body({"remark": name, "user": ["an"], "party": [], "skip_verify": False}, state)
    assert len(body["link_name"]) <= NAME_MAX_LENGTH
    assert body["link_name"].endswith(mark_of(state))
    assert (body["range"]["user_list"], body["skip_verify"]) == (["an"], False)


def test_the_address_carries_the_state() -> None:
    assert (
        address_of("https://work.weixin.qq.com/ca/x", "ads") == "https://work.weixin.qq.com/ca/x?customer_channel=ads"
    )
    assert address_of("https://x/ca?a=1", "ads") == "https://x/ca?a=1&customer_channel=ads"
    assert address_of("", "ads") == scheme_of("", "ads") == ""
    assert scheme_of("https://x/ca", "a").endswith("https%3A%2F%2Fx%2Fca%3Fcustomer_channel%3Da")


def test_what_is_told_of_a_link_may_lack_anything() -> None:
    assert read_link({})["user"] == []
    told = read_link({"link": {"link_name": "n", "create_time": 5}, "range": {"department_list": [2]}})
    assert (told["name"], told["made_at"], told["party"]) == ("n", 5, [2])


def test_days_are_read_once_and_the_latest_again() -> None:
    made = TODAY - timedelta(days=6)
    whole = [made + timedelta(days=number) for number in range(6)]
    assert due_days({}, made, TODAY) == whole
    yesterday = {day: TODAY - timedelta(days=1) for day in whole[:-1]}
    assert due_days(yesterday, made, TODAY) == whole[-4:], "three days WeCom may correct, and yesterday"
    assert due_days(dict.fromkeys(whole, TODAY), made, TODAY) == []
    assert len(due_days({}, TODAY - timedelta(days=900), TODAY)) == 179


def at(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("total", "balance", "days", "warning"),
    [
        (0, 0, None, ""),
        (500, 0, 90, "exhausted"),
        (500, 19, 90, "low"),
        (500, 20, 90, ""),
        (500, 300, 15, ""),
        (500, 300, 14, "expires:2026-03-24:14"),
        (500, 300, 5, "expires:2026-03-15:7"),
        (500, 300, 1, "expires:2026-03-11:1"),
    ],
)
def test_what_managers_are_told(total: int, balance: int, days: int | None, warning: str) -> None:
    parts = [] if days is None else [{"expire_date": at(TODAY + timedelta(days=days)), "balance": balance}]
    quota = read_quota({"total": total, "balance": balance, "quota_list": [*parts, {}]})
    assert warning_of(quota, TODAY) == warning
