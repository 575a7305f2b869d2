"""Tracked links: sent in a campaign, followed by way of WeCom, with what follows from it once, whatever fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from bot import campaigns, customer_waves, links, redirects, visitors
from bot.app import Bot
from bot.clock import Clock
from bot.config import ServerSettings
from bot.media_files import add_media
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from data.models import Link
from data.queries import follow_tags as mark_rows
from data.queries import links as rows
from data.queries import touches as touch_rows
from data.rules.campaigns import CampaignDraft
from data.rules.links import LinkDraft
from data.rules.problems import InvalidRuleError
from scheduler.follow_ups import LEASE_SECONDS, MAX_ATTEMPTS
from scheduler.links import follow_up_clicks
from tests.conftest import Urls
from tests.sandbox.test_media import PNG
from tests.scenarios.campaign_ledger import begin, confirm, has_status, is_ended, ready, runs_and_batches, until, wave
from tests.scenarios.conftest import Company, read_company_of, settings_for
from tests.scenarios.moment_ledger import begin_posts, is_made, post

PUBLIC = "https://bot.example.com"
TARGET = "https://shop.example.com/spring?from=wecom"
WECHAT = "Mozilla/5.0 (iPhone) AppleWebKit/605.1 MicroMessenger/8.0.49 NetType/WIFI"
ASK, MARK = "auth/getuserinfo", "externalcontact/mark_tag"


@dataclass
class Phone:
    """A customer's WeChat, or somebody's browser. Where it is led is told, not followed."""

    company: Company
    http: aiohttp.ClientSession

    async def get(self, address: str, *, agent: str = WECHAT, method: str = "GET", **headers: str) -> tuple[int, str]:
        """(status, where to) of an address of the bot's."""
        url = address.replace(PUBLIC, self.company.bot.url)
        sent = {"User-Agent": agent, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.http.request(method, url, headers=sent, allow_redirects=False) as answer:
            text = await answer.text()
            assert answer.headers.get("Cache-Control") == "no-store"
            assert answer.status == 302 or "链接" in text or "页面" in text or method == "HEAD"
            return answer.status, answer.headers.get("Location", "")

    async def open(self, address: str) -> str:
        """A link is opened; the state that WeCom is given."""
        status, location = await self.get(address)
        parts = urlsplit(location)
        assert (status, parts.hostname, parts.fragment) == (302, "open.weixin.qq.com", "wechat_redirect")
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert query["redirect_uri"] == f"{PUBLIC}/l/back"
        assert (query["appid"], query["scope"]) == (self.company.world.company.corpid, "snsapi_base")
        return query["state"]

    def code(self, **who: str) -> str:
        """What WeCom gives a browser to bring back."""
        machine = self.company.sandbox.machine
        return machine.logins.issue(machine.world.clock.timestamp(), **who)

    async def back(self, state: str, code: str, **more: Any) -> tuple[int, str]:
        return await self.get(f"{PUBLIC}/l/back?code={code}&state={state}", **more)

    async def follow(self, address: str, **who: str) -> str:
        """The whole way; where it leads in the end."""
        status, location = await self.back(await self.open(address), self.code(**who))
        assert status == 302
        return location


@pytest.fixture
async def phone(sandbox: Sandbox, urls: Urls, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Phone]:
    """A company whose bot has a public address, and waits long for a busy machine."""
    monkeypatch.setattr(visitors, "ASK_SECONDS", 30.0)
    monkeypatch.setattr(redirects, "STORE_SECONDS", 30.0)
    server = ServerSettings(port=0, public_url=PUBLIC, link_misses_per_minute=3)
    settings = settings_for(sandbox, urls).model_copy(update={"server": server})
    async with Bot(settings, clock, bell=False) as bot, aiohttp.ClientSession() as http:
        app = sandbox.world.app
        app.callback_url = f"{bot.url}/callback"
        sandbox.world.put_app(app)
        await read_company_of(bot)
        yield Phone(Company(sandbox, bot), http)


async def make(company: Company, name: str = "spring", **more: Any) -> Link:
    draft = LinkDraft.model_validate({"name": name, "url": TARGET, **more})
    return await company.bot.db.write(links.make_link, draft, PUBLIC, "test", company.bot.clock.now())


async def told(company: Company, link: Link) -> dict[str, Any]:
    found: list[dict[str, Any]] = await company.read(links.tell_links, [link], PUBLIC)
    return {name: found[0][name] for name in ("customers", "clicks", "other_clicks")}


async def test_a_link_in_a_campaign_tells_who_followed_it_and_puts_the_tag_on_once(phone: Phone) -> None:
    company = phone.company
    await ready(company)
    tag = company.tag_ids[0]
    link = await make(company, tag_ids=[tag], tells_staff=True)
    card = {"msgtype": "link", "link": {"title": "春茶", "tracked": "spring"}}
    content = {"text": "我是{{ staff_name }}，{{ link_spring }} 见", "attachments": [card]}
    campaign_id = await begin(company, content=content)
    await until(company, campaign_id, has_status("awaiting"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    sends = {send.msgid: send for send in company.world.group_sends}
    addresses = {}
    for batch in batches:
        parts = dict(sends[batch.msgid].content)
        addresses[batch.userid] = parts["link"]["url"]
        assert parts["text"]["content"].endswith(f"，{parts['link']['url']} 见")
    assert len(set(addresses.values())) == len(batches) > 1

    batch = batches[0]
    whom, other, *_ = company.world.customers.listed_by(batch.userid)
    assert await phone.follow(addresses[batch.userid], external_userid=whom) == TARGET
    assert await phone.follow(addresses[batch.userid], external_userid=whom) == TARGET
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=5)
    assert await phone.follow(addresses[batch.userid], external_userid=other) == TARGET
    (result,) = await company.read(campaigns.read_results, campaign_id)
    assert result["clicked"] == {"customers": 2, "clicks": 3}
    assert await told(company, link) == {"customers": 2, "clicks": 3, "other_clicks": {}}

    marked = company.calls(MARK)
    assert await follow_up_clicks(company.bot.context) == 2
    assert await follow_up_clicks(company.bot.context) == 0
    for each in (whom, other):
        follow = company.world.customers.find_follow(batch.userid, each)
        assert follow is not None
        assert tag in follow.tag_ids
        assert tag in await company.read(mark_rows.list_tag_ids, batch.userid, each)
        (row,) = await company.read(rows.list_of_customer, each, 10)
        assert row["outcome"] == {"put_on": {batch.userid: [tag]}, "told": [batch.userid], "error": ""}
        assert (row["run_id"], row["campaign_id"], row["userid"]) == (run.id, campaign_id, batch.userid)
    assert company.calls(MARK) - marked <= 2
    alerts = [alert for alert in await company.alerts() if alert.kind == "link_clicked"]
    assert sorted((alert.userid, alert.external_userid) for alert in alerts) == sorted(
        (batch.userid, each) for each in (whom, other)
    )
    assert "「spring」" in alerts[0].words
    segment = {"campaign": {"campaign_id": campaign_id, "did": "clicked"}}
    preview = await customer_waves.preview_draft(
        company.bot.context,
        CampaignDraft.model_validate({"name": "x", "waves": [wave(audience={"segment": segment})]}).waves[0],  # type: ignore[arg-type]
    )
    assert preview.tally.matched >= 2


async def test_a_link_in_a_welcome_tells_who_followed_it_and_by_which_rule(phone: Phone) -> None:
    company = phone.company
    tag = company.tag_ids[0]
    link = await make(company, tag_ids=[tag], tells_staff=True)
    cover = (await company.bot.db.write(add_media, "a.png", PNG, None, company.bot.clock.now()))["media"]
    cards = [
        {"msgtype": "link", "link": {"title": "春茶", "tracked": "spring"}},
        {"msgtype": "miniprogram", "miniprogram": {
            "title": "春茶", "pic_media": cover, "appid": "wx1", "page": "goods?id=3", "tracked": "spring",
        }},
    ]  # fmt: skip
    rule = await company.add_rule("您好，{{ link_spring }} 见", attachments=cards)
    first, second = company.scan(), company.scan()
    await company.settle()
    addresses = []
    for added in (first, second):
        (shown,) = [message.content["url"] for message in company.messages(added) if message.msgtype == "link"]
        assert company.texts(added) == [f"您好，{shown} 见"]
        addresses.append(shown)
    assert len(set(addresses)) == 2

    pair = (first.follow.userid, first.follow.external_userid)
    for _ in range(2):
        assert await phone.follow(addresses[0], external_userid=pair[1]) == TARGET
    # Sent on to somebody else, it is no longer the welcome's.
    assert await phone.follow(addresses[0], external_userid=second.follow.external_userid) == TARGET
    (page,) = [message.content["page"] for message in company.messages(first) if message.msgtype == "miniprogram"]
    path, _, mark = page.partition("&siyu=")
    assert path == "goods?id=3"
    opening = links.Opening(mark=mark, external_userid=pair[1])
    await company.bot.db.write(links.record_opening, opening, company.bot.clock.now())
    (told_of,) = await company.read(links.tell_links, [link], PUBLIC)
    assert (told_of["customers"], told_of["clicks"]) == (2, 4)
    assert told_of["welcomes"] == [{"rule_id": rule.id, "name": "默认", "customers": 1, "clicks": 3}]
    (click,) = await company.read(rows.list_of_customer, pair[1], 10)
    assert (click["welcome_rule_id"], click["run_id"], click["userid"]) == (rule.id, 0, pair[0])
    (explained,) = await company.read(touch_rows.list_explained, pair[1])
    assert explained.touch.clicked_at == click["first_at"]
    assert await follow_up_clicks(company.bot.context) == 2
    assert tag in await company.read(mark_rows.list_tag_ids, *pair)
    alerts = [alert for alert in await company.alerts() if alert.kind == "link_clicked"]
    assert pair in [(alert.userid, alert.external_userid) for alert in alerts]


async def test_whatever_goes_wrong_the_customer_gets_there_and_nowhere_else(phone: Phone) -> None:
    company = phone.company
    link = await make(company)
    address = f"{PUBLIC}/l/{link.code}"
    added = company.scan()
    await company.settle()
    whom = added.follow.external_userid
    faults = company.sandbox.machine.faults

    # Nobody is named: others, WeCom that does not answer, codes that are none.
    assert await phone.follow(address, userid=added.follow.userid) == TARGET
    assert await phone.follow(address) == TARGET
    fault = faults.add(Fault(0, "api", "errcode", on=ASK, errcode=-1))
    assert await phone.follow(address, external_userid=whom) == TARGET
    faults.clear(fault.id)
    assert (await told(company, link))["other_clicks"] == {"staff": 1, "outsider": 1, "unknown": 1}
    asked = company.calls(ASK)
    state, code = await phone.open(address), phone.code(external_userid=whom)
    for wrong in ("", "x" * 513, "%0d%0aX", "%E4%BA%BA"):
        assert await phone.back(state, wrong) == (302, TARGET), wrong
    assert company.calls(ASK) == asked
    assert await phone.back(await phone.open(address), "neverIssued") == (302, TARGET)

    # A code counts once, whatever it comes back with, and a state that is too old not at all.
    used = await phone.open(address)
    assert await phone.back(used, code) == (302, TARGET)
    for again in (used, await phone.open(address)):
        assert await phone.back(again, code) == (302, TARGET)
    late = await phone.open(address)
    company.bot.clock.advance(timedelta(hours=1))
    assert await phone.back(late, phone.code(external_userid=whom)) == (302, TARGET)
    once = {"customers": 1, "clicks": 1, "other_clicks": {"staff": 1, "outsider": 1, "unknown": 1}}
    assert await told(company, link) == once

    # What only looks does not count, and is led there without WeCom.
    for agent in ("Mozilla/5.0 (X11; Linux) Chrome/128.0", "facebookexternalhit/1.1", ""):
        assert await phone.get(address, agent=agent) == (302, TARGET)
    assert await phone.get(address, method="HEAD") == (302, TARGET)
    assert await phone.get(address, Sec_Purpose="prefetch;prerender") == (302, TARGET)
    assert await phone.get(address, Sec_Fetch_Dest="image") == (302, TARGET)
    state, code = await phone.open(address), phone.code(external_userid=whom)
    assert await phone.back(state, code, method="HEAD") == (302, TARGET)
    assert await phone.back(state, code, Sec_Fetch_Dest="iframe") == (302, TARGET)
    assert await told(company, link) == once

    # Nothing of a request says where: what we did not write leads nowhere.
    evil = "https%3A%2F%2Fevil.example"
    for path in (f"{link.code}?url={evil}", f"{link.code}/zz?redirect_uri={evil}", f"{link.code}/{evil}"):
        status, location = await phone.get(f"{PUBLIC}/l/{path}")
        assert status == 302
        assert "evil" not in location
    forged = state[:-1] + ("0" if state[-1] != "0" else "1")
    for path in (f"back?code={code}&state={forged}", "back", f"back?state={evil}", "back?state=", evil, link.code[:-1],
                 f"{link.code}0", link.code.swapcase(), "%2e%2e%2fevil.example", "0" * 5000):  # fmt: skip
        status, location = await phone.get(f"{PUBLIC}/l/{path}")
        assert (status, location) in ((404, ""), (400, "")), path

    # An address that has tried too many wrong ones waits, and asks WeCom nothing; nobody else does.
    state = await phone.open(address)
    scanner, neighbour = {"X_Forwarded_For": "6.6.6.6, 203.0.113.9"}, {"X_Forwarded_For": "203.0.113.8"}
    assert await phone.get(f"{PUBLIC}/l/{link.code.swapcase()}", **scanner) == (404, "")
    assert await phone.back(forged, code, **scanner) == (404, "")
    assert await phone.back(state, "neverIssued", **scanner) == (302, TARGET)
    asked = company.calls(ASK)
    assert await phone.get(address, **scanner) == (429, "")
    assert await phone.back(state, "neverIssued", **scanner) == (429, "")
    assert company.calls(ASK) == asked
    assert await phone.get(address, agent="", **neighbour) == (302, TARGET)

    state, code = await phone.open(address), phone.code(external_userid=whom)
    await company.bot.db.write(rows.retire_link, link.id, company.bot.clock.now())
    assert await phone.get(address) == (410, "")
    assert await phone.back(state, code) == (410, "")
    assert await told(company, link) == once


async def test_what_follows_is_done_in_the_end_whatever_wecom_does(phone: Phone) -> None:
    company = phone.company
    first, second, *_ = company.tag_ids
    link = await make(company, tag_ids=[first, second], tells_staff=True)
    address = f"{PUBLIC}/l/{link.code}"
    added, gone = company.scan(), company.scan()
    await company.settle()
    pair = (added.follow.userid, added.follow.external_userid)
    await phone.follow(address, external_userid=pair[1])
    faults = company.sandbox.machine.faults

    # A process that dies after WeCom has marked: whoever comes next finds it done.
    fault = faults.add(Fault(0, "api", "lose_answer", on=MARK))
    work = asyncio.create_task(follow_up_clicks(company.bot.context))
    async with asyncio.timeout(60):
        while not fault.struck:
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    faults.clear(fault.id)
    assert await follow_up_clicks(company.bot.context) == 0, "claimed by the one that died"
    company.bot.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    assert await follow_up_clicks(company.bot.context) == 1
    assert sorted(await company.read(mark_rows.list_tag_ids, *pair)) == sorted((first, second))
    (row,) = await company.read(rows.list_of_customer, pair[1], 10)
    assert row["outcome"]["put_on"] == {pair[0]: sorted((first, second))}

    # Refused for ever: given up, with the reason. Nobody follows the customer: nothing to do.
    company.people.delete_by_staff(gone.follow.userid, gone.follow.external_userid)
    await company.settle()
    await phone.follow(address, external_userid=gone.follow.external_userid)
    assert await follow_up_clicks(company.bot.context) == 1
    late = company.scan()
    await company.settle()
    await phone.follow(address, external_userid=late.follow.external_userid)
    faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096))
    tries = 0
    while await follow_up_clicks(company.bot.context):
        tries += 1
        company.bot.clock.advance(timedelta(hours=1))
    assert tries == MAX_ATTEMPTS
    (row,) = await company.read(rows.list_of_customer, late.follow.external_userid, 10)
    assert "40096" in row["outcome"]["error"]
    assert row["outcome"]["told"] == [late.follow.userid], "what was done all the same is told"
    assert row["due_at"] is None


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)  # nothing here is SQL of its own
async def test_a_link_in_a_post_tells_who_followed_it(phone: Phone) -> None:
    company = phone.company
    await ready(company)
    kept = await company.bot.db.write(add_media, "a.png", PNG, None, company.bot.clock.now())
    card = {"msgtype": "link", "link": {"title": "春茶", "tracked": "spring", "media": kept["media"]}}
    draft = post(content={"text": "{{ link_spring }} 见", "attachments": [card]})
    with pytest.raises(InvalidRuleError, match="没有跟踪链接"):
        await begin_posts(company, draft)
    await make(company)
    campaign_id = await begin_posts(company, draft)
    await until(company, campaign_id, is_made)
    (moment,) = company.world.moments
    parts = dict(moment.content)
    assert parts["text"]["content"] == f"{parts['link']['url']} 见"
    whom = next(company.world.customers.listed_by(company.followers[0]))
    assert await phone.follow(parts["link"]["url"], external_userid=whom) == TARGET
    (result,) = await company.read(campaigns.read_results, campaign_id)
    assert result["clicked"] == {"customers": 1, "clicks": 1}


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)  # nothing here is SQL of its own
async def test_a_campaign_says_what_is_wrong_with_its_links(phone: Phone) -> None:
    company = phone.company
    await ready(company)
    card = {"msgtype": "link", "link": {"title": "春茶", "tracked": "summer"}}
    with pytest.raises(InvalidRuleError) as refused:
        await begin(company, content={"text": "{{ link_spring }}", "attachments": [card]})
    assert [each.path for each in refused.value.problems] == [
        "waves[0].content.attachments[0].link.tracked", "waves[0].content.text",
    ]  # fmt: skip
    await make(company)
    summer = await make(company, "summer")
    campaign_id = await begin(company, content={"text": "{{ link_spring }}", "attachments": [card]})
    await company.bot.db.write(rows.retire_link, summer.id, company.bot.clock.now())
    await until(company, campaign_id, has_status("paused"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert "summer" in run.error
    assert {batch.status for batch in batches} == {"planned"}
    with pytest.raises(InvalidRuleError, match="已停用"):
        await begin(company, content={"attachments": [card]})
