"""Whether WeCom would reach us."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from bot import redirects
from bot.doctor import Finding, Level, address
from bot.doctor.address import examine_address
from data.queries import health as health_rows
from tests.doctor.conftest import Patient


async def look(patient: Patient, url: str) -> list[Finding]:
    return [finding async for finding in examine_address(patient.settings, url, patient.clock)]


async def test_our_own_callback_verifies_and_does_not_count_as_wecoms_verification(served: Patient) -> None:
    async with served.bot() as bot:
        for url in (bot.url, f"{bot.url}/callback", f"{bot.url}/"):
            (found,) = await look(served, url)
            assert (found.code, found.level) == ("url", Level.OK)
        await bot.signs.write()
        assert await bot.db.read(health_rows.list_health) == []


async def test_another_token_there_than_here(served: Patient) -> None:
    async with served.bot() as bot:
        callback = served.settings.callbacks[0].model_copy(update={"token": SecretStr("another")})
        served.change(callbacks=(callback,))
        (found,) = await look(served, bot.url)
        assert (found.code, found.level) == ("url_refused", Level.FAIL)


async def test_a_key_that_cannot_be_used(alone: Patient) -> None:
    callback = alone.settings.callbacks[0].model_copy(update={"encoding_aes_key": SecretStr("short")})
    alone.change(callbacks=(callback,))
    (found,) = await look(alone, "http://127.0.0.1:9")
    assert (found.code, found.level) == ("url", Level.FAIL)


async def test_nobody_there(alone: Patient) -> None:
    (found,) = await look(alone, "http://127.0.0.1:9")
    assert found.code == "url_unreachable"


async def test_something_else_there(alone: Patient) -> None:
    (found,) = await look(alone, alone.sandbox.url)
    assert found.code == "url_wrong"


async def test_what_is_no_address(alone: Patient) -> None:
    for url in ("bot.example.com", "ftp://bot.example.com", "/callback", "https://"):
        (found,) = await look(alone, url)
        assert (found.code, found.level) == ("url", Level.FAIL)


async def test_an_answer_that_comes_too_late_for_wecom(served: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "WECOM_WAITS_SECONDS", 0.1)
    async with served.bot() as bot:

        async def pass_on_slowly(request: web.Request) -> web.Response:
            await asyncio.sleep(0.2)
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"{bot.url}{request.rel_url}") as response,
            ):
                return web.Response(text=await response.text(), status=response.status)

        app = web.Application()
        app.router.add_get("/callback", pass_on_slowly)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        (found,) = await look(served, f"http://127.0.0.1:{runner.addresses[0][1]}")
        await runner.cleanup()
    assert (found.code, found.level) == ("url_slow", Level.WARN)


async def test_the_verification_file_of_the_trusted_domain(served: Patient, tmp_path: Path) -> None:
    (tmp_path / "WW_verify_abc.txt").write_text("abc")
    served.change(server__verify_files=tmp_path)
    async with served.bot() as bot:
        _, found = await look(served, bot.url)
        assert (found.code, found.level) == ("verify_file", Level.OK)
        (tmp_path / "WW_verify_abc.txt").rename(tmp_path / "WW_verify_no way.txt")
        _, found = await look(served, bot.url)
        assert (found.code, found.level) == ("verify_file", Level.FAIL)


async def test_tracked_links_open_where_it_says_so_and_nowhere_else(
    served: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redirects, "STORE_SECONDS", 30.0)
    async with served.bot() as bot:
        for public_url, level in (
            (bot.url, Level.OK),
            (served.sandbox.url, Level.FAIL),
            ("http://127.0.0.1:9", Level.FAIL),
        ):
            served.change(server__public_url=public_url)
            *_, found = await look(served, bot.url)
            assert (found.code, found.level) == ("links", level), public_url
