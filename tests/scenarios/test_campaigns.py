"""Campaigns, on both databases: each recipient gets exactly one task, whatever WeCom does, and the ledger knows it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import batches, campaigns
from bot.campaign_plans import plan_run
from bot.errors import ObservingError
from bot.sandbox.faults import Fault
from data.errors import ConflictError
from data.models import Follow, Preference, Touch
from data.queries import batch_lookups as lookup_rows
from data.queries import campaigns as rows
from data.queries import runs as run_rows
from data.queries.touches import list_explained
from data.rules import campaigns as rules
from data.rules.campaigns import Act, CampaignDraft
from scheduler import campaigns as sending
from tests.scenarios.campaign_ledger import (
    ADD,
    ALWAYS,
    agree,
    begin,
    confirm,
    has_status,
    is_ended,
    ready,
    runs_and_batches,
    until,
    wave,
    work,
    world_rows,
)
from tests.scenarios.conftest import Company, Start


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several calls for each sender."""
    monkeypatch.setattr(rules, "BATCH_RECIPIENTS", 9)


async def test_a_campaign_is_sent_confirmed_and_known_to_the_last_recipient(company: Company) -> None:
    await ready(company)
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert company.calls(ADD) == len(batches) > len(company.followers)
    assert run.recipients == sum(each.recipients for each in batches)
    assert (await agree(company)) == {"waiting": run.recipients}
    texts = {str(send.content[0][1]["content"]) for send in company.world.group_sends}
    assert len(texts) > 1
    assert not any("{{" in each for each in texts)

    await work(company)
    assert confirm(company.world, company.sandbox.machine, share=2)
    await until(company, campaign_id, lambda _, batches: any(each.sent for each in batches), minutes=5)
    asked = company.calls("externalcontact/get_groupmsg_send_result")
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=5)
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert run.status == "finished"
    assert all(each.final_at and each.confirmed_at and each.status == "created" for each in batches)
    assert (await agree(company)) == {"sent": run.recipients}
    assert sum(each.sent for each in batches) == run.recipients
    touch = (await company.read(list_explained, (await company.read(last_touch)).external_userid))[0]
    assert touch.because["campaign"] == "周末"
    assert touch.because["audience"] == {"everyone": True}
    assert touch.because["words"].startswith("我是")
    assert touch.because["msgid"] in {each.msgid for each in batches}
    done = company.calls("externalcontact/get_groupmsg_send_result")
    assert done - asked <= len(batches), "what is final is not read again"
    for _ in range(3):
        company.bot.clock.advance(timedelta(hours=5))
        await work(company)
    assert company.calls("externalcontact/get_groupmsg_send_result") == done


def last_touch(session: Session) -> Touch:
    return session.exec(select(Touch).order_by(col(Touch.id).desc()).limit(1)).one()


FAULTS: dict[str, dict[str, Any]] = {
    "answers are lost after the effect": {"kind": "lose_answer", "count": 4},
    "answers are lost now and then": {"kind": "lose_answer", "probability": 0.4, "count": 8},
    "connections are cut before the effect": {"kind": "drop", "count": 4},
    "busy, whatever that means": {"kind": "errcode", "errcode": -1, "count": 4},
    "a gateway fails": {"kind": "http", "status": 502, "count": 3},
    "too many at once": {"kind": "errcode", "errcode": 45033, "count": 3},
    "too many calls": {"kind": "throttle", "seconds": 30, "count": 1},
    "the token expires": {"kind": "expire_token", "count": 3},
}


@pytest.mark.drawn
@pytest.mark.parametrize("name", FAULTS)
async def test_wecoms_faults_lose_nothing_and_repeat_nothing(company: Company, name: str) -> None:
    await ready(company)
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, **FAULTS[name]))
    campaign_id = await begin(company)
    await until(
        company, campaign_id, lambda _, batches: bool(batches) and all(each.msgid for each in batches), minutes=3
    )
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert (await agree(company)) == {"waiting": run.recipients}
    reconciled = [each for each in batches if each.status == "reconciled"]
    assert bool(reconciled) == ("lost after" in name or "now and then" in name)
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=10)
    assert (await agree(company)) == {"sent": run.recipients}


async def test_what_wecom_lists_late_is_waited_for(company: Company) -> None:
    await ready(company)
    company.sandbox.machine.settings.group_send_settle_seconds = 300
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=3))
    campaign_id = await begin(company)
    await until(company, campaign_id, lambda _, batches: bool(batches) and all(each.msgid for each in batches))
    _, batches = await company.read(runs_and_batches, campaign_id)
    assert company.calls(ADD) == len(batches)
    await agree(company)


