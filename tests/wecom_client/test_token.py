"""The access token: fetched once, renewed once, and WeCom's ban never provoked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import FrozenClock
from bot.errors import SiyuError
from bot.wecom.errors import CredentialsError, RateLimitedError, UnreachableError, WeComError, error_for, no_answer
from bot.wecom.token import MemoryTokenStore, Token, TokenSource, token_key
from tests.wecom_client.conftest import OK, MakeClient, ScriptedWeCom

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Gettoken:
    """WeCom's side: counts how often it is asked; `next` decides the answer."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.asked = 0
        self.next: Callable[[], str | WeComError] = lambda: f"token-{self.asked}"
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Token:
        self.asked += 1
        await self.gate.wait()
        answer = self.next()
        if isinstance(answer, WeComError):
            raise answer
        return Token(answer, self.clock.now() + timedelta(seconds=7200))


class BrokenStore:
    """A store whose database is out of order."""

    async def load(self, key: str) -> Token | None:
        raise SiyuError("no database")

    async def save(self, key: str, token: Token) -> None:
        raise SiyuError("no database")


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


@pytest.fixture
def gettoken(clock: FrozenClock) -> Gettoken:
    return Gettoken(clock)


@pytest.fixture
def store() -> MemoryTokenStore:
    return MemoryTokenStore()


@pytest.fixture
def source(gettoken: Gettoken, store: MemoryTokenStore, clock: FrozenClock) -> TokenSource:
    return TokenSource(gettoken, store, "key", clock)


async def test_token_is_fetched_once_for_everybody(source: TokenSource, gettoken: Gettoken) -> None:
    gettoken.gate.clear()
    waiting = [asyncio.create_task(source.get()) for _ in range(200)]
    await asyncio.sleep(0)
    gettoken.gate.set()

    assert set(await asyncio.gather(*waiting)) == {"token-1"}
    assert gettoken.asked == 1


