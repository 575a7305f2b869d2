"""Moments posts of campaigns, on both databases: each run makes exactly one, whatever WeCom does, and the ledger knows
who published it, who sees it and who reacted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot import approvals, campaigns, moments
from bot.campaign_plans import calendar_of
from bot.config import ApprovalSettings
from bot.errors import ApprovalNeededError, ObservingError
from bot.media_files import add_media
from bot.sandbox.server import Sandbox
from data.queries import campaigns as rows
from data.queries import publishers as publisher_rows
from data.queries.leaves import add_leave
from data.rules.approvals import Decider, Decision
from data.rules.campaigns import Act, CampaignDraft
from data.rules.leaves import LeaveDraft
from data.rules.moments import MomentContent, Visible
from scheduler.jobs import renew_media
from tests.sandbox.test_media import PNG
from tests.scenarios.campaign_ledger import has_status, is_ended, ready, runs_and_batches, until, work
from tests.scenarios.conftest import Company, Start
from tests.scenarios.moment_ledger import ADD, agree, begin_posts, fault, is_made, post, publish, react


async def test_a_post_is_made_published_and_known_to_the_last_reaction(company: Company) -> None:
    await ready(company)
    kept = await company.bot.db.write(add_media, "a.png", PNG, None, company.bot.clock.now())
    image = {"msgtype": "image", "image": {"media": kept["media"]}}
    campaign_id = await begin_posts(
        company, post(content={"text": "{{ company_name }} {{ date }}", "attachments": [image] * 2})
    )
    await until(company, campaign_id, has_status("awaiting"))
    await until(company, campaign_id, is_made)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert company.calls(ADD) == 1
    assert (batch.status, batch.kind, batch.userid, batch.recipients) == ("created", "moments", "", run.recipients)
    assert run.recipients == len(company.followers)
    (moment,) = company.world.moments
    assert [kind for kind, _ in moment.content] == ["text", "image", "image"]
    assert company.calls("media/upload_attachment") == 1
    assert company.world.company.name in moment.content[0][1]["content"]
    assert "{{" not in moment.content[0][1]["content"]
    await until(company, campaign_id, lambda *_: company.calls("externalcontact/get_moment_task") > 0)
    assert await agree(company) == {"waiting": run.recipients}

    assert publish(company.world, company.sandbox.machine, share=2)
    assert react(company.world, company.sandbox.machine)
    await until(company, campaign_id, lambda _, batches: any(each.sent for each in batches), minutes=5)
    counts = await agree(company)
    assert counts["published"] > 0
    assert counts["waiting"] > 0
    read = company.calls("externalcontact/get_moment_send_result")
    assert read == counts["published"]
    publish(company.world, company.sandbox.machine)
    react(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, hours=6)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (run.status, batch.sent, batch.stopped) == ("finished", run.recipients, 0)
    assert batch.confirmed_at is not None
    assert await agree(company) == {"published": run.recipients}
    assert company.calls("externalcontact/cancel_moment_task") == 0, "nothing is left to withdraw"
    assert company.calls("externalcontact/get_moment_send_result") == run.recipients, "an audience is read once"
    (told,) = await company.bot.db.read(campaigns.read_results, campaign_id)
    assert told["moments"]["likes"] > told["moments"]["comments"] > 0
    assert (told["sent"], told["waiting"]) == (run.recipients, 0)
    reads = [f"externalcontact/get_moment_{each}" for each in ("task", "send_result", "comments")]
    done = [company.calls(each) for each in reads]
    for _ in range(3):
        company.bot.clock.advance(timedelta(hours=5))
        await work(company)
    assert [company.calls(each) for each in reads] == done, "what is final is not read again"


async def test_files_are_uploaded_for_moments_before_a_post_is_due(company: Company) -> None:
    await ready(company)
    ctx = company.bot.context
    kept = await ctx.db.write(add_media, "a.png", PNG, None, ctx.clock.now())
    image = {"msgtype": "image", "image": {"media": kept["media"]}}
    draft = {"name": "上新", "waves": [post(content={"attachments": [image]})]}
    made = await campaigns.make_campaign(ctx, CampaignDraft.model_validate(draft), "test")
    await campaigns.start_campaign(ctx, made.id or 0, ctx.clock.now() + timedelta(hours=7))
    before = company.calls("media/upload")
    await renew_media(ctx)
    assert company.calls("media/upload_attachment") == 0
    company.bot.clock.advance(timedelta(hours=2))
    await renew_media(ctx)
    assert (company.calls("media/upload_attachment"), company.calls("media/upload")) == (1, before)
    company.bot.clock.advance(timedelta(hours=5))
    await until(company, made.id or 0, is_made)
    assert company.calls("media/upload_attachment") == 1


FAULTS: dict[str, dict[str, Any]] = {
    "the answer is lost after the effect": {"kind": "lose_answer", "count": 1},
    "the connection is cut before the effect": {"kind": "drop", "count": 2},
    "busy, whatever that means": {"kind": "errcode", "errcode": -1, "count": 2},
    "a gateway fails": {"kind": "http", "status": 502, "count": 2},
    "too many jobs": {"kind": "errcode", "errcode": 41078, "count": 3},
    "too many calls": {"kind": "throttle", "seconds": 30, "count": 1},
    "the token expires": {"kind": "expire_token", "count": 3},
}


@pytest.mark.drawn
@pytest.mark.parametrize("name", FAULTS)
async def test_wecoms_faults_lose_no_post_and_repeat_none(company: Company, name: str) -> None:
    await ready(company)
    fault(company, ADD, **FAULTS[name])
    campaign_id = await begin_posts(company)
    await until(company, campaign_id, is_made, minutes=5)
    await until(company, campaign_id, lambda *_: company.calls("externalcontact/get_moment_task") > 0)
    await work(company)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert await agree(company) == {"waiting": run.recipients}
    assert (batch.status == "reconciled") == ("lost after" in name)
    publish(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, hours=12)
    assert await agree(company) == {"published": run.recipients}


async def test_a_job_that_makes_nothing_says_why(company: Company) -> None:
    await ready(company)
    tag_id = company.tag_ids[0]
    campaign_id = await begin_posts(company, post(visible={"tag_ids": [tag_id]}))
    await until(company, campaign_id, lambda _, batches: any(each.jobid for each in batches))
    (moment,) = company.world.moments
    moment.errcode, moment.invalid_tags = 40068, [tag_id]
    await until(company, campaign_id, is_ended)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (batch.status, batch.cause, batch.ignored) == ("refused", 40068, {"tag_ids": [tag_id]})
    assert "40068" in batch.error
    assert batch.refused == run.recipients > 0
    assert company.calls(ADD) == 1


async def test_whom_wecom_leaves_out_is_told_and_of_who_is_on_leave_nothing_is_asked(company: Company) -> None:
    await ready(company)
    one, other, away = company.followers[:3]
    now = company.bot.clock.now()
    today = now.astimezone(company.bot.context.settings.zone).date()
    leave = LeaveDraft(userid=away, first_day=today, last_day=today + timedelta(days=9))
    await company.bot.db.write(add_leave, leave, "test", now)
    campaign_id = await begin_posts(company, post(visible={"userids": [one, other, away]}))
    company.sandbox.machine.settings.moment_job_seconds = 0
    app = company.world.app
    app.visible_userids, app.visible_parties = [one], []
    company.world.put_app(app)
    await until(company, campaign_id, is_made)
    await until(company, campaign_id, lambda _, batches: batches[0].refused > 0)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert batch.ignored == {"userids": [other]}
    assert (run.recipients, run.left_out, batch.refused) == (2, {"sender_on_leave": 1}, 1)
    (told,) = await company.read(campaigns.read_results, campaign_id)
    assert (told["on_leave"], told["place"]) == ([away], 0)
    assert await agree(company) == {"waiting": 1}


async def test_a_campaign_that_is_cancelled_withdraws_what_is_not_published(company: Company) -> None:
    await ready(company)
    campaign_id = await begin_posts(company)
    await until(company, campaign_id, is_made)
    publish(company.world, company.sandbox.machine, share=2)
    react(company.world, company.sandbox.machine)
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    await until(company, campaign_id, is_ended)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert run.status == "cancelled"
    assert publish(company.world, company.sandbox.machine) == 0, "nobody can publish it any more"
    counts = await agree(company)
    assert counts["published"] == batch.sent > 0
    assert counts["stopped"] == batch.stopped > 0
    assert batch.sent + batch.stopped == run.recipients


async def test_what_is_cancelled_while_its_job_runs_is_withdrawn_too(company: Company) -> None:
    await ready(company)
    campaign_id = await begin_posts(company)
    await work(company)
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    await until(company, campaign_id, is_ended)
    (moment,) = company.world.moments
    assert moment.cancelled_at is not None
    assert set(await agree(company)) == {"stopped"}


async def test_what_is_cancelled_before_it_was_asked_for_is_never_asked_for(company: Company) -> None:
    await ready(company)
    fault(company, ADD, "throttle", seconds=600, count=1)
    campaign_id = await begin_posts(company)
    await work(company)
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    await until(company, campaign_id, is_ended)
    (run,), (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (batch.status, batch.stopped, list(company.world.moments)) == ("cancelled", run.recipients, [])


async def test_what_is_not_published_in_time_is_withdrawn(company: Company) -> None:
    await ready(company)
    campaign_id = await begin_posts(company, post(valid_hours=5))
    await until(company, campaign_id, is_made)
    publish(company.world, company.sandbox.machine, share=2)
    await until(company, campaign_id, is_ended, hours=1)
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert run.status == "finished"
    counts = await agree(company)
    assert counts["stopped"] > 0
    assert publish(company.world, company.sandbox.machine) == 0
    told = await company.read(publisher_rows.list_publishers, run.id, 100)
    assert all(each.final_at is not None for each in told)


async def test_a_missing_right_pauses_and_a_person_resumes(company: Company) -> None:
    await ready(company)
    closed = fault(company, ADD, "errcode", errcode=41211)
    campaign_id = await begin_posts(company)
    await until(company, campaign_id, has_status("paused"))
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    assert "41211" in run.error
    company.sandbox.machine.faults.clear(closed.id)
    await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)
    await until(company, campaign_id, is_made)
    assert company.calls(ADD) == 2


async def test_ids_of_files_that_wecom_has_dropped_are_renewed(company: Company) -> None:
    await ready(company)
    kept = await company.bot.db.write(add_media, "a.png", PNG, None, company.bot.clock.now())
    link = {"msgtype": "link", "link": {"title": "新", "url": "https://example.com/", "media": kept["media"]}}
    fault(company, ADD, "errcode", errcode=40007, count=1)
    campaign_id = await begin_posts(company, post(content={"attachments": [link]}))
    await until(company, campaign_id, is_made)
    assert company.calls("media/upload_attachment") == 2
    assert await agree(company)


async def test_a_broadcast_and_a_post_go_side_by_side(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    whom = list(company.world.customers.listed_by(userid))[:3]
    pairs = [{"userid": userid, "external_userid": each} for each in whom]
    campaign_id = await begin_posts(company, {"content": {"text": "您好"}, "audience": {"pairs": pairs}}, post())
    await until(company, campaign_id, is_made)
    runs, _ = await company.read(runs_and_batches, campaign_id)
    assert sorted(run.recipients for run in runs) == [3, len(company.followers)]
    await agree(company)


async def test_observing_no_post_is_made(start: Start) -> None:
    company = await start("observe")
    draft = CampaignDraft.model_validate({"name": "x", "waves": [post()]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    with pytest.raises(ObservingError):
        await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    calendar = calendar_of(company.bot.context.settings)
    await company.bot.db.write(rows.start_campaign, made.id or 0, company.bot.clock.now(), calendar)
    await work(company)
    assert company.calls(ADD) == company.calls("media/upload_attachment") == 0


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
@pytest.mark.slow
async def test_two_copies_make_no_post_twice(start: Start) -> None:
    one = await start()
    await ready(one)
    two = await start(reads=False)
    fault(one, ADD, "lose_answer", probability=0.4, count=3)
    texts = [post(content={"text": f"第{number}条"}) for number in range(5)]
    campaign_id = await begin_posts(one, *texts)
    async with asyncio.timeout(60):
        while True:
            await asyncio.gather(work(one), work(two))
            one.bot.clock.advance(timedelta(seconds=30))
            runs, batches = await one.read(runs_and_batches, campaign_id)
            if len(batches) == len(runs) and is_made(runs, batches):
                break
    publish(one.world, one.sandbox.machine)
    await until(one, campaign_id, is_ended, hours=12)
    assert set(await agree(one)) == {"published"}
    assert len(list(one.world.moments)) == 5


async def test_a_post_that_many_can_see_needs_approval(start: Start, sandbox: Sandbox) -> None:
    company = await start(approval=ApprovalSettings(above=5, approvers=(managers_of(sandbox)[0],)))
    await ready(company)
    ctx = company.bot.context
    draft = CampaignDraft.model_validate({"name": "上新", "waves": [post()]})
    made = await campaigns.make_campaign(ctx, draft, "test")
    with pytest.raises(ApprovalNeededError):
        await campaigns.start_campaign(ctx, made.id or 0, None)
    await approvals.submit(ctx, made.id or 0, "test")
    preview = await moments.preview(ctx, MomentContent(text="x"), Visible())
    told = await company.read(campaigns.read_campaign, made.id)
    assert told.approval.recipients == preview.reach.customers
    decider = Decider(managers_of(sandbox)[0], is_program=False)
    await approvals.decide(ctx, made.id or 0, Decision.APPROVE, decider)
    await campaigns.start_campaign(ctx, made.id or 0, None)
    await until(company, made.id or 0, is_made)
    (run,), _ = await company.read(runs_and_batches, made.id)
    assert run.reach == preview.reach.customers
    assert run.recipients == len(company.followers)


def managers_of(sandbox: Sandbox) -> list[str]:
    """Members who may approve."""
    return [member.userid for member in sandbox.world.directory][:2]