@pytest.mark.slow
async def test_lists_that_cannot_be_read_prove_nothing(company: Company) -> None:
    await ready(company)
    faults = company.sandbox.machine.faults
    faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=2))
    closed = [
        faults.add(Fault(id=0, target="api", on=f"externalcontact/get_groupmsg_{each}", kind="errcode", errcode=60020))
        for each in ("list_v2", "task")
    ]
    campaign_id = await begin(company)
    for _ in range(8):  # four times as long as is settled for
        await work(company)
        company.bot.clock.advance(timedelta(minutes=5))
    _, batches = await company.read(runs_and_batches, campaign_id)
    unknown = [each for each in batches if each.status == "unknown"]
    assert len(unknown) == 2
    assert "60020" in unknown[0].error
    for fault in closed:
        faults.clear(fault.id)
    await until(company, campaign_id, lambda _, batches: all(each.msgid for each in batches))
    await agree(company)


async def test_what_only_resembles_rests_for_a_person_who_may_take_it(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    listed = list(company.world.customers.listed_by(userid))[:3]
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="drop", count=1))
    campaign_id = await begin(
        company, audience={"pairs": [{"userid": userid, "external_userid": each} for each in listed]}
    )
    await work(company)
    # Somebody makes one by hand, by the same member to the same customers, in other words.
    by_hand = await company.bot.wecom.external_contact.add_msg_template(
        {"sender": userid, "external_userid": listed, "text": {"content": "别的话"}}
    )
    await until(company, campaign_id, lambda _, batches: any(each.candidates for each in batches), minutes=5)
    _, (batch,) = await company.read(runs_and_batches, campaign_id)
    assert batch.candidates == [by_hand["msgid"]]
    calls = company.calls(ADD)
    for _ in range(5):
        company.bot.clock.advance(timedelta(hours=1))
        await work(company)
    assert company.calls(ADD) == calls, "the program does not ask again by itself"
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.status == "unknown"
    await batches.adopt(company.bot.context, batch.id or 0, by_hand["msgid"])
    with pytest.raises(ConflictError):
        await batches.adopt(company.bot.context, batch.id or 0, "msgOther")
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=10)
    assert (await agree(company)) == {"sent": 3}


async def test_a_person_may_have_it_asked_for_again(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    whom = next(iter(company.world.customers.listed_by(userid)))
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="drop", count=1))
    campaign_id = await begin(company, audience={"pairs": [{"userid": userid, "external_userid": whom}]})
    await work(company)
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    now = company.bot.clock.now()
    with pytest.raises(ConflictError):  # it is being looked up
        await company.bot.db.write(lookup_rows.ask_again, batch.id, now, absent=None)
    await company.bot.db.write(lookup_rows.leave_to_person, batch.id, [], "")
    await company.bot.db.write(lookup_rows.ask_again, batch.id, now, absent=None)
    await until(company, campaign_id, has_status("awaiting"))
    await agree(company)


async def test_who_wants_nothing_any_more_or_left_is_taken_out_right_before(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    quiet, gone, stays = list(company.world.customers.listed_by(userid))[:3]
    audience = {"pairs": [{"userid": userid, "external_userid": each} for each in (quiet, gone, stays)]}
    campaign_id = await begin(company, audience=audience)
    now = company.bot.clock.now()
    run = await company.bot.db.write(run_rows.begin_due_run, now, ALWAYS)
    assert run is not None
    await plan_run(company.bot.context, run.id or 0)

    def change(session: Session) -> None:
        session.add(Preference(external_userid=quiet, opted_out_at=now, changed_at=now))
        session.exec(select(Follow).where(col(Follow.external_userid) == gone, col(Follow.userid) == userid)
                     ).one().status = "deleted_by_customer"  # fmt: skip

    await company.bot.db.write(change)
    await until(company, campaign_id, has_status("awaiting"))
    assert [row[2] for row in world_rows(company.world)] == [stays]
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (run.recipients, batch.recipients, run.left_out) == (1, 1, {"opted_out": 1, "left": 1})
    await agree(company)


async def test_what_became_of_each_is_kept(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    stays, leaves, unknown = list(company.world.customers.listed_by(userid))[:3]
    audience = {"pairs": [{"userid": userid, "external_userid": each} for each in (stays, leaves, unknown)]}
    company.people.delete_by_staff(userid, unknown)
    campaign_id = await begin(company, audience=audience)
    await until(company, campaign_id, has_status("awaiting"))
    company.people.delete_by_customer(userid, leaves)
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=5)
    _, (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (batch.sent, batch.not_friend) == (1, 1)
    assert batch.refused + (3 - batch.recipients) == 1, "in the fail_list, or known to be gone before"
    states = await agree(company)
    assert states["sent"] == states["not_friend"] == 1


async def test_a_campaign_that_is_cancelled_freezes_what_is_not_confirmed(company: Company) -> None:
    await ready(company)
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine, share=2)
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    await until(company, campaign_id, is_ended)
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert run.status == "cancelled"
    assert confirm(company.world, company.sandbox.machine) == 0, "nobody can confirm any more"
    states = await agree(company)
    assert states["sent"] > 0
    assert states["stopped"] > 0
    assert states.total() == states["sent"] + states["stopped"] == run.recipients
    assert sum(each.sent for each in batches) == states["sent"]
    with pytest.raises(ConflictError):
        await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)


