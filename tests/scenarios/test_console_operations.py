"""The console's operations: events and dead letters, syncs, jobs, calls, the doctor, tokens; on the running bot."""

from __future__ import annotations

import re

import aiohttp

from bot.console.job_words import WORDS
from data.models import Role
from data.queries import access, audit
from tests.console import Browser, sign_in
from tests.scenarios.conftest import Company


async def test_an_admin_keeps_it_healthy(company: Company) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(company.bot, http, Role.ADMIN)
        await look_at_events(company, admin)
        await sync(company, admin)
        await run_jobs(company, admin)
        await make_a_token(company, admin)


async def look_at_events(company: Company, admin: Browser) -> None:
    assert "没有事件" in (await admin.get("/console/events?state=dead")).text
    added = company.scan(name="<b>小鱼</b>")
    await company.settle()
    listed = await admin.get(f"/console/events?customer={added.follow.external_userid}")
    assert "成员和客户成为好友" in listed.text
    assert "<b>小鱼" not in listed.page
    assert "<b>小鱼</b>" in listed.text, "who it is about"
    event_id = re.findall(r"/console/events/(\d+)", listed.page)[0]
    one = await admin.get(f"/console/events/{event_id}")
    assert "welcome" in one.text
    assert "<xml>" not in one.text
    shown = await admin.post(f"/console/events/{event_id}/body")
    assert "&lt;ExternalUserID&gt;" in shown.page
    assert (
        await admin.post(f"/console/events/{event_id}/replay")
    ).location == f"/console/events/{event_id}?said=replayed"
    assert (await admin.post("/console/events/replay")).status == 303
    assert (await admin.get("/console/events/999999")).status == 404
    await company.settle()
    odd = await admin.get("/console/events?state=x&kind='%3B--&before=abc&customer=" + "长" * 200)
    assert odd.status == 200
    assert (await admin.get("/console/events?kind=%00")).status == 404
    done = [(each.action, each.what) for each in await company.bot.db.read(lambda s: audit.list_entries(s, limit=3))]
    assert done[1:] == [("events.replay", f"event {event_id}"), ("events.body", f"event {event_id}")]


async def sync(company: Company, admin: Browser) -> None:
    asked = await admin.post("/console/syncs")
    assert asked.status == 303
    path = asked.location.partition("?")[0]
    again = await admin.post("/console/syncs")
    assert again.location == asked.location, "of two that are asked for at once there is one"
    await company.bot.runner.run_now("sync")
    assert "完成" in (await admin.get(path)).text
    assert path.removeprefix("/console") in (await admin.get("/console/syncs")).page


async def run_jobs(company: Company, admin: Browser) -> None:
    assert {job.name for job in company.bot.runner.jobs} <= WORDS.keys(), "what each does is said in words"
    assert "读取企业标签 poll_tags 6 小时" in (await admin.get("/console/jobs")).text
    assert (await admin.post("/console/jobs/poll_tags/run")).status == 303
    assert (await admin.post("/console/jobs/no_such/run")).status == 404
    assert (await admin.get("/console/calls")).status == 200
    assert "hx-get" in (await admin.get("/console/check")).page
    found = await admin.get("/console/check/findings", HX_Request="true")
    assert "<html" not in found.page
    assert "正常" in found.text


async def make_a_token(company: Company, admin: Browser) -> None:
    for form in ({"name": "\x00"}, {"name": "shop"}, {"name": "x" * 65, "scope": "orders:write"}):
        assert (await admin.post("/console/tokens", form)).status == 400
    hostile = "<script>店</script>"
    made = await admin.post("/console/tokens", [("name", hostile), ("scope", "orders:write"), ("scope", "nonsense")])
    assert "<script>店" not in made.page
    (token,) = re.findall(r"siyu_[\w-]{43}", made.page)
    assert (await admin.post("/console/tokens", {"name": hostile, "scope": "orders:write"})).status == 409
    found = await company.bot.db.read(access.find_api_token, token)
    assert found is not None
    assert found.scopes == ["orders:write"]
    listed = await admin.get("/console/tokens")
    assert token not in listed.page
    assert (await admin.post("/console/tokens/revoke", {"name": hostile})).status == 303
    assert await company.bot.db.read(access.find_api_token, token) is None
    assert (await admin.post("/console/tokens/revoke", {"name": "nobody"})).status == 404
