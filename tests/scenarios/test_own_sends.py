"""What staff send themselves: read as what reached their customers, and counted for WeCom's cap."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import customer_waves
from bot.config import CampaignsSettings
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
    company = await start(campaigns=CampaignsSettings(hours="00:00-00:00", cap_count=2, cap_days=7))
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