async def test_what_is_cancelled_before_it_was_asked_for_is_never_asked_for(company: Company) -> None:
    await ready(company)
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=1))
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="throttle", seconds=600, count=1))
    campaign_id = await begin(company)
    await work(company)
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    await until(company, campaign_id, is_ended)
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert {each.status for each in batches} <= {"cancelled", "reconciled", "created"}
    states = await agree(company)
    assert states == {"stopped": run.recipients}
    assert all(send.cancelled_at for send in company.world.group_sends)


async def test_what_is_not_confirmed_in_time_is_withdrawn(company: Company) -> None:
    await ready(company)
    campaign_id = await begin(company, valid_hours=5)
    await until(company, campaign_id, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine, share=2)
    await until(company, campaign_id, is_ended, hours=1)
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert run.status == "finished"
    states = await agree(company)
    assert states["stopped"] > 0
    assert states.total() == states["sent"] + states["stopped"]
    assert confirm(company.world, company.sandbox.machine) == 0


async def test_what_was_missed_altogether_is_skipped_and_says_so(company: Company) -> None:
    await ready(company)
    draft = CampaignDraft.model_validate({"name": "x", "waves": [wave(valid_hours=1)]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    missed = company.bot.clock.now() - timedelta(hours=2)
    await company.bot.db.write(rows.start_campaign, made.id or 0, missed, ALWAYS)
    await until(company, made.id or 0, is_ended)
    (run,), batches = await company.read(runs_and_batches, made.id)
    assert (run.status, batches) == ("skipped", [])
    assert run.error
    assert company.calls(ADD) == 0


async def test_refusals_in_a_row_and_a_missing_right_pause_and_a_person_resumes(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(company)
    faults = company.sandbox.machine.faults
    fault = faults.add(Fault(id=0, target="api", on=ADD, kind="errcode", errcode=48002))
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("paused"))
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert "48002" in run.error
    faults.clear(fault.id)
    fault = faults.add(Fault(id=0, target="api", on=ADD, kind="http", status=404))
    await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)
    await until(company, campaign_id, has_status("paused"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert "404" in run.error
    assert {each.status for each in batches} == {"planned"}, "a proxy that is wrong refuses nobody's message"
    faults.clear(fault.id)
    monkeypatch.setattr(sending, "REFUSALS_IN_A_ROW", 3)
    monkeypatch.setattr(sending, "IN_FLIGHT", 1)
    # 84074: one member may not have customers, for which the others do not wait. Both strike the first call.
    for errcode, count in ((84074, 1), (41048, 3)):
        faults.add(Fault(id=0, target="api", on=ADD, kind="errcode", errcode=errcode, count=count))
    await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)
    await until(company, campaign_id, has_status("paused"))
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert sorted(each.cause or 0 for each in batches if each.status == "refused") == [41048, 41048, 84074]
    await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)
    await until(company, campaign_id, has_status("awaiting"))
    states = await agree(company)
    assert states["refused"] == sum(each.recipients for each in batches if each.status == "refused")


async def test_observing_nothing_is_started(start: Start) -> None:
    company = await start("observe")
    draft = CampaignDraft.model_validate({"name": "x", "waves": [wave()]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    with pytest.raises(ObservingError):
        await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    await company.bot.db.write(rows.start_campaign, made.id or 0, company.bot.clock.now(), ALWAYS)
    await work(company)
    assert company.calls(ADD) == 0


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
@pytest.mark.slow
async def test_two_copies_send_nothing_twice(start: Start) -> None:
    one = await start()
    await ready(one)
    two = await start(reads=False)
    one.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", probability=0.2, count=5))
    campaign_id = await begin(one)
    async with asyncio.timeout(60):
        while True:
            await asyncio.gather(work(one), work(two))
            one.bot.clock.advance(timedelta(seconds=30))
            _, batches = await one.read(runs_and_batches, campaign_id)
            if batches and all(each.msgid for each in batches):
                break
    confirm(one.world, one.sandbox.machine)
    await until(one, campaign_id, is_ended, minutes=10)
    (run,), _ = await one.read(runs_and_batches, campaign_id)
    assert (await agree(one)) == {"sent": run.recipients}
