"""Journeys in the console: written, changed by two at once, started, tried out and looked at, and by whom."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from sqlmodel import Session, select

from bot.config import ApprovalSettings, JourneysSettings
from bot.journey_edits import make_journey
from bot.journey_enrolling import enrol_listed
from bot.shipped import list_shipped, read_shipped
from data.models import Department, Enrolment, JourneyRow, Role, Staff, StaffTask
from data.models.journey_scans import ScanKind
from data.queries import audit
from data.queries import journey_scans as scan_rows
from data.queries import journeys as rows
from data.queries.segment_names import save_segment
from data.rules.journeys import Journey
from data.rules.segments import Segment
from scheduler.journeys import run_due_steps
from tests.console import Answer, Browser, fields_of, sign_in
from tests.scenarios.conftest import Company, Start
from tests.staff_tasks import JOURNEY, add_contact, add_journey, add_task

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"
PATH = "/console/journeys"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def press(browser: Browser, answer: Answer, path: str, do: str, **typed: str) -> Answer:
    """A button of the editor is pressed after something was typed; names have `__` for a dot, `_N_` for a place."""
    fields = fields_of(answer.page)
    assert fields, "no form"
    wanted = {re.sub(r"_([0-9])_", r"[\1]", name).replace("__", "."): value for name, value in typed.items()}
    names = {name for name, _ in fields}
    assert wanted.keys() <= names, (wanted.keys() - names, names)
    kept = [(name, wanted.get(name, value)) for name, value in fields]
    return await browser.post(path, [*kept, ("do", do)])


async def said_by(company: Company, journey_id: int) -> tuple[int, dict[str, Any]]:
    row: JourneyRow = await company.read(rows.get_journey, journey_id)
    version = await company.read(rows.get_version, journey_id, row.version)
    return row.version, version.definition


def whole(said: dict[str, Any]) -> dict[str, Any]:
    return Journey.model_validate(said).model_dump(mode="json")


def problems_in(answer: Answer) -> list[str]:
    return re.findall(r'class="journey-fault"[^>]*>([^<]+)<', answer.page)


async def test_a_journey_is_written_step_by_step(company: Company, http: aiohttp.ClientSession) -> None:
    bot, tags = company.bot, company.tag_ids
    admin = await sign_in(bot, http, Role.ADMIN)
    assert "还没有旅程" in (await admin.get(PATH)).text
    shipped = (await admin.get(f"{PATH}/shipped")).page
    for name in list_shipped("journeys"):
        assert f"{PATH}/new?from={name}" in shipped
    assert (await admin.get(f"{PATH}/new?from=nothing")).status == 404

    # One that comes along is kept as it is.
    page = await admin.get(f"{PATH}/new?from=birthday")
    made = await press(admin, page, f"{PATH}/new", "save")
    assert (made.status, made.location) == (303, f"{PATH}/1?said=made")
    assert await said_by(company, 1) == (1, whole(read_shipped("journeys", "birthday")))

    # What no field shows is kept, whichever step is open; what says the same makes no version.
    tree = {"any": [{"tags": {"tag_ids": [tags[0]]}}, {"not": {"silent": {"for_days": 9}}}]}
    task = {"do": "task", "content": {"text": "{{ customer_name }}，您好"}, "hint": HOSTILE, "worth": 7}
    rich = {
        "name": HOSTILE, "trigger": {"on": "added", "state_prefixes": ["ab"], "userids": [company.followers[0]]},
        "audience": tree, "again": {"after_days": 3}, "goal": {"on": "ordered", "min_fen": 12345, "sources": ["a"]},
        "stops": [{"on": "tagged", "tag_id": tags[1]}], "priority": 7, "excluded_userids": [company.followers[0]],
        "steps": [
            {"key": "ask", "when": {"days": 2, "at": "10:30", "only": "workdays"}, "only_if": tree, "action": task},
            {"key": "which", "action": {"do": "branch", "cases": [{"segment": tree, "go": "bye"}],
                                        "otherwise": "mark"}},
            {"key": "mark", "when": {"minutes": 90},
             "action": {"do": "tags", "put_on": tags[:2], "take_off": tags[2:3]}},
            {"key": "bye", "action": {"do": "broadcast", "content": {"text": "再见"}, "valid_hours": 9},
             "late": {"within_hours": 3, "then": "do"}, "hold_days": 4},
        ],
    }  # fmt: skip
    journey_id = (await make_journey(bot.context, rich, "test")).id or 0
    edit = f"{PATH}/{journey_id}/edit"
    page = await admin.get(edit)
    for number in (*range(4), 3):
        page = await press(admin, page, edit, f"open:{number}")
        assert page.status == 200
        assert "<script>alert" not in page.page
    for number in (1, 0):
        page = await press(admin, page, edit, f"open:{number}")
        saved = await press(admin, page, edit, "save")
        assert (saved.status, saved.location) == (303, f"{PATH}/{journey_id}?said=saved")
    assert await said_by(company, journey_id) == (1, whole(rich))

    # Steps are moved, added, removed, named anew; a saved segment is taken; nothing is kept before it is saved.
    large = Segment.model_validate({"name": "大客户", "definition": {"orders": {"count_at_least": 2}}})
    await bot.db.write(lambda session: save_segment(session, large, bot.clock.now()))
    page = await press(admin, await admin.get(edit), edit, "take:audience")
    page = await press(admin, page, edit, "open:3")
    page = await press(admin, page, edit, "up:3", steps_3___key="farewell", steps_3___when__days="5")
    page = await press(admin, page, edit, "add", add_kind="wait")
    page = await press(admin, page, edit, "remove:4")
    assert await said_by(company, journey_id) == (1, whole(rich))
    assert (await press(admin, page, edit, "save", name="改过")).status == 303
    version, said = await said_by(company, journey_id)
    assert (version, said["name"], [each["key"] for each in said["steps"]]) == (
        2, "改过", ["ask", "which", "farewell", "mark"],
    )  # fmt: skip
    assert said["steps"][1]["action"]["cases"][0]["go"] == "farewell"
    assert said["steps"][2]["when"]["days"] == 5
    assert said["audience"] == whole({**rich, "audience": {"orders": {"count_at_least": 2}}})["audience"]
    assert "大客户" in (await admin.get(f"{PATH}/{journey_id}")).text

    # What is wrong stands beside its field, in the step that is opened for it, and stays as it was typed.
    page = await press(admin, await admin.get(edit), edit, "open:0")
    page = await press(
        admin, page, edit, "save", name="", priority="99", steps_0___when__at="03:00", steps_0___when__minutes="bald",
        steps_0___action__content__text="{{ nobody }}",
    )  # fmt: skip
    assert page.status == 400
    assert problems_in(page) == ["缺少必填项", "不能大于 9", "应为整数"]
    typed = dict(fields_of(page.page))
    assert (typed["priority"], typed["steps[0].when.minutes"], typed["steps[0].when.at"]) == ("99", "bald", "03:00")
    page = await press(admin, page, edit, "save", name="x", priority="9", steps_0___when__minutes="5")
    assert page.status == 400
    assert problems_in(page) == ["minutes 不能和 days、at 一起填写"]
    assert "nobody" in page.text
    broken = await press(admin, page, edit, "json", json="{")
    assert ("不是有效的 JSON" in broken.text, dict(fields_of(broken.page))["json"].strip()) == (True, "{")
    odd = json.dumps(
        {"trigger": 3, "goal": [], "steps": [{"action": {"do": "task", "content": {"attachments": 3}}}, 4]}
    )
    strange = await press(admin, page, edit, "json", json=odd)
    assert strange.status == 200
    assert (await press(admin, strange, edit, "open:0")).status == 200
    assert (await press(admin, strange, edit, "save")).status == 400
    assert (await admin.post(edit, {"state": "[]", "do": "save"})).status == 400

    # Two at once: the second is told what the first has changed, and loses nothing.
    mine = await admin.get(edit)
    other = await sign_in(bot, http, Role.ADMIN)
    assert (await press(other, await other.get(edit), edit, "save", hold_out_percent="20")).status == 303
    told = await press(admin, mine, edit, "save", name="我的名字")
    assert told.status == 409
    assert "对方改了：对照组占百分之几" in told.text
    assert dict(fields_of(told.page))["name"] == "我的名字"
    assert (await press(admin, told, edit, "over")).status == 303
    version, said = await said_by(company, journey_id)
    assert (version, said["name"], said["hold_out_percent"]) == (4, "我的名字", 0)
    entries = await company.read(lambda session: audit.list_entries(session, limit=2))
    assert [(each.action, each.what) for each in entries] == [("journeys.change", f"journey {journey_id}")] * 2
    assert entries[0].before["hold_out_percent"] == 20
    await admin.post("/console/look", {"language": "en", "theme": "light", "next": PATH})
    for path in (PATH, f"{PATH}/{journey_id}", edit, f"{PATH}/shipped"):
        words = re.sub(r"私域|中文|试用\w+|我的名字|生日\w*|大客户", "", (await admin.get(path)).text)
        assert path != f"{PATH}/shipped" or not re.search(r"[一-鿿]", words.replace(bot.settings.company.name, "")), (
            words
        )


async def test_who_is_on_a_journey_is_seen_by_those_who_may(company: Company, http: aiohttp.ClientSession) -> None:
    bot, now = company.bot, company.bot.clock.now()

    def prepare(session: Session) -> None:
        for number, userid in ((901, "anna"), (902, "bert")):
            session.add(Department(id=number, name=userid))
            session.add(Staff(userid=userid, name=HOSTILE[:40], department_ids=[number], main_department_id=number,
                              follows_customers=True, seen_at=now))  # fmt: skip
        session.flush()
        add_contact(session, now, "wmanna", "anna", name=HOSTILE + "甲")
        add_contact(session, now, "wmbert", "bert", name=HOSTILE + "乙" + "长" * 200)
        add_journey(session, now)
        for userid in ("anna", "bert"):
            add_task(session, now, userid, f"wm{userid}", hint=HOSTILE)
            add_task(session, now, userid, f"wm{userid}", later_until=now + timedelta(hours=2))
            answered = {"answered_at": now, "answered_by": userid}
            add_task(session, now, userid, f"wm{userid}", status="refused", why=f"{HOSTILE}刚联系过", **answered)
            session.add(Enrolment(journey_id=JOURNEY, version=1, external_userid=f"wm{userid}", cause="added",
                                  started_at=now, before_at=now, due_at=now + timedelta(days=1), step=1))  # fmt: skip

    await bot.db.write(prepare)
    admin = await sign_in(bot, http, Role.ADMIN)
    manager = await sign_in(bot, http, Role.MANAGER, department_ids=[901])
    one = f"{PATH}/{JOURNEY}"

    async def see(browser: Browser, path: str) -> set[str]:
        """Whose customers a page shows."""
        answer = await browser.get(path)
        assert answer.status == 200, path
        assert "<script>alert" not in answer.page
        return {each for each in "甲乙" if each in answer.text}

    for path in (f"{one}/people", f"{one}/people?step=ask", f"{one}/people?status=finished"):
        assert (await see(admin, path), await see(manager, path)) == ({"甲", "乙"}, {"甲"}), path
    assert await see(admin, f"{one}/people?step=hello") == set()
    assert "2 0" not in (await manager.get(PATH)).text
    listed = await manager.get(PATH, HX_Request="true")
    assert ("新建旅程" in listed.text, "2 0" in listed.text) == (True, True)
    theirs = (await manager.get(one)).text
    assert ("修改" in theirs, "您只能查看" in theirs) == (False, True)
    for path in (f"{one}/edit", f"{one}/act", f"{one}/existing", f"{one}/move"):
        assert (await manager.post(path, {"act": "pause"})).status == 409
    assert (await manager.post(f"{one}/people/1/withdraw")).status == 409
    statistics = await manager.get(f"{one}/statistics")
    assert ("开始过 8" in statistics.text, "已走完 6" in statistics.text) == (True, True)
    sheet = await manager.get(f"{one}/statistics.csv")
    assert sheet.page.lstrip("\ufeff").splitlines()[1].startswith("1,hello,请员工联系客户,0,0,")

    # The day's lists: of one's own departments.
    board = await manager.get("/console/tasks")
    assert ("/console/tasks/anna" in board.page, "/console/tasks/bert" in board.page) == (True, False)
    assert "待联系 2 其中改到稍后 1 今天已联系 0 今天不联系 1" in board.text
    assert "/console/tasks/bert" in (await admin.get("/console/tasks")).page
    assert await see(manager, "/console/tasks/anna") == {"甲"}
    assert "刚联系过" in (await manager.get("/console/tasks/anna")).text
    assert (await manager.get("/console/tasks/bert")).status == 404
    assert (await admin.get("/console/tasks/nobody")).status == 404

    # It is tried out: in the background, for whoever asked.
    assert (await admin.post(f"{one}/simulation", {"days": "0", "per_day": "x"})).status == 400

    async def try_out(browser: Browser) -> Answer:
        begun = await browser.post(f"{one}/simulation", {"days": "3", "per_day": "0", "existing": "yes"})
        assert begun.status == 303
        while (shown := await browser.get(begun.location)) and 'id="trial"' in shown.page:
            await asyncio.sleep(0.05)
        assert (await (manager if browser is admin else admin).get(begun.location)).status == 404
        return shown

    for browser, names in ((admin, {"甲", "乙"}), (manager, {"甲"})):
        shown = await try_out(browser)
        assert "请员工联系客户" in shown.text
        assert {each for each in "甲乙" if each in shown.text} & {"甲", "乙"} <= names
        assert "<script>alert" not in shown.page

    # Paused, resumed, begun for those who are there, moved, taken off, stopped.
    async def act(do: str) -> str:
        assert (await admin.post(f"{one}/act", {"act": do})).status == 303, do
        return str((await company.read(rows.get_journey, JOURNEY)).status)

    assert [await act(each) for each in ("pause", "resume")] == ["paused", "running"]
    assert (await admin.post(f"{one}/act", {"act": "start"})).status == 409
    assert (await admin.post(f"{one}/act", {"act": "nonsense"})).status == 404
    counted = re.search(r"现在有 ([0-9]+) 位客户符合", (await admin.get(f"{one}/existing")).text)
    assert counted is not None
    assert int(counted[1]) >= 2
    assert (await admin.post(f"{one}/existing")).location == f"{one}/existing?said=started"
    assert await company.read(scan_rows.find_scan, JOURNEY, ScanKind.EXISTING) is not None
    assert "正在进行" in (await admin.get(f"{one}/existing")).text
    page = await press(admin, await admin.get(f"{one}/edit"), f"{one}/edit", "remove:1")
    assert (await press(admin, page, f"{one}/edit", "save")).status == 303
    assert "还有客户在旧版本上" in (await admin.get(one)).text
    assert "新版本没有这一步" in (await admin.get(f"{one}/move")).text
    assert (await admin.post(f"{one}/move")).status == 400
    assert (await admin.post(f"{one}/move", {"to.ask": "hello"})).location == f"{one}?said=moved"
    on = await company.read(lambda session: [each.id for each in list_running(session)])
    assert (await admin.post(f"{one}/people/{on[0]}/withdraw")).status == 303
    assert await act("stop") == "stopped"
    assert await company.read(lambda session: list_running(session)) == []
    actions = [each.action for each in await company.read(lambda session: audit.list_entries(session, limit=7))]
    assert actions == [f"journeys.{each}" for each in
                       ("stop", "withdraw", "move", "change", "existing", "resume", "pause")]  # fmt: skip
    assert (await company.read(lambda session: session.get(StaffTask, 1))) is not None


async def test_a_managers_journey_is_for_the_customers_they_see(start: Start, http: aiohttp.ClientSession) -> None:
    company = await start(
        approval=ApprovalSettings(above=1, approvers=("anna", "bert")),
        journeys=JourneysSettings(webhook_secret=SecretStr("s" * 32)),
    )
    bot, now = company.bot, company.bot.clock.now()

    def prepare(session: Session) -> None:
        session.add(Department(id=901, name="一店"))
        for userid, department_ids in (("anna", [901]), ("bert", [1])):
            session.add(Staff(userid=userid, name=userid, department_ids=department_ids, main_department_id=1,
                              status=1, follows_customers=True, seen_at=now))  # fmt: skip
        session.flush()
        add_contact(session, now, "wmanna", "anna")
        add_contact(session, now, "wmboth", "bert", "anna")
        add_contact(session, now, "wmbert", "bert")

    await bot.db.write(prepare)
    admin = await sign_in(bot, http, Role.ADMIN)
    manager = await sign_in(bot, http, Role.MANAGER, userid="anna", department_ids=[901])
    stranger = await sign_in(bot, http, Role.MANAGER, department_ids=[902])
    tree = {"tags": {"tag_ids": [company.tag_ids[0]]}}
    said = {
        "name": "店里的旅程", "trigger": {"on": "event", "name": "visit"},
        "steps": [{"key": "ask", "action": {"do": "task", "content": {"text": "您好"}}}],
    }  # fmt: skip

    async def write(browser: Browser, path: str, said: dict[str, Any]) -> Answer:
        page = await press(browser, await browser.get(path), path, "json", json=json.dumps(said))
        return await press(browser, page, path, "save")

    # It is kept for what they see, whatever they write; to them it looks as they wrote it.
    made = await write(manager, f"{PATH}/new", {**said, "audience": tree, "members": {"userids": ["bert"]}})
    assert (made.status, made.location) == (303, f"{PATH}/1?said=made")
    one, limit = f"{PATH}/1", {"any": [{"department": {"department_ids": [901]}}, {"staff": {"userids": ["anna"]}}]}
    kept = (await said_by(company, 1))[1]
    assert kept["audience"] == {"all": [limit, {"all": [whole({**said, "audience": tree})["audience"]]}]}
    assert kept["members"] == {"userids": ["anna"], "department_ids": [901]}
    typed = json.loads(dict(fields_of((await manager.get(f"{one}/edit")).page))["json"])
    assert (typed["audience"], typed.get("members")) == (kept["audience"]["all"][1], None)
    assert "一店、anna" in (await manager.get(one)).text
    assert (await press(manager, await manager.get(f"{one}/edit"), f"{one}/edit", "save")).status == 303
    assert await said_by(company, 1) == (1, kept), "the same makes no version"
    assert (await write(manager, f"{one}/edit", said)).status == 303
    kept = (await said_by(company, 1))[1]
    assert kept["audience"] == limit

    # What is not for them: calls of other programs, others' journeys, what an admin has made wider.
    webhook = {"key": "call", "action": {"do": "webhook", "url": "https://example.com/x"}}
    answer = await write(manager, f"{one}/edit", {**said, "steps": [*said["steps"], webhook]})
    assert (answer.status, "只有管理员能添加" in answer.text) == (400, True)
    assert 'value="webhook"' not in (await manager.get(f"{one}/edit")).page
    for path, form in ((f"{one}/act", {"act": "start"}), (f"{one}/edit", {}), (f"{one}/existing", {})):
        assert (await stranger.post(path, form)).status == 409, path
    assert (await write(stranger, f"{PATH}/new", said)).status == 400, "they see nobody"
    assert (await write(admin, f"{one}/edit", said)).status == 303
    refused = await manager.post(f"{one}/act", {"act": "start"})
    assert (refused.status, "超出了您能看到的客户" in refused.text) == (409, True)
    assert (await press(manager, await manager.get(f"{one}/edit"), f"{one}/edit", "save")).status == 303
    assert (await said_by(company, 1))[1] == kept
    assert (await manager.post(f"{one}/act", {"act": "start"})).status == 303

    # Customers of others do not begin it; who is shared is reached through their own colleague.
    told = await enrol_listed(bot.context, 1, ["wmanna", "wmboth", "wmbert"], "test")
    assert told["not_on_it"] == ["wmbert"]
    await run_due_steps(bot.context)
    tasks = await company.read(lambda session: list(session.exec(select(StaffTask))))
    assert sorted((each.userid, each.external_userid) for each in tasks) == [("anna", "wmanna"), ("anna", "wmboth")]

    # More at once than may be without somebody else: an admin's to ask for.
    many = await manager.post(f"{one}/existing")
    assert (many.status, "2 位客户同时开始" in many.text) == (409, True)
    assert (await admin.post(f"{one}/existing")).status == 303


def list_running(session: Session) -> Sequence[Enrolment]:
    query = select(Enrolment).where(Enrolment.journey_id == JOURNEY)
    return [each for each in session.exec(query) if each.ended_at is None]
