"""Customer-acquisition links: a kind of channel, made once, given to others, counted, and what WeCom tells of them."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
import pytest

from bot.channel_calls import bring, image_of
from bot.channel_files import editing_for
from bot.channels import address_of, change, make, switch
from bot.config import CampaignsSettings
from bot.sandbox.errors import WorldError
from bot.sandbox.faults import Fault
from data.errors import ConflictError
from data.models import ChannelPlan, ChannelStatus, Role
from data.queries import acquisition as rows
from data.queries import channel_plans as plan_rows
from data.queries import channels as channel_rows
from data.queries import customers as customer_rows
from data.queries import leavers as leaver_rows
from data.rules.channels import SETTLE_SECONDS, ChannelDraft
from data.rules.problems import parse
from scheduler.acquisition import pull_acquisition
from scheduler.channels import tend_channels
from scheduler.jobs import poll_channels
from tests.console import Browser, sign_in
from tests.scenarios.conftest import Company, Start

MAKE = "externalcontact/customer_acquisition/create_link"
HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"


async def kept(company: Company, state: str, **fields: Any) -> int:
    """A link that WeCom was not yet asked for."""
    draft = parse(ChannelDraft, {
        "kind": "link", "name": HOSTILE[:60], "userids": [company.followers[0]], "fallback": company.followers[-1],
        **fields,
    })  # fmt: skip
    ctx = company.bot.context
    editing = editing_for(ctx, ctx.clock.now())
    return await ctx.db.write(partial(make, draft=draft, made_by="test", editing=editing, state=state))


async def plan(company: Company, id_: int) -> ChannelPlan:
    row: ChannelPlan = await company.read(plan_rows.get_plan, id_)
    return row


async def act(company: Company, id_: int, what: str) -> None:
    ctx = company.bot.context
    await ctx.db.write(partial(switch, id_=id_, act=what, editing=editing_for(ctx, ctx.clock.now())))
    await bring(ctx, id_)


async def test_links(start: Start) -> None:
    company = await start(campaigns=CampaignsSettings(hours="00:00-00:00", managers=["boss"]))
    ctx, world, clock = company.bot.context, company.world, company.bot.clock
    first, second, last = company.followers[0], company.followers[1], company.followers[-1]
    acts = company.people.links

    # Made once, also where the answer is lost; nobody else's link is taken for it.
    await ctx.wecom.external_contact.create_link("别人的链接", {"user_list": [second]})
    id_ = await kept(company, "ads", tag_ids=[company.tag_ids[0]], welcome={"text": "欢迎看广告来的"})
    company.sandbox.machine.faults.add(Fault(id=0, target="api", kind="lose_answer", on=MAKE, count=1))
    await bring(ctx, id_)
    row = await plan(company, id_)
    if row.status == ChannelStatus.UNKNOWN:
        clock.advance(timedelta(seconds=SETTLE_SECONDS))
        await bring(ctx, id_)
        row = await plan(company, id_)
    assert (row.status, company.calls(MAKE)) == (ChannelStatus.MADE, 2), row.error
    link = world.links.get(row.config_id or "")
    assert (link.user_list, link.skip_verify) == ([first], True)
    assert len(link.link_name) <= 30
    address = address_of(row)
    assert address.endswith("?customer_channel=ads")
    assert (await image_of(ctx, id_)).startswith(b"\x89PNG")

    # Whoever opens it came by this channel: tags and welcome of its own, as with codes.
    added = acts.open(link.link_id, customer_channel="ads", name="小鱼")
    assert added is not None
    await company.settle_with_retries()
    follow = await company.read(customer_rows.find_follow, first, added.follow.external_userid)
    assert (follow.state, follow.add_way) == ("ads", 16)
    assert company.texts(added) == ["欢迎看广告来的"]

    # Without the parameter it is known from WeCom's list of customers, the next morning.
    bare = acts.open(link.link_id, name="大山")
    assert bare is not None
    acts.open(link.link_id, adds=False)
    for _ in range(3):
        company.people.write(first, added.follow.external_userid, "customer", "在吗")
    await company.settle_with_retries()
    who = (first, bare.follow.external_userid)
    assert (await company.read(customer_rows.find_follow, *who)).state == ""
    clock.advance(timedelta(days=1))
    while not await pull_acquisition(ctx):
        clock.advance(timedelta(hours=6))
    assert (await company.read(customer_rows.find_follow, *who)).state == "ads"
    today = clock.now().date()
    told = await company.read(rows.tell_link, link.link_id, today - timedelta(days=3), today)
    assert (told["customers"], told["written"]) == (2, 1)
    assert [(each["clicks"], each["added"]) for each in told["days"] if each["clicks"]] == [(3, 2)]
    assert await pull_acquisition(ctx) == 0, "once a day"

    # Paused: the fallback's. Changed: the same link. Members who leave are passed over, and managers are told.
    await act(company, id_, "pause")
    assert world.links.get(link.link_id).user_list == [last]
    await act(company, id_, "resume")
    editing = editing_for(ctx, clock.now())
    await ctx.db.write(partial(change, id_=id_, changes={"userids": [second], "skip_verify": False}, editing=editing))
    await bring(ctx, id_)
    assert (world.links.get(link.link_id).user_list, link.skip_verify) == ([second], False)
    assert (await company.read(leaver_rows.read_checklist, second, today)).links >= 1
    company.sandbox.machine.staff_acts.leave(second)
    with pytest.raises(WorldError, match="Nobody behind this link"):
        acts.open(link.link_id, customer_channel="ads", name="来晚了")
    await company.settle_with_retries()
    await tend_channels(ctx)
    assert world.links.get(link.link_id).user_list == [last]

    # The quota: told once when it is low, and once when it is used up.
    acts.set_quota(500, 1, int(clock.timestamp()) + 90 * 86_400)
    await company.settle_with_retries()
    acts.open(link.link_id, customer_channel="ads", name="最后一位")
    await company.settle_with_retries()
    with pytest.raises(WorldError, match="used up"):
        acts.open(link.link_id, customer_channel="ads", name="没有额度")
    clock.advance(timedelta(hours=2))
    await pull_acquisition(ctx)

    # Deleted in WeCom's admin console: it can be made again, with another address. Deleted here: that is no fault.
    acts.delete(link.link_id)
    await company.settle_with_retries()
    assert (await plan(company, id_)).status == ChannelStatus.GONE
    await act(company, id_, "again")
    row = await plan(company, id_)
    assert (row.status, address_of(row) != address) == (ChannelStatus.MADE, True)
    await poll_channels(ctx)
    assert row.config_id in {each.config_id for each in await company.read(channel_rows.list_channels, "link")}
    assert len(await company.read(channel_rows.list_foreign, 10, "link")) == 1
    await act(company, id_, "delete")
    row = await plan(company, id_)
    assert (row.status, world.links.find(row.config_id or "")) == (ChannelStatus.DELETED, None)
    await tend_channels(ctx)
    assert (await plan(company, id_)).status == ChannelStatus.DELETED
    code = await kept(company, "print", kind="code")
    with pytest.raises(ConflictError, match="不能删除"):
        await act(company, code, "delete")

    said = [(each.kind, each.words) for each in await company.alerts() if each.userid == "boss"]
    assert sorted(kind for kind, _ in said if kind != "merged") == ["acquisition_link"] * 2 + ["acquisition_quota"] * 2
    assert any("只剩 1 个" in words for _, words in said)

    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        await pages(await sign_in(company.bot, http, Role.ADMIN), company, id_)


async def pages(browser: Browser, company: Company, id_: int) -> None:
    """Links in the console: listed apart from codes, made, shown and deleted."""
    listed = await browser.get("/console/channels?kind=link")
    assert "获客额度已经用完" in listed.text
    assert "&lt;script&gt;" not in listed.text, "deleted ones are archived"
    assert "这个获客链接已经删除" in (await browser.get(f"/console/channels/{id_}")).text
    form = await browser.get("/console/channels/new?kind=link")
    assert "新建获客链接" in form.text
    sent = {
        "kind": "link", "name": "朋友圈广告", "userids": company.followers[0], "fallback": company.followers[-1],
        "skip_verify": "yes",
    }  # fmt: skip
    made = await browser.post("/console/channels/new", sent)
    assert made.status == 303
    page = await browser.get(made.location)
    assert "customer_channel=" in page.page
    assert "现在谁在链接上" in page.text
    deleted = await browser.post(f"{made.location.partition('?')[0]}/delete", {})
    assert deleted.status == 303
    assert "正在删除" not in (await browser.get(deleted.location)).text
