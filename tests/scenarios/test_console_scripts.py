"""Scripts in the console: written, found, switched, removed, handed in and out; by two at once, and who may not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import aiohttp
import pytest

from bot.scripts import EXAMPLE, HEAD
from data.models import Role
from data.queries import scripts as rows
from tests.console import Browser, sign_in
from tests.scenarios.conftest import Company

HOSTILE = "<script>alert(1)</script>{{7*7}}🙂"
PATH = "/console/scripts"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def upload(browser: Browser, content: bytes) -> tuple[int, str]:
    form = aiohttp.FormData()
    form.add_field("csrf", browser.csrf)
    form.add_field("file", content, filename="scripts.csv", content_type="text/csv")
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with browser.http.post(f"{browser.bot.url}{PATH}/import", data=form, headers={"Cookie": cookie}) as answer:
        return answer.status, unescape(await answer.text())


async def test_scripts(company: Company, http: aiohttp.ClientSession) -> None:
    browser, db = await sign_in(company.bot, http, Role.ADMIN), company.bot.db
    assert "话术库还是空的" in (await browser.get(PATH)).text
    wrong = await browser.post(PATH, {"title": HOSTILE, "content.text": "{{ channel_name }}"})
    assert wrong.status == 400
    assert "<script>alert" not in wrong.page
    assert "只能写客户、员工和公司的名字" in wrong.text
    assert (await browser.post(PATH, {"title": " ", "content.text": ""})).status == 400
    form = {"title": HOSTILE, "category": "异议", "enabled": "yes", "department_ids": "1", "content.text": "价格很实在"}
    assert (await browser.post(PATH, form)).location == f"{PATH}?said=made"
    assert (await browser.post(PATH, form)).status == 409
    (script,) = await db.read(rows.list_all)
    listed = await browser.get(f"{PATH}?q=价格&category=异议")
    assert HOSTILE in unescape(listed.page)
    assert "<script>alert" not in listed.page
    assert "没有找到话术" in (await browser.get(f"{PATH}?q=退款")).text

    page = await browser.get(f"{PATH}/{script.id}")
    version = re.search(r'name="version" value="([0-9]+)"', page.page)
    assert version is not None
    changed = {**form, "title": "太贵", "version": version[1]}
    assert (await browser.post(f"{PATH}/{script.id}", changed)).location == f"{PATH}?said=saved"
    late = await browser.post(f"{PATH}/{script.id}", {**changed, "content.text": "我的"})
    assert (late.status, "我的" in late.text) == (409, True)
    assert (await browser.post(f"{PATH}/{script.id}/switch", {"enabled": "no"})).location == f"{PATH}?said=switched_off"
    assert not (await db.read(rows.get_script, script.id)).enabled

    status, said = await upload(browser, "标题,内容\n新的,您好\n坏的,{{ x }}\n".encode())
    assert (status, "新建 1 条，修改 0 条" in said, "第 3 行" in said) == (200, True, True)
    assert (await upload(browser, b"\x00\x01"))[0] == 400
    out = await browser.get(f"{PATH}.csv")
    assert out.body.decode("utf-8-sig").splitlines()[0] == ",".join(HEAD)
    example = await browser.get(f"{PATH}/example.xlsx")
    assert (example.status, example.body[:2]) == (200, b"PK")
    assert (await upload(browser, example.body))[0] == 200
    assert EXAMPLE[0] not in {each.title for each in await db.read(rows.list_all)}, "there is no such department here"

    # Who uses which, of those whom a manager sees; staff see none of it.
    member, other = company.followers[0], company.followers[1]
    for userid in (member, other):
        await db.write(rows.count_use, script.id, userid, company.bot.clock.now())
    name = company.world.directory.get(member).name
    assert name in (await browser.get(f"{PATH}/uses?script={script.id}")).text
    manager = await sign_in(company.bot, http, Role.MANAGER, userid=other)
    seen = (await manager.get(f"{PATH}/uses")).text
    assert company.world.directory.get(other).name in seen
    assert name not in seen
    assert (await manager.get(PATH)).status == 200
    assert (await manager.post(f"{PATH}/{script.id}/remove")).status == 403
    staff = await sign_in(company.bot, http, Role.STAFF, userid=member)
    assert (await staff.get(PATH)).status == 403
    assert (await browser.post(f"{PATH}/{script.id}/remove")).location == f"{PATH}?said=removed"
    assert (await browser.get(f"{PATH}/{script.id}")).status == 404

    # One's own time for the morning digest.
    mine = await staff.get("/console/me")
    assert "每日提醒" in mine.text
    assert (await staff.post("/console/me/digest", {"when": "own", "at": "25:00"})).status == 400
    assert (await staff.post("/console/me/digest", {"when": "own", "at": "08:15"})).status == 303
    assert 'value="08:15"' in (await staff.get("/console/me")).page