async def test_token_is_kept_until_shortly_before_its_end(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    await source.get()
    clock.advance(timedelta(seconds=7139))
    assert await source.get() == "token-1"
    clock.advance(timedelta(seconds=2))

    assert await source.get() == "token-2"


async def test_same_token_on_renewal_is_used_to_its_end(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    ends = clock.now() + timedelta(seconds=7200)

    async def unchanging() -> Token:
        gettoken.asked += 1
        return Token("same", ends)

    source = TokenSource(unchanging, MemoryTokenStore(), "key", clock)
    await source.get()
    clock.advance(timedelta(seconds=7150))
    assert [await source.get() for _ in range(5)] == ["same"] * 5
    clock.advance(timedelta(seconds=48))
    assert await source.get() == "same"

    assert gettoken.asked == 2


async def test_stale_token_reported_by_many_is_renewed_once(source: TokenSource, gettoken: Gettoken) -> None:
    await source.get()

    renewed = await asyncio.gather(*(source.renew("token-1") for _ in range(200)))

    assert set(renewed) == {"token-2"}
    assert gettoken.asked == 2


async def test_late_report_of_an_old_token_renews_nothing(gettoken: Gettoken, clock: FrozenClock) -> None:
    source = TokenSource(gettoken, BrokenStore(), "key", clock)
    await source.get()
    await source.renew("token-1")

    assert await source.renew("token-1") == "token-2"
    assert gettoken.asked == 2


async def test_caller_that_gives_up_leaves_the_token_to_the_others(source: TokenSource, gettoken: Gettoken) -> None:
    gettoken.gate.clear()
    first, second = asyncio.create_task(source.get()), asyncio.create_task(source.get())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    gettoken.gate.set()

    assert await second == "token-1"
    assert gettoken.asked == 1


async def test_wrong_secret_is_asked_about_once_a_minute_at_most(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    gettoken.next = lambda: error_for("gettoken", 40001, "invalid credential, hint: [1]")
    for _ in range(100):
        with pytest.raises(CredentialsError, match="secret"):
            await source.get()
    assert gettoken.asked == 1

    clock.advance(timedelta(seconds=61))
    for _ in range(100):
        with pytest.raises(CredentialsError) as refused:
            await source.get()
    assert gettoken.asked == 2
    assert refused.value.after_seconds == pytest.approx(300)


async def test_wrong_secret_is_asked_about_rarely_over_a_day(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    gettoken.next = lambda: error_for("gettoken", 40091)
    for _ in range(24 * 60):
        with pytest.raises(CredentialsError):
            await source.get()
        clock.advance(timedelta(minutes=1))

    assert gettoken.asked < 60


async def test_corrected_secret_works_after_the_pause(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    gettoken.next = lambda: error_for("gettoken", 40001)
    with pytest.raises(CredentialsError):
        await source.get()
    gettoken.next = lambda: "good"
    clock.advance(timedelta(seconds=61))

    assert await source.get() == "good"


async def test_network_fault_is_asked_about_again_soon(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    gettoken.next = lambda: no_answer("gettoken", "no connection", sent=False, repeatable=True)
    with pytest.raises(UnreachableError):
        await source.get()
    clock.advance(timedelta(seconds=0.6))
    gettoken.next = lambda: "good"

    assert await source.get() == "good"


async def test_gettoken_out_of_order_leaves_the_last_minute_of_a_token_usable(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    await source.get()
    clock.advance(timedelta(seconds=7150))
    gettoken.next = lambda: error_for("gettoken", 45009)

    assert await source.get() == "token-1"
    clock.advance(timedelta(seconds=51))
    with pytest.raises(RateLimitedError):
        await source.get()


async def test_token_that_wecom_hands_out_again_is_tried_again(source: TokenSource, gettoken: Gettoken) -> None:
    gettoken.next = lambda: "same"
    await source.get()

    assert await source.renew("same") == "same"


async def test_token_handed_out_again_and_again_is_not_asked_for_each_time(
    source: TokenSource, gettoken: Gettoken, clock: FrozenClock
) -> None:
    gettoken.next = lambda: "same"
    await source.get()
    for _ in range(100):
        assert await source.renew("same") == "same"
    assert gettoken.asked == 2

    clock.advance(timedelta(seconds=1))
    gettoken.next = lambda: "other"
    assert await source.renew("same") == "other"


async def test_replicas_share_the_token(gettoken: Gettoken, store: MemoryTokenStore, clock: FrozenClock) -> None:
    one, other = (TokenSource(gettoken, store, "key", clock) for _ in range(2))
    await one.get()
    assert await other.get() == "token-1"

    await one.renew("token-1")
    assert await other.renew("token-1") == "token-2"
    assert gettoken.asked == 2


async def test_store_that_is_out_of_order_costs_only_the_sharing(gettoken: Gettoken, clock: FrozenClock) -> None:
    source = TokenSource(gettoken, BrokenStore(), "key", clock)

    assert [await source.get() for _ in range(3)] == ["token-1"] * 3


async def test_clock_that_jumps_ends_the_token(source: TokenSource, clock: FrozenClock) -> None:
    await source.get()
    clock.advance(timedelta(days=30))

    assert await source.get() == "token-2"


def test_key_tells_no_secret() -> None:
    key = token_key("ww1", "secret")

    assert len(key) == 64
    assert key != token_key("ww1", "secret2")
    assert "secret" not in key


def test_token_is_not_printed() -> None:
    assert "hidden" not in repr(Token("hidden", START))


# Over HTTP.


async def test_gettoken_carries_corpid_and_secret(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()

    assert await client.fetch_access_token() == "token-1"
    [asked] = wecom.calls("gettoken")
    assert asked.query == {"corpid": "ww0123456789abcdef", "corpsecret": "the-secret-of-the-app"}


async def test_wrong_secret_fails_every_call_at_once(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    wecom.script("gettoken", {"errcode": 40001, "errmsg": "invalid credential"})

    failed = await asyncio.gather(*(client.external_contact.get("wm1") for _ in range(50)), return_exceptions=True)

    assert {type(error) for error in failed} == {CredentialsError}
    assert [asked.path for asked in wecom.asked] == ["gettoken"]


async def test_answer_without_a_token_is_not_a_token(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    wecom.script("gettoken", OK)

    with pytest.raises(WeComError):
        await client.fetch_access_token()
