"""Reports: a week or month by department and member, as a page and as a file; who is sent the weekly one."""

from __future__ import annotations

from datetime import date
from functools import partial

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask, number_of
from bot.console.painting import N_
from bot.console.sheets import send_rows
from bot.reports import COLUMNS, head_of, name_of, rows_of, words_of
from data.errors import NotFoundError
from data.models import Role
from data.queries import reports as rows
from data.queries.reports import Report
from data.rules.reports import Kind, Period, last_over, period_of
from data.rules.schedule import local_datetime

KIND_WORDS: dict[Kind, str] = {"week": N_("按周"), "month": N_("按月")}
#: With more members the page shows those of one department at a time.
MEMBERS_SHOWN = 100
ROLE_WORDS = {Role.MANAGER: N_("经理"), Role.ADMIN: N_("管理员")}


async def show(ask: Ask) -> web.Response:
    """The report of a period, of whom one may see."""
    period = _asked_period(ask)
    report = await _read(ask, period)
    chosen = ask.asked_number("department")
    part = report if chosen is None else report.of_department(chosen)
    if chosen is not None and not part.lines:
        raise NotFoundError("没有这个部门，或者它的成员您看不到。", "请从报表里选择部门。")
    today = local_datetime(ask.now, ask.zone).date()
    return ask.show(
        "reports",
        report=report,
        part=part,
        department=chosen,
        period=period,
        following=period.after if period.after.first <= today and period.after != period else None,
        columns=[each for each in COLUMNS if each.is_shown],
        words_of=words_of,
        kinds=KIND_WORDS,
        members=part.lines if chosen is not None or len(part.lines) <= MEMBERS_SHOWN else None,
        readers=await ask.db.read(rows.list_readers) if ask.may("admin") else None,
        roles=ROLE_WORDS,
        sent_at=ask.settings.reports.at,
    )


async def export(ask: Ask) -> web.StreamResponse:
    """The same for a spreadsheet, departments with their members."""
    report = await _read(ask, _asked_period(ask))
    return await send_rows(ask, f"siyu-{name_of(report.period)}", head_of(ask._), rows_of(report, ask._))


async def choose_readers(ask: Ask) -> web.Response:
    """Who is sent the report of the last week every Monday."""
    wanted = [number for each in ask.texts("account") if (number := number_of(each)) is not None]
    choose = partial(rows.choose_readers, account_ids=wanted, by=ask.actor.who, now=ask.now)
    await ask.change("reports.readers", "weekly report", choose, _readers_noted)
    return ask.go("/console/reports", "saved")


def _readers_noted(session: Session) -> dict[str, object]:
    chosen = (each.account for each in rows.list_readers(session) if each.is_chosen)
    return {"readers": [each.name or each.userid for each in chosen]}


async def _read(ask: Ask, period: Period) -> Report:
    return await ask.db.read(_read_visible, ask, period)


def _read_visible(session: Session, ask: Ask, period: Period) -> Report:
    return rows.read_report(session, period, ask.now, ask.zone, ask.visible(session))


def _asked_period(ask: Ask) -> Period:
    """The week or month that the address asks for; without a day, or with none that there is, the last one."""
    asked = ask.request.query
    kind: Kind = "month" if asked.get("kind") == "month" else "week"
    try:
        return period_of(kind, date.fromisoformat(asked.get("day", "")))
    except ValueError:
        return last_over(kind, ask.now, ask.zone)
