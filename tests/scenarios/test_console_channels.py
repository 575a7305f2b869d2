"""Channels in the console: made, changed, copied, paused, printed, handed in as a file; by whom they may be."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from openpyxl import Workbook

from bot.channels import address_of
from data.models import Role
from data.queries import audit
from data.queries import channel_plans as rows
from data.queries import rules as rule_rows
from data.queries.channel_plans import PlanFilter
from scheduler.channels import count_channel_days, tend_channels
from tests.console import Browser, fields_of, sign_in
from tests.scenarios.conftest import Company

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"
PATH = "/console/channels"
ADD = "externalcontact/add_contact_way"
ADD_LINK = "externalcontact/customer_acquisition/create_link"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def send_file(browser: Browser, content: bytes, name: str = "channels.xlsx") -> str:
    """A file is handed in; where that leads."""
    form = aiohttp.FormData()
    form.add_field("csrf", browser.csrf)
    form.add_field("background", "")
    form.add_field("file", content, filename=name, content_type="application/octet-stream")
    cookie = "; ".join(f"{key}={value}" for key, value in browser.cookies.items())
    async with browser.http.post(
        f"{browser.bot.url}{PATH}/import", data=form, headers={"Cookie": cookie}, allow_redirects=False
    ) as answer:
        return answer.headers.get("Location") or await answer.text()


async def download(browser: Browser, path: str) -> tuple[str, bytes]:
    cookie = "; ".join(f"{key}={value}" for key, value in browser.cookies.items())
    async with browser.http.get(f"{browser.bot.url}{path}", headers={"Cookie": cookie}) as answer:
        assert answer.status == 200, path
        return answer.content_type, await answer.read()


def workbook(*lines: tuple[Any, ...]) -> bytes:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(
        ("渠道名称", "员工", "部门", "兜底员工", "每日上限", "标签", "欢迎语", "海报标题", "类型", "自动通过", "排班")
    )
    for line in lines:
        sheet.append(line)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.first_case_on_both
async def test_channels(company: Company, http: aiohttp.ClientSession) -> None:
    ctx, db = company.bot.context, company.bot.db
    admin = await sign_in(company.bot, http, Role.ADMIN)
    first, second = company.followers[0], company.followers[1]
    assert "还没有渠道" in (await admin.get(PATH)).text

    # What is wrong stands beside its field, and what was typed stays.
    typed = {
        "name": HOSTILE, "state": "a b", "userids.more": f"{first}\nnobody", "fallback": "ghost", "daily_cap": "many",
        "skip_verify": "yes", "welcome.text": "{{ x }}", "shifts[0].start": "09:00", "poster.title": HOSTILE,
    }  # fmt: skip
    wrong = await admin.post(f"{PATH}/new", typed)
    assert (wrong.status, "<script>alert" in wrong.page, 'value="many"' in wrong.page) == (400, False, True)
    wrong = await admin.post(f"{PATH}/new", {**typed, "state": "front", "daily_cap": "5"})
    for words in ("没有成员 nobody", "没有成员 ghost", "没有变量 x", "至少选一天", "这一班还没有选员工"):
        assert words in wrong.text, words

    right = [
        ("name", HOSTILE), ("state", "front"), ("userids", first.upper()), ("fallback", second), ("daily_cap", "5"),
        ("skip_verify", "yes"), ("tag_ids", company.tag_ids[0]), ("welcome.text", "欢迎"), ("remark", "城西-{name}"),
        ("poster.title", HOSTILE), ("shifts[0].weekdays", "6"), ("shifts[0].start", "09:00"),
        ("shifts[0].end", "18:00"), ("shifts[0].userids", second),
    ]  # fmt: skip
    right[2] = ("userids", first)
    made = await admin.post(f"{PATH}/new", right)
    assert (made.status, made.location) == (303, f"{PATH}/1?said=made")
    again = await admin.post(f"{PATH}/new", right)
    assert (again.status, "已经有标识" in again.text) == (409, True)
    row = await db.read(rows.get_plan, 1)
    assert (row.status, row.state, row.named) == ("made", "front", sorted({first, second}))
    assert row.welcome_rule_id is not None
    rule = await db.read(rule_rows.get_welcome_rule, row.welcome_rule_id)
    assert (rule.content.text, sorted(rule.conditions.states)) == ("欢迎", ["front"])
    # Hundreds of channels with words of their own: an event reads those of its own channel alone.
    assert await db.read(rule_rows.list_welcome_rules, "other") == []
    assert await db.read(rule_rows.list_welcome_rules, "front") == [rule] == await db.read(rule_rows.list_welcome_rules)
    wider = rule.model_copy(update={"conditions": rule.conditions.model_copy(update={"states": {"front", "other"}})})
    await db.write(rule_rows.save_welcome_rule, wider, company.bot.clock.now())
    assert await db.read(rule_rows.list_welcome_rules, "other") == [wider], "somebody has made it one for others too"
    await db.write(rule_rows.save_welcome_rule, rule, company.bot.clock.now())
    page = await admin.get(f"{PATH}/1")
    assert (page.status, "<script>alert" in page.page, "城西-{name}" in page.text) == (200, False, True)
    entry = (await db.read(audit.list_entries, limit=1))[0]
    assert entry.after is not None
    assert (entry.action, entry.after["fallback"]) == ("channels.make", second)

    # Pictures: as WeCom gave it, in an SVG, and a poster in which a hostile title is only a title.
    kind, code = await download(admin, f"{PATH}/1/code.png")
    assert (kind, code[:4]) == ("image/png", b"\x89PNG")
    kind, svg = await download(admin, f"{PATH}/1/code.svg")
    assert (kind, b"data:image/png;base64," in svg) == ("image/svg+xml", True)
    kind, poster = await download(admin, f"{PATH}/1/poster.svg?save=yes")
    assert (kind, b"<script" in poster, b"&lt;script&gt;" in poster) == ("image/svg+xml", False, True)

    # The form as it stands changes nothing; two at once: the second is told, loses nothing, and saves by saving again.
    form = fields_of((await admin.get(f"{PATH}/1/edit")).page)
    assert (await admin.post(f"{PATH}/1/edit", form)).location == f"{PATH}/1?said=saved"
    after = await db.read(rows.get_plan, 1)
    assert (after.definition, after.welcome_rule_id) == (row.definition, row.welcome_rule_id)
    late = await admin.post(f"{PATH}/1/edit", [*form, ("name", "x")])
    assert (late.status, "别人修改了" in late.text) == (409, True)

    # Paused: the fallback is on the code; the name of what was done is said.
    for act, expected in (("pause", [second]), ("resume", [first])):
        done = await admin.post(f"{PATH}/1/{act}")
        assert done.status == 303
        assert (await db.read(rows.get_plan, 1)).written["user"] == expected  # type: ignore[index]
    assert (await admin.post(f"{PATH}/1/explode")).status == 404

    # A copy is another channel with a state of its own.
    copy = dict(fields_of((await admin.get(f"{PATH}/new?copy=1")).page))
    assert copy["state"] == ""
    assert (await admin.post(f"{PATH}/new", {**copy, "name": "副本"})).location == f"{PATH}/2?said=made"

    # A manager of another department sees none of it; staff none at all.
    other = await sign_in(company.bot, http, Role.MANAGER, department_ids=[999])
    assert "还没有渠道" in (await other.get(PATH)).text
    for path in ("1", "1/edit", "1/code.png", "1/poster.svg"):
        assert (await other.get(f"{PATH}/{path}")).status == 404, path
    for act in ("pause", "edit"):
        assert (await other.post(f"{PATH}/1/{act}", {"name": "x"})).status == 404, act
    refused = await other.post(f"{PATH}/new", {"name": "偷", "userids.more": first, "fallback": first})
    assert (refused.status, "您看不到" in refused.text) == (400, True)
    staff = await sign_in(company.bot, http, Role.STAFF, userid=first)
    assert (await staff.get(PATH)).status == 403

    # From a file: every row is checked, a wrong one stops no other, and the same file makes nothing twice.
    lines = [(f"门店 {number}", first, "", second, 50, "", "", "扫码领券") for number in range(1, 13)]
    bad = ("坏行", "nobody", "没有的部门", second, "x", "没有的标签", "{{ x }}", "", "视频号", "大概", "明天 有空")
    link = ("广告", first, "", second, 9, "", "您好", "点开领券", "获客链接", "否", f"每天 0:00-0:00 {second}")
    content = workbook(*lines, bad, (*lines[0], "活码", True), link)
    calls, links = company.calls(ADD), company.calls(ADD_LINK)
    where = await send_file(admin, content)
    assert re.fullmatch(rf"{PATH}/import/\d+", where), where
    shown = await admin.get(where)
    for words in (
        "可以创建 14 个渠道", "没有（或有几个）叫 没有的部门", "没有（或有几个）叫 没有的标签", "应为整数",
        "应为 活码 或 获客链接", "应为 是 或 否", "看不懂「明天 有空」", "广告 获客链接",
    ):  # fmt: skip
        assert words in shown.text, words
    assert company.calls(ADD) == calls, "nothing is made before somebody says so"
    assert (await other.get(where)).status == 404
    assert (await admin.post(f"{where}/start")).location == f"{where}?said=started"
    await tend_channels(ctx)
    assert (company.calls(ADD), company.calls(ADD_LINK)) == (calls + 13, links + 1)
    assert "已在企业微信创建 14 / 14" in (await admin.get(where)).text
    (ours,) = await db.read(rows.list_plans, PlanFilter(kind="link"))
    made_link = company.world.links.get(ours.config_id or "")
    assert (ours.name, made_link.skip_verify, made_link.user_list) == ("广告", False, sorted([first, second]))
    _, packed = await download(admin, f"{where}/codes.zip")
    zipped = zipfile.ZipFile(io.BytesIO(packed))
    names = zipped.namelist()
    assert (sum(name.endswith(".png") for name in names), sum(name.endswith(".svg") for name in names)) == (14, 14)
    assert f",{address_of(ours)}\r\n" in zipped.read("channels.csv").decode("utf-8-sig"), "what an advert needs"
    # The same rows without the columns of links are the same channels.
    twice = await send_file(admin, workbook(*lines, (*lines[0], "活码", "是"), link))
    shown = await admin.get(twice)
    assert "可以创建 0 个渠道" in shown.text
    await admin.post(f"{twice}/start")
    await tend_channels(ctx)
    assert company.calls(ADD) == calls + 13
    assert "另外 14 行已经是渠道" in (await admin.get(twice)).text
    for content, words in ((b"\x00\x01", "不是"), (b"a,b\n1,2\n", "渠道名称"), (b"PK\x03\x04", "xlsx")):
        assert words in await send_file(admin, content), content

    # Numbers, by day and channel.
    company.scan("front")
    await company.settle_with_retries()
    await count_channel_days(ctx)
    numbers = await admin.get(f"{PATH}/statistics?days=7")
    assert (numbers.status, "<script>alert" in numbers.page) == (200, False)
    _, csv = await download(admin, f"{PATH}/statistics.csv?channel=1")
    assert csv.decode("utf-8-sig").splitlines()[1].split(",")[2:5] == ["front", "1", "1"]
    assert (await other.get(f"{PATH}/statistics?channel=1")).status == 404
    assert len(await db.read(rows.list_plans, PlanFilter())) == 16
