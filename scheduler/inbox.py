"""Upkeep of the inbox: old events go, gauges are set."""

from __future__ import annotations

from datetime import timedelta

from bot.context import Context
from bot.inbox import Inbox
from bot.logs import get_logger
from data.queries import events as event_rows
from scheduler.jobs import Job

log = get_logger("scheduler")


def inbox_jobs(inbox: Inbox) -> tuple[Job, ...]:
    """The inbox's jobs, bound to it."""

    async def purge_inbox(ctx: Context) -> int:
        """Remove handled events beyond the retention, some at a time so that callbacks keep being stored."""
        before = ctx.clock.now() - timedelta(days=ctx.settings.inbox.retention_days)
        removed = 0
        while count := await inbox.db.write(event_rows.purge_events, before):
            removed += count
        if removed:
            log.info("purged", events=removed)
        return removed

    async def measure_inbox(_ctx: Context) -> None:
        await inbox.measure()

    return (
        Job("purge_inbox", timedelta(hours=6).total_seconds(), purge_inbox, at_start=True),
        Job("measure_inbox", 15.0, measure_inbox, alone=False),
    )
