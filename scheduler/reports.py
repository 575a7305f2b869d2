"""The weekly report: every Monday it goes to whom an admin has chosen, to each what they may see, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import time

from sqlmodel import Session

from bot.catalogs import translations
from bot.context import Context
from bot.delivery import add_file, add_words
from bot.logs import get_logger
from bot.reports import SLUG, name_of, to_xlsx, weekly_words
from bot.staff_words import language_of
from bot.wecom.errors import WeComError
from data.queries import alerts as alert_rows
from data.queries import reports as rows
from data.queries.reports import Report
from data.rules.reports import Period, due_week

log = get_logger("reports")


async def send_reports(ctx: Context) -> int:
    """Send the last week's to whoever was not sent it yet; how many were.

    That they were is the message's own row, so that replicas and crashes tell nobody twice.
    """
    at, now = ctx.settings.reports.at, ctx.clock.now()
    week = due_week(time.fromisoformat(at), now, ctx.settings.zone) if at and not ctx.observes else None
    if week is None:
        return 0
    chosen = await ctx.db.read(rows.list_chosen)
    told = await ctx.db.read(alert_rows.list_told, SLUG, _key(week), list(chosen))
    sent = 0
    for userid, visible in sorted(chosen.items()):
        if userid not in told:
            sent += await _send(ctx, week, userid, visible)
    if sent:
        log.info("sent", members=sent, week=str(week.first))
    return sent


async def _send(ctx: Context, week: Period, userid: str, visible: Collection[str] | None) -> bool:
    report = await ctx.db.read(rows.read_report, week, ctx.clock.now(), ctx.settings.zone, visible)
    language = await ctx.db.read(language_of, ctx, userid)
    media_id = await _upload(ctx, report, language)
    return await ctx.db.write(_tell, ctx, userid, report, media_id, language)


async def _upload(ctx: Context, report: Report, language: str) -> str:
    """WeCom's id of the report as a workbook. Empty where WeCom takes none now: the text has an address."""
    content = await asyncio.to_thread(to_xlsx, report, translations(language).gettext)
    try:
        answer = await ctx.wecom.media.upload("file", content, f"{name_of(report.period)}.xlsx")
    except WeComError as error:
        log.warning("not_uploaded", cause=str(error))
        return ""
    return str(answer["media_id"])


def _tell(session: Session, ctx: Context, userid: str, report: Report, media_id: str, language: str) -> bool:
    key = _key(report.period)
    # Whoever is no reader any more, or sees less since, is asked for anew the next time.
    sent = add_words(session, ctx, SLUG, userid, weekly_words(ctx, report, language), dedupe_key=key)
    if sent and media_id:
        add_file(session, ctx, SLUG, userid, media_id, f"{name_of(report.period)}.xlsx", dedupe_key=key)
    return sent


def _key(week: Period) -> str:
    return f"report:{week.first}"
