"""Channels of ours beside the running bot: made once whatever becomes of an answer, led to whom they should lead."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session

from bot.channel_calls import bring, image_of
from bot.channel_files import editing_for
from bot.channels import change, make, switch
from bot.refresh import refresh_channels
from bot.sandbox.faults import Fault
from data.models import Account, ChannelPlan, ChannelStatus, Leave, Role
from data.queries import channel_days as day_rows
from data.queries import channel_images as image_rows
from data.queries import channel_plans as rows
from data.queries import channels as channel_rows
from data.queries import customers as customer_rows
from data.queries import follow_tags
from data.queries import leavers as leaver_rows
from data.rules.channels import CLAIM_SECONDS, SETTLE_SECONDS, ChannelDraft
from data.rules.problems import parse
from scheduler.channels import count_channel_days, tend_channels, watch_seats
from tests.scenarios.conftest import Company

ADD, UPDATE = "externalcontact/add_contact_way", "externalcontact/update_contact_way"


async def kept(company: Company, state: str, **fields: Any) -> int:
    """A channel that WeCom was not yet asked for."""
    draft = parse(ChannelDraft, {
        "name": f"渠道 {state}", "userids": [company.followers[0]], "fallback": company.followers[-1], **fields,
    })  # fmt: skip
    ctx = company.bot.context
    editing = editing_for(ctx, ctx.clock.now())
    return await ctx.db.write(partial(make, draft=draft, made_by=company.followers[1], editing=editing, state=state))


async def plan(company: Company, id_: int) -> ChannelPlan:
    row: ChannelPlan = await company.read(rows.get_plan, id_)
    return row


def on_code(company: Company, state: str) -> list[str]:
    """Whom WeCom has on the codes of this state: of one alone."""
    (way,) = [each for each in company.world.ways.contact.values() if each.state == state]
    return way.user


@pytest.mark.first_case_on_both
async def test_a_code_is_made_once_and_leads_to_whom_it_should(company: Company) -> None:
    ctx, faults, clock = company.bot.context, company.sandbox.machine.faults, company.bot.clock
    first, second, third, last = company.followers[0], company.followers[1], company.followers[2], company.followers[-1]

    # The answer is lost after the effect: WeCom's list tells, and nothing is made twice.
    lost = await kept(company, "lost")
    faults.add(Fault(id=0, target="api", kind="lose_answer", on=ADD, count=1))
    await bring(ctx, lost)
    row = await plan(company, lost)
    assert (row.status, row.qr_code != "", on_code(company, "lost")) == (ChannelStatus.MADE, True, [first])
    assert company.calls(ADD) == 1

    # The program ends between the call and the writing; and once before WeCom has done anything.
    for state, effect in (("killed", True), ("cut", False)):
        id_ = await kept(company, state)
        faults.add(Fault(id=0, target="api", kind="latency", on=ADD, seconds=60, count=1))
        call = asyncio.create_task(bring(ctx, id_))
        async with asyncio.timeout(60):
            while faults.all:
                await asyncio.sleep(0)
        assert (await plan(company, id_)).status == ChannelStatus.MAKING
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        if effect:
            await ctx.wecom.external_contact.add_contact_way(2, 2, state=state, user=[first])
            # The hourly reading comes to know it before anybody has looked whose it is.
            await refresh_channels(ctx)
        assert await tend_channels(ctx) == 0, "whoever called may still be waiting for the answer"
        clock.advance(timedelta(seconds=CLAIM_SECONDS))
        await tend_channels(ctx)
        if not effect:
            assert (await plan(company, id_)).status == ChannelStatus.UNKNOWN, "WeCom's list may lag"
            clock.advance(timedelta(seconds=SETTLE_SECONDS))
            await tend_channels(ctx)
        assert (await plan(company, id_)).status == ChannelStatus.MADE, state
        assert on_code(company, state) == [first]

    # A picture of the code is kept as WeCom gave it.
    code = await image_of(ctx, lost)
    assert code.startswith(b"\x89PNG")
    assert await company.read(image_rows.find_image, lost) == code

    # Its own tags, welcome and remark, by the rules that everything else goes by.
    draft = {
        "tag_ids": [company.tag_ids[0]],
        "welcome": {"text": "欢迎来城西"},
        "remark": "城西-{name}",
        "daily_cap": 2,
    }
    editing = editing_for(ctx, clock.now())
    await ctx.db.write(partial(change, id_=lost, changes=draft, editing=editing))
    added = company.scan("lost", name="小鱼")
    await company.settle_with_retries()
    who = (added.follow.userid, added.follow.external_userid)
    assert company.texts(added) == ["欢迎来城西"]
    assert await company.read(follow_tags.list_tag_ids, *who) == [company.tag_ids[0]]
    follow = await company.read(customer_rows.find_follow, *who)
    assert (who[0], follow.remark, follow.state) == (first, "城西-小鱼", "lost")

    # The cap is reached: the fallback, until midnight.
    company.scan("lost")
    await company.settle_with_retries()
    calls = company.calls(UPDATE)
    await tend_channels(ctx)
    assert on_code(company, "lost") == [last]
    assert (await plan(company, lost)).duty == {"because": "nobody", "out": {first: "full"}}
    await tend_channels(ctx)
    assert company.calls(UPDATE) == calls + 1, "WeCom is called only where it has somebody else"
    clock.advance(timedelta(days=1))
    await tend_channels(ctx)
    assert on_code(company, "lost") == [first]

    # On leave; paused; archived: the fallback. A leave that is over, and resumed: the member.
    def leave(session: Session) -> None:
        today = clock.now().astimezone(ctx.settings.zone).date()
        session.add(Leave(userid=first, first_day=today, last_day=today, made_by="test", made_at=clock.now()))

    await ctx.db.write(leave)
    await tend_channels(ctx)
    assert on_code(company, "lost") == [last]
    clock.advance(timedelta(days=1))
    for act, expected in (("pause", last), ("resume", first), ("archive", last), ("restore", first)):
        await ctx.db.write(switch, lost, act, editing_for(ctx, clock.now()))
        await bring(ctx, lost)
        assert on_code(company, "lost") == [expected], act

    # At midnight the only member loses the seat: the code goes to the fallback before the next reading of the company.
    member = company.world.directory.get(first)
    member.customer_contact = False
    clock.advance(timedelta(hours=12))
    assert await watch_seats(ctx)
    await tend_channels(ctx)
    assert {on_code(company, state)[0] for state in ("lost", "killed", "cut")} == {last}
    # Whoever made them hears of it once, of all in one message; of one who is full or away nobody has heard.
    clock.advance(timedelta(hours=2))
    await tend_channels(ctx)
    (said,) = [each for each in await company.alerts() if each.kind == "channel_stranded"]
    assert (said.userid, "3 个渠道" in said.words, "渠道 killed" in said.words) == (second, True, True), said.words

    # Of what was so before the program told of it, people hear when it does: all in one message, once.
    # Without managers in the settings the admins who are members hear of it, as soon as there is one.
    def forget(session: Session) -> None:
        session.execute(update(ChannelPlan).values(stranded_as=""))
        session.add(Account(userid=last, role=Role.ADMIN, made_at=clock.now()))

    await ctx.db.write(forget)
    for _ in range(2):
        clock.advance(timedelta(hours=2))
        await tend_channels(ctx)
    told = [each for each in await company.alerts() if each.kind == "channel_stranded"]
    assert ["3 个渠道" in each.words for each in told] == [True] * 3
    assert sorted(each.userid for each in told) == sorted([second, second, last])
    # The three need another member, and the checklist of the one who is to leave says so, although nobody reaches them.
    for wanted in (rows.PlanFilter(member=first), rows.PlanFilter(trouble=True)):
        found = await company.read(rows.list_plans, wanted)
        assert {each.state for each in found} == {"lost", "killed", "cut"}, wanted
    foreign = await company.read(channel_rows.list_foreign, 100, "code")
    others = {userid: sum(userid in each.userids for each in foreign) for userid in (first, last)}
    today = clock.now().date()
    lists = {userid: (await company.read(leaver_rows.read_checklist, userid, today)).channels for userid in others}
    assert lists == {userid: count + 3 for userid, count in others.items()}, "their fallback is one of them, too"
    # And somebody new on it whom WeCom refuses, before we know: the company is read again, the others take over.
    company.world.directory.get(second).customer_contact = False
    await ctx.db.write(partial(change, id_=lost, changes={"userids": [first, second, third]}, editing=editing))
    await bring(ctx, lost)
    assert on_code(company, "lost") == [third]
    assert (await plan(company, lost)).error == ""

    # Somebody deletes one in WeCom: it is told, and can be made again with the same state.
    gone = (await plan(company, lost)).config_id or ""
    company.world.ways.delete(gone)
    await ctx.db.write(channel_rows.mark_deleted, gone, clock.now())
    await tend_channels(ctx)
    assert (await plan(company, lost)).status == ChannelStatus.GONE
    await ctx.db.write(switch, lost, "again", editing_for(ctx, clock.now()))
    await tend_channels(ctx)
    row = await plan(company, lost)
    assert (row.status, row.config_id != gone, on_code(company, "lost")) == (ChannelStatus.MADE, True, [third])

    # What came of it, by day.
    assert await count_channel_days(ctx) > 0
    today = clock.now().astimezone(ctx.settings.zone).date()
    days = await company.read(day_rows.list_days, today - timedelta(days=9), today, ["lost"])
    assert [(each.added, each.people, each.welcomed, each.kept_1) for each in days if each.added] == [(2, 2, 2, 2)]
    assert isinstance(days[0].key, date)
    (channel,) = await company.read(day_rows.list_channels, today - timedelta(days=9), today)
    assert (channel.key, channel.added) == ("lost", 2)
