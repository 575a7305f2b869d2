"""Test customers: they receive it first, through the same ledger, and a campaign may wait for a person's word."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import campaign_edits, campaign_tests, campaigns, customer_waves
from bot.campaigns import Told
from bot.config import ApprovalSettings, CampaignsSettings
from bot.sandbox.faults import Fault
from data.errors import ConflictError
from data.models import Touch
from data.queries import testers as rows
from data.queries.touches import list_explained
from data.rules.campaigns import Act, CampaignDraft
from data.rules.schedule import day_words, local_datetime
from tests.scenarios.campaign_ledger import ADD, confirm, has_status, is_ended, ready, runs_and_batches, until, work
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_variants import split_wave


async def add_testers(company: Company, number: int = 2) -> list[tuple[str, str]]:
    """(customer, member) of test customers of one member."""
    userid = company.followers[0]
    listed = list(company.world.customers.listed_by(userid))[:number]
    for whom in listed:
        await company.bot.db.write(rows.add_tester, userid, whom, "test", company.bot.clock.now())
    return [(whom, userid) for whom in listed]


async def make(company: Company, **more: Any) -> Told:
    """A campaign with two variants that is not started."""
    draft = {"name": "新品", "waves": [split_wave(sender_policy="all")], **more}
    made = await campaigns.make_campaign(company.bot.context, CampaignDraft.model_validate(draft), "test")
    return await told_of(company, made.id or 0)


async def told_of(company: Company, campaign_id: int) -> Told:
    """The campaign as it is now."""
    told: Told = await company.read(campaigns.read_campaign, campaign_id)
    return told


async def have_tested(company: Company, campaign_id: int) -> int:
    """Have the test customers receive it; the number of the test."""
    told = await campaign_tests.send_test(company.bot.context, campaign_id, "test")
    test_id = told.tests[0].campaign_id
    await until(company, test_id, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine)
    await until(company, test_id, is_ended, minutes=5)
    return test_id


async def test_test_customers_receive_every_variant_first_and_count_nowhere(start: Start) -> None:
    company = await start(
        campaigns=CampaignsSettings(hours="00:00-00:00", cap_count=1, cap_days=7),
        approval=ApprovalSettings(above=1, approvers=["x"]),
    )
    await ready(company)
    ctx, listed = company.bot.context, await add_testers(company)
    named = [{"name": each, "content": {"text": each + "{{ campaign_name }}，{{ date }}"}} for each in ("甲", "乙")]
    told = await make(company, waves=[split_wave(variants=named)])
    campaign_id = told.campaign.id or 0
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=1))
    test_id = await have_tested(company, campaign_id)
    runs, batches = await company.read(runs_and_batches, test_id)
    assert {run.status for run in runs} == {"finished"}
    assert {each.status for each in batches} == {"created", "reconciled"}
    texts = sorted(str(send.content[0][1]["content"]) for send in company.world.group_sends)
    today = day_words(local_datetime(ctx.clock.now(), ctx.settings.zone).date())
    assert texts == [f"乙新品，{today}", f"甲新品，{today}"], "each variant once, no hold-out, as it will be said"
    assert sum(each.sent for each in batches) == 2 * len(listed)

    told = await told_of(company, campaign_id)
    assert not told.runs
    (test,) = campaigns.to_json(told)["tests"]
    assert (test["version"], test["is_current"], test["sent"]) == (1, True, 4)
    assert [each.campaign.id for each in await company.read(campaigns.read_campaigns, 50, None)] == [campaign_id]
    touches = await company.read(list_explained, listed[0][0])
    assert {each.touch.kind for each in touches} >= {"test"}
    assert touches[0].because["campaign"] == "测试：新品"
    preview = await customer_waves.preview_wave(ctx, told.waves[0])
    assert "capped" not in preview.tally.left_out, "no cap counts a test"

    changes = {"version": 1, "waves": [{"id": told.waves[0].id, "hold_out_percent": 0}]}
    changed = campaigns.to_json(await campaign_edits.change_campaign(ctx, campaign_id, changes))
    assert changed["tests"][0]["is_current"] is False
    for wrong in (test_id, 77):
        with pytest.raises(Exception, match=r"is a test itself|no campaign 77"):
            await campaign_tests.send_test(ctx, wrong, "test")


async def test_a_campaign_waits_for_the_word_of_who_has_seen_its_test(company: Company) -> None:
    await ready(company)
    ctx = company.bot.context
    told = await make(company, test_first=True)
    campaign_id = told.campaign.id or 0
    with pytest.raises(ConflictError, match="no test customer"):
        await campaign_tests.send_test(ctx, campaign_id, "test")
    await add_testers(company)
    with pytest.raises(ConflictError, match="received a test"):
        await campaign_tests.give_go(ctx, campaign_id, 1, "test")

    await campaigns.start_campaign(ctx, campaign_id, None)
    await until(company, campaign_id, has_status("paused"))
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert "waits for its test" in run.error
    assert company.calls(ADD) == 0
    with pytest.raises(ConflictError, match="waits for its test"):
        await campaigns.act_on(ctx, campaign_id, Act.RESUME)

    await have_tested(company, campaign_id)
    words = {"variants": [{"name": each["name"], "content": {"text": "改过的话"}} for each in told.waves[0].variants]}
    await campaigns.write_words(ctx, run.id or 0, await campaigns.parse_words(ctx, run.id or 0, words))
    told = await told_of(company, campaign_id)
    assert (told.campaign.version, campaigns.to_json(told)["tests"][0]["is_current"]) == (2, False)
    for version in (1, 2):
        with pytest.raises(ConflictError):
            await campaign_tests.give_go(ctx, campaign_id, version, "test")
    await have_tested(company, campaign_id)
    assert {str(send.content[0][1]["content"]) for send in list(company.world.group_sends)[-2:]} == {"改过的话"}
    calls = company.calls(ADD)
    await work(company)
    assert company.calls(ADD) == calls, "tested, and nobody has said that it is right"
    await campaign_tests.give_go(ctx, campaign_id, 2, "boss")
    await until(company, campaign_id, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=5)
    told = await told_of(company, campaign_id)
    assert (told.campaign.go_version, told.campaign.go_by) == (2, "boss")
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert sum(each.sent for each in batches) == run.recipients > 0
    kinds = await company.read(touch_kinds, campaign_id)
    assert kinds == {"broadcast"}
    with pytest.raises(ConflictError, match="still to come"):
        await campaign_tests.send_test(ctx, campaign_id, "test")


def touch_kinds(session: Session, campaign_id: int) -> set[str]:
    return set(session.exec(select(Touch.kind).where(col(Touch.campaign_id) == campaign_id)))
