"""A journey as it is being edited: all of it in one form, of which one step is open at a time.

What is not in a field of the page goes along with it as JSON (`state`) and comes back unchanged, so what the page has
no field for is kept. The buttons of the page (`do`) work without scripts: each shows it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.journey_questions import (
    ACTIONS,
    DETAILS,
    HAPPENINGS,
    HEAD,
    STEP,
    TRIGGERS,
    put,
    read,
)
from bot.console.journey_words import DOES, Names
from bot.console.message_forms import read_message
from bot.console.segment_forms import OTHER, Fields, Row, check, fill, read_fields
from bot.errors import SiyuError
from bot.phrases import Phrase
from data.queries.segment_choices import read_choices
from data.rules.journeys import CASES_MAX, STEPS_MAX
from data.rules.problems import Problem

#: What a step of each kind begins with.
_FRESH: Mapping[str, dict[str, Any]] = {
    "task": {"do": "task", "content": {"text": ""}},
    "broadcast": {"do": "broadcast", "content": {"text": ""}},
    "branch": {"do": "branch", "cases": []},
}
SPEAKING = {"task": "personal", "broadcast": "broadcast"}
_STEP = re.compile(r"steps\[([0-9]{1,3})\]", re.ASCII)


class Place(NamedTuple):
    """Where a segment stands that is edited on the page: the prefix of its fields, its path in the journey, and what it
    is a value of."""

    prefix: str
    path: str
    within: dict[str, Any]
    key: str


@dataclass
class Draft:
    """`version`: that was read; 0 of a new one. `open`: the step whose fields are on the page. `problems`: by the path
    of the field beside which they stand, `others`: beside none. `segments`: as they were typed, by their prefixes, each
    with what it is a value of."""

    said: dict[str, Any]
    version: int = 0
    open: int | None = None
    problems: dict[str, list[str]] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    typed_json: str | None = None
    segments: dict[str, tuple[dict[str, Any], Fields]] = field(default_factory=dict)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Its steps; each has a `when` and an `action`."""
        steps: list[dict[str, Any]] = self.said["steps"]
        return steps

    @property
    def source(self) -> dict[str, Any]:
        """What is to be checked and kept."""
        return {name: value for name, value in self.said.items() if name != "version"}

    @property
    def places(self) -> list[Place]:
        """The segments that are edited on the page."""
        found = [Place("audience", "audience", self.said, "audience")]
        if self.said["trigger"].get("on") == "segment":
            found.append(Place("trigger_segment", "trigger.segment", self.said["trigger"], "segment"))
        if self.open is not None:
            step, path = self.steps[self.open], f"steps[{self.open}]"
            found.append(Place("only_if", f"{path}.only_if", step, "only_if"))
            if step["action"]["do"] == "branch":
                found += [
                    Place(f"case{number}", f"{path}.action.cases[{number}].segment", case, "segment")
                    for number, case in enumerate(step["action"]["cases"])
                ]
        return found

    def note(self, problems: Iterable[Problem], paths: Iterable[str]) -> None:
        """Say what is wrong beside its field; the first step in which something is wrong is opened."""
        known = sorted(paths, key=len, reverse=True)
        for each in problems:
            near = (path for path in known if each.path == path or each.path.startswith((f"{path}.", f"{path}[")))
            step = _STEP.match(each.path)
            path = next(near, f"steps[{step[1]}]" if step else "")
            if path:
                self.problems.setdefault(path, []).append(each.message)
            else:
                self.others.append(
                    Phrase("%(path)s：%(fault)s", path=each.path, fault=each.message) if each.path else each.message
                )
        faulty = self.faulty
        if faulty and self.open not in faulty:
            self.open = min(faulty)

    @property
    def faulty(self) -> set[int]:
        """The steps in which something is wrong."""
        return {int(found[1]) for path in self.problems if (found := _STEP.match(path))}


class BrokenStateError(SiyuError):
    """What goes along with the page cannot be read: it was not made by it."""


def normal(said: Mapping[str, Any]) -> dict[str, Any]:
    """A journey with everything in the places where the page looks for it, right or not."""
    steps = said.get("steps")
    return {
        **said,
        "trigger": _object(said.get("trigger")),
        "goal": _object(said.get("goal")) or None,
        "steps": [_step(each) for each in steps[:STEPS_MAX]] if isinstance(steps, list) else [],
    }


