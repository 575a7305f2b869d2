"""A journey tried out: who would get what over some days, how many tasks a day, and what would hold it back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console import journey_words as words
from bot.console.asks import Ask
from bot.console.painting import N_
from bot.console.trials import Trial
from bot.journey_simulations import DAYS_MAX, PER_DAY_MAX, Simulate, simulate
from data.errors import NotFoundError
from data.models import JourneyRow
from data.queries import customer_names
from data.queries import journeys as rows
from data.rules.journeys import Journey
from data.rules.problems import Problem

PATH = "/console/journeys"
#: Customers of a day, of one that is begun by what happens, where nobody has said how many.
PER_DAY = 10
LEFT_OUT = {"lost": N_("已不是任何员工的联系人"), "opted_out": N_("不希望收到消息")}
OTHERS = {"begins": N_("开始"), "barred": N_("不能重新开始"), "": N_("继续")}


async def show_form(ask: Ask) -> web.Response:
    """What is to be assumed."""
    return await _form(ask)


async def start(ask: Ask) -> web.Response:
    """Try out the journey as it is kept."""
    journey_id = ask.path_number()
    days, per_day = ask.number("days"), ask.number("per_day") if ask.text("per_day") else 0
    problems = []
    if days is None or not 1 <= days <= DAYS_MAX:
        problems.append(Problem("days", ask._("填写 1 到 %(most)s 之间的天数。", most=DAYS_MAX)))
    if per_day is None or per_day > PER_DAY_MAX:
        problems.append(Problem("per_day", ask._("填写 0 到 %(most)s 之间的人数。", most=PER_DAY_MAX)))
    if problems:
        return await _form(ask, 400, {each.path: each.message for each in problems})
    row = await ask.db.read(rows.get_journey, journey_id)
    wanted = Simulate(
        journey_id=journey_id, days=days or 1, existing=ask.text("existing") == "yes", per_day=per_day or 0
    )
    return begin(ask, wanted, row.name)


def begin(ask: Ask, wanted: Simulate, name: str) -> web.Response:
    """Try something out, and show how far it is."""
    trial = Trial(wanted.journey_id, name)
    ask.parts.trials.start(ask.reader.account.id or 0, trial, partial(simulate, ask.ctx, wanted))
    return ask.go(f"{PATH}/trials/{trial.key}")


def begin_draft(ask: Ask, journey: Journey) -> web.Response:
    """Try out what is being written, with nobody on it."""
    return begin(ask, Simulate(journey=journey, per_day=PER_DAY), journey.name)


async def show_trial(ask: Ask) -> web.Response:
    """How far it is, or what would happen."""
    trial = ask.parts.trials.find(ask.reader.account.id or 0, ask.request.match_info["key"])
    if trial is None:
        raise NotFoundError(ask._("没有这次试算。"), ask._("试算只保留最近一次，请重新开始。"))
    if ask.is_htmx and trial.is_over:
        return ask.go(ask.request.path)
    # As it is now: it may be over before the names have been read.
    told, fault = trial.told, trial.fault

    def read(session: Session) -> tuple[frozenset[str] | None, Mapping[str, str], Mapping[str, str]]:
        visible = ask.visible(session)
        found = told or {"sample": [], "staff": {"fullest": []}}
        customers = [each["external_userid"] for each in found["sample"]]
        userids = {each["userid"] for each in [*found["sample"], *found["staff"]["fullest"]]}
        return (
            visible,
            customer_names.map_visible(session, customers, visible),
            customer_names.map_staff(session, userids),
        )

    visible, customers, staff = await ask.db.read(read)
    return ask.show(
        "journey_trial", trial=trial, told=told, fault=fault, customers=customers, staff=staff, does=words.DOES,
        outcomes=words.OUTCOMES, left_out=LEFT_OUT, others=OTHERS,
        loads=[each for each in told["staff"]["fullest"] if visible is None or each["userid"] in visible]
        if told else [],
    )  # fmt: skip


async def _form(ask: Ask, status: int = 200, problems: Mapping[str, str] | None = None) -> web.Response:
    row: JourneyRow = await ask.db.read(rows.get_journey, ask.path_number())
    typed: Mapping[str, Any] = ask.form if status != 200 else {"days": "30", "per_day": str(PER_DAY), "existing": ""}
    return ask.show("journey_trial_form", status, journey=row, typed=typed, problems=problems or {})
