"""What came of channels: by day, by channel, and as CSV."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.painting import N_
from bot.console.sheets import send_rows
from data.queries import channel_days as rows
from data.queries import channel_plans as plan_rows
from data.queries.channel_plans import PlanFilter
from data.rules.schedule import local_datetime

PERIODS = (7, 30, 90, 365)
COLUMNS = {
    "added": N_("添加（好友关系）"), "people": N_("新客户（人）"), "welcomed": N_("已欢迎"), "kept_1": N_("1 天后还在"),
    "kept_7": N_("7 天后还在"), "kept_30": N_("30 天后还在"), "orders": N_("订单"), "amount_fen": N_("金额（元）"),
}  # fmt: skip
CHANNELS_SHOWN = 200


class Asked(NamedTuple):
    """What is to be counted: days, and of which channels (None: all)."""

    days: int
    since: date
    until: date
    plan: Any
    states: Collection[str] | None


def _read_asked(session: Session, ask: Ask) -> Asked:
    days = next((each for each in PERIODS if str(each) == ask.request.query.get("days")), 30)
    until = local_datetime(ask.now, ask.zone).date()
    since = until - timedelta(days=days - 1)
    visible = ask.visible(session)
    if id_ := ask.asked_number("channel"):
        plan = plan_rows.get_plan(session, id_, visible)
        return Asked(days, since, until, plan, [plan.state])
    if visible is None:
        return Asked(days, since, until, None, None)
    theirs = [
        each.state
        for archived in (False, True)
        for each in plan_rows.list_plans(session, PlanFilter(visible, archived=archived))
    ]
    return Asked(days, since, until, None, theirs)


async def show(ask: Ask) -> web.Response:
    """The days, and below them the channels through which most came."""

    def read(session: Session) -> Any:
        asked = _read_asked(session, ask)
        span = (asked.since, asked.until, asked.states)
        channels = [] if asked.plan else rows.list_channels(session, *span)[:CHANNELS_SHOWN]
        days = rows.list_days(session, *span)
        return asked, days, channels, rows.map_names(session), rows.find_counted_at(session)

    asked, days, channels, names, counted_at = await ask.db.read(read)
    total = {name: sum(getattr(each, name) for each in days) for name in rows.NAMES}
    return ask.show(
        "channel_numbers", asked=asked, days=list(reversed(days)), channels=channels, names=names, total=total,
        columns=COLUMNS, periods=PERIODS, counted_at=counted_at, kept=_kept(asked.until), yuan=_yuan,
        query=_query(asked),
    )  # fmt: skip


async def export(ask: Ask) -> web.StreamResponse:
    """Every channel on every day, for a spreadsheet."""

    def read(session: Session) -> Any:
        asked = _read_asked(session, ask)
        return rows.list_cells(session, asked.since, asked.until, asked.states), rows.map_names(session)

    cells, names = await ask.db.read(read)
    head = [ask._(each) for each in (N_("日期"), N_("渠道"), N_("标识（state）"), *COLUMNS.values())]
    lines = [(f"{row.day}", names.get(row.state, ""), row.state, *row[2:-1], _yuan(row[-1])) for row in cells]
    return await send_rows(ask, "siyu-channels", head, lines)


def _query(asked: Asked) -> str:
    return f"&channel={asked.plan.id}" if asked.plan else ""


def _kept(today: date) -> Any:
    """Whether a day is long enough ago to say who is still there so many days later."""
    return lambda day, name: day + timedelta(days=int(name.removeprefix("kept_"))) < today


def _yuan(fen: int) -> str:
    return f"{fen / 100:.2f}"
