"""The calendar: everything that was sent and that will be, by day."""

from __future__ import annotations

import calendar as days
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple

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
#: Entries of a day in a month; the others are on the page of the day.
PER_DAY = 6
#: Entries of a day on its page.
MOST = 500


async def show(ask: Ask) -> web.Response:
    """One month, or all of one day."""
    day = _date(ask.request.query.get("day", ""))
    if day is not None:
        return await _page(ask, day.replace(day=1), day=day)
    return await _page(ask, _month_of(ask, ask.request.query.get("month", "")))


async def _page(ask: Ask, month: date, status: int = 200, *, day: date | None = None, fault: str = "") -> web.Response:
    weeks = days.Calendar().monthdatescalendar(month.year, month.month) if day is None else [[day]]
    shown = await ask.db.read(
        partial(_read, account=ask.account, wanted=[each for week in weeks for each in week], now=ask.now,
                calendar=calendar_of(ask.settings), most=PER_DAY if day is None else MOST)
    )  # fmt: skip
    return ask.show(
        "calendar", status, weeks=weeks, month=month, one=day, shown=shown, words=words, fault=fault,
        today=local_datetime(ask.now, ask.zone).date(), before=f"{month - timedelta(days=1):%Y-%m}",
        after=f"{month + timedelta(days=31):%Y-%m}", time=lambda at: f"{local_datetime(at, ask.zone):%H:%M}",
        typed=lambda at: local_input(ask, at), movable=(RunStatus.DUE, RunStatus.WORDS_DUE),
    )  # fmt: skip


def _month_of(ask: Ask, asked: str) -> date:
    return _date(f"{asked}-01") or local_datetime(ask.now, ask.zone).date().replace(day=1)


def _date(asked: str) -> date | None:
    try:
        found = date.fromisoformat(asked)
    except ValueError:
        return None
    return found if 2000 < found.year < 2099 else None


class Shown(NamedTuple):
    """What the page shows. `mine`: the campaigns on which its reader may act."""

    days: dict[date, calendar_rows.Day]
    mine: set[int]
    load: Load


def _read(session: Session, *, account: Any, wanted: list[date], now: Any, calendar: Calendar, most: int) -> Shown:
    sight = rows.read_sight(session, account)
    found = calendar_rows.read_days(session, sight, wanted, calendar, most)
    mine = rows.list_made(session, sight, {each.campaign_id for day in found.values() for each in day.entries})
    end = day_began(wanted[-1] + timedelta(days=1), calendar.zone)
    return Shown(found, mine, read_load(session, sight.userids, end, now, calendar.zone))


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
