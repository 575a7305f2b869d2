"""What staff send themselves: read as what reached their customers, and counted for WeCom's cap."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import customer_waves
from bot.config import CampaignsSettings
from bot.config_caps import CapsSettings
from bot.sandbox.faults import Fault
from bot.wecom.errors import WeComError
from data.models import Touch
from data.rules.campaigns import CustomerWave
from scheduler.own_sends import pull_own_sends
from tests.scenarios.campaign_ledger import ADD, begin, confirm, has_status, ready, runs_and_batches, until, wave, work
from tests.scenarios.conftest import Company, Start


def own_sends(session: Session) -> list[tuple[str, str]]:
    query = select(Touch).where(col(Touch.kind) == "own_send").order_by(col(Touch.id))
    return [(each.userid, each.external_userid) for each in session.exec(query)]


def send_own(company: Company, userid: str, *whom: str) -> None:
    company.sandbox.machine.group_send_acts.send_own(userid, "我自己发的", list(whom))


def part(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    return wave(audience={"pairs": [{"userid": who, "external_userid": whom} for who, whom in pairs]}, **more)


async def test_what_staff_send_themselves_reached_their_customers_once(company: Company) -> None:
    await ready(company)
    userid, other = company.followers[:2]
    first, second = list(company.world.customers.listed_by(userid))[:2]
    send_own(company, userid, first, second)
    assert await pull_own_sends(company.bot.context) == 1
    assert sorted(await company.read(own_sends)) == sorted([(userid, first), (userid, second)])
    send_own(company, other, next(iter(company.world.customers.listed_by(other))))
    company.bot.clock.advance(timedelta(hours=1))
    await pull_own_sends(company.bot.context)
    await pull_own_sends(company.bot.context)
    assert len(await company.read(own_sends)) == 3


async def test_a_list_that_could_not_be_read_is_read_the_next_time(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    send_own(company, userid, next(iter(company.world.customers.listed_by(userid))))
    faults = company.sandbox.machine.faults
    fault = faults.add(
        Fault(id=0, target="api", on="externalcontact/get_groupmsg_send_result", kind="errcode", errcode=48002)
    )
    with pytest.raises(WeComError):
        await pull_own_sends(company.bot.context)
    faults.clear(fault.id)
    company.bot.clock.advance(timedelta(days=2))
    await pull_own_sends(company.bot.context)
    assert len(await company.read(own_sends)) == 1


async def test_the_preview_says_to_whom_wecom_would_likely_not_deliver(start: Start) -> None:
    company = await start(campaigns=CampaignsSettings(hours="00:00-00:00", wecom_cap="day"))
    await ready(company)
    userid = company.followers[0]
    had, free = list(company.world.customers.listed_by(userid))[:2]
    send_own(company, userid, had)
    await pull_own_sends(company.bot.context)
    draft = CustomerWave.model_validate(part((userid, had), (userid, free)))
    tally = (await customer_waves.preview_draft(company.bot.context, draft)).tally
    assert (tally.recipients, tally.likely_over_cap) == (2, 1)
    company.bot.clock.advance(timedelta(days=1))
    tally = (await customer_waves.preview_draft(company.bot.context, draft)).tally
    assert (tally.recipients, tally.likely_over_cap) == (2, 0)


async def test_the_companys_own_cap_counts_what_reached_a_customer_and_what_waits(start: Start) -> None:
    company = await start(campaigns=CampaignsSettings(hours="00:00-00:00"), caps=CapsSettings(per_day=9, per_week=2))
    await ready(company)
    userid = company.followers[0]
    one, other = list(company.world.customers.listed_by(userid))[:2]
    send_own(company, userid, one)
    await pull_own_sends(company.bot.context)
    first = await begin(company, audience=part((userid, one), (userid, other))["audience"])
    await until(company, first, has_status("awaiting"))
    second = await begin(company, audience=part((userid, one), (userid, other))["audience"])
    await until(company, second, has_status("awaiting"))
    (run,), _ = await company.read(runs_and_batches, second)
    assert (run.recipients, run.left_out) == (1, {"capped": 1}), "one had one and another waits"
    confirm(company.world, company.sandbox.machine)
    await until(company, second, has_status("finished"), minutes=10)
    third = await begin(company, audience=part((userid, one), (userid, other))["audience"])
    await work(company)
    (run,), _ = await company.read(runs_and_batches, third)
    assert (run.recipients, run.left_out) == (0, {"capped": 2})
    assert company.calls(ADD) == 2


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_new_month_has_room_again_for_what_was_planned_or_asked_for_in_the_old_one(start: Start) -> None:
    company = await start(campaigns=CampaignsSettings(hours="00:00-23:57", cap_count=1, cap_days=1))
    await ready(company)
    ctx, clock, userid = company.bot.context, company.bot.clock, company.followers[0]
    full, waiting, plain, had = list(company.world.customers.listed_by(userid))[:4]
    zone = ctx.settings.zone
    midnight = datetime(clock.now().astimezone(zone).year + 1, 3, 1, tzinfo=zone)
    days = (midnight - timedelta(days=1)).day

    def go_to(at: datetime) -> None:
        clock.advance(at - clock.now())

    async def begin_for(*whom: str) -> int:
        return await begin(company, audience=part(*((userid, each) for each in whom))["audience"])

    async def preview(*whom: str) -> tuple[int, int, int]:
        draft = CustomerWave.model_validate(part(*((userid, each) for each in whom)))
        tally = (await customer_waves.preview_draft(ctx, draft)).tally
        return tally.recipients, tally.likely_over_cap, tally.left_out["capped"]

    go_to(midnight - timedelta(days=1, hours=12))
    for _ in range(days):
        send_own(company, userid, full, waiting)
    go_to(midnight - timedelta(minutes=20))
    send_own(company, userid, had)
    await pull_own_sends(ctx)
    assert await preview(full, plain, had) == (2, 1, 1), "one is over WeCom's cap, another over ours"

    first = await begin_for(full, plain)
    await until(company, first, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine)
    await until(company, first, has_status("finished"), minutes=1)
    (run,), (batch,) = await company.read(runs_and_batches, first)
    assert (batch.sent, batch.over_cap) == (1, 1)
    second = await begin_for(full)  # asked for in the old month, confirmed in the new one
    await until(company, second, has_status("awaiting"))
    go_to(midnight - timedelta(minutes=2))
    third = await begin_for(waiting, had)  # planned in the old month, asked for in the new one
    await work(company)
    (run,), _ = await company.read(runs_and_batches, third)
    assert (run.status, run.recipients, run.left_out) == ("sending", 1, {"capped": 1})
    assert await preview(plain, had) == (0, 0, 2)

    go_to(midnight + timedelta(seconds=10))
    assert await preview(plain, had) == (2, 0, 0)
    fourth = await begin_for(plain, had)
    for each in (third, fourth):
        await until(company, each, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine)
    for each, sent in ((second, 1), (third, 1), (fourth, 2)):
        await until(company, each, has_status("finished"), minutes=1)
        (run,), (batch,) = await company.read(runs_and_batches, each)
        assert (batch.sent, batch.over_cap) == (sent, 0)
    assert await preview(full, waiting, plain, had) == (0, 0, 4), "all were reached on the first day of the new month"
