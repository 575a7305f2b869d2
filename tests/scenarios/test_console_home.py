"""The first page: what waits for each role, and the numbers, which each role sees of its own."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta

import aiohttp
from sqlmodel import Session

from bot.spreadsheets import guarded
from data.models import Role, Welcome
from data.queries import audit
from data.queries import orders as order_rows
from data.rules.orders import OrderGiven, OrderStatus
from tests.console import sign_in
from tests.console_rows import furnish
from tests.facts import settle
from tests.scenarios.conftest import Company


def test_no_cell_is_a_formula() -> None:
    assert [guarded(each) for each in ("=1+1", "@x", "-2", "店", "")] == ["'=1+1", "'@x", "'-2", "店", ""]


async def test_numbers_are_those_of_whom_one_sees(company: Company) -> None:
    added = [company.scan(name=f"<i>客{number}</i>") for number in range(3)]
    await company.settle()
    mine = added[0].follow.userid
    own = sum(each.follow.userid == mine for each in added)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(company.bot, http, Role.ADMIN)
        staff = await sign_in(company.bot, http, Role.STAFF, userid=mine)
        stranger = await sign_in(company.bot, http, Role.STAFF)
        for browser, expected in ((admin, 3), (staff, own), (stranger, 0)):
            answer = await browser.get("/console/numbers.csv?by=day&days=7")
            rows = list(csv.reader(io.StringIO(answer.page.removeprefix("\ufeff"))))
            assert rows[0] == ["日期", "新增关系", "新客户", "流失", "净增"]
            assert (len(rows), rows[-1][1:3]) == (8, [str(expected), str(expected)])
            page = await browser.get("/console")
            assert page.status == 200
            assert f"新增关系 {expected} 新客户 {expected}" in page.text
        by_member = (await admin.get("/console/numbers.csv?by=userid&days=30")).page
        assert f"{mine},{own},{own}" in by_member
        assert (await admin.get("/console?days=999999999999999999999")).status == 200

        # Whom a customer leaves has one less.
        company.people.delete_by_customer(added[1].follow.userid, added[1].follow.external_userid)
        await company.settle()
        today = list(csv.reader(io.StringIO((await admin.get("/console/numbers.csv")).page)))[-1]
        assert today[1:] == ["3", "3", "1", "2"]


HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"


async def test_what_campaigns_led_to_and_what_waits(company: Company) -> None:
    bot = company.bot
    greeted = company.scan(name=HOSTILE)
    await company.settle()
    await furnish(bot, HOSTILE)
    now = bot.clock.now() + timedelta(seconds=1)
    told = {"source": "shop", "status": OrderStatus.PAID, "amount_fen": 19_900, "placed_at": now}
    bought = OrderGiven.model_validate({**told, "number": "1", "external_userid": "wmto0"})
    lost = OrderGiven.model_validate({**told, "number": "<2>", "mobile": "13900000001"})
    await bot.db.write(order_rows.save_orders, [bought, lost], now)
    await bot.db.write(settle)
    await bot.db.write(_greet, greeted.follow.userid, greeted.follow.external_userid, now)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(bot, http, Role.ADMIN)
        own = await sign_in(bot, http, Role.STAFF, userid=greeted.follow.userid)
        elsewhere = await sign_in(bot, http, Role.MANAGER, department_ids=[99])

        # Who has not confirmed, and orders without their customer, wait for somebody.
        home = (await admin.get("/console")).text
        assert "1 员工还没有确认群发" in home
        assert "1 没有对上客户的订单" in home
        assert "欢迎语成功率 100.0% 欢迎语速度 1.5 秒" in home
        assert "员工还没有确认" not in (await elsewhere.get("/console")).text

        # One of two got it and bought afterwards; whoever sees nobody of them sees none of it.
        shown = await admin.get("/console/effects")
        assert "<script>alert" not in shown.page
        assert "2 1 (50.0%) 0 1 (100.0%)" in shown.text
        assert HOSTILE[:20] in shown.text
        table = list(csv.reader(io.StringIO((await admin.get("/console/effects.csv")).page.removeprefix("\ufeff"))))
        assert table[1][1:] == ["2", "1", "0", "1"]
        assert "这段时间没有发给客户的群发" in (await elsewhere.get("/console/effects")).text
        assert (await own.get("/console/effects")).status == 403

        # Each welcome, for whoever sees the member.
        for browser, count in ((admin, 1), (own, 1), (elsewhere, 0)):
            answer = await browser.get("/console/welcomes?status=sent")
            assert (answer.status, answer.page.count('<td class="text-end">')) == (200, count)
            assert "<script>alert" not in answer.page
        assert "没有记录" in (await admin.get("/console/welcomes?status=missed")).text

        # What was typed stays where it was wrong; whose an order is stands in the log of changes.
        listed = await admin.get("/console/orders")
        (path,) = re.findall(r"/console/orders/[0-9]+/claim", listed.page)
        wrong = await admin.post(path, {"external_userid": "<nobody>"})
        assert (wrong.status, "&lt;nobody&gt;" in wrong.page) == (400, True)
        assert (await elsewhere.post(path, {"external_userid": "wmto1"})).status == 403
        assert (await admin.post(path, {"external_userid": "wmto1"})).location == "/console/orders?said=saved"
        assert "所有订单都有客户" in (await admin.get("/console/orders")).text
        (entry,) = await company.read(lambda session: audit.list_entries(session, limit=1))
        assert (entry.action, entry.what) == ("customers.claim_order", "customer wmto1")


def _greet(session: Session, userid: str, external_userid: str, now: datetime) -> None:
    greeted = Welcome(
        event_id=10**6, kind="change_external_contact.add_external_contact", userid=userid, status="sent",
        external_userid=external_userid, received_at=now, sent_at=now + timedelta(seconds=1.5),
    )  # fmt: skip
    session.add(greeted)
