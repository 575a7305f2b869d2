"""What the client makes of WeCom's answers, and what holds for every call; over real connections."""

from __future__ import annotations

import asyncio
import json
import pickle
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.testing
from aiohttp import web

from bot.clock import FrozenClock
from bot.errors import ConfigurationError, RetryLaterError
from bot.wecom.client import WeComClient
from bot.wecom.errors import (
    BusyError,
    CredentialsError,
    InvalidRequestError,
    NoAnswerError,
    NotAFollowerError,
    RateLimitedError,
    UnknownOutcomeError,
    UnreachableError,
    WeComError,
)
from bot.wecom.transport import ahead_of
from tests.wecom_client.calls import BUSY, CREATE, EXPIRED, READ, WELCOME, Calling, create, read, welcome
from tests.wecom_client.conftest import OK, MakeClient, ScriptedWeCom, drop_connection, hang


async def test_missing_errcode_is_success(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, {"external_contact": {"name": "李四"}})

    assert (await read(client))["external_contact"]["name"] == "李四"


@pytest.mark.parametrize("errmsg", ["", "created", "ok. Warning: wrong json format. ", None])
async def test_errmsg_never_decides(errmsg: str | None, wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, {"errcode": "0", "errmsg": errmsg, "x": 1})

    assert (await read(client))["x"] == 1


async def test_ignored_fields_are_reported_once_per_api(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, {"errcode": 0, "errmsg": "ok. Warning: wrong json format. "})
    with structlog.testing.capture_logs() as logs:
        await read(client)
        await read(client)

    assert [line["path"] for line in logs if line["event"] == "fields_ignored"] == [READ]


async def test_refusal_with_empty_lists_is_a_refusal(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, {"errcode": 84061, "errmsg": "not external contact, hint: [1]", "follow_user": []})

    with pytest.raises(NotAFollowerError) as refused:
        await read(client)

    assert (refused.value.errcode, refused.value.errmsg, refused.value.path) == (84061, "not external contact", READ)
    assert not refused.value.retryable
    assert len(wecom.calls(READ)) == 1


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
async def test_refused_token_is_replaced_and_the_call_repeated(
    errcode: int, wecom: ScriptedWeCom, client: WeComClient
) -> None:
    wecom.script(CREATE, {"errcode": errcode, "errmsg": "no"}, {**OK, "config_id": "c"})

    assert (await create(client))["config_id"] == "c"
    assert [asked.query["access_token"] for asked in wecom.calls(CREATE)] == ["token-1", "token-2"]


async def test_token_refused_again_is_an_error_of_the_credentials(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, EXPIRED)

    with pytest.raises(CredentialsError):
        await read(client)
    assert len(wecom.calls(READ)) == 2


async def test_200_callers_with_an_expired_token_fetch_one(wecom: ScriptedWeCom, client: WeComClient) -> None:
    async def refuse_the_first(request: web.Request) -> web.StreamResponse:
        return web.json_response(EXPIRED if request.query["access_token"] == "token-1" else OK)

    await client.fetch_access_token()
    wecom.script(READ, refuse_the_first)

    await asyncio.gather(*(read(client) for _ in range(200)))

    assert len(wecom.calls("gettoken")) == 2


async def test_200_callers_without_a_token_fetch_one(wecom: ScriptedWeCom, client: WeComClient) -> None:
    await asyncio.gather(*(read(client) for _ in range(200)))

    assert len(wecom.calls("gettoken")) == 1


