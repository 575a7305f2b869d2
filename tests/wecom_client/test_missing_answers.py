"""No usable answer came, or WeCom could not be reached: what is repeated, and what is of unknown outcome."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.errors import RetryLaterError
from bot.wecom.errors import (
    NoAnswerError,
    UnknownOutcomeError,
    UnreachableError,
    WelcomeDoneError,
)
from tests.wecom_client.calls import CREATE, READ, WELCOME, create, read, welcome
from tests.wecom_client.conftest import OK, MakeClient, ScriptedWeCom, drop_connection, hang

FAULTS: dict[str, Any] = {
    "cut connection": drop_connection,
    "no answer": hang,
    "HTTP 502": lambda _: asyncio.sleep(0, web.Response(status=502, text="<html>")),
    "not JSON": lambda _: asyncio.sleep(0, web.Response(text="<html>")),
    "not an object": lambda _: asyncio.sleep(0, web.json_response([1])),
    "errcode not a number": lambda _: asyncio.sleep(0, web.json_response({"errcode": "many"})),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_missing_answer_to_a_creation_is_never_repeated(
    fault: str, wecom: ScriptedWeCom, make_client: MakeClient
) -> None:
    client = await make_client(timeout_seconds=0.3)
    wecom.script(CREATE, FAULTS[fault])

    with pytest.raises(UnknownOutcomeError) as unknown:
        await create(client)

    assert not unknown.value.retryable
    assert len(wecom.calls(CREATE)) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_missing_answer_to_a_read_is_repeated(fault: str, wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client(timeout_seconds=0.3)
    wecom.script(READ, FAULTS[fault], {**OK, "x": 1})

    assert (await read(client))["x"] == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_read_that_is_never_answered_can_be_tried_later(
    fault: str, wecom: ScriptedWeCom, make_client: MakeClient
) -> None:
    client = await make_client(timeout_seconds=0.1)
    wecom.script(READ, FAULTS[fault])

    with pytest.raises(NoAnswerError) as failed:
        await read(client)

    assert isinstance(failed.value, RetryLaterError)
    assert failed.value.retryable


async def test_welcome_whose_answer_was_lost_tells_that_it_may_be_ours(
    wecom: ScriptedWeCom, make_client: MakeClient
) -> None:
    client = await make_client()
    wecom.script(WELCOME, drop_connection, {"errcode": 41051, "errmsg": "externaluser has started chatting"})

    with pytest.raises(WelcomeDoneError) as done:
        await welcome(client)

    assert done.value.earlier_attempt_unanswered


async def test_app_message_is_repeated_only_with_duplicate_check(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    client = await make_client()
    message = {"msgtype": "text", "text": {"content": "你好"}}
    wecom.script("message/send", drop_connection, OK)
    await client.message.send(1, "@all", msg=message, duplicate_check_seconds=600)

    wecom.script("message/send", drop_connection, OK)
    with pytest.raises(UnknownOutcomeError):
        await client.message.send(1, "@all", msg=message)


async def test_unreachable_wecom_got_nothing(make_client: MakeClient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        client = await make_client(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}/cgi-bin/")

        with pytest.raises(UnreachableError) as unreachable:
            await create(client)

    assert unreachable.value.retryable


async def test_creation_is_repeated_when_nothing_was_sent(wecom: ScriptedWeCom, make_client: MakeClient) -> None:
    refusals = 2

    class Connector(aiohttp.TCPConnector):
        async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
            nonlocal refusals
            if req.url.path.endswith(CREATE) and refusals:
                refusals -= 1
                raise aiohttp.ClientConnectorError(req.connection_key, OSError(111, "refused"))
            return await super().connect(req, traces, timeout)

    async with aiohttp.ClientSession(connector=Connector()) as session:
        client = await make_client(session=session)
        await create(client)

    assert len(wecom.calls(CREATE)) == 1
    assert refusals == 0
