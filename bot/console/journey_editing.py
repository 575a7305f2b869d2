"""The journey editor: a new journey, or one that is changed as its next version."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot import journey_edits
from bot.console import journey_words as words
from bot.console.asks import Ask
from bot.console.campaign_acts import by
from bot.console.journey_forms import SPEAKING, Draft, normal, open_segments, press, read_draft, take
from bot.console.journey_questions import (
    ACTIONS,
    DETAILS,
    HAPPENINGS,
    HEAD,
    STEP,
    TRIGGERS,
    Shown,
    show,
)
from bot.console.journey_trials import begin_draft
from bot.console.journey_words import Names
from bot.console.journeys import PATH, step_cards
from bot.console.message_forms import Editor, make_editor
from bot.console.painting import N_
from bot.journey_narrowing import find_mine, narrow, widened
from bot.shipped import list_shipped, read_shipped
from data.errors import ConflictError, NotFoundError
from data.models import JourneyRow
from data.queries import journeys as rows
from data.rules.journeys import CASES_MAX
from data.rules.problems import InvalidRuleError, Problem

#: What the parts of a journey are called on the page.
PARTS = {
    "trigger": N_("开始条件"), "goal": N_("目标"), "audience": N_("面向"),
    **{each.name.partition(".")[0]: each.label for each in HEAD},
}  # fmt: skip
BLANK: Mapping[str, Any] = {"name": "", "trigger": {"on": "added"}, "steps": []}


class Theirs(NamedTuple):
    """What somebody else has saved meanwhile: the newest version, by whom, and which parts are others than before."""

    version: int
    by: str
    at: Any
    parts: list[str]


async def begin_new(ask: Ask) -> web.Response:
    """A new journey, as one that comes with the program or blank; it is kept when it is saved."""
    name = ask.request.query.get("from", "")
    if name and name not in list_shipped("journeys"):
        raise NotFoundError(ask._("没有这个现成的旅程。"), ask._("请从列表里选择。"))
    said = read_shipped("journeys", name, ask.language) if name else BLANK
    draft = Draft(normal({**said, "owner": ask.account.userid}))
    return await _show(ask, draft, await ask.db.read(words.read_choices))


async def make(ask: Ask) -> web.Response:
    """A new journey was saved, or one of the page's buttons was pressed."""
    names = await ask.db.read(words.read_choices)
    draft = await read_draft(ask, names)
    do = ask.text("do", 40)
    if do not in ("save", "simulate"):
        _press(ask, draft, names, do)
        return await _show(ask, draft, names)
    try:
        checked = await _check(ask, draft)
    except InvalidRuleError as error:
        return await _show(ask, draft, names, 400, error.problems)
    if do == "simulate":
        return begin_draft(ask, checked.journey)
    row = await ask.change(
        "journeys.make", f"journey {checked.name}",
        lambda session: journey_edits.make_checked(session, checked, by(ask), ask.now),
    )  # fmt: skip
    return ask.go(f"{PATH}/{row.id}", "made")


async def edit(ask: Ask) -> web.Response:
    """A journey as it says now, to be changed."""
    await ask.db.read(find_mine, ask.account, ask.path_number())
    said = await ask.db.read(journey_edits.export_journey, ask.path_number())
    draft = Draft(normal(widened(ask.account, said)), said["version"])
    return await _show(ask, draft, await ask.db.read(words.read_choices))


