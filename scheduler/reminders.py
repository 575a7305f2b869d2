"""Staff who have not confirmed are reminded, their leaders and the campaign's owner are told."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.delivery import queue_alert
from bot.logs import get_logger
from bot.staff_words import Kept, Named, Value
from bot.wecom.errors import AlreadyDoneError, GoneError, QuotaError, WeComError
from data.models import RunStatus
from data.queries import boards as rows
from data.queries.boards import Happened
from data.rules.schedule import local_datetime

log = get_logger("campaigns")

#: The owner hears of what ended within this time.
TOLD_WITHIN = timedelta(days=1)
NAMES_TOLD = 20
CHUNK = 200
SLUGS = {
    RunStatus.PAUSED: "campaign_paused",
    RunStatus.WORDS_DUE: "campaign_words_due",
    RunStatus.FINISHED: "campaign_finished",
    RunStatus.SKIPPED: "campaign_failed",
    RunStatus.FAILED: "campaign_failed",
}


async def remind_and_tell(ctx: Context) -> int:
    """Remind whom it is time to remind, and tell what is to be told; how many tasks were reminded of."""
    now = ctx.clock.now()
    for each in await ctx.db.read(rows.list_happened, now - TOLD_WITHIN):
        await _tell_owner(ctx, each)
    calendar = calendar_of(ctx.settings)
    if ctx.observes or not calendar.hours.holds(now, calendar.zone):
        return 0
    await _tell_leaders(ctx, now)
    reminded, hours = 0, ctx.settings.campaigns.remind_after_hours
    while due := await ctx.db.read(rows.list_reminders, now, hours, CHUNK):
        for batch_id, msgid in due:
            # Before the call: an answer that is lost costs a reminder, and does not make two.
            await ctx.db.write(rows.note_reminded, batch_id, now)
            try:
                await ctx.wecom.external_contact.remind_groupmsg_send(msgid)
                reminded += 1
            except (QuotaError, AlreadyDoneError, GoneError) as error:
                log.info("not_reminded", batch=batch_id, cause=str(error))
            except WeComError as error:
                # It is noted as reminded of: tomorrow is soon enough.
                log.warning("not_reminded", batch=batch_id, cause=str(error))
                return reminded
    return reminded


async def _tell_leaders(ctx: Context, now: datetime) -> None:
    hours = ctx.settings.campaigns.escalate_after_hours
    if not hours:
        return
    today = local_datetime(now, ctx.settings.zone).date()
    for each in await ctx.db.read(rows.list_unconfirmed, now - timedelta(hours=hours), now):
        names = Named(each.names[:NAMES_TOLD], more=len(each.names) > NAMES_TOLD)
        values: dict[str, Value] = {"campaign_name": each.campaign, "count": len(each.names), "names": names}
        key = f"run:{each.run_id}:{today}"
        await queue_alert(ctx, "campaign_unconfirmed", each.leader, values, dedupe_key=key)


async def _tell_owner(ctx: Context, happened: Happened) -> None:
    run = happened.run
    assert run.id is not None
    sent, recipients = (await ctx.db.read(rows.count_sent, [run.id])).get(run.id, (0, 0))
    values: dict[str, Value] = {
        "campaign_name": happened.campaign,
        "happened_at": run.due_at,
        "cause": Kept(run.error) if run.error else None,
        "sent": sent,
        "recipients": recipients,
    }
    # A run may be paused again, for another reason or for the same.
    why = hashlib.sha256(f"{run.error}{run.paused_at or ''}".encode()).hexdigest()[:8]
    slug = SLUGS[RunStatus(run.status)]
    if run.status == RunStatus.WORDS_DUE:
        values["run_id"] = str(run.id)
    await queue_alert(ctx, slug, happened.owner, values, dedupe_key=f"run:{run.id}:{why}")