async def test_busy_read_is_repeated_at_most_three_times(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    wecom.script(READ, BUSY)

    with pytest.raises(BusyError):
        await read(client)
    assert len(wecom.calls(READ)) == 4


async def test_busy_read_succeeds_in_the_end(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    wecom.script(READ, BUSY, BUSY, {**OK, "x": 1})

    assert (await read(client))["x"] == 1


async def test_busy_creation_is_of_unknown_outcome(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(CREATE, BUSY)

    with pytest.raises(UnknownOutcomeError) as unknown:
        await create(client)

    assert unknown.value.errcode == -1
    assert not isinstance(unknown.value, RetryLaterError)
    assert len(wecom.calls(CREATE)) == 1


@pytest.mark.parametrize("errcode", [45033, 45035, 6000])
async def test_conflict_is_repeated_whatever_the_call(
    errcode: int, wecom: ScriptedWeCom, make_client: MakeClient
) -> None:
    client = await make_client()
    wecom.script(CREATE, {"errcode": errcode, "errmsg": ""}, {"errcode": errcode, "errmsg": ""}, OK)

    await create(client)
    assert len(wecom.calls(CREATE)) == 3


async def test_conflicts_lower_how_many_are_asked_at_once(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    arrived, most, now = 0, 0, 0
    all_here = asyncio.Event()

    async def crowded(request: web.Request) -> web.StreamResponse:
        nonlocal arrived, most, now
        arrived += 1
        if arrived <= 16:
            if arrived == 16:
                all_here.set()
            await all_here.wait()
            return web.json_response({"errcode": 45033, "errmsg": "api concurrent out of limit"})
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        return web.json_response(OK)

    await client.fetch_access_token()
    wecom.script(CREATE, crowded)
    await asyncio.gather(*(create(client) for _ in range(16)))

    assert arrived == 32
    assert most < 8


async def test_rate_limit_that_outlasts_the_deadline_says_how_long(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, {"errcode": 45009, "errmsg": "api freq out of limit"})

    with pytest.raises(RateLimitedError) as limited:
        await read(client)
    with pytest.raises(RateLimitedError) as again:
        await read(client)

    assert (limited.value.errcode, limited.value.after_seconds) == (45009, 60)
    assert again.value.after_seconds == pytest.approx(60, abs=5)
    assert len(wecom.calls(READ)) == 1, "during the pause WeCom is not asked"


async def test_rate_limit_that_fits_the_deadline_is_waited_for(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    clock = FrozenClock(datetime(2026, 3, 1, tzinfo=UTC))
    refused = asyncio.Event()

    def watch(path: str, code: int | str, seconds: float) -> None:
        if code == 45009:
            refused.set()

    client = await make_client(clock=clock, on_call=watch)
    wecom.script(CREATE, {"errcode": 45009, "errmsg": "api freq out of limit"}, {**OK, "config_id": "c"})

    calling = asyncio.ensure_future(create(client.within(90)))
    await refused.wait()
    clock.advance(timedelta(seconds=61))

    assert (await calling)["config_id"] == "c"


async def test_urgent_call_passes_while_bulk_calls_hold_every_connection_they_may(
    wecom: ScriptedWeCom, make_client: MakeClient
) -> None:
    client = await make_client(max_connections=10)
    may_answer = asyncio.Event()
    here = asyncio.Event()
    asked = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked == 9:
            here.set()
        await may_answer.wait()
        return web.json_response(OK)

    wecom.script(READ, slow)
    bulk = [asyncio.ensure_future(read(client)) for _ in range(50)]
    await here.wait()
    await welcome(client.within(2, urgent=True))

    assert asked == 9
    may_answer.set()
    await asyncio.gather(*bulk)


async def test_whole_call_keeps_its_deadline(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, hang)
    # Without a deadline it would be asked again and again, each time for as long as it hangs.
    async with asyncio.timeout(20):
        with pytest.raises(NoAnswerError):
            await client.within(0.5).external_contact.get("wm1")


async def test_slow_token_does_not_outlast_the_deadline(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script("gettoken", hang)

    with pytest.raises(UnreachableError):
        await client.within(0.2).external_contact.get("wm1")
    assert wecom.calls(READ) == []


async def test_views_share_token_and_budgets(wecom: ScriptedWeCom, client: WeComClient) -> None:
    urgent = client.within(5, urgent=True)
    await urgent.external_contact.get("wm1")
    await read(client)

    assert len(wecom.calls("gettoken")) == 1
    assert urgent.options.urgent
    assert not client.options.urgent


async def test_answer_of_unbounded_size_is_not_read(
    wecom: ScriptedWeCom, client: WeComClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.wecom.transport.ANSWER_MAX_BYTES", 1000)
    wecom.script(CREATE, {**OK, "x": "y" * 2000})

    with pytest.raises(UnknownOutcomeError, match="over 1000 bytes"):
        await create(client)


async def test_unknown_api_is_told_apart(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, web.Response(status=404))

    with pytest.raises(InvalidRequestError, match="HTTP 404"):
        await read(client)


async def test_redirect_is_not_followed(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, web.Response(status=302, headers={"Location": "/cgi-bin/elsewhere"}))

    with pytest.raises(WeComError, match="HTTP 302"):
        await read(client)
    assert wecom.calls("elsewhere") == []


async def test_every_attempt_is_counted(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    counted: list[tuple[str, int | str]] = []
    client = await make_client(on_call=lambda path, code, seconds: counted.append((path, code)))
    mark = "externalcontact/mark_tag"  # a POST: aiohttp itself repeats a GET on a connection that was kept open
    wecom.script(mark, BUSY, drop_connection, OK)
    await client.external_contact.mark_tag("zhangsan", "wm1", ["et1"])
    wecom.script(mark, {"errcode": 84061, "errmsg": ""})
    with pytest.raises(NotAFollowerError):
        await client.external_contact.mark_tag("zhangsan", "wm1", ["et1"])

    assert counted == [("gettoken", 0), (mark, -1), (mark, "lost"), (mark, 0), (mark, 84061)]


@pytest.mark.parametrize("answer", [EXPIRED, hang, drop_connection, BUSY], ids=["expired", "hang", "cut", "busy"])
@pytest.mark.parametrize("calling", [read, welcome, create])
async def test_no_error_tells_the_token_the_secret_or_the_words(
    calling: Calling, answer: Any, wecom: ScriptedWeCom, make_client: MakeClient
) -> None:
    client = await make_client(timeout_seconds=0.2)
    for path in (READ, WELCOME, CREATE):
        wecom.script(path, answer)

    with structlog.testing.capture_logs() as logs, pytest.raises(WeComError) as failed:
        await calling(client)

    seen: BaseException | None = failed.value
    told = json.dumps(logs, default=str) + "".join(traceback.format_exception(failed.value))
    while seen is not None:
        told += repr(seen) + str(seen) + repr(vars(seen))
        seen = seen.__cause__ or seen.__context__
    for secret in ("token-1", "token-2", "the-secret", "张三", "CODE"):
        assert secret not in told.replace("'CODE'", "").replace('"CODE"', ""), told


async def test_errors_survive_pickling(wecom: ScriptedWeCom, client: WeComClient) -> None:
    wecom.script(READ, {"errcode": 45009, "errmsg": "api freq out of limit"})
    with pytest.raises(RateLimitedError) as limited:
        await read(client)

    copy = pickle.loads(pickle.dumps(limited.value))

    assert str(copy) == str(limited.value)
    assert vars(copy) == vars(limited.value)


async def test_client_must_be_open() -> None:
    client = WeComClient("ww1", "secret")

    with pytest.raises(RuntimeError, match="not open"):
        await read(client)


def test_client_wants_its_credentials() -> None:
    with pytest.raises(ConfigurationError):
        WeComClient("ww1", "")


async def test_access_token_is_not_a_property(client: WeComClient) -> None:
    with pytest.raises(AttributeError, match="fetch_access_token"):
        _ = client.access_token


def test_how_far_a_clock_is_ahead_is_read_from_its_date() -> None:
    date, at = "Wed, 04 Mar 2026 02:00:00 GMT", datetime(2026, 3, 4, 2, tzinfo=UTC).timestamp()
    assert ahead_of(date, at + 0.9, at + 0.95) == 0, "within its second"
    assert ahead_of(date, at - 3, at + 30) == 0, "somewhere in a long call"
    assert ahead_of(date, at + 25, at + 26) == -24
    assert ahead_of(date, at - 31, at - 30) == 30
    assert [ahead_of(each, at, at, 7.0) for each in (None, "", "yesterday", "\x00")] == [7.0] * 4
