"""The calendar: everything that was sent and that will be, by day."""

from __future__ import annotations

import calendar as days
from datetime import date, timedelta
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.cards import end_requests
from bot.console import campaign_words as words
from bot.console.asks import Ask
from bot.console.campaign_acts import local_input, parse_local
from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Run, RunStatus
from data.queries import campaign_calendar as calendar_rows
from data.queries import campaign_views as rows
from data.queries.campaign_edits import lock_campaign
from data.queries.journey_loads import Load, read_load
from data.rules.problems import InvalidRuleError
from data.rules.schedule import day_began, local_datetime
from data.rules.timings import Calendar

PATH = "/console/calendar"


async def show(ask: Ask) -> web.Response:
    """One month."""
    return await _page(ask, _month_of(ask, ask.request.query.get("month", "")))


async def _page(ask: Ask, month: date, status: int = 200, *, fault: str = "") -> web.Response:
    weeks = days.Calendar().monthdatescalendar(month.year, month.month)
    first, last = weeks[0][0], weeks[-1][-1]
    entries, load = await ask.db.read(
        partial(_read, account=ask.account, begin=day_began(first, ask.zone),
                end=day_began(last + timedelta(days=1), ask.zone), now=ask.now, calendar=calendar_of(ask.settings))
    )  # fmt: skip
    by_day: dict[date, list[Any]] = {}
    for each in entries:
        by_day.setdefault(local_datetime(each.at, ask.zone).date(), []).append(each)
    return ask.show(
        "calendar", status, weeks=weeks, month=month, by_day=by_day, load=load, words=words, fault=fault,
        today=local_datetime(ask.now, ask.zone).date(), before=f"{month - timedelta(days=1):%Y-%m}",
        after=f"{month + timedelta(days=31):%Y-%m}", time=lambda at: f"{local_datetime(at, ask.zone):%H:%M}",
        typed=lambda at: local_input(ask, at), movable=(RunStatus.DUE, RunStatus.WORDS_DUE),
    )  # fmt: skip


def _month_of(ask: Ask, asked: str) -> date:
    try:
        found = date.fromisoformat(f"{asked}-01")
        return found if 2000 < found.year < 2099 else local_datetime(ask.now, ask.zone).date().replace(day=1)
    except ValueError:
        return local_datetime(ask.now, ask.zone).date().replace(day=1)


def _read(
    session: Session, *, account: Any, begin: Any, end: Any, now: Any, calendar: Calendar
) -> tuple[list[Any], Load]:
    sight = rows.read_sight(session, account)
    found = calendar_rows.list_entries(session, sight, begin, end, now, calendar)
    whole = {each.campaign_id for each in found}
    mine = rows.list_made(session, sight, whole)
    load = read_load(session, sight.userids, end, now, calendar.zone)
    return [_Shown(each, is_mine=each.campaign_id in mine) for each in found], load


class _Shown:
    """An entry, and whether its reader may move it."""

    def __init__(self, entry: calendar_rows.Entry, *, is_mine: bool) -> None:
        self.entry, self.at, self.is_mine = entry, entry.at, is_mine and entry.journey_id is None
        self.campaign_id = entry.campaign_id


async def move(ask: Ask) -> web.Response:
    """A sending begins at another time."""
    run_id = ask.path_number()
    campaign_id, due_at = await ask.db.read(_find, ask.account, run_id)
    month = local_datetime(due_at, ask.zone).date().replace(day=1)
    try:
        at = parse_local(ask, ask.text("at", 30))
        if at is None:
            raise ConflictError(Phrase("请填写时间。"), "")
        await ask.change(
            "campaigns.move", f"run {run_id}",
            partial(_move, ctx=ask.ctx, campaign_id=campaign_id, run_id=run_id, at=at), partial(_look, run_id),
        )  # fmt: skip
    except ConflictError as error:
        return await _page(ask, month, 409, fault=ask.told(error))
    except InvalidRuleError as error:
        return await _page(ask, month, 400, fault=ask.told(error))
    return ask.go(PATH, "saved", month=f"{local_datetime(at, ask.zone):%Y-%m}")


def _find(session: Session, account: Any, run_id: int) -> tuple[int, Any]:
    sight = rows.read_sight(session, account)
    campaign, _, run = rows.campaign_of_run(session, sight, run_id)
    if not sight.made(campaign) or campaign.journey_id is not None:
        raise ConflictError(Phrase("您不能修改这个计划的时间。"), Phrase("请联系创建人或管理员。"))
    return campaign.id or 0, run.due_at


def _move(session: Session, *, ctx: Any, campaign_id: int, run_id: int, at: Any) -> Run:
    lock_campaign(session, campaign_id)
    now = ctx.clock.now()
    run = calendar_rows.move_run(session, run_id, at, now, calendar_of(ctx.settings))
    end_requests(session, campaign_id, "changed", now)
    return run


def _look(run_id: int, session: Session) -> dict[str, Any]:
    return {"due_at": session.get_one(Run, run_id).due_at.isoformat()}
