"""Web authorisation of the local WeCom: who has opened a page, told once, and only to a page of the trusted domain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox.authorize import COOKIE, PATH
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client

BACK = "https://bot.example.com/l/back?x=1"


def query(sandbox: Sandbox, **more: str) -> dict[str, str]:
    app = sandbox.world.app
    app.redirect_domain = "bot.example.com"
    return {
        "appid": sandbox.world.company.corpid, "redirect_uri": BACK, "response_type": "code", "scope": "snsapi_base",
        "state": "abc123", "agentid": str(app.agentid), **more,
    }  # fmt: skip


async def authorize(client: Client, asked: dict[str, str], person: str = "") -> tuple[int, str]:
    cookies = {"Cookie": f"{COOKIE}={person}"} if person else {}
    url = f"{client.sandbox.url}{PATH}"
    async with client.http.get(url, params=asked, headers=cookies, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", "")


async def test_who_opens_a_page_is_told_once(sandbox: Sandbox, client: Client) -> None:
    staff = sandbox.world.population.service[0].userid
    whom = next(sandbox.world.customers.listed_by(staff))
    stranger = sandbox.world.customers.create("路人").external_userid
    for person, told in (
        (f"external_userid:{whom}", {"external_userid": whom}), (f"external_userid:{stranger}", {}),
        (f"userid:{staff}", {"userid": staff}),
    ):  # fmt: skip
        status, location = await authorize(client, query(sandbox), person)
        parts = urlsplit(location)
        assert (status, parts.netloc, parts.path) == (302, "bot.example.com", "/l/back")
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (found["x"], found["state"]) == ("1", "abc123")
        answer = await client.get("auth/getuserinfo", code=found["code"])
        assert {name: answer[name] for name in ("userid", "external_userid") if name in answer} == told
        assert ("openid" in answer) == ("userid" not in answer)
        assert await client.code("auth/getuserinfo", code=found["code"]) == 40029


async def test_whom_wechat_shows_an_error_instead(sandbox: Sandbox, client: Client) -> None:
    person = f"userid:{sandbox.world.population.service[0].userid}"
    assert (await authorize(client, query(sandbox)))[0] == 400
    assert (await authorize(client, query(sandbox), "agentid:x"))[0] == 400
    for wrong in (
        {"redirect_uri": "https://evil.example/l/back"}, {"redirect_uri": "https://bot.example.com:8443/"},
        {"redirect_uri": "javascript://bot.example.com/"}, {"appid": "ww0"}, {"response_type": "token"},
        {"scope": "all"}, {"state": "a-b"}, {"state": "x" * 129},
    ):  # fmt: skip
        assert await authorize(client, query(sandbox, **wrong), person) == (400, ""), wrong


@pytest.fixture
async def bot() -> AsyncIterator[TestServer]:
    """Pages that lead on."""
    seen: list[str] = []

    async def lead_on(request: web.Request) -> web.Response:
        seen.append(request.headers["User-Agent"])
        where = {"/shop": "https://shop.example.com/x?y=%E6%98%A5", "/round": "/round", "/next": "/shop"}
        location = where.get(request.path)
        return web.Response(status=302, headers={"Location": location}) if location else web.Response(text="page")

    app = web.Application()
    app.router.add_get("/{page}", lead_on)
    server = TestServer(app)
    await server.start_server()
    server.seen = seen  # type: ignore[attr-defined]
    yield server
    await server.close()


async def test_a_page_is_opened_as_wechat_opens_it(sandbox: Sandbox, client: Client, bot: Any) -> None:
    sandbox.world.app.callback_url = str(bot.make_url("/callback"))
    whom = next(sandbox.world.customers.listed_by(sandbox.world.population.service[0].userid))

    async def end_of(url: str) -> str:
        return str((await client.control("open_page", external_userid=whom, url=url))["url"])

    assert await end_of(str(bot.make_url("/next"))) == "https://shop.example.com/x?y=%E6%98%A5"
    assert all("MicroMessenger" in agent for agent in bot.seen)
    assert await end_of(str(bot.make_url("/plain"))) == str(bot.make_url("/plain"))
    asked = len(bot.seen)
    assert await end_of("https://elsewhere.example/a") == "https://elsewhere.example/a"
    assert len(bot.seen) == asked
    for url in (str(bot.make_url("/round")), "javascript:alert(1)", "/relative"):
        async with client.http.post(
            f"{sandbox.url}/sandbox/open_page", json={"external_userid": whom, "url": url}
        ) as answer:
            assert answer.status == 409, url
