"""`/reports`: a week or month by department and member."""

from __future__ import annotations

from datetime import date

from aiohttp import web
from pydantic import Field

from bot.api.answers import answer, read_query
from bot.api.described import described
from bot.api.service import Api
from bot.reports import report_to_json
from data.queries import reports as rows
from data.rules.problems import RuleModel
from data.rules.reports import FIRST_DAY, LAST_DAY, Kind, last_over, period_of


class ReportQuery(RuleModel):
    """The week or month that `day` is in; without it the last one that is over."""

    kind: Kind = "week"
    day: date | None = Field(default=None, ge=FIRST_DAY, le=LAST_DAY)


class FiguresTold(RuleModel):
    """What was counted. `added` relations began, by which `people` became customers; customers ended `left`; `net` is
    the difference of relations.

    `reached`: how often a group-send arrived. `amount_fen`: hundredths of a yuan of orders paid and kept. From `chats`
    on the figures are WeCom's; `reply_percent` and `reply_minutes` are weighted by chats. Null: there was nothing to
    divide by.
    """

    added: int
    people: int
    left: int
    net: int
    welcomed: int
    missed: int
    welcome_percent: float | None
    tasks: int
    confirmed: int
    confirmed_percent: float | None
    reached: int
    done: int
    orders: int
    amount_fen: int
    chats: int
    messages: int
    reply_percent: float | None
    reply_minutes: float | None
    deletions: int
    group_messages: int
    group_members: int


class BothTold(RuleModel):
    """Figures of the period, and of the one before."""

    now: FiguresTold
    before: FiguresTold


class DepartmentTold(BothTold):
    """A department's members together; `department_id` 0: those of whom none is known."""

    department_id: int
    department: str


class MemberTold(DepartmentTold):
    """A member, in their main department; without a `userid` nobody knows whose it is."""

    userid: str
    name: str


class DaysTold(RuleModel):
    """From one day to another, which belongs to it."""

    first: date
    last: date


class ReportTold(DaysTold):
    """A report. While it is not `is_over`, as much of the period before counts as has been of this one. `told_until`:
    the last of its days of which WeCom's figures are here."""

    kind: Kind
    is_over: bool
    before: DaysTold
    told_until: date | None
    total: BothTold
    departments: list[DepartmentTold]
    members: list[MemberTold]


@described(ReportTold, query=ReportQuery)
async def get_report(api: Api, request: web.Request) -> web.Response:
    query = read_query(ReportQuery, request)
    now, zone = api.clock.now(), api.context.settings.zone
    period = period_of(query.kind, query.day) if query.day else last_over(query.kind, now, zone)
    report = await api.db.read(rows.read_report, period, now, zone)
    return answer(ReportTold.model_validate(report_to_json(report)))
