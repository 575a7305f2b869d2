"""Message templates in the console: drafts, publishing, versions, and what is said with them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import aiohttp
import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from bot.app import Bot
from bot.clock import Clock
from bot.delivery import queue_alert
from bot.published import refresh
from bot.render import Renderer
from bot.sandbox.server import Sandbox
from data.models import Alert, Role
from data.models import testers as tester_models
from data.queries import audit, staff
from data.queries import campaigns as campaign_rows
from data.queries import templates as rows
from tests.conftest import Urls
from tests.console import Browser, sign_in
from tests.scenarios.conftest import read_company_of, settings_for
from tests.staff_tasks import add_contact

HOSTILE = "<script>alert(1)</script>\u202e🙂"
PATH = "/console/templates/staff_alert/link_clicked"


@pytest.fixture
async def bot(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Bot]:
    async with Bot(settings_for(sandbox, urls), clock, bell=False) as bot:
        await read_company_of(bot, "poll_directory")
        yield bot


def last_words(session: Session) -> str:
    return str(session.execute(select(col(Alert.words)).order_by(col(Alert.id).desc()).limit(1)).scalar_one())


async def check_trial(bot: Bot, boss: Browser, member: str) -> None:
    """A welcome's text goes to the test customers, to each with their own values, which stay what they are."""
    path, now = "/console/templates/welcome/default", bot.clock.now()
    form = {"source": "{{ customer_name }}，您好", "revision": "0", "act": "test"}
    nobody = await boss.post(path, form)
    assert (nobody.status, "还没有能收到的测试客户" in nobody.text) == (409, True)

    def prepare(session: Session) -> None:
        for number, name in enumerate(("甲", "甲", "{{7*7}}{%x{{{#", HOSTILE)):
            add_contact(session, now, f"wmtest{number}", member, name=name)
            session.add(
                tester_models.Tester(userid=member, external_userid=f"wmtest{number}", added_by="x", added_at=now)
            )
        add_contact(session, now, "wmgone", member, status="deleted_by_customer")
        session.add(tester_models.Tester(userid=member, external_userid="wmgone", added_by="x", added_at=now))

    await bot.db.write(prepare)
    assert (await boss.post(path, {**form, "source": "{{ oops }}"})).status == 400
    assert (await boss.post(PATH, {**form, "source": "x"})).status == 400, "what is said to staff goes to no customer"
    sent = await boss.post(path, form)
    assert sent.status == 303
    campaign_id = int(sent.location.partition("?")[0].rpartition("/")[2])
    waves = await bot.db.read(campaign_rows.list_waves, [campaign_id])
    said = {bot.context.renderer.render_source("broadcast", wave.content["text"], {}): wave.audience for wave in waves}
    assert {words: audience["pairs"] for words, audience in said.items()} == {
        "甲，您好": 2, "{{7*7}}{%x{{{#，您好": 1, f"{HOSTILE}，您好": 1,
    }  # fmt: skip
    page = await boss.get(sent.location)
    assert ("这是测试" in page.text, "<script>alert" in page.page) == (True, False)
    assert "试发：通用" not in (await boss.get("/console/campaigns")).text


