"""Moments posts of campaigns: asked for, one call each, and the jobs that make them followed until a post is there.

As with batches (`scheduler/campaigns.py`) the row says `sending` before the call begins. An answer is a job, not yet a
post: the row is `making` until the job tells its moment_id, and `unknown` where that cannot be learnt.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.delivery import forget_uploads
from bot.links import UnusableLinkError
from bot.logs import get_logger
from bot.moments import find_publishers, post_body, visible_of
from bot.wecom.errors import (
    GoneError,
    InvalidMediaError,
    InvalidRequestError,
    UnknownOutcomeError,
    WeComError,
    error_for,
)
from data.models import Batch, PauseRule, Run, RunStatus
from data.queries import batches as batch_rows
from data.queries import campaigns as campaign_rows
from data.queries import moments as rows
from data.queries import runs as run_rows
from data.queries.batches import Waiting
from data.rules.batches import job_pause
from data.rules.messages import MissingMediaError
from data.rules.moments import JOB_SECONDS, MomentContent, in_range
from data.rules.occurrences import next_open
from data.rules.problems import parse
from scheduler.batch_calls import is_refusal, pause, put_back, rest, seconds_left

log = get_logger("campaigns")

ADD = "externalcontact/add_moment_task"
DONE = 3


async def plan_post(ctx: Context, run_id: int) -> RunStatus:
    """Find who is to publish a run's post; how the run stands then: it may have been stopped."""
    run = await ctx.db.read(campaign_rows.get_run, run_id)
    wave = await ctx.db.read(campaign_rows.get_wave, run.wave_id)
    visible = visible_of(wave)
    found = await find_publishers(ctx, visible, run.planned_as_of or ctx.clock.now())
    reach = await ctx.db.read(rows.count_reach, visible, found.userids)
    return await ctx.db.write(rows.plan_post, run_id, found, reach.customers, ctx.clock.now())


async def send_post(ctx: Context, run: Run) -> None:
    """Ask for a run's post, unless it has to rest or somebody stops it."""
    assert run.id is not None
    now = ctx.clock.now()
    calendar = calendar_of(ctx.settings)
    opens = next_open(calendar.hours, now, calendar.zone)
    if opens > now:
        await ctx.db.write(run_rows.rest_run, run.id, opens, run_rows.OUT_OF_HOURS)
        return
    for batch in await ctx.db.read(batch_rows.list_planned, run.id, 0, 1):
        if not await _ask_for(ctx, run, batch):
            return
    status = await ctx.db.write(batch_rows.end_sending, run.id)
    log.info("run_sent", run=run.id, status=status.value)


async def _ask_for(ctx: Context, run: Run, batch: Waiting) -> bool:
    """False: the run rests, or was stopped."""
    wave = await ctx.db.read(campaign_rows.get_wave, run.wave_id)
    campaign = await ctx.db.read(campaign_rows.get_campaign, run.campaign_id)
    content, visible = parse(MomentContent, run.content or wave.content), visible_of(wave)
    try:
        body = await post_body(ctx, content, campaign.name, batch.batch_id)
    except UnusableLinkError as error:
        await pause(ctx, run.id or 0, batch.batch_id, str(error), PauseRule.LINK)
        return False
    except MissingMediaError as error:
        await ctx.db.write(batch_rows.note_refused, batch.batch_id, None, None, str(error), ctx.clock.now())
        return True
    except WeComError as error:
        await rest(ctx, run.id or 0, run.rests, batch.batch_id, error)
        return False
    found = await find_publishers(ctx, visible, ctx.clock.now())
    body = in_range(body, found.asked)
    called_at = ctx.clock.now()
    if not await ctx.db.write(rows.claim_post, batch.batch_id, body, found, called_at):
        return False
    left = seconds_left(ctx, called_at)
    if not left:
        await put_back(ctx, run.id or 0, batch.batch_id, called_at)
        return False
    try:
        answer = await ctx.wecom.within(left).external_contact.add_moment_task(**_parts(body))
    except UnknownOutcomeError as error:
        log.warning("batch_unknown", run=run.id, batch=batch.batch_id, cause=str(error))
        await ctx.db.write(batch_rows.note_unknown, batch.batch_id, called_at, str(error), ctx.clock.now())
        return False
    except WeComError as error:
        return await _refused(ctx, run, batch, called_at, content, error)
    jobid = str(answer.get("jobid") or "")
    if not jobid:
        await ctx.db.write(batch_rows.note_unknown, batch.batch_id, called_at, "WeCom gave no jobid.", ctx.clock.now())
        return False
    if not await ctx.db.write(rows.note_job, batch.batch_id, called_at, jobid, ctx.clock.now()):
        log.error("batch_made_twice", batch=batch.batch_id, run=run.id)
    return True


def _parts(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "text": body["text"]["content"]} if "text" in body else body


async def _refused(
    ctx: Context, run: Run, batch: Waiting, called_at: datetime, content: MomentContent, error: WeComError
) -> bool:
    if isinstance(error, InvalidMediaError):
        # Older than WeCom keeps it, whatever we thought: uploaded again for the next try.
        await forget_uploads(ctx, [key for _, key, _ in content.files], "upload_attachment/1")
    elif is_refusal(error):
        now = ctx.clock.now()
        await ctx.db.write(batch_rows.note_refused, batch.batch_id, called_at, error.errcode, str(error), now)
        return True
    await rest(ctx, run.id or 0, run.rests, batch.batch_id, error, called_at)
    return False


async def read_job(ctx: Context, batch: Batch) -> None:
    """Ask what became of the job that makes a post."""
    assert batch.id is not None
    now = ctx.clock.now()
    age = (now - (batch.called_at or now)).total_seconds()
    try:
        answer = await ctx.wecom.external_contact.get_moment_task_result(batch.jobid or "")
    except (GoneError, InvalidRequestError) as error:
        await ctx.db.write(rows.note_job_lost, batch.id, str(error), now)
        return
    if int(answer.get("status") or 0) != DONE:
        if age > JOB_SECONDS:
            await ctx.db.write(rows.note_job_lost, batch.id, "WeCom's job did not end within its day.", now)
        else:
            await ctx.db.write(batch_rows.put_off, batch.id, now + timedelta(seconds=job_pause(age)))
        return
    result = answer.get("result") or {}
    errcode, moment_id = int(result.get("errcode") or 0), str(result.get("moment_id") or "")
    ignored = _ignored(result)
    if errcode:
        why = str(error_for(ADD, errcode, str(result.get("errmsg") or "")))
        log.warning("batch_refused", batch=batch.id, cause=why)
        await ctx.db.write(rows.note_job_failed, batch.id, errcode, why, ignored, now)
    elif not moment_id:
        await ctx.db.write(rows.note_job_lost, batch.id, "WeCom's job ended and named no post.", now)
    elif not await ctx.db.write(rows.note_post, batch.id, moment_id, ignored, now):
        log.error("batch_made_twice", batch=batch.id, run=batch.run_id)


def _ignored(result: dict[str, Any]) -> dict[str, Any] | None:
    """What WeCom left out of what was asked for, by our names."""
    senders, customers = result.get("invalid_sender_list") or {}, result.get("invalid_external_contact_list") or {}
    told = {
        "userids": [str(each) for each in senders.get("user_list") or ()],
        "department_ids": [int(each) for each in senders.get("department_list") or ()],
        "tag_ids": [str(each) for each in customers.get("tag_list") or ()],
    }
    return {name: named for name, named in told.items() if named} or None
