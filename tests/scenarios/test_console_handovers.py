"""Hand-overs in the console: planned with a look first, followed, stopped, by whom it concerns alone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from sqlmodel import Session

from data.models import Channel, Customer, CustomerGroup, Enrolment, Follow, KfAccount, Leave, Role, Staff
from data.queries import audit
from data.queries import handovers as rows
from data.queries.leavers import list_leavers, read_checklist
from tests.console import sign_in
from tests.facts import settle
from tests.scenarios.conftest import Company
from tests.scenarios.test_handovers import LEFT, work
from tests.scenarios.test_sync import sync

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 200
PATH = "/console/handovers"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def make_hostile(session: Session, leaver: str, whom: str, taker: str, company: Company) -> None:
    """Everybody is called something hostile, and a leave names the leaver."""
    now = company.bot.clock.now()
    session.get_one(Customer, whom).name = HOSTILE
    session.get_one(Staff, leaver).name = HOSTILE[:60]
    session.get_one(Staff, taker).name = HOSTILE[:60]
    session.add(Channel(config_id="way-hostile", name=HOSTILE[:100], userids=[taker, leaver], seen_at=now))
    session.add(CustomerGroup(chat_id="wrHostile", name=HOSTILE, owner=leaver, created_at=now, changed_at=now))
    session.add(Customer(external_userid="wmForeign", name="外人", type=1, first_seen_at=now))
    session.add(Follow(userid=taker, external_userid="wmForeign", status="present", changed_at=now))
    session.add(
        Leave(userid=taker, first_day=now.date(), last_day=now.date(), substitute=leaver, made_by="test", made_at=now)
    )
    session.add(Enrolment(journey_id=1, version=1, external_userid=whom, started_at=now, before_at=now, due_at=now))
    account = KfAccount(open_kfid="wkLeaver", name="客服", seen_at=now)
    account.servicers = [{"userid": taker, "receives": True}, {"userid": leaver, "receives": True}]
    session.add(account)
    settle(session)


async def test_a_hand_over_from_the_home_page_to_its_end(company: Company, http: aiohttp.ClientSession) -> None:
    await sync(company)
    leaver, taker, other = company.followers[:3]
    theirs = sorted(company.world.customers.listed_by(leaver))
    company.sandbox.machine.staff_acts.leave(leaver)
    await company.bot.runner.run_now("poll_directory")
    await company.bot.db.write(make_hostile, leaver, theirs[0], taker, company)
    browser = await sign_in(company.bot, http, Role.ADMIN)
    assert (await browser.post("/console/leavers/read")).location == f"{PATH}?said=leavers_read"
    home = await browser.get("/console")
    assert re.search(rf"{len(theirs)}\s+离职成员的客户待交接", home.text)
    listed = await browser.get(PATH)
    assert f"/console/leavers/{leaver}" in listed.page
    # A code that nobody has made here names the leaver, too: it is counted, and shown behind its link.
    (told,) = [each for each in await company.read(list_leavers) if each.userid == leaver]
    checked = await company.read(read_checklist, leaver, company.bot.clock.now().date())
    assert told.channels == checked.channels > 0
    named = await browser.get(f"/console/channels?member={leaver}")
    assert ("<details open>" in named.page, HOSTILE[:20] in named.text, "没有符合的渠道" in named.text) == (
        True,
        True,
        False,
    )
    checklist = await browser.get(f"/console/leavers/{leaver}")
    assert f"{len(theirs)} 还没有人接手的客户" in checklist.text
    assert "1 请别人休假时由他代班" in checklist.text
    # Journeys name nobody: they ask who has the customer. What can be done about each line is said beside it.
    assert "1 他的客户正在走的旅程 客户交接后，由接手的人继续。" in checklist.text
    assert "siyu staff leave" in checklist.text
    seats = (await browser.get("/console/kf/accounts")).text
    assert ("换上别的接待人员" in checklist.text, f"{HOSTILE[:40]} 已离职" in seats) == (True, True), seats
    form = await browser.get(f"{PATH}/new?userid={leaver}")
    assert re.search(rf'<option value="{leaver}" selected', form.page)

    # What is wrong stands beside its field; one more place; a look changes nothing.
    base: list[tuple[str, str]] = [("userid", leaver), ("how", "everyone"), ("groups", "yes")]
    wrong = await browser.post(PATH, [*base, ("taker", taker), ("count", "many"), ("do", "make")])
    assert (wrong.status, "应为整数" in wrong.text, 'value="many"' in wrong.page) == (400, True, True)
    wrong = await browser.post(
        PATH, [("userid", leaver), ("how", "none"), ("taker", taker), ("count", ""), ("do", "make")]
    )
    assert (wrong.status, "请选择要交接的客户或客户群" in wrong.text) == (400, True)
    wrong = await browser.post(PATH, [*base, ("taker", taker), ("count", ""), ("taker", taker), ("count", "1")])
    assert (wrong.status, "同一位成员写了两次" in wrong.text) == (400, True)
    more = await browser.post(PATH, [*base, ("taker", taker), ("count", "2"), ("do", "more")])
    assert (more.status, more.page.count('name="taker"')) == (200, 2)
    both = [*base, ("taker", taker), ("count", "2"), ("taker", other), ("count", "")]
    looked = await browser.post(PATH, [*both, ("do", "look")])
    assert looked.status == 200
    assert f"{len(theirs) - 2} 位客户" in looked.text
    assert await company.read(rows.list_handovers) == []

    made = await browser.post(PATH, [*both, ("do", "make")])
    found = re.fullmatch(rf"{PATH}/([0-9]+)\?said=handover_made", made.location)
    assert found is not None, made.text
    one = f"{PATH}/{found[1]}"
    assert (await company.bot.db.read(audit.list_entries, limit=1))[0].action == "handovers.make"
    assert "等待发起" in (await browser.get(one)).text
    await work(company)
    progress = await browser.get(one, HX_Request="true")
    assert ("<html" in progress.page, "等待生效" in progress.text) == (False, True)
    company.people.transfers.refuse(theirs[0])
    await company.settle()
    refused = await browser.get(f"{one}/customers?status=refused")
    assert ("<script>alert" in refused.page, "客户拒绝" in refused.text) == (False, True)
    for path in (PATH, one, f"/console/leavers/{leaver}", f"{PATH}/new"):
        assert "<script>alert" not in (await browser.get(path)).page, path
    assert "拒绝的客户还没有人接手" in (await browser.get(one)).text
    assert "不是客户群，或已解散" in (await browser.get(one)).text, "the group that WeCom does not know"
    assert (await browser.post(f"{one}/eat")).status == 404
    assert (await browser.post(f"{one}/cancel")).location == f"{one}?said=saved"
    await work(company, hours=25)
    assert (await company.read(rows.count_statuses, int(found[1]))) == {"done": len(theirs) - 1, "refused": 1}
    assert company.calls(LEFT) == 2

    # Managers: of their departments alone.
    mine = await sign_in(company.bot, http, Role.MANAGER, department_ids=[1])
    assert (await mine.get(one)).status == 200
    foreign = await sign_in(company.bot, http, Role.MANAGER, department_ids=[99])
    for path in (one, f"{one}/customers", f"/console/leavers/{leaver}"):
        assert (await foreign.get(path)).status == 404, path
    assert f"/console/leavers/{leaver}" not in (await foreign.get(PATH)).page
    assert (await foreign.post(f"{one}/resume")).status == 404
    assert (await foreign.post(PATH, [*both, ("do", "make")])).status == 404
