"""Addresses that wait: no more misses than promised whatever comes when, and nobody made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import throttling
from bot.config import ServerSettings
from bot.throttling import Throttle, networks_of, visitor_address

OURS = networks_of(ServerSettings(trusted_proxies=("127.0.0.0/8", "::1", "10.0.0.0/8")).trusted_proxies)


@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_more_misses_than_promised_whatever_comes_when(per_minute: int, pauses: list[float]) -> None:
    now = 1000.0
    throttle = Throttle(per_minute, lambda: now)
    begun, let_in = now, 0
    for pause in pauses:
        now += pause
        if throttle.wait_seconds("1.2.3.4") == 0:
            throttle.miss("1.2.3.4")
            let_in += 1
    assert let_in <= per_minute * (1 + (now - begun) / 60) + 1e-6
    assert let_in >= min(len(pauses), per_minute)


def test_who_waited_as_long_as_was_said_may_ask_again_and_others_never_wait() -> None:
    now = 0.0
    throttle = Throttle(3, lambda: now)
    assert [throttle.miss("a") for _ in range(3)] == [False, False, True]
    assert (throttle.wait_seconds("a"), throttle.wait_seconds("b"), throttle.wait_seconds("")) == (20.0, 0.0, 0.0)
    now += 20.0
    assert throttle.wait_seconds("a") == 0.0
    assert throttle.miss("a")
    assert not any(throttle.miss("") for _ in range(9))
    assert not any(Throttle(0).miss("a") for _ in range(9))


def test_the_addresses_it_remembers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "REMEMBERED", 2)
    throttle = Throttle(1, lambda: 0.0)
    for address in "abac":
        throttle.miss(address)
    assert [throttle.wait_seconds(address) > 0 for address in "abc"] == [True, False, True]


@pytest.mark.parametrize(
    ("remote", "forwarded", "told"),
    [
        ("8.8.8.8", "", "8.8.8.8"),
        ("8.8.8.8", "1.2.3.4", "8.8.8.8"),
        ("127.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.1.1.1", "1.2.3.4"),
        ("::1", " 2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:127.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("127.0.0.1", "", ""),
        ("127.0.0.1", "1.2.3.4, unknown", ""),
        ("127.0.0.1", "10.0.0.1", ""),
        (None, "", ""),
    ],
)
def test_where_a_request_comes_from(remote: str | None, forwarded: str, told: str) -> None:
    assert visitor_address(remote, forwarded, OURS) == told


@given(st.text(max_size=60))
def test_what_a_stranger_says_of_itself_changes_nothing(forwarded: str) -> None:
    assert visitor_address("8.8.8.8", forwarded, OURS) == "8.8.8.8"
    assert visitor_address("127.0.0.1", f"{forwarded},8.8.4.4", OURS) == "8.8.4.4"


def test_a_proxy_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy"):
        ServerSettings(trusted_proxies=("proxy",))
