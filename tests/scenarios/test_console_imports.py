"""Imports in the console, over HTTP on the running bot: uploaded in odd ways, looked over, decided, applied through
WeCom, interrupted, repeated, forgotten."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import aiohttp
import openpyxl
import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from bot.erasing import erase_customer
from bot.imports import tell_rows
from bot.refresh import refresh_customer
from bot.sandbox.faults import Fault
from bot.sandbox.provider_ids import PROVIDER_AGENTID, as_open_userid, as_provider
from data.models import Customer, FieldDefinition, Follow, ImportRow, ImportStatus, Order, Role
from data.queries import accounts, audit, fields
from data.queries import imports as rows
from scheduler.imports import run_import
from scheduler.leases import LeaseHeldError
from scheduler.privacy import purge_old
from tests.console import Answer, Browser, fields_of, sign_in
from tests.facts import settle
from tests.scenarios.conftest import Company
from tests.scenarios.test_markings import finish
from tests.scenarios.test_sync import our_rows, sync, world_rows

PATH = "/console/imports"
HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"
HEAD = ("external_userid", "手机号", "客户昵称", "所属员工", "标签", "备注名", "城市", "出生日期")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def table(*lines: tuple[str, ...], head: Sequence[str] = HEAD) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([head, *lines])
    return out.getvalue()


async def upload(browser: Browser, content: bytes, name: str = "客户.csv", **options: str) -> Answer:
    """Send a file as a browser does."""
    data = aiohttp.FormData([("csrf", browser.csrf), *options.items()])
    data.add_field("file", content, filename=name, content_type="application/octet-stream")
    sent = {"Cookie": "; ".join(f"{key}={value}" for key, value in browser.cookies.items())}
    async with browser.http.post(f"{browser.bot.url}{PATH}", data=data, headers=sent, allow_redirects=False) as answer:
        return Answer(answer.status, answer.headers.get("Location", ""), await answer.text(), answer.headers)


async def work(company: Company, number: int) -> str:
    """Have an import worked on until it rests, after whoever holds its lease; its status."""
    async with asyncio.timeout(60):
        while (found := await company.read(rows.get_import, number)).status in rows.OPEN:
            if found.marking_id is not None and found.status == ImportStatus.RUNNING:
                await finish(company, found.marking_id)
            try:
                await run_import(company.bot.context, number)
            except LeaseHeldError:
                await asyncio.sleep(0.02)
    return str(found.status)


def lines_of(session: Session, number: int) -> dict[int, ImportRow]:
    found = session.execute(select(ImportRow).where(col(ImportRow.import_id) == number)).scalars()
    return {each.line: each for each in found}


def number_of(answer: Answer) -> int:
    assert answer.status == 303, answer.text
    return int(answer.location.split("/")[-1].split("?")[0])


async def test_a_table_of_another_tool_is_moved_in(
    company: Company, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync(company)
    bot, now = company.bot, company.bot.clock.now()
    mine, other, *_ = company.followers
    names = {each: company.world.customers.get(each).name for each in company.world.customers.listed_by(mine)}
    whose, second, third = [each for each, name in names.items() if list(names.values()).count(name) == 1][:3]
    name = names[third]

    def prepare(session: Session) -> None:
        session.add(FieldDefinition(name="city", title="城市", kind="text", created_at=now))
        for number in (1, 2):
            session.add(Customer(external_userid=f"wm_twin_{number}", name=HOSTILE, type=1, first_seen_at=now))
            session.add(Follow(userid=other, external_userid=f"wm_twin_{number}", status="present", changed_at=now))
        settle(session)

    await bot.db.write(prepare)
    admin = await sign_in(bot, http, Role.ADMIN)
    assert (await (await sign_in(bot, http, Role.STAFF, userid=mine)).get(PATH)).status == 403
    assert "还没有导入过" in (await admin.get(PATH)).text

    # What is no table is refused, and nothing is left of it.
    for content, words in (
        (b"%PDF-1.4\0\xff", "不是文字文件"), (b"\xd0\xcf\x11\xe0" * 9, "旧版"), (b"", "空的"),
        ("隆,隆".encode("gbk"), "分不清"), ("标签\n".encode(), "没有一行"), (b"PK\x03\x04", "xlsx"),
    ):  # fmt: skip
        refused = await upload(admin, content, f"{HOSTILE}.csv")
        assert (refused.status, words in refused.text, "<script>alert" in refused.page) == (400, True, False), words
    assert (await admin.post(PATH)).status == 400
    assert await company.read(rows.list_imports) == []
    late = number_of(await upload(admin, b"name,tags\nx,y\n" + b'"x"y,1\n' * 1002))
    assert await work(company, late) == "cancelled"
    assert "不是有效的 CSV" in (await admin.get(f"{PATH}/{late}")).text

    # A file with a title, in GB18030, with rows of every kind.
    text = "企业客户导出 2026\n" + table(
        (whose, "", "", mine, "搬来的客户、等级:金卡", "王总", "上海", "1990-08-15"),
        ("wo_of_another_app_0001", "", name, mine, "搬来的客户", "", "北京", ""),
        ("", "", HOSTILE, "", "搬来的客户", "", "", ""),
        ("", "13900009999", "谁", "", "搬来的客户", "", "", ""),
        (second, "", "", mine, "长" * 31, "", "", "腊月"),
        (second, "", "", mine, "", "", "", ""),
    )  # fmt: skip
    number = number_of(
        await upload(admin, (text + '"坏,"了"\n').encode("gb18030", "replace"), make_tags="yes", overwrite="yes")
    )
    one = f"{PATH}/{number}"
    assert await work(company, number) == "ready"
    found = await company.read(lines_of, number)
    assert [found[line].state for line in range(3, 10)] == [
        "ready", "ready", "review", "review", "bad", "same", "bad",
    ]  # fmt: skip
    page = await admin.get(one)
    assert "<script>alert" not in page.page
    for words in ("填写 2 位客户的城市", "改 1 个好友的备注", "新建标签", "等级:金卡", "2 行"):
        assert words in page.text, words
    assert company.calls("externalcontact/mark_tag") == company.calls("externalcontact/remark") == 0

    # What is wrong is told by row and column, as a file too, and no cell of it is a formula.
    bad = (await admin.get(f"{one}/rows?state=bad")).text
    assert "第 7 行" in bad
    assert "标签：标签名最多 30 个字" in bad
    assert "出生日期：不是生日" in bad
    exported = await admin.post(f"{one}/export")
    told = list(csv.reader(io.StringIO(exported.page.removeprefix("\ufeff"))))
    assert ([*told[0][:2], *told[0][-2:]], len(told)) == (["external_userid", "手机号", "行号", "原因"], 5)
    as_book = await http.post(
        f"{bot.url}{one}/export", data={"csrf": admin.csrf, "as": "xlsx"},
        headers={"Cookie": "; ".join(f"{key}={value}" for key, value in admin.cookies.items())},
    )  # fmt: skip
    sheet = openpyxl.load_workbook(io.BytesIO(await as_book.read())).worksheets[0]
    assert [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)][1:] == [
        [each.removeprefix("'") if each.startswith("'") else each for each in line] for line in told[1:]
    ]

    # In English, too, whatever the rows were written with: on pages, in the file of them, and why a file was none.
    await bot.db.write(partial(accounts.set_preferences, account_id=admin.account_id, language="en", theme=""))
    said = (await admin.get(f"{one}/rows?state=bad")).text + (await admin.get(f"{one}/rows?state=review")).text
    for words in (
        "标签: A tag's name has at most 30",
        "出生日期: Is no birthday",
        "No such customer",
        "Is no valid CSV",
    ):
        assert words in said, words
    assert not re.search("请|不是有效|没有找到", said)
    reasons = [each[-1] for each in csv.reader(io.StringIO((await admin.post(f"{one}/export")).page))][1:]
    assert not re.search("请|不是有效|没有找到", "".join(reasons)), reasons
    assert "no valid CSV" in (await admin.get(f"{PATH}/{late}")).text
    await bot.db.write(partial(accounts.set_preferences, account_id=admin.account_id, language="", theme=""))

    # A person decides about rows in doubt: one of those shown, somebody else, or nobody.
    review = await admin.get(f"{one}/rows?state=review")
    assert review.page.count('name="external_userid"') == 2
    assert "<script>alert" not in review.page
    assert (await admin.post(f"{one}/rows/5", {"do": "pick"})).status == 400
    assert (await admin.post(f"{one}/rows/5", {"do": "pick", "other": "wm_nobody"})).status == 404
    assert (await admin.post(f"{one}/rows/3", {"do": "pick", "external_userid": second})).status == 409
    assert (await admin.post(f"{one}/rows/5", {"do": "pick", "external_userid": second})).status == 303
    assert (await admin.post(f"{one}/rows/6", {"do": "leave-out"})).status == 303
    assert await work(company, number) == "ready"
    found = await company.read(lines_of, number)
    assert (found[5].state, found[5].external_userid, found[6].state) == ("ready", second, "left_out")

    # Columns can be something else; what a person has decided stays.
    form = fields_of((await admin.get(one)).page)
    wrong = await admin.post(f"{one}/columns", [*form, ("target", "tags")])
    assert (wrong.status, "应有 8 项" in wrong.text) == (400, True)
    twice = [
        ("target", "name" if value == "remark" else value) if key == "target" else (key, value) for key, value in form
    ]
    assert "有两列都是这一项" in (await admin.post(f"{one}/columns", twice)).text
    assert (await admin.post(f"{one}/columns", [*form, ("make_tags", "yes")])).status == 303
    assert await work(company, number) == "ready"
    found = await company.read(lines_of, number)
    assert [found[line].state for line in range(3, 8)] == ["ready", "ready", "ready", "left_out", "bad"]

    # Applied, through a WeCom that is busy at first; interrupted behind the first customer.
    monkeypatch.setattr("scheduler.imports.PIECE", 1)
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on="externalcontact/remark", count=2))
    assert (await admin.post(f"{one}/act/start")).status == 303
    broken = asyncio.create_task(run_import(bot.context, number))
    while not (await company.read(rows.count_states, number)).get("done"):
        await asyncio.sleep(0.01)
    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    company.sandbox.machine.faults.clear()
    assert await work(company, number) == "done"
    await check_moved(company, mine, [whose, second, third])
    assert "已完成" in (await admin.get(one)).text

    # The same file again changes nothing, and calls nothing.
    calls = {path: company.calls(path) for path in ("externalcontact/mark_tag", "externalcontact/remark")}
    again = number_of(await upload(admin, text.encode("utf-16"), "again.tsv"))
    assert await work(company, again) == "ready"
    assert "没有要改的" in (await admin.get(f"{PATH}/{again}")).text
    assert (await admin.post(f"{PATH}/{again}/act/start")).status == 303
    assert await work(company, again) == "done"
    assert calls == {path: company.calls(path) for path in calls}

    # Whoever is erased is in no row any more; and when time is over, nobody is.
    await erase_customer(bot.db, bot.inbox.db, whose, "test", now)
    assert 3 not in await company.read(lines_of, number)
    bot.clock.advance(timedelta(days=31))
    await purge_old(bot.context)
    assert await company.read(lines_of, number) == {}
    admin = await sign_in(bot, http, Role.ADMIN)
    assert "已按设置删除" in (await admin.get(one)).text
    actions = {each.action for each in await company.read(lambda session: audit.list_entries(session, limit=60))}
    assert {"imports.add", "imports.decide", "imports.describe", "imports.start", "imports.export"} <= actions


async def check_moved(company: Company, mine: str, people: list[str]) -> None:
    """What the file said is so, in the local WeCom and in our rows."""
    names = {tag.id: (tag.name, group.group_name) for group in company.world.tags.groups.values() for tag in group.tags}
    for whose in people:
        follow = company.world.customers.find_follow(mine, whose)
        assert follow is not None
        assert ("搬来的客户", "导入") in {names[tag_id] for tag_id in follow.tag_ids}
    first = company.world.customers.find_follow(mine, people[0])
    assert first is not None
    assert (first.remark, ("金卡", "等级") in {names[tag_id] for tag_id in first.tag_ids}) == ("王总", True)
    ours = await company.read(our_rows)
    for pair, row in world_rows(company).items():
        assert (ours[pair][5], ours[pair][-1]) == (row[5], row[-1]), pair
    kept: dict[str, dict[str, Any]] = await company.read(fields.list_values, people)
    assert (kept[people[0]]["city"], kept[people[0]]["birthday"]["year"], kept[people[2]]["city"]) == (
        "上海",
        1990,
        "北京",
    )


async def test_managers_move_in_their_own_customers_and_orders_are_for_admins(
    company: Company, http: aiohttp.ClientSession
) -> None:
    await sync(company)
    bot = company.bot
    mine, other, *_ = company.followers
    ours, theirs = (next(company.world.customers.listed_by(userid)) for userid in (mine, other))
    assert company.world.customers.find_follow(mine, theirs) is None, "the sample has no customer of both"
    boss = await sign_in(bot, http, Role.MANAGER, userid=mine)
    stranger = await sign_in(bot, http, Role.MANAGER, userid=other)
    admin = await sign_in(bot, http, Role.ADMIN)
    head: Sequence[str] = ("客户ID", "标签", "订单号", "订单金额", "下单时间")
    named = [each.name for each in company.world.tags]
    tag = next(each for each in company.world.tags if named.count(each.name) == 1)
    content = table(
        (ours, tag.name, "A1", "12", "2026-01-02"), (theirs, tag.name, "A2", "34", "2026-01-03"), head=head
    ).encode()

    number = number_of(await upload(boss, content))
    assert await work(company, number) == "ready"
    found = await company.read(lines_of, number)
    assert [(found[line].state in ("ready", "same")) for line in (2, 3)] == [True, False]
    one = f"{PATH}/{number}"
    form = fields_of((await boss.get(one)).page)
    assert ("target", "order_number") not in form
    asked = [("target", each) for each in ("external_userid", "", "order_number", "order_amount", "order_placed_at")]
    assert "只能由管理员" in (await boss.post(f"{one}/columns", asked)).text
    assert (await boss.post(f"{one}/rows/3", {"do": "pick", "other": theirs})).status == 404
    for path in (one, f"{one}/rows"):
        assert (await stranger.get(path)).status == 404
    for path in ("act/start", "act/cancel", "act/leave-out", "export", "columns", "rows/3"):
        assert (await stranger.post(f"{one}/{path}", {"do": "leave-out"})).status == 404, path
    assert f"#{number} " not in (await stranger.get(PATH)).text
    assert f"#{number} " in (await admin.get(PATH)).text
    assert (await boss.post(f"{one}/act/leave-out")).status == 303
    assert (await boss.post(f"{one}/act/start")).status == 303
    assert await work(company, number) == "done"
    assert tag.id in getattr(company.world.customers.find_follow(mine, ours), "tag_ids", ())

    # An admin's orders: of a customer, and of one who waits for theirs; of one number only the first counts.
    head = ("客户ID", "手机号", "订单号", "订单金额", "下单时间", "订单状态")
    content = table(
        (ours, "", "A1", "12.50", "2026-01-02", "交易成功"), ("", "13600001111", "A2", "34", "2026/1/3 10:00", ""),
        (theirs, "", "A1", "99", "2026-01-02", ""), ("", "", "A3", "-5", "2026-01-02", ""), head=head,
    ).encode()  # fmt: skip
    number = number_of(await upload(admin, content, order_source="old_shop"))
    assert await work(company, number) == "ready"
    found = await company.read(lines_of, number)
    assert [found[line].state for line in range(2, 6)] == ["ready", "ready", "bad", "bad"]
    assert (await admin.post(f"{PATH}/{number}/act/start")).status == 303
    assert await work(company, number) == "done"

    def read_orders(session: Session) -> dict[str, tuple[Any, ...]]:
        kept = session.execute(select(Order).where(col(Order.source) == "old_shop")).scalars()
        return {each.number: (each.external_userid, each.amount_fen, each.status, each.mobile) for each in kept}

    assert await company.read(read_orders) == {
        "A1": (ours, 1250, "finished", ""), "A2": (None, 3400, "paid", "13600001111"),
    }  # fmt: skip
    again = number_of(await upload(admin, content, order_source="old_shop"))
    assert await work(company, again) == "ready"
    assert {each.state for each in (await company.read(lines_of, again)).values()} == {"same", "bad"}
    await ids_of_another_providers_app_are_converted(company, admin)


async def ids_of_another_providers_app_are_converted(company: Company, admin: Browser) -> None:
    """Ids as another provider's app exports them; what WeCom has nothing for is left to a person."""
    mine = company.followers[0]
    first, second = list(company.world.customers.listed_by(mine))[1:3]
    # Somebody of whose coming nobody has told us.
    company.sandbox.machine.faults.add(Fault(id=0, target="callback", kind="drop"))
    late = company.scan(name=HOSTILE).follow.external_userid
    await company.settle()
    company.sandbox.machine.faults.clear()
    head = ("客户ID", "所属员工", "备注名")
    lines = [
        (as_provider(first), as_open_userid(mine), "搬来一"), (as_provider(second), "wo" + "y" * 30, "搬来二"),
        ("wm" + "x" * 30, as_open_userid(mine), "搬来三"), (as_provider(first), as_open_userid(mine), "搬来四"),
        (as_provider(late), as_open_userid(mine), "搬来五"),
    ]  # fmt: skip
    content = table(*lines, head=head).encode("utf-16")
    number = number_of(await upload(admin, content, source_agentid="99"))
    one, convert = f"{PATH}/{number}", "externalcontact/from_service_external_userid"
    assert await work(company, number) == "paused"
    page = await admin.get(one)
    assert ("不换算应用 99" in page.text, "source_agentid" in page.page) == (True, True)

    async def describe(**more: str) -> None:
        columns = [("target", each) for each in ("external_userid", "staff", "remark")]
        assert (await admin.post(f"{one}/columns", [*columns, *more.items()])).status == 303
        assert await work(company, number) == "ready"

    # Each id is asked once, and nothing is asked again when the rows are looked at anew.
    before = company.calls(convert)
    await describe(source_agentid=str(PROVIDER_AGENTID))
    assert company.calls(convert) == before + 4, "each id once"
    await describe(overwrite="yes", source_agentid=str(PROVIDER_AGENTID))
    assert (company.calls(convert), company.calls("batch/openuserid_to_userid")) == (before + 4, 2)
    found = await company.read(lines_of, number)
    assert [found[line].external_userid for line in range(2, 7)] == [first, second, "", first, ""]
    assert [found[line].state for line in range(2, 7)] == ["ready", "ready", "review", "ready", "review"]
    assert "没有把这个编号换成" in found[4].faults[0][1]
    assert "请先同步客户" in found[6].faults[0][1]
    assert "换算了 6 个旧工具的编号，4 个是" in (await admin.get(one)).text
    # Who is known by now under the id that WeCom gave is offered, and taken.
    assert ("external_userid", late) not in fields_of((await admin.get(f"{one}/rows")).page)
    await refresh_customer(company.bot.context, late)
    assert ("external_userid", late) in fields_of((await admin.get(f"{one}/rows")).page)
    told = await company.read(lambda session: tell_rows(session, rows.get_import(session, number), None, 5, 9, UTC))
    assert [(row["line"], [each["name"] for each in row["people"]]) for row in told] == [(6, [HOSTILE])]
    assert (await admin.post(f"{one}/rows/6", {"do": "pick", "external_userid": late})).status == 303
    assert await work(company, number) == "ready"
    assert (await company.read(lines_of, number))[6].state == "ready"
    assert (await admin.post(f"{one}/act/start")).status == 303
    assert await work(company, number) == "done"
    remarks = [company.world.customers.find_follow(mine, whose).remark for whose in (first, second)]  # type: ignore[union-attr]
    assert remarks == ["搬来四", "搬来二"]
    await describe_nothing_without_an_app(company, admin, lines, head)


async def describe_nothing_without_an_app(
    company: Company, admin: Browser, lines: Sequence[tuple[str, ...]], head: Sequence[str]
) -> None:
    """Without the app nothing is asked, and the list says what is missing."""
    before = company.calls("externalcontact/from_service_external_userid")
    number = number_of(await upload(admin, table(*lines, head=head).encode()))
    assert await work(company, number) == "ready"
    found = await company.read(lines_of, number)
    assert "填那个应用的 agentid" in found[4].faults[0][1]
    assert company.calls("externalcontact/from_service_external_userid") == before
