"""The customers in the console, over HTTP on the running bot: found, filtered, tagged, exported, changed and erased."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import quote

import aiohttp
import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from data.models import (
    AuditEntry,
    Customer,
    Erasure,
    FieldDefinition,
    Follow,
    FollowMobile,
    Order,
    Role,
    Touch,
)
from data.queries import audit, segment_estimates, segment_names
from data.queries.timelines import list_entries
from tests.console import Browser, fields_of, sign_in
from tests.facts import settle
from tests.scenarios.conftest import Company
from tests.scenarios.test_markings import agree, finish
from tests.scenarios.test_sync import sync

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 200
FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def add_people(session: Session, mine: str, other: str, company: Company) -> None:
    """Some whom WeCom does not know: what they are called is hostile, or short."""
    now = company.bot.clock.now()
    people = (("wm_hostile", HOSTILE, "", mine), ("wm_short", "王芳", FORMULA, mine), ("wm_other", "王芳芳", "", other))
    for number, (whose, name, remark, userid) in enumerate(people):
        session.add(Customer(external_userid=whose, name=name, type=1, first_seen_at=now))
        session.add(
            Follow(
                userid=userid, external_userid=whose, status="present", remark=remark, added_at=now, changed_at=now,
                remark_mobiles=["13800001234"] if number == 1 else [],
            )
        )  # fmt: skip
    session.flush()
    short = session.execute(select(Follow).where(col(Follow.external_userid) == "wm_short")).scalar_one()
    session.add(FollowMobile(mobile="13800001234", follow_id=short.id or 0))
    session.add(FieldDefinition(name="city", title=HOSTILE[:60], kind="text", created_at=now))
    session.add(FieldDefinition(name="score", title="积分", kind="number", created_at=now))
    for number in range(70):
        at = now - timedelta(days=number // 2)
        session.add(
            Touch(origin=f"x:{number}", kind="broadcast", external_userid="wm_short", userid=mine, touched_at=at)
        )
    session.add(
        Order(
            source="shop", number="A1", external_userid="wm_short", status="paid", amount_fen=12_345, placed_at=now,
            received_at=now, changed_at=now,
        )
    )  # fmt: skip
    settle(session)


async def found(browser: Browser, query: str) -> str:
    answer = await browser.get(f"/console/customers?{query}")
    assert answer.status == 200, answer.text
    assert "<script>alert" not in answer.page
    return answer.page


async def test_customers_are_found_and_what_is_done_with_them_is_done(
    company: Company, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync(company)
    mine, other, *_ = company.followers
    await company.bot.db.write(add_people, mine, other, company)
    admin = await sign_in(company.bot, http, Role.ADMIN)
    seller = await sign_in(company.bot, http, Role.STAFF, userid=mine)
    nobody = await sign_in(company.bot, http, Role.STAFF)

    # Two characters find, wherever they stand; numbers by their end; what is not there, nothing.
    page = await found(admin, f"q={quote('王芳')}")
    assert page.count("/console/customers/wm_") == 2
    assert "wm_other" in page
    for query, who in (
        ("1234", "wm_short"),
        ("wm_hostile", "wm_hostile"),
        ("HYPERLINK", "wm_short"),
        ("{{7*7}}", "wm_hostile"),
    ):
        assert f"/console/customers/{who}" in await found(admin, f"q={quote(query)}"), query
    for query in ("没有这个人", "%", "_", "'", "\\", "a" * 500):
        assert "/console/customers/wm_" not in await found(admin, f"q={quote(query)}") or query == "_", query
    # Each sees their own.
    page = await found(seller, f"q={quote('王芳')}")
    assert "wm_short" in page
    assert "wm_other" not in page
    assert (await seller.get("/console/customers/wm_other")).status == 404
    assert "/console/customers/" not in (await found(nobody, "")).split("<tbody>")[-1] or "<tbody>" not in await found(
        nobody, ""
    )

    # Page by page, each once.
    seen: list[str] = []
    path = "/console/customers"
    while path:
        answer = await admin.get(path)
        rows = answer.page.split("<tbody>")[-1].split("</tbody>")[0]
        seen += [part.split('"')[0] + str(number) for number, part in enumerate(rows.split("<tr>")[1:])]
        older = answer.page.split('class="console-older"')
        path = older[1].split('href="')[1].split('"')[0].replace("&amp;", "&") if len(older) > 1 else ""
    total = await company.bot.db.read(
        lambda session: len(session.execute(select(col(Follow.id)).where(col(Follow.status) == "present")).all())
    )
    assert len(seen) == total

    # A segment by fields: pressed, counted, faulty, applied, saved.
    form = dict(
        fields_of((await admin.get("/console/customers")).page.split("</details>")[0].split('<details class="card')[-1])
    )
    part = await admin.post(
        "/console/segments/fields", {**form, "segment.add": "staff", "segment.do": "add:"}, HX_Request="true"
    )
    assert part.headers["HX-Trigger-After-Settle"] == "segment-changed"
    assert 'name="segment.0.userids.more"' in part.page
    filled = {"segment.match": "all", "segment.row": "0", "segment.0.kind": "staff", "segment.0.userids": mine}
    count = await admin.post("/console/segments/count", filled, HX_Request="true")
    theirs = await seller.post("/console/segments/count", {"segment.match": "all"}, HX_Request="true")
    assert count.text == theirs.text
    assert "位客户" in count.text
    assert "0 位客户" in (await nobody.post("/console/segments/count", {"segment.match": "all"})).text
    with monkeypatch.context() as fewer:
        # So few that a company of this size is large: what is first shown is an estimate, which asks for the count.
        fewer.setattr(segment_estimates, "COUNTED", 5)
        about = await admin.post("/console/segments/count", {"segment.match": "all"}, HX_Request="true")
        assert "约" in about.text
        assert 'hx-vals=\'{"exact": "yes"}\'' in about.page
        exact = await admin.post("/console/segments/count", {"segment.match": "all", "exact": "yes"})
        assert f"{total} 个好友关系" in exact.text
    faulty = {**filled, "segment.0.kind": "added", "segment.0.within_days": "x"}
    assert "应为整数" in (await admin.post("/console/segments/count", faulty)).text
    assert (await admin.post("/console/customers/filter", faulty)).status == 400
    without_scripts = await admin.post(
        "/console/customers/filter", {**filled, "segment.do": "add:", "segment.add": "gender"}
    )
    assert (without_scripts.status, 'name="segment.1.genders"' in without_scripts.page) == (200, True)
    applied = await admin.post("/console/customers/filter", {**filled, "q": "王芳"})
    assert applied.status == 303
    narrowed = await admin.get(applied.location)
    assert "wm_short" in narrowed.page
    assert "wm_other" not in narrowed.page
    assert (await admin.get("/console/customers?definition=[[")).status == 400
    assert (await admin.get("/console/customers?segment_id=99")).status == 404
    assert (
        await admin.post("/console/segments", {**filled, "name": HOSTILE[:60]})
    ).location == "/console/segments?said=made"
    assert "已经有名为" in (await admin.post("/console/segments", {**filled, "name": HOSTILE[:60]})).text
    (saved,) = await company.bot.db.read(segment_names.list_segments)
    assert "<script>alert" not in (await admin.get("/console/segments")).page
    kept = fields_of((await admin.get(f"/console/segments/{saved.id}")).page)
    assert ("segment.0.userids", mine) in kept
    assert (
        await admin.post(
            f"/console/segments/{saved.id}", [*[each for each in kept if each[0] != "name"], ("name", "我的")]
        )
    ).status == 303
    assert count.text == (await admin.get(f"/console/segments/{saved.id}/count")).text

    # A file for a spreadsheet: all of the filter, no formula.
    assert (await seller.post("/console/customers/export")).status == 403
    exported = await admin.post("/console/customers/export", {"segment_id": str(saved.id)})
    assert exported.headers["Content-Disposition"].startswith("attachment")
    lines = list(csv.DictReader(io.StringIO(exported.page.removeprefix("\ufeff"))))
    assert {each["userid"] for each in lines} == {mine}
    assert f"{len(lines)} 个好友关系" in count.text or str(len(lines)) in count.text
    assert {each["备注"] for each in lines if each["external_userid"] == "wm_short"} == {f"'{FORMULA}"}

    # The hand-over's form, filled: of a segment, of those who are ticked, of one member at a time.
    assert (await seller.post("/console/customers/hand-over")).status == 403
    handing = await admin.post("/console/customers/hand-over", {"segment_id": str(saved.id)})
    filled = dict(fields_of(handing.page))
    assert (filled["userid"], filled["how"], filled["segment_id"]) == (mine, "segment", str(saved.id))
    ticked = [("chosen", f"{mine} wm_short"), ("chosen", f"{mine} wm_hostile")]
    filled = dict(fields_of((await admin.post("/console/customers/hand-over", ticked)).page))
    assert (filled["userid"], filled["how"], filled["listed"].split()) == (mine, "listed", ["wm_short", "wm_hostile"])
    whose = await admin.post("/console/customers/hand-over")
    assert "一次交接一位同事的客户" in whose.text
    filled = dict(fields_of((await admin.post("/console/customers/hand-over", {"userid": mine})).page))
    assert (filled["userid"], filled["how"]) == (mine, "everyone")
    filled = dict(fields_of((await admin.post("/console/customers/hand-over", {"userid": mine, "q": "wm_"})).page))

    # A tag for all of them, in the background; whoever asks sees how far it is, others of the staff do not.
    tag_id = company.tag_ids[0]
    await company.bot.db.write(forget_people)
    asked = await seller.post("/console/customers/mark", {"tag_id": tag_id, "do": "put_on"})
    assert asked.status == 303, asked.text
    number = int(asked.location.split("/")[-1].split("?")[0])
    assert (await nobody.get(f"/console/markings/{number}")).status == 404
    assert (await nobody.post(f"/console/markings/{number}/cancel")).status == 404
    marking = await finish(company, number)
    assert marking.status == "done"
    await agree(company)
    worn = await company.bot.db.read(
        lambda session: {
            row.userid for row in session.execute(select(Follow)).scalars() if marking.gains and row.status == "present"
        }
    )
    assert mine in worn
    assert "已完成" in (await seller.get(asked.location)).text
    assert "请选择一个标签" in (await seller.post("/console/customers/mark", {"do": "put_on"})).text


def forget_people(session: Session) -> None:
    for whose in ("wm_hostile", "wm_short", "wm_other"):
        for follow in session.execute(select(Follow).where(col(Follow.external_userid) == whose)).scalars():
            follow.status = "out_of_sight"
    settle(session)


async def test_one_customer_is_shown_changed_and_erased(company: Company, http: aiohttp.ClientSession) -> None:
    await sync(company)
    mine, other, *_ = company.followers
    await company.bot.db.write(add_people, mine, other, company)
    whose = next(iter(company.world.customers.listed_by(mine)))
    follow = company.world.customers.find_follow(mine, whose)
    assert follow is not None
    admin = await sign_in(company.bot, http, Role.ADMIN)
    seller = await sign_in(company.bot, http, Role.STAFF, userid=mine)
    path = f"/console/customers/{whose}"

    # All of the timeline, once each, newest first.
    page = await seller.get("/console/customers/wm_short")
    assert (page.status, "¥123.45" in page.text) == (200, True)
    times: list[str] = []
    at = "/console/customers/wm_short"
    while at:
        answer = await seller.get(at)
        times += [part.split('"')[0] for part in answer.page.split('<time datetime="')[1:]]
        older = answer.page.split('class="console-older"')
        at = older[1].split('href="')[1].split('"')[0] if len(older) > 1 else ""
    assert len(times) == 72
    assert times == sorted(times, reverse=True)
    assert len(await company.bot.db.read(list_entries, "wm_short", None, 200)) == 72
    hostile = await admin.get("/console/customers/wm_hostile")
    assert "<script>alert" not in hostile.page
    assert "{{7*7}}" in hostile.page
    assert (await seller.get("/console/customers/wm_short/why")).status == 200

    # Changed through WeCom: in its world and in ours.
    words = {
        "userid": mine,
        "remark": "老王",
        "description": "第一行\n第二行",
        "remark_mobiles": "13900001111、13900002222",
    }
    assert (await seller.post(f"{path}/remark", words)).location == f"{path}?said=saved"
    follow = company.world.customers.find_follow(mine, whose)
    assert follow is not None
    assert (follow.remark, follow.remark_mobiles) == ("老王", ["13900001111", "13900002222"])
    assert "老王" in await found(seller, "q=1111")
    too_long = await seller.post(f"{path}/remark", {**words, "remark": "长" * 21})
    assert (too_long.status, "长" * 21 in too_long.page, "最多 20" in too_long.text) == (400, True, True)
    tag_id = company.tag_ids[0]
    was = [("was", each) for each in follow.tag_ids]
    assert (await seller.post(f"{path}/tags", [("userid", mine), ("tag", tag_id), *was])).status == 303
    follow = company.world.customers.find_follow(mine, whose)
    assert follow is not None
    assert follow.tag_ids == [tag_id]
    assert (await seller.post(f"{path}/tags", {"userid": other, "tag": tag_id})).status == 404

    # Fields, a birthday, and what they want.
    values = {"field.city": "上海", "field.score": "x", "birthday.month": "2", "birthday.day": "31"}
    faulty = await seller.post(f"{path}/fields", values)
    assert (faulty.status, 'value="上海"' in faulty.page, "没有这一天" in faulty.text) == (400, True, True)
    values |= {"field.score": "7.5", "birthday.day": "3", "birthday.calendar": "lunar"}
    assert (await seller.post(f"{path}/fields", values)).status == 303
    kept = dict(fields_of((await seller.get(path)).page))
    assert (kept["field.city"], kept["field.score"], kept["birthday.calendar"]) == ("上海", "7.5", "lunar")
    wish = {"opted_out": "yes", "paused_until": "2027-01-02", "cap_days": "7", "reason": "忙"}
    assert (await seller.post(f"{path}/preference", wish)).status == 400
    assert (await seller.post(f"{path}/preference", {**wish, "cap_count": "1"})).status == 303
    entries = await company.bot.db.read(lambda session: audit.list_entries(session, limit=9))
    assert [each.action for each in entries] == [
        "customers.preference",
        "customers.fields",
        "customers.tags",
        "customers.remark",
    ]
    assert {each.external_userid for each in entries} == {whose}
    assert "改备注" in (await seller.get(path)).text

    # Handed out, and erased, by whom it may be.
    assert (await seller.post(f"{path}/export")).status == 403
    handed = json.loads((await admin.post(f"{path}/export")).page)
    assert handed["external_userid"] == whose
    assert (await seller.post(f"{path}/erase", {"sure": "yes"})).status == 403
    assert (await admin.post(f"{path}/erase")).status == 400
    assert (await admin.post(f"{path}/erase", {"sure": "yes"})).location == "/console/customers?said=erased"
    assert (await admin.get(path)).status == 404
    assert await company.bot.db.read(lambda session: len(session.execute(select(Erasure)).all())) == 1
    left = await company.bot.db.read(
        lambda session: [each.what for each in session.execute(select(AuditEntry)).scalars() if whose in each.what]
    )
    assert left == []


async def test_tags_are_made_changed_and_deleted(company: Company, http: aiohttp.ClientSession) -> None:
    await sync(company)
    admin = await sign_in(company.bot, http, Role.ADMIN)
    manager = await sign_in(company.bot, http, Role.MANAGER, department_ids=[1])
    page = await admin.get("/console/tags")
    assert page.status == 200
    made = await manager.post("/console/tags/make", {"group_name": HOSTILE[:30], "names": "金\n银\n"})
    assert made.location == "/console/tags?said=made", made.text
    group = next(each for each in company.world.tags.groups.values() if each.group_name == HOSTILE[:30])
    assert "<script>alert" not in (await admin.get("/console/tags?counts=yes")).page
    again = await manager.post("/console/tags/make", {"group_id": group.group_id, "names": "金"})
    assert (again.status, "金" in again.page) == (400, True)
    tag = next(each for each in group.tags if each.name == "银")
    one = f"/console/tags/edit/tag/{tag.id}"
    assert (await manager.get(one)).status == 403
    assert (await admin.post(one, {"name": "", "order": "1"})).status == 400
    assert (await admin.post(one, {"name": "白银", "order": "1"})).status == 303
    assert tag.name == "白银"
    assert (await admin.post(f"{one}/delete")).location == "/console/tags?said=removed"
    assert tag.id not in company.tag_ids
    assert (await admin.get(one)).status == 404
