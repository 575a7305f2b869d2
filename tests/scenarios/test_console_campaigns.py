"""Campaigns in the console: who sees which, what each may do, and that customers stay whose they are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from sqlmodel import Session, col, select

from bot import campaigns
from bot.config import ApprovalSettings
from data.models import Follow, Role
from data.queries import approvals as approval_rows
from data.queries import audit
from data.queries import segment_names as segment_rows
from data.queries import staff as staff_rows
from data.rules.campaigns import CampaignDraft
from data.rules.segments import Segment
from tests.console import sign_in
from tests.scenarios.campaign_ledger import confirm, has_status, is_ended, ready, until, wave
from tests.scenarios.conftest import Company, Start
from tests.scenarios.moment_ledger import post, publish, react

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def departments(company: Company) -> dict[int, list[str]]:
    """Departments with members who have customers, these and those of the departments below."""
    found: dict[int, list[str]] = {}
    above = await company.read(staff_rows.map_departments)
    for userid in company.followers:
        for department_id in above[userid]:
            found.setdefault(department_id, []).append(userid)
    return found


async def make(company: Company, made_by: str, *waves: object, name: str = HOSTILE) -> int:
    draft = CampaignDraft.model_validate({"name": name, "waves": waves or [wave()]})
    made = await campaigns.make_campaign(company.bot.context, draft, made_by)
    return made.id or 0


async def said(company: Company) -> list[str]:
    """The last actions in the audit log, the newest first."""
    return [each.action for each in await company.read(lambda session: audit.list_entries(session, limit=30))]


async def test_a_campaign_is_started_followed_and_stopped(company: Company, http: aiohttp.ClientSession) -> None:
    await ready(company)
    inside = await departments(company)
    mine, members = min(inside.items(), key=lambda each: len(each[1]))
    assert 0 < len(members) < len(company.followers)
    admin = await sign_in(company.bot, http, Role.ADMIN)
    boss = await sign_in(company.bot, http, Role.MANAGER, userid=members[0], department_ids=[mine])
    stranger = await sign_in(company.bot, http, Role.MANAGER, department_ids=[99])
    listing = await admin.get("/console/campaigns")
    assert "还没有群发计划" in listing.text

    campaign_id = await make(company, "token", wave(), post())
    one = f"/console/campaigns/{campaign_id}"
    assert (await boss.get(one)).status == 404, "nothing of it reaches their department yet"
    assert (await admin.get(one)).status == 200
    wrong = await admin.post(f"{one}/start", {"at": "tomorrow"})
    assert (wrong.status, "这样的格式" in wrong.text) == (400, True)
    assert (await admin.post(f"{one}/start")).location == f"{one}?said=begun"
    again = await admin.post(f"{one}/start")
    assert (again.status, "已经开始过了" in again.text) == (409, True)

    stream = await http.get(
        f"{company.bot.url}{one}/progress", headers={"Cookie": "; ".join(f"{k}={v}" for k, v in admin.cookies.items())}
    )
    assert "未开始" in await read_event(stream)
    await until(company, campaign_id, has_status("awaiting"))
    async with asyncio.timeout(20):
        while "等员工确认" not in await read_event(stream):
            pass
    confirm(company.world, company.sandbox.machine, share=2)
    publish(company.world, company.sandbox.machine)
    react(company.world, company.sandbox.machine)
    runs = await company.read(lambda session: campaigns.read_campaign(session, campaign_id).runs)
    await until(company, campaign_id, lambda _, batches: any(each.sent for each in batches if each.kind == "customers"))

    # What is shown is what is there; whoever sees one department sees its members and customers alone.
    board = await admin.get(f"{one}/board")
    assert board.text.count("位员工已完成") > 1
    assert (await boss.get(f"{one}/board")).text.count("位员工已完成") == 1
    page = await admin.get(one)
    assert "<script>alert" not in page.page
    assert "{{7*7}}" in page.page
    theirs = await boss.get(one)
    assert (theirs.status, "您只能查看" not in theirs.text) == (200, True)
    assert "这里只有您能看到的" in theirs.text
    names = {each.userid: each.name for each in company.world.population.members}
    people = (await boss.get(f"/console/runs/{runs[0].id}")).page
    for userid, name in names.items():
        if userid not in members:
            assert f"<bdi>{name}</bdi></td>" not in people, "somebody else's customer"
    assert (await stranger.get(one)).status == 404
    assert (await stranger.get(f"/console/runs/{runs[0].id}")).status == 404
    assert (await stranger.get("/console/campaigns")).text.count("script") == 0
    for act in ("pause", "cancel", "start", "go", "test", "remove"):
        assert (await boss.post(f"{one}/{act}")).status == 409, "they may only look"
        assert (await stranger.post(f"{one}/{act}")).status == 404
    publishers = await admin.get(f"/console/runs/{runs[1].id}?state=published")
    assert "赞了" in publishers.text
    assert "评论了" in publishers.text

    # A page after the other, each customer once.
    seen: list[str] = []
    path = f"/console/runs/{runs[0].id}"
    while path:
        answer = await admin.get(path)
        seen += re.findall(r'href="/console/customers/([^"]+)"', answer.page)
        following = re.search(r'href="([^"]+)" rel="next"', answer.page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == runs[0].matched

    # The wrong message: what will happen and who has it, then it is stopped.
    freeze = await admin.get(f"{one}/freeze")
    assert "撤不回来" in freeze.text
    stopped = await admin.post(f"{one}/cancel", {"why": "wrong"})
    assert stopped.location == f"{one}/freeze?said=cancelled"
    await until(company, campaign_id, is_ended)
    async with asyncio.timeout(20):
        while "event: end" not in (event := await read_event(stream)):
            assert event, "the stream says that it is over before it ends"
    copied = await admin.post(f"{one}/copy")
    copy_id = int(copied.location.split("/")[-1].split("?")[0])
    refused = await boss.post(f"{one}/copy")
    assert refused.status == 303, "a copy is for the customers whom they see"
    assert (await admin.post(f"/console/campaigns/{copy_id}/remove")).location == "/console/campaigns?said=removed"
    assert (await said(company))[:5] == [
        "campaigns.remove", "campaigns.copy", "campaigns.copy", "campaigns.freeze", "campaigns.start",
    ]  # fmt: skip
    narrowed = (await company.read(campaigns.read_campaigns, 1, None))[0]
    assert narrowed.waves[0].audience == {
        "segment": {"any": [{"department": {"department_ids": [mine]}}, {"staff": {"userids": [members[0]]}}]}
    }
    assert narrowed.waves[1].audience == {"department_ids": [mine]}
    assert narrowed.campaign.made_by == members[0]


async def read_event(stream: aiohttp.ClientResponse) -> str:
    """The next event of a stream; empty: it has ended."""
    lines: list[str] = []
    async with asyncio.timeout(20):
        while line := (await stream.content.readline()).decode():
            if not line.strip():
                if any(not each.startswith(":") for each in lines):
                    return "".join(lines)
                lines = []
                continue
            lines.append(line)
    return ""


WAVE = {
    "audience": "everyone", "content.text": "周末有新品", "sender_policy": "first_added",
    "sender_fallback": "first_added", "valid_hours": "72", "when": "repeat", "repeat": "weekly", "time": "10:30",
    "late_minutes": "120", "late_then": "wait", "name": "周末",
}  # fmt: skip


async def test_a_campaign_is_made_edited_approved_and_moved(start: Start, http: aiohttp.ClientSession) -> None:
    company = await start(approval=ApprovalSettings(above=1))
    await ready(company)
    inside = await departments(company)
    mine, members = min(inside.items(), key=lambda each: len(each[1]))
    strangers = [each for each in company.followers if each not in members]
    admin = await sign_in(company.bot, http, Role.ADMIN)
    boss = await sign_in(company.bot, http, Role.MANAGER, userid=members[0], department_ids=[mine])
    other = await sign_in(company.bot, http, Role.MANAGER, department_ids=[99])
    new = "/console/campaigns/new?kind=customers"
    form = [*WAVE.items(), ("weekdays", "1"), ("weekdays", "5")]

    # While it is edited: the next five runs, in words; what is wrong stays on the page with what was typed.
    assert (await boss.get(new)).status == 200
    times = await boss.post("/console/campaigns/times", form, HX_Request="true")
    assert "每周一、周五 10:30" in times.text
    assert times.page.count("<li>") == 5
    never = await boss.post(
        "/console/campaigns/times", {**WAVE, "repeat": "cron", "cron": "0 9 31 11 *"}, HX_Request="true"
    )
    assert "不会再出现" in never.text
    wrong = [*form, ("name", ""), ("excluded_userids", "nobody"), ("hold_out_percent", "x")]
    refused = await boss.post(new, [(name, value) for name, value in wrong if (name, value) != ("name", "周末")])
    assert (refused.status, "应为整数" in refused.text, "周末有新品" in refused.page) == (400, True, True)
    faulty = await boss.post(
        new, {**WAVE, "content.text": "{{ customer_name }}", "excluded_userids": "nobody", "when": "now"}
    )
    assert (faulty.status, "没有成员 nobody" in faulty.text) == (400, True)
    assert "没有等待" not in faulty.text
    listed = await company.read(customers_of, strangers[0])
    alien = await boss.post(new, {**WAVE, "when": "now", "audience": "list", "listed": "\n".join(listed)})
    assert (alien.status, "名单里没有您能看到的客户" in alien.text, listed[0] in alien.page) == (400, True, True)

    own = await company.read(customers_of, members[0])
    mixed = await boss.post(new, {**WAVE, "when": "now", "audience": "list", "listed": "\n".join([*listed, *own])})
    assert "said=narrowed" in mixed.location
    kept = (await company.read(campaigns.read_campaigns, 1, None))[0].waves[0]
    assert kept.audience == {"pairs": len(own)}

    # What it would do, of their own customers alone.
    preview = await boss.post(new, [*form, ("do", "preview")], HX_Request="true")
    assert "现在开始的话" in preview.text
    everyone = await admin.post(new, [*form, ("do", "preview")], HX_Request="true")
    assert number_behind(preview.text, "会收到") < number_behind(everyone.text, "会收到")
    made = await boss.post(new, form)
    one = made.location.split("?")[0]
    campaign_id = int(one.split("/")[-1])
    told = await company.read(campaigns.read_campaign, campaign_id)
    assert told.campaign.made_by == members[0]
    assert told.waves[0].timing == {"cron": "30 10 * * 1,5"}
    assert told.waves[0].audience == {
        "segment": {"any": [{"department": {"department_ids": [mine]}}, {"staff": {"userids": [members[0]]}}]}
    }
    assert (await other.get(one)).status == 404
    page = await boss.get(one)
    assert page.text.count("10:30") >= 5

    # Versions, a segment and what the form does not show: kept, and narrowed again. Two who edit at once are told.
    wave_path = f"{one}/waves/{told.waves[0].id}"
    edit = await boss.get(wave_path)
    assert (edit.status, 'value="everyone" checked' in edit.page) == (200, True)
    more = await boss.post(wave_path, [*form, ("version", "1"), ("do", "variant")])
    assert (more.status, "variants[1].content.text" in more.page, "周末有新品" in more.page) == (200, True, True)
    saved_segment = await company.bot.db.write(
        segment_rows.save_segment,
        Segment.model_validate({"name": "都要", "definition": {"all": []}}),
        company.bot.clock.now(),
    )
    versions = [
        *[each for each in form if each[0] not in ("content.text", "audience", "when")],
        ("audience", "saved"), ("segment_id", str(saved_segment.id)), ("version", "1"), ("when", "now"),
        ("variants[0].name", HOSTILE[:20]), ("variants[0].weight", "2"), ("variants[0].content.text", "甲"),
        ("variants[1].name", "乙"), ("variants[1].weight", "1"), ("variants[1].content.text", "乙"),
    ]  # fmt: skip
    assert (await boss.post(wave_path, versions)).location == f"{one}?said=saved"
    stale = await boss.post(wave_path, versions)
    assert (stale.status, "刚刚被别人修改了" in stale.text) == (409, True)
    told = await company.read(campaigns.read_campaign, campaign_id)
    assert [each["weight"] for each in told.waves[0].variants] == [2, 1]
    assert told.waves[0].audience["segment"]["all"][1] == {"all": []}
    groups = await boss.post(
        f"{one}/waves/new?kind=groups",
        {**WAVE, "when": "now", "audience": "some", "owners": strangers[0], "version": "2"},
    )
    assert (groups.status, "不在您能看到的范围内" in groups.text) == (400, True)
    posts = await boss.post(f"{one}/waves/new?kind=moments", {**WAVE, "when": "now", "version": "2"})
    assert posts.location == f"{one}?said=saved"
    whole = await admin.post("/console/campaigns/new?kind=moments", {**WAVE, "when": "now"})
    assert (await company.read(campaigns.read_campaigns, 1, None))[0].waves[0].audience == {}
    assert (whole.status, "said=made" in whole.location) == (303, True)
    told = await company.read(campaigns.read_campaign, campaign_id)
    assert told.waves[1].audience == {"department_ids": [mine]}
    assert "<script>alert" not in (await boss.get(one)).page
    assert (await boss.post(f"{one}/waves/{told.waves[1].id}/remove", {"version": "3"})).status == 303

    # Conditions are edited in place: what a manager sees of them is what they chose themselves.
    conditions = [
        *[each for each in versions if each[0] not in ("audience", "version")], ("audience", "conditions"),
        ("segment.match", "all"), ("segment.row", "0"), ("segment.0.kind", "gender"),
    ]  # fmt: skip
    unfinished = await boss.post(wave_path, [*conditions, ("version", "4")])
    assert (unfinished.status, "条件还没有填完整" in unfinished.text) == (400, True)
    added = await boss.post(
        wave_path, [*conditions, ("version", "4"), ("segment.do", "add:"), ("segment.add", "staff")]
    )
    assert (added.status, "segment.1.kind" in added.page) == (200, True)
    whole_form = [*conditions, ("version", "4"), ("segment.0.genders", "female")]
    assert (await boss.post(wave_path, whole_form)).location == f"{one}?said=saved"
    told = await company.read(campaigns.read_campaign, campaign_id)
    assert told.waves[0].audience["segment"]["all"][1] == {"all": [{"gender": {"genders": ["female"]}}]}
    again = (await boss.get(wave_path)).page
    assert ('value="conditions" checked' in again, "segment.0.genders" in again, "segment.1.kind" in again) == (
        True, True, False,
    )  # fmt: skip

    # Above the limit another manager decides: not whoever asked, not somebody who is no approver.
    held = await boss.post(f"{one}/start")
    assert (held.status, "提交审批" in held.text) == (409, True)
    later = (company.bot.clock.now() + timedelta(days=2)).astimezone(company.bot.settings.zone)
    await boss.post(f"{one}/submit", {"version": "5", "at": f"{later:%Y-%m-%dT%H:%M}"})
    assert "等另一位经理审批" in (await boss.get("/console/approvals")).text
    assert "没有等待审批" in (await other.get("/console/approvals")).text
    own = await boss.post(f"/console/approvals/{campaign_id}/approve", {"version": "5"})
    assert (own.status, "不能审批自己的申请" in own.text) == (409, True)
    assert (await other.post(f"/console/approvals/{campaign_id}/approve", {"version": "5"})).status == 404
    assert (await admin.get(f"/console/campaigns/{campaign_id}/preview")).status == 200
    silent = await admin.post(f"/console/approvals/{campaign_id}/reject", {"version": "5"})
    assert (silent.status, "为什么驳回" in silent.text) == (400, True)
    old = await admin.post(f"/console/approvals/{campaign_id}/approve", {"version": "4"})
    assert old.status == 409
    done = await admin.post(f"/console/approvals/{campaign_id}/approve", {"version": "5"})
    assert done.location == "/console/approvals?said=approved"
    approval = (await company.read(approval_rows.find_latest, [campaign_id]))[campaign_id]
    assert (approval.status, approval.decided_via, approval.requested_by) == ("approved", "console", members[0])

    # In the calendar, and moved: whoever may not act on it may not, and what was approved was approved for that time.
    month = await boss.get(f"/console/calendar?month={later:%Y-%m}")
    assert f"{later:%H:%M}" in month.text
    assert "周末" not in (await other.get(f"/console/calendar?month={later:%Y-%m}")).text
    (run,) = (await company.read(campaigns.read_campaign, campaign_id)).runs
    move = f"/console/runs/{run.id}/move"
    assert (await other.post(move, {"at": "2026-05-01T10:00"})).status == 404
    for at, why in (("", "请填写时间"), ("2020-01-01T10:00", "已经过去"), ("x", "这样的格式")):
        answer = await boss.post(move, {"at": at})
        assert (answer.status >= 400, why in answer.text) == (True, True), at
    assert (await boss.post(move, {"at": f"{later + timedelta(days=1):%Y-%m-%dT%H:%M}"})).status == 303
    (run,) = (await company.read(campaigns.read_campaign, campaign_id)).runs
    assert run.due_at.astimezone(company.bot.settings.zone).date() == (later + timedelta(days=1)).date()
    assert (run.valid_until - run.due_at) == timedelta(hours=72)
    approval = (await company.read(approval_rows.find_latest, [campaign_id]))[campaign_id]
    assert approval.status == "void"

    # What this sending says, of each version; what was typed stays where it cannot be sent.
    (run,) = (await company.read(campaigns.read_campaign, campaign_id)).runs
    written = f"/console/runs/{run.id}/words"
    assert "甲" in (await boss.get(written)).page
    assert (await other.get(written)).status == 404
    unfit = await boss.post(
        written, {"variants[0].content.text": "{{ customer_name }}", "variants[1].content.text": "新乙"}
    )
    assert (unfit.status, "新乙" in unfit.page, "群发时" in unfit.text) == (400, True, True)
    fit = {"variants[0].content.text": "新甲", "variants[1].content.text": "新乙"}
    assert (await boss.post(written, fit)).location == f"{one}?said=saved"
    (run,) = (await company.read(campaigns.read_campaign, campaign_id)).runs
    assert [each["content"]["text"] for each in run.content["variants"]] == ["新甲", "新乙"]
    assert set(await said(company)) >= {
        "campaigns.make",
        "campaigns.edit",
        "campaigns.submit",
        "campaigns.approve",
        "campaigns.move",
    }

    # An admin lets it be for all: the manager who made it cannot start that.
    copied = await boss.post(f"{one}/copy")
    copy_path = copied.location.split("?")[0]
    copy = await company.read(campaigns.read_campaign, int(copy_path.split("/")[-1]))
    await admin.get(copy_path)
    wide = await admin.post(f"{copy_path}/waves/{copy.waves[0].id}", [*form, ("version", "1")])
    assert wide.status == 303
    beyond = await boss.post(f"{copy_path}/start")
    assert (beyond.status, "超出了您能看到的客户" in beyond.text) == (409, True)


def customers_of(session: Session, userid: str) -> list[str]:
    """Customers whom nobody else has."""
    return list(
        session.exec(
            select(Follow.external_userid).where(Follow.userid == userid, col(Follow.shared).is_(False)).limit(3)
        )
    )


def number_behind(text: str, word: str) -> int:
    found = re.search(rf"{word} ([\d,]+)", text)
    assert found is not None
    return int(found[1].replace(",", ""))