async def test_templates(bot: Bot) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        member = (await bot.db.read(staff.list_followers))[0]
        boss = await sign_in(bot, http, Role.ADMIN, userid=member)
        other = await sign_in(bot, http, Role.ADMIN)
        shipped = bot.context.renderer.source("staff_alert", "link_clicked")

        async def say(key: str) -> str:
            """What the alert says now."""
            told = {"customer_name": "小鱼", "link_name": "春茶", "happened_at": None}
            assert await queue_alert(bot.context, "link_clicked", "nobody", told, dedupe_key=key)
            return await bot.db.read(last_words)

        listed = await boss.get("/console/templates")
        assert listed.text.count("客户点击链接") == 2, "in Chinese and in English"
        assert "已修改" not in listed.text
        manager = await sign_in(bot, http, Role.MANAGER, department_ids=[1])
        assert (await manager.get(PATH)).status == 403
        for path in ("/console/templates/staff_alert/nothing", "/console/templates/broadcast/x"):
            assert (await boss.get(path)).status == 404

        # While it is written.
        form = {"kind": "staff_alert", "slug": "link_clicked", "source": "{{ customer_name }}！{{ staff_name }}"}
        looked = await boss.post("/console/templates/preview", form, HX_Request="true")
        assert "没有变量 staff_name" in unescape(looked.page)
        looked = await boss.post("/console/templates/preview", {**form, "source": f"{HOSTILE} {{{{ customer_name }}}}"})
        assert f"{HOSTILE} 小鱼" in unescape(looked.page)
        assert "<script>alert" not in looked.page

        # A draft may be wrong, is said by nobody, and a second admin is told of it.
        draft = {"source": "{{ oops }}", "revision": "0", "act": "draft"}
        assert (await boss.post(PATH, draft)).location == f"{PATH}?said=drafted"
        assert await say("a") == "【客户点击】小鱼 在 刚刚 打开了「春茶」。\n\n可以趁热联系这位客户。"
        late = await other.post(PATH, {"source": "我的 {{ link_name }}", "revision": "0", "act": "publish"})
        assert (late.status, "还没有保存" in late.text, "我的" in late.text) == (409, True, True)
        assert (await bot.db.read(audit.list_entries, limit=1))[0].who in late.text
        wrong = await boss.post(PATH, {"source": "{{ oops }}", "revision": "1", "act": "publish"})
        assert (wrong.status, "没有变量 oops" in wrong.text) == (400, True)
        assert (await boss.post(PATH, {"source": " ", "revision": "1", "act": "draft"})).status == 400

        # Published: it is said from now on, here and at other replicas; what waits already stays.
        elsewhere = Renderer()
        mine = {
            "source": f"{HOSTILE}{{{{ customer_name }}}} 看了 {{{{ link_name }}}}",
            "revision": "1",
            "act": "publish",
        }
        assert (await boss.post(PATH, mine)).location == f"{PATH}?said=published"
        assert (await boss.post(PATH, mine)).status == 409
        assert await say("b") == f"{HOSTILE}小鱼 看了 春茶"
        await refresh(bot.db, elsewhere)
        assert elsewhere.source("staff_alert", "link_clicked").startswith(HOSTILE)
        assert elsewhere.shipped("staff_alert", "link_clicked") == shipped
        assert "已修改" in (await boss.get("/console/templates")).text
        second = {"source": "第二版 {{ link_name }}", "revision": "2", "act": "publish"}
        assert (await boss.post(PATH, second)).location == f"{PATH}?said=published"
        assert await say("c") == "第二版 春茶"

        # Versions: compared, restored, and back to what is shipped.
        versions = await bot.db.read(rows.list_versions, "staff_alert", "link_clicked")
        assert len(versions) == 2
        shown = await boss.get(f"{PATH}?version={versions[1].id}")
        assert re.search(r"<del>− <bdi>&lt;script&gt;", shown.page)
        assert "<ins>+ <bdi>第二版" in shown.page
        assert (await boss.get(f"{PATH}?version=999999")).status == 404
        restored = await boss.post(f"{PATH}/restore", {"version": str(versions[1].id), "revision": "3"})
        assert restored.location == f"{PATH}?said=published"
        assert await say("d") == f"{HOSTILE}小鱼 看了 春茶"
        stale = await boss.post(f"{PATH}/restore", {"version": str(versions[0].id), "revision": "3"})
        assert stale.status == 409
        reset = await boss.post(PATH, {"revision": "4", "act": "reset", "source": "x"})
        assert reset.location == f"{PATH}?said=reset"
        assert (await say("e")).startswith("【客户点击】小鱼")

        # A version that a later program cannot use is not said.
        bot.context.renderer.publish({("staff_alert", "link_clicked"): "{{ gone }}"}, 99)
        assert bot.context.renderer.source("staff_alert", "link_clicked") == shipped
        await refresh(bot.db, bot.context.renderer)

        # Tried by whoever edits it.
        tried = await boss.post(PATH, {"source": "试 {{ customer_name }}", "revision": "5", "act": "try"})
        assert tried.location == f"{PATH}?said=tried"
        sample = await boss.get("/console/templates/welcome/default")
        assert "用它写一条欢迎语" in sample.text
        await check_trial(bot, boss, member)
        assert "{{ customer_name }}" in (await boss.get("/console/welcome-rules/new?template=default")).text