async def change(ask: Ask) -> web.Response:
    """It was saved, or one of the page's buttons was pressed."""
    journey_id = ask.path_number()
    await ask.db.read(find_mine, ask.account, journey_id)
    names = await ask.db.read(words.read_choices)
    draft, do = await read_draft(ask, names), ask.text("do", 40)
    if do not in ("save", "over", "simulate"):
        _press(ask, draft, names, do)
        return await _show(ask, draft, names)
    version = ask.number("newest") if do == "over" else draft.version
    try:
        checked = await _check(ask, draft)
        if do == "simulate":
            return begin_draft(ask, checked.journey)
        await ask.change(
            "journeys.change", f"journey {journey_id}",
            lambda session: journey_edits.change_checked(
                session, journey_id, version or 0, checked, ask.actor.who, ask.now
            ),
            partial(journey_edits.export_journey, journey_id=journey_id),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _show(ask, draft, names, 400, error.problems)
    except ConflictError:
        theirs = await ask.db.read(_read_theirs, journey_id, draft.version)
        if theirs is None:
            raise
        return await _show(ask, draft, names, 409, theirs=theirs)
    return ask.go(f"{PATH}/{journey_id}", "saved")


async def _check(ask: Ask, draft: Draft) -> journey_edits.JourneyDraft:
    """What was written, for the customers whom its writer sees. Raises InvalidRuleError."""
    checked = await journey_edits.check_draft(ask.ctx, draft.source)
    return await ask.db.read(narrow, ask.account, checked)


def _press(ask: Ask, draft: Draft, names: Names, do: str) -> None:
    if do.startswith("take:"):
        prefix = do.removeprefix("take:")
        take(draft, prefix, names, ask.number(f"{prefix}.saved"))
    else:
        press(ask, draft, do)


def _read_theirs(session: Session, journey_id: int, version: int) -> Theirs | None:
    row: JourneyRow = rows.get_journey(session, journey_id)
    if row.version == version:
        return None
    newest = rows.get_version(session, journey_id, row.version)
    before = next((each for each in rows.list_versions(session, journey_id) if each.version == version), None)
    parts = list(_differing(before.definition if before is not None else {}, newest.definition))
    return Theirs(row.version, newest.made_by, newest.made_at, parts)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """The parts that are others, steps by their keys."""
    for name in sorted({*before, *after} - {"steps"}):
        if before.get(name) != after.get(name):
            yield name
    old, new = ({each["key"]: each for each in said.get("steps", ())} for said in (before, after))
    yield from sorted(key for key in {*old, *new} if old.get(key) != new.get(key))


class Way(NamedTuple):
    """A case of a branch as it is shown: the prefix of its segment, and where it leads."""

    prefix: str
    go_path: str
    go: str
    problem: str


class Open(NamedTuple):
    """The fields of the step that is open."""

    number: int
    do: str
    questions: list[Shown]
    action: list[Shown]
    details: list[Shown]
    editor: Editor | None
    ways: list[Way]
    otherwise: str
    later: list[str]
    problem: str


async def _show(
    ask: Ask,
    draft: Draft,
    names: Names,
    status: int = 200,
    problems: tuple[Problem, ...] = (),
    theirs: Theirs | None = None,
) -> web.Response:
    said = draft.said
    trigger, goal = str(said["trigger"].get("on", "")), str((said["goal"] or {}).get("on", ""))
    draft.note(problems, _paths(draft, trigger, goal))
    segments = await open_segments(ask, draft)
    for place in draft.places:
        segments[place.prefix].note((each for each in problems if _is_below(each.path, place.path)), place.path)
    fields = partial(show, ask, names=names, problems=draft.problems)
    journey_id = ask.request.match_info.get("id", "")
    return ask.show(
        "journey_edit", status, draft=draft, journey_id=journey_id, does=words.offered(ask), theirs=theirs, named=PARTS,
        action=f"{PATH}/{journey_id}/edit" if journey_id else f"{PATH}/new",
        head=fields(HEAD, said, ""), triggers=TRIGGERS, happenings=HAPPENINGS,
        trigger=trigger, trigger_fields=fields(TRIGGERS[trigger][1], said["trigger"], "trigger") if trigger in TRIGGERS
        else [],
        goal=goal, goal_fields=fields(HAPPENINGS[goal][1], said["goal"], "goal") if goal in HAPPENINGS else [],
        trigger_words=words.happening_words(ask, said["trigger"], names),
        cards=step_cards(ask, draft.steps, names), opened=await _opened(ask, draft, names, problems),
        segments=segments, saved=names.segments, state=json.dumps(said, ensure_ascii=False),
        json=draft.typed_json if draft.typed_json is not None else words.as_json(draft.source),
    )  # fmt: skip


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith((f"{place}.", f"{place}["))


def _paths(draft: Draft, trigger: str, goal: str) -> list[str]:
    """The paths of the fields on the page, beside which a problem can stand."""
    found = [each.name for each in HEAD] + ["trigger", "goal", "audience", "steps"]
    for prefix, of in (("trigger", TRIGGERS.get(trigger)), ("goal", HAPPENINGS.get(goal))):
        found += [f"{prefix}.{each.name}" for each in (of[1] if of else ())]
    for number, step in enumerate(draft.steps):
        prefix, action = f"steps[{number}]", step["action"]
        found += [f"{prefix}.{each.name}" for each in (*STEP, *DETAILS)]
        found += [f"{prefix}.action.{each.name}" for each in ACTIONS[action["do"]]]
        if action["do"] in SPEAKING:
            found.append(f"{prefix}.action.content")
        if action["do"] == "branch":
            found += [f"{prefix}.action.cases[{each}].go" for each in range(CASES_MAX)]
            found.append(f"{prefix}.action.otherwise")
    return found


async def _opened(ask: Ask, draft: Draft, names: Names, problems: tuple[Problem, ...]) -> Open | None:
    number = draft.open
    if number is None:
        return None
    step, prefix = draft.steps[number], f"steps[{number}]"
    action, do = step["action"], step["action"]["do"]
    fields = partial(show, ask, names=names, problems=draft.problems)
    editor = None
    if do in SPEAKING:
        path = f"{prefix}.action.content"
        editor = await make_editor(ask, SPEAKING[do], action["content"], problems, prefix=path)
    return Open(
        number, do, fields(STEP, step, prefix), fields(ACTIONS[do], action, f"{prefix}.action"),
        fields(DETAILS, step, prefix), editor, _ways(ask, draft, number), str(action.get("otherwise") or ""),
        [each["key"] for each in draft.steps[number + 1 :] if each["key"]],
        ask.told([*draft.problems.get(prefix, ()), *draft.problems.get(f"{prefix}.action.otherwise", ())]),
    )  # fmt: skip


def _ways(ask: Ask, draft: Draft, number: int) -> list[Way]:
    path, action = f"steps[{number}].action", draft.steps[number]["action"]
    return [
        Way(f"case{index}", f"{path}.cases[{index}].go", str(case.get("go") or ""),
            ask.told(draft.problems.get(f"{path}.cases[{index}].go", ())))
        for index, case in enumerate(action.get("cases", ()))
    ]  # fmt: skip
