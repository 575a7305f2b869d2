"""The console's limits and hours, holidays, webhooks, log and backups; on the running bot."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from sqlmodel import Session

from bot import kept
from bot.campaign_plans import calendar_of
from bot.config import BackupSettings, CampaignsSettings, CompanySettings, JourneysSettings
from bot.logs import RECENT
from data.models import Role, WebhookCall
from data.queries import audit
from data.queries import kept as kept_rows
from data.rules.webhooks import signature
from scheduler.journey_triggers import follow_happenings
from scheduler.webhooks import send_webhooks
from tests.console import Browser, fields_of, sign_in
from tests.scenarios.conftest import Company, Start

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e"


async def test_an_admin_sets_limits_and_looks_after_the_rest(start: Start, tmp_path: Path) -> None:
    company = await start(
        campaigns=CampaignsSettings(hours="08:00-22:00"), backup=BackupSettings(folder=tmp_path / "backups", at=""),
        journeys=JourneysSettings(webhook_secret=SecretStr("k" * 20), webhook_private=True),
    )  # fmt: skip
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(company.bot, http, Role.ADMIN)
        manager = await sign_in(company.bot, http, Role.MANAGER, department_ids=[1])
        for page in ("limits", "holidays", "webhooks", "log", "backups"):
            assert (await manager.get(f"/console/{page}")).status == 403
        await set_limits(company, admin)
        await enter_holidays(company, admin)
        await tell_another_program(company, admin)
        await replay_calls(company, admin)
        await read_the_log(admin)
        await back_up(company, admin, tmp_path / "backups")


def form_of(page: str, **changed: str) -> list[tuple[str, str]]:
    """The form of the limits as it stands, with some fields typed anew."""
    main = re.search(r'<form method="post" action="/console/limits">(.*?)</form>', page, re.S)
    assert main
    fields = fields_of(main[1])
    typed = {key.replace("__", "."): value for key, value in changed.items()}
    assert typed.keys() <= {name for name, _ in fields}
    return [(name, typed.get(name, value)) for name, value in fields]


async def set_limits(company: Company, admin: Browser) -> None:
    ctx, path = company.bot.context, "/console/limits"
    page = await admin.get(path)
    assert "在这里设置" not in page.text
    stale = form_of(page.page, journeys__cap_per_day="3")
    form = form_of(page.page, campaigns__hours__from="09:30", journeys__cap_per_week="5")
    assert (await admin.post(path, form)).location == f"{path}?said=saved"
    assert (ctx.settings.campaigns.hours, ctx.settings.journeys.cap_per_week) == ("09:30-22:00", 5)
    assert ctx.filed.campaigns.hours == "08:00-22:00"
    row = await company.bot.db.read(kept_rows.find_kept, kept_rows.SETTINGS)
    assert row is not None
    assert row.value == {"campaigns": {"hours": "09:30-22:00"}, "journeys": {"cap_per_week": 5}}
    (entry,) = await company.bot.db.read(lambda s: audit.list_entries(s, limit=1))
    assert entry.action == "settings.change"
    assert entry.after == {"campaigns.hours": "09:30-22:00", "journeys.cap_per_week": 5}
    # Another replica, and a command, go by it too.
    other = await kept.settings_now(company.bot.db, ctx.filed)
    assert other.campaigns.hours == "09:30-22:00"
    refused = await admin.post(path, stale)
    assert refused.status == 409
    assert 'value="3"' in refused.page, "what was typed stays"
    page = await admin.get(path)
    assert "配置文件是 08:00-22:00" in page.text
    for wrong in (
        {"campaigns__hours__to": "25:00"}, {"journeys__cap_per_day": "-1"}, {"journeys__cap_per_day": HOSTILE[:18]},
        {"campaigns__cap_days": "0"}, {"digest__days": "never"}, {"journeys__day_at": "9"},
    ):  # fmt: skip
        refused = await admin.post(path, form_of(page.page, **wrong))
        assert refused.status == 400, wrong
        assert 'role="alert"' in refused.page
        assert "<script>alert" not in refused.page
    assert ctx.settings.journeys.cap_per_day == 1
    assert (await admin.post(f"{path}/reset", {"name": "app.secret"})).status == 404
    assert (await admin.post(f"{path}/reset", {"name": "campaigns.hours"})).location == f"{path}?said=as_filed"
    assert ctx.settings.campaigns.hours == "08:00-22:00"


async def enter_holidays(company: Company, admin: Browser) -> None:
    ctx, path = company.bot.context, "/console/holidays"
    assert (await admin.get(f"{path}?year=2026")).status == 200
    days = "2026-10-01..2026-10-07\n2026-5-1"
    assert (await admin.post(path, {"kind": "holidays", "days": days})).location == f"{path}?said=saved&year=2026"
    assert ctx.settings.company.holidays == ("2026-05-01", "2026-10-01..2026-10-07")
    assert (await admin.post(path, {"kind": "workdays", "days": "2026-10-10"})).status == 303
    for kind, wrong in (
        ("workdays", "2026-10-05"), ("holidays", "2026-13-01"), ("holidays", HOSTILE), ("x", "2026-10-01"),
        ("holidays", "2026-01-01..2027-01-01"), ("holidays", ""), ("holidays", "2026-10-07..2026-10-01"),
    ):  # fmt: skip
        refused = await admin.post(path, {"kind": kind, "days": wrong})
        assert refused.status == 400, wrong
        assert "<script>alert" not in refused.page
    page = await admin.get(f"{path}?year=2026")
    assert "周末上班" in page.text
    assert (await admin.get(f"{path}?year=99999999999")).status == 200
    # 1 October 2026 at eight in the morning is a holiday; the 8th is the first day that is worked.
    asked = await admin.get("/console/limits?at=2026-10-01T08:00")
    assert "这天放假" in asked.text
    assert "2026-10-08 08:00" in asked.text
    assert calendar_of(ctx.settings).hours.holds(datetime(2026, 10, 1, 1, tzinfo=UTC), ctx.settings.zone)
    assert "不在可以发送的时间" in (await admin.get("/console/limits?at=2026-10-10T23:00")).text
    for odd in ("abc", "9999-12-31T23:59", "2026-10-01T08:00%2B99:00"):
        assert (await admin.get(f"/console/limits?at={odd}")).status == 200
    assert (await admin.post(f"{path}/remove", {"kind": "holidays", "days": "2026-05-01"})).status == 303
    assert (await admin.post(f"{path}/remove", {"kind": "holidays", "days": "2026-05-01"})).status == 404
    assert (await admin.post(f"{path}/reset")).status == 303
    assert ctx.settings.company == ctx.filed.company
    # What a newer version has set, or nobody can use, keeps nothing from running.
    odd_settings: dict[str, Any] = {"campaigns": {"hours": "x", "cap_days": 9}, "nonsense": {"a": 1}}
    usable = kept.settled(ctx.filed, odd_settings)
    assert (usable.campaigns.hours, usable.campaigns.cap_days) == ("08:00-22:00", 9)
    assert isinstance(ctx.settings.company, CompanySettings)


async def tell_another_program(company: Company, admin: Browser) -> None:
    """A webhook is made, tried, told of a new customer under its own secret, switched off and removed."""
    path, heard, answers = "/console/webhooks", [], [500, 200, 204]

    async def take(request: web.Request) -> web.Response:
        heard.append((dict(request.headers), await request.read()))
        return web.Response(status=answers[min(len(heard), len(answers)) - 1])

    app = web.Application()
    app.router.add_post("/crm", take)
    async with TestServer(app) as server:
        form = [
            ("name", HOSTILE),
            ("url", f"http://127.0.0.1:{server.port}/crm"),
            ("event", "added"),
            ("event", "lost"),
        ]
        for wrong in (
            [("name", "a"), ("url", "ftp://x"), ("event", "added")], [("name", "a"), ("url", "http://x.example")],
            [*form, ("event", "tagged")], [*form, ("event", "tagged"), ("tag_id", "none")], [*form, ("event", "x")],
        ):  # fmt: skip
            assert (await admin.post(path, wrong)).status == 400, wrong
        made = await admin.post(path, form)
        (secret,) = re.findall(r'value="([0-9a-f]{64})" aria-label', made.page)
        assert "<script>alert" not in made.page
        one = re.findall(r"/console/webhooks/\d+", made.page)[0]
        assert secret not in (await admin.get(one)).page
        refused = await admin.post(f"{one}/test")
        assert refused.status == 400
        assert "HTTP 500" in refused.text
        assert (await admin.post(f"{one}/test")).location == f"{one}?said=heard"
        added = company.scan()
        await company.settle()
        company.bot.clock.advance(timedelta(seconds=31))
        await follow_happenings(company.bot.context)
        await send_webhooks(company.bot.context)
        headers, body = heard[-1]
        told = json.loads(body)
        assert (told["event"], told["external_userid"]) == ("added", added.follow.external_userid)
        assert headers["X-Siyu-Signature"] == signature(secret, int(headers["X-Siyu-Timestamp"]), body)
        assert added.follow.external_userid in (await admin.get(f"{path}?webhook={one.rpartition('/')[2]}")).text
        count = len(heard)
        assert (await admin.post(f"{one}/switch", {"on": "no"})).status == 303
        company.scan()
        await company.settle()
        await follow_happenings(company.bot.context)
        await send_webhooks(company.bot.context)
        assert len(heard) == count, "switched off it is told of nothing"
        assert secret not in (await admin.post(f"{one}/secret")).page
        assert (await admin.post(one, [("name", "b"), *form[1:]])).status == 303
        assert (await admin.post(f"{one}/remove")).status == 303
        assert (await admin.get(one)).status == 404


async def replay_calls(company: Company, admin: Browser) -> None:
    now = company.bot.clock.now()

    def add(session: Session) -> int:
        call = WebhookCall(
            enrolment_id=1, external_userid="wm1", url=f"https://x.example/{HOSTILE}", body={"a": HOSTILE}, made_at=now,
            attempts=9, error="It answered HTTP 500.",
        )  # fmt: skip
        session.add(call)
        session.flush()
        return call.id or 0

    number = await company.bot.db.write(add)
    page = await admin.get("/console/webhooks?state=given_up")
    assert "对方回答了 HTTP 500。" in page.text
    assert "<script>alert" not in page.page
    assert (await admin.get("/console/webhooks?state=nonsense&before=x&customer=%3Cb%3E")).status == 200
    path = f"/console/webhook-calls/{number}/again"
    assert (await admin.post(path)).status == 303
    assert (await admin.post(path)).status == 409
    assert (await admin.post("/console/webhook-calls/999999/again")).status == 404
    assert (await admin.post("/console/webhook-calls/again")).status == 303


async def read_the_log(admin: Browser) -> None:
    RECENT(None, "warning", {"event": "tested", "level": "warning", "area": "test", "external_userid": "wmSECRET",
                             "cause": HOSTILE, "exception": "Traceback\n  x = 张三\nValueError: 张三"})  # fmt: skip
    page = await admin.get("/console/log?level=warning")
    assert "tested" in page.text
    assert "ValueError" in page.text
    for never in ("wmSECRET", "张三", "<script>alert"):
        assert never not in page.page
    assert "tested" not in (await admin.get("/console/log?level=error")).text


async def back_up(company: Company, admin: Browser, folder: Path) -> None:
    assert "还没有备份" in (await admin.get("/console/backups")).text
    assert (await admin.post("/console/backups")).location == "/console/backups?said=started"
    assert "一分钟内" in (await admin.get("/console/backups")).text
    await company.bot.runner.run_now("backups")
    (file,) = folder.iterdir()
    page = await admin.get("/console/backups")
    assert file.name in page.text
    assert "一份备份会" not in page.text
    await company.bot.runner.run_now("backups")
    assert list(folder.iterdir()) == [file], "one is enough"
    # As after a restore: every page says that nothing is sent, until an admin has looked.
    now = company.bot.clock.now()
    value = {"at": now.isoformat(), "made_at": now.isoformat(), "waits": True}
    await company.bot.db.write(lambda s: kept_rows.keep(s, kept_rows.RESTORED, value, "test", now))
    await company.bot.runner.run_now("read_settings")
    assert "发送还停着" in (await admin.get("/console/customers")).text
    assert (await admin.post("/console/backups/resume")).location == "/console/backups?said=resumed_all"
    assert company.bot.context.restore is not None
    assert not company.bot.context.restore.waits
    assert "发送还停着" not in (await admin.get("/console/customers")).text
