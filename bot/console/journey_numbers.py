"""A journey in numbers, and who is in which step of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlmodel import Session

from bot.console import journey_words as words
from bot.console.asks import Ask
from bot.console.painting import N_
from bot.console.sheets import send_rows
from bot.journey_narrowing import find_mine, may_change
from bot.journey_statistics import read_statistics
from data.models import Account, EndReason, Enrolment, JourneyRow, StepOutcome
from data.queries import accounts, customer_names
from data.queries import enrolment_lists as rows
from data.queries import journeys as journey_rows
from data.queries.customer_pages import require_visible
from data.queries.enrolment_lists import EnrolmentFilter
from data.rules.journey_moves import key_of

PATH = "/console/journeys"
ROWS = 50
COLUMNS = {
    "waiting": N_("在等这一步"), "reached": N_("到过"), "done": N_("做了"), "sent": N_("客户收到"),
    "held_back": N_("没有做"), "converted": N_("之后达成目标"),
}  # fmt: skip
#: How `read_statistics` calls those whom it compares.
GROUPS = (N_("参加旅程"), N_("对照组"))
STATES: Mapping[str, str] = {
    "running": N_("正在进行"), "": N_("全部"), "ended": N_("已经结束"),
    **words.ENDS,
}  # fmt: skip


async def show_statistics(ask: Ask) -> web.Response:
    """Who was on it, what became of each step, and what that brought."""
    told = await read_statistics(ask.db, ask.path_number())
    return ask.show(
        "journey_statistics", told=told, columns=COLUMNS, does=words.DOES, held=_held_back,
        ends=words.ENDS, outcomes=words.OUTCOMES,
    )  # fmt: skip


async def export(ask: Ask) -> web.StreamResponse:
    """The steps of all versions, for a spreadsheet."""
    told = await read_statistics(ask.db, ask.path_number())
    head = [ask._(each) for each in (N_("版本"), N_("步骤"), N_("做什么"), *COLUMNS.values())]
    reasons = [each for each in StepOutcome if each not in (StepOutcome.DONE, StepOutcome.MOVED)]
    does = {do: ask._(text) for do, text in words.DOES.items()}
    lines = [
        (
            version["version"], step["step"], does[step["does"]],
            *(_held_back(step) if name == "held_back" else step[name] for name in COLUMNS),
            *(step["held_back"].get(each.value, 0) for each in reasons),
        )
        for version in told["versions"]
        for step in version["steps"]
    ]  # fmt: skip
    head += [ask._(words.OUTCOMES[each]) for each in reasons]
    return await send_rows(ask, f"siyu-journey-{told['journey_id']}", head, lines)


def _held_back(step: Mapping[str, Any]) -> int:
    return sum(step["held_back"].values())


async def show_people(ask: Ask) -> web.Response:
    """Who is on it, of whom the reader may see, the newest first."""
    journey_id, query = ask.path_number(), ask.request.query
    status = query.get("status", "running")
    status, step = (status if status in STATES else "running"), query.get("step", "")[:40]

    def read(session: Session) -> dict[str, Any]:
        row: JourneyRow = journey_rows.get_journey(session, journey_id)
        said = journey_rows.read_definitions(session, journey_id)
        steps = None
        if step:
            places = ((version, journey.places.get(step)) for version, journey in said.items())
            steps = frozenset((version, number) for version, number in places if number is not None)
        wanted = EnrolmentFilter(
            None if steps is not None or status not in ("running", "ended") else status == "running",
            EndReason(status) if steps is None and status not in ("", "running", "ended") else None,
            steps,
        )
        visible = ask.visible(session)
        found: list[Enrolment] = rows.list_enrolments(
            session, journey_id, wanted, ROWS + 1, ask.asked_number("before"), visible
        )
        shown = found[:ROWS]
        return {
            "journey": row,
            "people": [(each, key_of(said[each.version], each.step)) for each in shown],
            "older": shown[-1].id if len(found) > ROWS else None,
            "keys": list(dict.fromkeys(key for _, journey in sorted(said.items()) for key in journey.places)),
            "customers": customer_names.map_visible(session, [each.external_userid for each in shown], visible),
            "staff": customer_names.map_staff(session, {each.userid for each in shown if each.userid}),
        }

    found = await ask.db.read(read)
    kept = {"status": status, "step": step}
    further = urlencode({**{key: value for key, value in kept.items() if value}, "before": found["older"] or ""})
    return ask.show(
        "journey_people", **found, mine=may_change(ask.account, found["journey"]), states=STATES, state=status,
        step=step, further=further, ends=words.ENDS,
    )  # fmt: skip


def _find_mine(session: Session, account: Account, enrolment_id: int) -> Enrolment:
    """Somebody on a journey that one may change, if one sees them. Raises NotFoundError, ConflictError."""
    found: Enrolment = rows.get_enrolment(session, enrolment_id)
    find_mine(session, account, found.journey_id)
    require_visible(session, found.external_userid, accounts.list_visible(session, account))
    return found


async def withdraw(ask: Ask) -> web.Response:
    """A customer is taken off it."""
    journey_id, enrolment_id = ask.path_number(), ask.path_number("enrolment")
    found = await ask.db.read(_find_mine, ask.account, enrolment_id)
    await ask.change(
        "journeys.withdraw", f"journey {journey_id}",
        lambda session: rows.withdraw(session, enrolment_id, ask.now), external_userid=found.external_userid,
    )  # fmt: skip
    return ask.go(f"{PATH}/{found.journey_id}/people", "saved")
