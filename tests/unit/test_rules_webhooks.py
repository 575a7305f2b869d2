"""Webhooks: signed as documented, to the internet only, repeated for a day and no longer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from bot.config import JourneysSettings
from bot.journeys import webhook_problems
from bot.webhooks import PublicResolver
from data.rules.journeys import Journey
from data.rules.webhooks import (
    REPEATED_FOR,
    WebhookDraft,
    body_bytes,
    call_id,
    draft_problems,
    host_of,
    is_public,
    is_taken,
    leads_inside,
    next_try,
    signature,
)

MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")


def test_the_signature_is_the_one_in_the_documentation() -> None:
    body = body_bytes({"journey_id": 3})
    assert body == b'{"journey_id":3}'
    assert signature("an example of a secret", 1772600770, body) in PAGE


def test_the_documented_check_takes_what_is_signed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    scope: dict[str, object] = {}
    exec(code, scope)
    is_from_siyu = scope["is_from_siyu"]
    assert callable(is_from_siyu)
    monkeypatch.setattr("time.time", lambda: 1772600800.0)
    body = body_bytes({"name": "张三"})
    headers = {"X-Siyu-Timestamp": "1772600770", "X-Siyu-Signature": signature("s" * 16, 1772600770, body)}
    assert is_from_siyu("s" * 16, headers, body)
    assert not is_from_siyu("t" * 16, headers, body)
    assert not is_from_siyu("s" * 16, headers, body + b" ")
    assert not is_from_siyu("s" * 16, {**headers, "X-Siyu-Timestamp": "1772600771"}, body)
    monkeypatch.setattr("time.time", lambda: 1772602000.0)
    assert not is_from_siyu("s" * 16, headers, body)


def test_an_address_that_two_readers_read_differently_is_none() -> None:
    for url in ("http://127.0.0.1\\@example.com/", "http://example.com\\.crm.example.com/x", "https://a.example\\"):
        draft = WebhookDraft(name="x", url=url, events=frozenset({"added"}))
        for private in (True, False):
            assert [each.path for each in draft_problems(draft, private=private)] == ["url"], url


def test_a_call_is_known_by_the_same_id_in_every_repeat() -> None:
    assert call_id(7, MADE) == f"7-{int(MADE.timestamp())}"
    assert call_id(7, MADE) != call_id(7, MADE + timedelta(days=40)), "the number was given away again"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("255.255.255.255", False), ("2606:4700:4700::1111", True), ("::1", False), ("::", False),
        ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::10.0.0.1", False), ("64:ff9b::8.8.8.8", True), ("ff02::1", False), ("::127.0.0.1", False),
        ("64:ff9b:1::7f00:1", False), ("64:ff9b:1::808:808", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@given(st.ip_addresses())
def test_no_address_of_this_machine_or_of_a_private_network_is_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert is_public(str(address)) is False or (address.version == 6 and address.ipv4_mapped is not None)


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("https://crm.example.com/x", False), ("http://127.0.0.1:8080/", True), ("http://[::1]/", True),
        ("http://localhost/", True), ("http://LOCALHOST./", True), ("http://a.localhost/", True),
        ("http://user@10.0.0.1/", True), ("https://8.8.8.8/", False), ("http://[broken", False),
        ("http://127.1/", True), ("http://2130706433/", True), ("http://１２７.0.0.1/", True),
        ("http://10。0.0.1", True),         ("https://12306.cn/", False), ("https://例子.cn/", False),
    ],
)  # fmt: skip
def test_an_address_that_says_so_leads_inside(url: str, inside: bool) -> None:
    assert leads_inside(url) is inside


def test_a_journey_tells_other_programs_only_signed_and_where_that_is_allowed() -> None:
    def problems(url: str, secret: str = "s" * 16, *, private: bool = False) -> list[str]:
        step = {"key": "tell", "action": {"do": "webhook", "url": url}}
        journey = Journey.model_validate({"name": "x", "trigger": {"on": "added"}, "steps": [step]})
        settings = JourneysSettings(webhook_secret=SecretStr(secret), webhook_private=private)
        return [each.path for each in webhook_problems(settings, journey)]

    assert problems("https://crm.example.com/") == []
    assert problems("https://crm.example.com/", secret="") == ["steps[0].action"]
    assert problems("http://10.0.0.8/crm") == ["steps[0].action.url"]
    assert problems("http://10.0.0.8/crm", private=True) == []
    with pytest.raises(ValidationError, match="at least 16 characters"):
        problems("https://crm.example.com/", secret="short")


async def test_what_a_name_leads_to_is_looked_at() -> None:
    with pytest.raises(OSError, match="private"):
        await PublicResolver().resolve("localhost", 80)


def test_a_host_is_named_with_its_port() -> None:
    assert host_of("https://user:pw@CRM.example.com:8443/a@b?c") == "crm.example.com:8443"


def test_success_is_2xx_alone() -> None:
    assert [status for status in range(100, 600) if is_taken(status)] == list(range(200, 300))


@given(st.floats(0, 0.999), st.one_of(st.none(), st.floats(0, 3600)))
def test_a_call_is_repeated_for_a_day_and_never_before_what_was_asked(spread: float, asked: float | None) -> None:
    now, attempts = MADE, 0
    while True:
        attempts += 1
        again = next_try(MADE, attempts, now, asked, spread)
        if again is None:
            break
        assert again > now
        assert again - now >= timedelta(seconds=asked or 0)
        now = again
    assert MADE + REPEATED_FOR - timedelta(hours=1, minutes=1) <= now <= MADE + REPEATED_FOR
    assert 24 <= attempts < 250
