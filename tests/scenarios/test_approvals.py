"""Approval of campaigns, on both databases: a card asks, the first decision holds, nothing is sent without one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot import approvals, campaign_edits, campaigns
from bot.errors import ApprovalNeededError, ObservingError
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from data.errors import ConflictError
from data.queries import approvals as rows
from data.rules.approvals import Decider, Decision
from data.rules.campaigns import Act
from data.rules.messages import MessageContent
from scheduler.approvals import work_on_approvals
from tests.scenarios.approval_acts import (
    SEND,
    UPDATE,
    begin,
    cards,
    click,
    handled,
    make,
    managers,
    newest,
    shown,
    submit,
    told,
)
from tests.scenarios.campaign_ledger import agree, has_status, runs_and_batches, until, wave, work
from tests.scenarios.conftest import Company, Start


@pytest.fixture
async def company(start: Start, sandbox: Sandbox) -> Company:
    return await begin(start, sandbox)


async def test_a_click_approves_and_the_campaign_runs(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    requester = company.followers[-1]
    with pytest.raises(ApprovalNeededError):
        await campaigns.start_campaign(company.bot.context, campaign_id, None)
    await submit(company, campaign_id, requested_by=requester)
    approval = await newest(company, campaign_id)
    (card,) = cards(company, first)
    assert len(cards(company, second)) == 1
    facts = {each["keyname"]: each["value"] for each in card.content["horizontal_content_list"]}
    assert facts["接收客户"] == f"{approval.recipients:,} 位"
    assert "{{" not in card.content["sub_title_text"]
    with pytest.raises(ApprovalNeededError):
        await campaigns.start_campaign(company.bot.context, campaign_id, None)

    await click(company, first)
    approval = await newest(company, campaign_id)
    assert (approval.status, approval.decided_by, approval.decided_via) == ("approved", first, "card")
    assert shown(company, first) == shown(company, second) != ""
    assert any("已批准" in each for each in told(company, requester))
    assert company.calls(SEND) == 2, "one card for both, one message for the requester"
    await campaigns.start_campaign(company.bot.context, campaign_id, None)
    await until(company, campaign_id, has_status("awaiting"))
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert run.recipients == approval.recipients
    await agree(company)


async def test_approval_starts_at_the_time_that_was_asked_for(company: Company) -> None:
    first, _ = managers(company)
    at = company.bot.clock.now() + timedelta(hours=3)
    campaign_id = await make(company)
    await submit(company, campaign_id, at=at)
    await click(company, first)
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert (run.status, run.due_at) == ("due", at)

    late = await make(company)
    await submit(company, late, at=at)
    company.bot.clock.advance(timedelta(hours=3))
    await click(company, first)
    assert (await newest(company, late)).status == "expired", "what was to be sent then is not sent at another time"
    assert await company.read(runs_and_batches, late) == ([], [])
    assert "过期" in shown(company, first)


async def test_a_rejected_campaign_is_not_sent(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id)
    await click(company, second, "reject")
    assert (await newest(company, campaign_id)).status == "rejected"
    assert "已驳回" in shown(company, first)
    with pytest.raises(ApprovalNeededError):
        await campaigns.start_campaign(company.bot.context, campaign_id, None)


async def test_an_edit_voids_what_waits_and_what_was_approved(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id)
    await campaign_edits.change_campaign(company.bot.context, campaign_id, {"version": 1, "name": "改了"})
    await work_on_approvals(company.bot.context)
    assert [shown(company, each) for each in (first, second)] == ["计划已修改，审批作废"] * 2
    await submit(company, campaign_id)
    await click(company, first)
    assert (await newest(company, campaign_id)).status == "approved"
    await campaign_edits.change_campaign(company.bot.context, campaign_id, {"version": 2, "name": "又改了"})
    assert [each.status for each in await company.read(rows.list_approvals, campaign_id)] == ["void", "void"]
    with pytest.raises(ApprovalNeededError):
        await campaigns.start_campaign(company.bot.context, campaign_id, None)
    await submit(company, campaign_id)
    await campaign_edits.delete_campaign(company.bot.context, campaign_id)
    await work_on_approvals(company.bot.context)
    assert shown(company, first) == "计划已删除，审批作废"


async def test_the_first_of_two_who_click_at_once_decides(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id, at=company.bot.clock.now())
    acts = company.sandbox.machine.staff_acts
    acts.click_card(first, cards(company, first)[0].msgid, "approve")
    acts.click_card(second, cards(company, second)[0].msgid, "reject")
    await handled(company)
    approval = await newest(company, campaign_id)
    winner, loser = (first, second) if approval.decided_by == first else (second, first)
    assert approval.status == ("approved" if winner == first else "rejected")
    assert shown(company, first) == shown(company, second) != ""
    assert told(company, winner) == []
    (words,) = told(company, loser)
    assert "没有生效" in words
    runs, _ = await company.read(runs_and_batches, campaign_id)
    assert len(runs) == (1 if winner == first else 0)


async def test_a_click_on_a_stale_card_is_told_what_was_decided(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id)
    refusal = company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=UPDATE, errcode=60140))
    await click(company, first)
    assert (shown(company, first), shown(company, second)) == ("", "")
    company.sandbox.machine.faults.clear(refusal.id)
    await click(company, second, "reject")
    assert (await newest(company, campaign_id)).status == "approved"
    assert "已批准" in shown(company, second)
    assert "没有生效" in told(company, second)[0]


async def test_a_stranger_and_the_requester_decide_nothing(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id, requested_by=first)
    assert cards(company, first) == []
    card = cards(company, second)[0]
    for userid in (first, company.followers[-1]):
        more = (("TaskId", card.content["task_id"]), ("CardType", "button_interaction"), ("ResponseCode", f"x{userid}"))
        company.sandbox.machine.staff_acts.event(userid, "template_card_event", "approve", more=more)
        await handled(company)
        assert "没有生效" in told(company, userid)[0]
    assert (await newest(company, campaign_id)).status == "pending"
    assert shown(company, second) == ""
    company.sandbox.machine.staff_acts.event(second, "template_card_event", "approve", more=(("TaskId", "another"),))
    await handled(company)
    await click(company, second)
    assert (await newest(company, campaign_id)).status == "approved"


async def test_a_bot_that_was_restarted_knows_the_request(company: Company, start: Start) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id)
    await company.bot.__aexit__(None, None, None)
    again = await start(approval=company.bot.settings.approval, reads=False)
    await click(again, first)
    assert (await newest(again, campaign_id)).status == "approved"
    assert "已批准" in shown(again, second)


async def test_a_request_that_nobody_decides_ends(company: Company) -> None:
    campaign_id, (first, _) = await make(company), managers(company)
    requester = company.followers[-1]
    await submit(company, campaign_id, requested_by=requester)
    company.bot.clock.advance(timedelta(hours=48))
    await handled(company)
    assert (await newest(company, campaign_id)).status == "expired"
    assert shown(company, first) == "审批已过期"
    assert any("过期" in each for each in told(company, requester))


async def test_what_outgrew_its_approval_waits_for_another(company: Company) -> None:
    campaign_id, (first, _) = await make(company), managers(company)
    ctx, at = company.bot.context, company.bot.clock.now() + timedelta(hours=1)
    requester = company.followers[-1]
    await submit(company, campaign_id, at=at, requested_by=requester)
    await click(company, first)
    approved = (await newest(company, campaign_id)).recipients
    for _ in range(approved // 10 + 2):
        company.scan()
    await company.settle()
    company.bot.clock.advance(timedelta(hours=1))
    await until(company, campaign_id, has_status("paused"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert run.recipients > approved * 1.1
    assert f"{approved:,} were approved" in run.error
    assert {each.status for each in batches} == {"planned"}
    await handled(company)
    assert "已暂停" in told(company, requester)[-1]
    with pytest.raises(ApprovalNeededError):
        await campaigns.act_on(ctx, campaign_id, Act.RESUME)
    with pytest.raises(ConflictError):
        await submit(company, campaign_id, at=at)
    await submit(company, campaign_id)
    assert (await newest(company, campaign_id)).recipients == run.recipients
    await click(company, first)
    await campaigns.act_on(ctx, campaign_id, Act.RESUME)
    await until(company, campaign_id, has_status("awaiting"))
    await agree(company)
    with pytest.raises(ConflictError):
        await submit(company, campaign_id)


async def test_a_small_campaign_needs_none_until_it_has_grown(company: Company) -> None:
    userid = company.followers[0]
    listed = list(company.world.customers.listed_by(userid))
    pairs = [{"userid": userid, "external_userid": each} for each in listed]
    small = await make(company, audience={"pairs": pairs[:3]})
    await submit(company, small)
    await campaigns.start_campaign(company.bot.context, small, None)
    await work_on_approvals(company.bot.context)
    assert shown(company, managers(company)[0]) == "计划已开始，审批作废"
    await until(company, small, has_status("awaiting"))
    large = await make(company, audience={"pairs": pairs[:4]})
    with pytest.raises(ApprovalNeededError):
        await campaigns.start_campaign(company.bot.context, large, None)


async def test_words_written_anew_are_approved_anew(company: Company) -> None:
    campaign_id, (first, _) = await make(company), managers(company)
    ctx, at = company.bot.context, company.bot.clock.now() + timedelta(hours=1)
    await submit(company, campaign_id, at=at)
    await click(company, first)
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    await campaigns.write_words(ctx, run.id, MessageContent(text="改了的话"))
    assert (await newest(company, campaign_id)).status == "void"
    with pytest.raises(ConflictError, match="version 2"):
        await submit(company, campaign_id, version=1)
    company.bot.clock.advance(timedelta(hours=1))
    await until(company, campaign_id, has_status("paused"))
    await submit(company, campaign_id)
    assert cards(company, first)[-1].content["sub_title_text"] == "改了的话"
    await click(company, first)
    await campaigns.act_on(ctx, campaign_id, Act.RESUME)
    await until(company, campaign_id, has_status("awaiting"))
    await agree(company)


async def test_a_time_of_its_own_that_has_passed_is_told(company: Company) -> None:
    first, _ = managers(company)
    tomorrow = company.bot.clock.now().astimezone(company.bot.settings.zone).date() + timedelta(days=1)
    campaign_id = await make(company, wave(), timing={"cron": "0 10 * * *", "until": tomorrow.isoformat()})
    await submit(company, campaign_id, at=company.bot.clock.now())
    assert "重复" in str(cards(company, first)[0].content)
    company.bot.clock.advance(timedelta(hours=47))
    await click(company, first)
    approval = await newest(company, campaign_id)
    assert (approval.status, "never due" in approval.reason) == ("approved", True)
    assert "没有开始" in told(company, first)[0]
    assert await company.read(runs_and_batches, campaign_id) == ([], [])


async def test_two_processes_decide_once(company: Company) -> None:
    campaign_id = await make(company)
    await submit(company, campaign_id, at=company.bot.clock.now())
    ctx = company.bot.context
    deciders = [Decider(f"token{number}", is_program=True) for number in range(6)]
    decisions = [Decision.APPROVE, Decision.REJECT] * 3
    results = await asyncio.gather(
        *(approvals.decide(ctx, campaign_id, *each) for each in zip(decisions, deciders, strict=True)),
        return_exceptions=True,
    )
    assert [type(each) for each in results].count(ConflictError) == 5
    runs, _ = await company.read(runs_and_batches, campaign_id)
    assert len(runs) == ((await newest(company, campaign_id)).status == "approved")


async def test_observe_mode_asks_and_decides_nothing(company: Company, start: Start) -> None:
    campaign_id, (first, _) = await make(company), managers(company)
    await submit(company, campaign_id)
    await company.bot.__aexit__(None, None, None)
    observing = await start("observe", approval=company.bot.settings.approval, reads=False)
    with pytest.raises(ObservingError):
        await submit(observing, campaign_id)
    before = observing.calls(UPDATE)
    await click(observing, first)
    assert (await newest(observing, campaign_id)).status == "pending"
    await campaign_edits.change_campaign(observing.bot.context, campaign_id, {"version": 1, "name": "改了"})
    await work_on_approvals(observing.bot.context)
    await work(observing)
    assert (observing.calls(UPDATE), shown(observing, first)) == (before, "")
