"""Journeys: the list, one of them with its steps, and what may be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot import journey_edits, journey_moves, journey_narrowing
from bot.console import journey_words as words
from bot.console.asks import Ask
from bot.console.journey_forms import normal
from bot.console.journey_words import Names
from bot.console.painting import N_
from bot.shipped import list_shipped, read_shipped
from data.errors import NotFoundError
from data.models import JourneyRow, JourneyScan, JourneyStatus
from data.models.journey_scans import ScanKind
from data.queries import enrolment_lists, journey_versions, segments
from data.queries import journey_scans as scan_rows
from data.queries import journeys as rows
from data.queries import staff as staff_rows
from data.rules.journey_acts import ACTS, Act
from data.rules.problems import InvalidRuleError
from data.rules.segments import EVERYBODY

PATH = "/console/journeys"
ROWS = 20


class Button(NamedTuple):
    """What may be done with a journey: what the button says, what will happen, and whether it has to be confirmed."""

    act: Act
    text: str
    words: str
    confirm: bool = False


BUTTONS = (
    Button(Act.START, N_("开始"), N_("从现在起，触发条件发生时客户就开始这个旅程；以前发生过的不算。")),
    Button(Act.RESUME, N_("继续"), N_("继续为客户执行，并接着有新客户开始；暂停期间错过的触发不会补。")),
    Button(Act.PAUSE, N_("暂停"), N_("谁也不再收到消息，也没有新客户开始；随时可以继续。")),
    Button(Act.CLOSE, N_("不再接收新客户"), N_("已经在旅程中的客户走完剩下的步骤，没有新客户开始；随时可以继续。")),
    Button(Act.STOP, N_("终止"), N_("对所有人立刻结束，没有发出的任务和群发会撤回。终止后不能再继续。"), confirm=True),
)


async def show_list(ask: Ask) -> web.Response:
    """Journeys, the newest first; with how many are on each, which takes longer with a million of them, in a moment."""
    is_counted = ask.is_htmx or "counted" in ask.request.query

    def read(session: Session) -> tuple[list[JourneyRow], Any, Any, Names]:
        found = rows.list_journeys(session, ROWS + 1, ask.asked_number("before"))
        said = journey_versions.read_kept(session, {(row.id or 0, row.version) for row in found[:ROWS]})
        on = enrolment_lists.count_on(session, [row.id or 0 for row in found[:ROWS]]) if is_counted else None
        return found, said, on, words.read_names(session)

    found, said, on, names = await ask.db.read(read)
    triggers = {
        row.id: words.happening_words(ask, said.get((row.id or 0, row.version), {}).get("trigger", {}), names)
        for row in found[:ROWS]
    }
    older = found[ROWS - 1].id if len(found) > ROWS else None
    return ask.show(
        "journeys", journeys=found[:ROWS], triggers=triggers, on=on, nobody=enrolment_lists.OnIt(), older=older,
        statuses=words.STATUSES, badges=words.BADGES,
    )  # fmt: skip


async def show_shipped(ask: Ask) -> web.Response:
    """What a new journey may begin with."""
    names = await ask.db.read(words.read_names)
    found = {name: read_shipped("journeys", name, ask.language) for name in list_shipped("journeys")}
    told = [
        (name, said["name"], words.happening_words(ask, said["trigger"], names), len(said["steps"]))
        for name, said in found.items()
    ]
    return ask.show("journeys_shipped", shipped=told)


async def show_one(ask: Ask) -> web.Response:
    """One journey: what begins it, its steps, and what may be done with it."""
    return await _one(ask)


async def act(ask: Ask) -> web.Response:
    """Start, pause, resume, close or stop it."""
    journey_id = ask.path_number()
    await ask.db.read(journey_narrowing.find_mine, ask.account, journey_id)
    try:
        wanted = Act(ask.text("act"))
    except ValueError:
        raise NotFoundError(ask._("没有这个操作。"), ask._("请重新打开页面。")) from None
    try:
        if wanted in (Act.START, Act.RESUME):
            await ask.db.read(journey_narrowing.refuse_wider, ask.account, journey_id)
        await journey_edits.check_act(ask.ctx, journey_id, wanted)
    except InvalidRuleError as error:
        return await _one(ask, 400, [f"{each.path}{ask._('：')}{ask.told(each)}" for each in error.problems])
    await ask.change(
        f"journeys.{wanted.value}", f"journey {journey_id}",
        lambda session: rows.act_on(session, journey_id, wanted, ask.actor.who, ask.now), partial(_look, journey_id),
    )  # fmt: skip
    if wanted is Act.STOP:
        await journey_edits.end_for_all(ask.ctx, journey_id)
    return ask.go(f"{PATH}/{journey_id}", "saved")


async def show_existing(ask: Ask) -> web.Response:
    """How many of the customers there are already would begin it; how far that is, where somebody asked for it."""
    journey_id = ask.path_number()

    def read(session: Session) -> tuple[JourneyRow, int | None, JourneyScan | None]:
        row = journey_narrowing.find_mine(session, ask.account, journey_id)
        scan = scan_rows.find_scan(session, journey_id, ScanKind.EXISTING)
        return row, None if ask.is_htmx else _count(session, ask, row), scan

    row, counted, scan = await ask.db.read(read)
    return ask.show("journey_existing", journey=row, counted=counted, scan=scan)


async def ask_existing(ask: Ask) -> web.Response:
    """It begins for everybody in its audience."""
    journey_id = ask.path_number()

    def check(session: Session) -> None:
        row = journey_narrowing.find_mine(session, ask.account, journey_id)
        journey_narrowing.refuse_wider(session, ask.account, journey_id)
        if not ask.may("admin"):
            journey_narrowing.refuse_many(ask.account, _count(session, ask, row), ask.settings.approval)

    await ask.db.read(check)
    await ask.change(
        "journeys.existing", f"journey {journey_id}",
        lambda session: scan_rows.ask_existing(session, journey_id, ask.now),
    )  # fmt: skip
    return ask.go(f"{PATH}/{journey_id}/existing", "started")


def _count(session: Session, ask: Ask, row: JourneyRow) -> int:
    """The customers whom it is for now."""
    audience = rows.read_definition(session, row.id or 0, row.version).audience or EVERYBODY
    return segments.count(session, audience, ask.now, ask.zone, customers=True)


async def show_move(ask: Ask) -> web.Response:
    """Who is on older versions, and where each would go on."""
    await ask.db.read(journey_narrowing.find_mine, ask.account, ask.path_number())
    return await _move(ask)


async def move(ask: Ask) -> web.Response:
    """Those go on with the newest version."""
    journey_id = ask.path_number()
    await ask.db.read(journey_narrowing.find_mine, ask.account, journey_id)
    await ask.db.read(journey_narrowing.refuse_wider, ask.account, journey_id)
    steps = {name.removeprefix("to."): ask.text(name, 40) for name in ask.form if name.startswith("to.")}
    try:
        done = await journey_moves.move_journey(
            ask.ctx, journey_id, {key: to for key, to in steps.items() if to}, dry_run=False
        )
    except InvalidRuleError as error:
        return await _move(ask, 400, ask.told(error))
    await ask.note("journeys.move", f"journey {journey_id}", {"version": done["version"], "moved": done["customers"]})
    return ask.go(f"{PATH}/{journey_id}", "moved")


async def _move(ask: Ask, status: int = 200, fault: str = "") -> web.Response:
    journey_id = ask.path_number()
    told = await journey_moves.move_journey(ask.ctx, journey_id, {}, dry_run=True)
    row = await ask.db.read(rows.get_journey, journey_id)
    said = await ask.db.read(rows.read_definition, journey_id, row.version)
    keys = [step.key for step in said.steps]
    return ask.show("journey_move", status, journey=row, told=told, keys=keys, fault=fault, typed=ask.form)


async def _one(ask: Ask, status: int = 200, faults: list[str] | None = None) -> web.Response:
    journey_id = ask.path_number()

    def read(session: Session) -> tuple[JourneyRow, dict[str, Any], enrolment_lists.OnIt, bool, Names, str]:
        row = rows.get_journey(session, journey_id)
        on = enrolment_lists.count_on(session, [journey_id]).get(journey_id, enrolment_lists.OnIt())
        is_behind = enrolment_lists.has_older(session, journey_id, row.version)
        # As it is kept, whether this program understands it or not.
        said = normal(rows.get_version(session, journey_id, row.version).definition)
        departments = {each.id: each.name for each in staff_rows.list_departments(session)}
        through = words.members_words(ask, said.get("members"), departments)
        return row, said, on, is_behind, words.read_names(session), through

    row, said, on, is_behind, names, through = await ask.db.read(read)
    mine = journey_narrowing.may_change(ask.account, row)
    buttons = [each for each in BUTTONS if mine and JourneyStatus(row.status) in ACTS[each.act]]
    return ask.show(
        "journey", status, journey=row, told=said, on=on, is_behind=is_behind, buttons=buttons, faults=faults or [],
        mine=mine, through=through,
        statuses=words.STATUSES, badges=words.BADGES, steps=step_cards(ask, said["steps"], names),
        trigger=words.happening_words(ask, said["trigger"], names),
        audience=words.segment_words(ask, said.get("audience"), names),
        goal=words.happening_words(ask, said["goal"], names) if said.get("goal") else "",
        stops=[words.happening_words(ask, each, names) for each in said.get("stops") or ()],
        json=words.as_json(said),
    )  # fmt: skip


class Card(NamedTuple):
    """A step in words."""

    key: str
    do: str
    when: str
    what: str
    only_if: str
    text: str
    hint: str
    attachments: int
    ways: list[str]


def step_cards(ask: Ask, steps: Sequence[Mapping[str, Any]], names: Names) -> list[Card]:
    """Steps in words."""
    found = []
    for number, step in enumerate(steps):
        action, content = step["action"], step["action"].get("content") or {}
        found.append(
            Card(
                str(step.get("key", "")),
                str(action.get("do", "")),
                words.when_words(ask, step["when"], is_first=number == 0),
                words.action_words(ask, action, names),
                words.segment_words(ask, step["only_if"], names) if step.get("only_if") else "",
                str(content.get("text", "") or (action.get("text", "") if action.get("do") == "kf" else "")),
                str(action.get("hint", "")),
                len(content.get("attachments") or ()),
                words.branch_words(ask, action, names) if action.get("do") == "branch" else [],
            )
        )
    return found


def _look(journey_id: int, session: Session) -> dict[str, Any]:
    row = rows.get_journey(session, journey_id)
    return {"status": row.status, "version": row.version}