def _object(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _step(source: Any) -> dict[str, Any]:
    step = _object(source)
    action = _object(step.get("action"))
    action["do"] = action["do"] if action.get("do") in DOES else "wait"
    if action["do"] in SPEAKING:
        content = _object(action.get("content"))
        attachments = content.get("attachments")
        listed = attachments if isinstance(attachments, list) else []
        right = [each for each in listed if isinstance(each, Mapping) and _is_attachment(each)]
        action["content"] = {**content, "text": str(content.get("text") or ""), "attachments": right}
    elif action["do"] == "branch":
        cases = action.get("cases")
        action["cases"] = [_object(each) for each in cases] if isinstance(cases, list) else []
    return {**step, "key": str(step.get("key") or ""), "when": _object(step.get("when")), "action": action}


def _is_attachment(each: Mapping[str, Any]) -> bool:
    kind = each.get("msgtype")
    return isinstance(kind, str) and isinstance(each.get(kind), Mapping)


async def read_draft(ask: Ask, names: Names) -> Draft:
    """What came back with the page: what went along with it, and over it what stands in its fields."""
    try:
        state = json.loads(ask.text("state", 2_000_000))
    except (ValueError, RecursionError):
        state = None
    if not isinstance(state, dict):
        raise BrokenStateError(ask._("页面不完整，无法读取。"), ask._("请重新打开页面再改。"))
    draft = Draft(normal(state), ask.number("version") or 0)
    opened = ask.number("open")
    draft.open = opened if opened is not None and opened < len(draft.steps) else None
    said = draft.said
    for place in draft.places:
        if f"{place.prefix}.match" in ask.form:
            await _read_segment(ask, draft, place)
    read(ask, HEAD, said, "")
    said["trigger"] = _read_happening(ask, said["trigger"], "trigger", TRIGGERS)
    said["goal"] = _read_happening(ask, said["goal"] or {}, "goal", HAPPENINGS) or None
    if draft.open is not None:
        _read_step(ask, draft, draft.open, names)
    return draft


async def _read_segment(ask: Ask, draft: Draft, place: Place) -> None:
    fields = await read_fields(ask, place.prefix)
    said: Any = fields.definition() if fields.tree is None else fields.tree.model_dump(mode="json")
    kept = place.within.get(place.key)
    # The fields have one condition as all of one: that says the same, and is no change.
    if said == {"all": [kept]}:
        said = kept
    # Everybody is no condition; a case and a trigger cannot do without one.
    put(place.within, place.key, None if said == {"all": []} and place.key != "segment" else said)
    draft.segments[place.prefix] = (place.within, fields)


async def open_segments(ask: Ask, draft: Draft) -> dict[str, Fields]:
    """The fields of all segments that are edited on the page: as they were typed, or as they are kept."""
    return await ask.db.read(partial(_open_segments, ask, draft))


def _open_segments(ask: Ask, draft: Draft, session: Session) -> dict[str, Fields]:
    choices = read_choices(session, ask.visible(session))
    found = {}
    for place in draft.places:
        within, fields = draft.segments.get(place.prefix, (None, None))
        if fields is None or within is not place.within:
            fields = Fields(choices, place.prefix)
            said = place.within.get(place.key) or {"all": []}
            try:
                fill(fields, said)
            except (ValueError, TypeError, AttributeError, KeyError):
                fields.rows = [Row(OTHER, text=json.dumps(said, ensure_ascii=False, indent=1))]
            if place.within.get(place.key) is not None:
                check(session, fields)
        found[place.prefix] = fields
    return found


def _read_happening(ask: Ask, now: dict[str, Any], prefix: str, kinds: Mapping[str, Any]) -> Any:
    """A trigger or a goal; another kind of it begins anew."""
    on = ask.text(f"{prefix}.on")
    if on not in kinds:
        return {}
    if on != now.get("on"):
        return {"on": on}
    read(ask, kinds[on][1], now, prefix)
    return now


def _read_step(ask: Ask, draft: Draft, number: int, names: Names) -> None:
    step, prefix = draft.steps[number], f"steps[{number}]"
    before = step["key"]
    read(ask, (*STEP, *DETAILS), step, prefix)
    step["key"] = str(step.get("key") or "")
    if before and step["key"] and before not in {each["key"] for each in draft.steps}:
        _rename(draft.steps, before, step["key"])
    action, do = step["action"], ask.text(f"{prefix}.action.do")
    was = action["do"]
    read(ask, ACTIONS[was], action, f"{prefix}.action")
    if was in SPEAKING:
        typed = read_message(ask.form, f"{prefix}.action.content", SPEAKING[was])
        action["content"] = {**action.get("content", {}), **typed}
    elif was == "branch":
        _read_cases(ask, action, f"{prefix}.action")
    elif was == "field":
        value = action.get("value")
        action["value"] = _field_value(value, names.fields[action["field"]].kind) if _has(action, names) else value
    if do in DOES and do != was:
        fresh = dict(_FRESH.get(do, {"do": do}))
        if was in SPEAKING and do in SPEAKING:
            fresh["content"] = action["content"]
        step["action"] = fresh


def _has(action: Mapping[str, Any], names: Names) -> bool:
    return action.get("field") in names.fields


def _field_value(text: Any, kind: str) -> Any:
    """What a field is to hold, as its kind has it; what does not fit stays text, to be refused."""
    if not isinstance(text, str):
        return text
    try:
        match kind:
            case "number":
                return float(text)
            case "flag":
                return {"true": True, "false": False}.get(text.casefold(), text)
            case _:
                return text
    except ValueError:
        return text


def _read_cases(ask: Ask, action: dict[str, Any], prefix: str) -> None:
    for number, case in enumerate(action["cases"]):
        put(case, "go", ask.text(f"{prefix}.cases[{number}].go") or None)
    put(action, "otherwise", ask.text(f"{prefix}.otherwise") or None)


def _rename(steps: list[dict[str, Any]], before: str, after: str) -> None:
    """Branches go on leading to a step that has got another name."""
    for step in steps:
        action = step["action"]
        if action["do"] != "branch":
            continue
        for way in action["cases"]:
            if way.get("go") == before:
                way["go"] = after
        if action.get("otherwise") == before:
            action["otherwise"] = after


def press(ask: Ask, draft: Draft, do: str) -> None:
    """One of the page's buttons was pressed: a step is opened, moved, removed or added, a case of a branch is added or
    removed, a saved segment or JSON is taken over."""
    act, _, at = do.partition(":")
    steps, number = draft.steps, int(at) if at.isascii() and at.isdecimal() and len(at) <= 3 else -1
    there = 0 <= number < len(steps)
    if act == "open" and there:
        draft.open = None if draft.open == number else number
    elif act in ("up", "down") and there:
        other = number + (-1 if act == "up" else 1)
        if 0 <= other < len(steps):
            steps[number], steps[other] = steps[other], steps[number]
            draft.open = {number: other, other: number}.get(draft.open, draft.open) if draft.open is not None else None
    elif act == "remove" and there:
        del steps[number]
        if draft.open is not None:
            draft.open = None if draft.open == number else draft.open - (draft.open > number)
    elif act == "add" and len(steps) < STEPS_MAX:
        kind = ask.text("add_kind")
        steps.append(_new_step(steps, kind if kind in DOES else "task"))
        draft.open = len(steps) - 1
    elif act == "json":
        _adopt(ask, draft)
    elif act in ("case", "uncase"):
        _press_case(draft, act, number)


def take(draft: Draft, prefix: str, names: Names, chosen: int | None) -> None:
    """A saved segment takes the place of one that is edited."""
    saved = next((each for each in names.segments if each.id == chosen), None)
    place = next((each for each in draft.places if each.prefix == prefix), None)
    if saved is not None and place is not None:
        put(place.within, place.key, saved.definition.model_dump(mode="json"))
        draft.segments.pop(prefix, None)


def _press_case(draft: Draft, act: str, number: int) -> None:
    action: dict[str, Any] = draft.steps[draft.open]["action"] if draft.open is not None else {}
    if action.get("do") != "branch":
        return
    if act == "case" and len(action["cases"]) < CASES_MAX:
        action["cases"].append({"segment": {"all": []}})
    elif act == "uncase" and 0 <= number < len(action["cases"]):
        del action["cases"][number]


def _new_step(steps: list[dict[str, Any]], do: str) -> dict[str, Any]:
    taken = {each["key"] for each in steps}
    key = next(name for number in range(1, STEPS_MAX + 2) if (name := f"{do}_{number}") not in taken)
    when = {"days": 1, "at": "10:30"} if do in SPEAKING and steps else {}
    return _step({"key": key, "when": when, "action": dict(_FRESH.get(do, {"do": do}))})


def _adopt(ask: Ask, draft: Draft) -> None:
    """The JSON that an admin has typed is what is edited from now on."""
    typed = ask.text("json", 2_000_000)
    try:
        said = json.loads(typed)
    except (ValueError, RecursionError) as error:
        draft.typed_json = typed
        draft.problems["json"] = [ask._("不是有效的 JSON：%(error)s", error=error)]
        return
    if not isinstance(said, dict):
        draft.typed_json = typed
        draft.problems["json"] = [ask._("应为一个对象。")]
        return
    draft.said, draft.open = normal(said), None
