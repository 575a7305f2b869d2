"""Erasures are finished, what came late is forgotten, and what is old goes."""

from __future__ import annotations

from datetime import timedelta

from bot.context import Context
from bot.erasing import finish_erasures as finish
from bot.erasing import forget_late as forget
from bot.logs import get_logger
from data.db import Database
from data.queries import drafts as draft_rows
from data.queries import imports as import_rows
from data.queries import retention as retention_rows
from scheduler.jobs import Job

log = get_logger("scheduler")

#: Looked at once a day: twice that leaves out nothing.
LATE = timedelta(days=2)
#: What other programs were told is kept so long.
WEBHOOKS_DAYS = 31


def privacy_jobs(inbox: Database) -> tuple[Job, ...]:
    """The jobs that need the inbox's database as well."""

    async def finish_erasures(ctx: Context) -> int:
        """Finish what was begun, also by a command or by a process that died."""
        finished = await finish(ctx.db, inbox, ctx.clock.now())
        if finished:
            log.info("erased", customers=finished)
        return finished

    async def forget_late(ctx: Context) -> int:
        """Take erased customers out of the events of the last two days: a group's name who joins and leaves."""
        changed = await forget(ctx.db, inbox, ctx.clock.now() - LATE)
        if changed:
            log.info("forgot", events=changed)
        return changed

    day = timedelta(days=1).total_seconds()
    return (
        Job("finish_erasures", 60.0, finish_erasures, at_start=True),
        Job("forget_late", day, forget_late, at_start=True),
        Job("purge_old", day, purge_old, at_start=True),
    )


async def purge_old(ctx: Context) -> int:
    """Remove what is older than the settings say, some at a time; how many rows."""
    settings, removed = ctx.settings.privacy, 0
    for name, days in (
        ("alerts", settings.alerts_days),
        ("welcomes", settings.welcomes_days),
        ("touches", settings.touches_days),
        ("clicks", settings.clicks_days),
        ("kf", settings.kf_days),
        ("tasks", settings.journeys_days),
        ("steps", settings.journeys_days),
        ("barred", settings.journeys_days),
        ("webhooks", WEBHOOKS_DAYS),
    ):
        before, after_id = ctx.clock.now() - timedelta(days=days), 0 if days else None
        while after_id is not None:
            count, after_id = await ctx.db.write(retention_rows.purge_window, name, before, after_id)
            removed += count
    now, days = ctx.clock.now(), settings.imports_days
    while await ctx.db.write(import_rows.sweep_rows, now, now - timedelta(days=days) if days else None):
        removed += 1
    if days := settings.knowledge_days:
        while count := await ctx.db.write(draft_rows.purge_knowledge, now - timedelta(days=days)):
            removed += count
    if removed:
        log.info("purged", rows=removed)
    return removed
