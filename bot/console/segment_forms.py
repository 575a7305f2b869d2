"""A segment as fields of a form, and back: all or any of some conditions, each of which may be turned around, and
groups of such conditions within.

A view opens the fields with `open_fields`, and reads them with `read_fields` when they come back. `pressed`: one of the
editor's own buttons was pressed (they work without scripts), so the page is to be shown again, whatever else it holds.
`tree` is the segment, or None where something is wrong, which then stands beside the field. In a template:
`{% from "segment_fields.html" import segment_editor with context %}{{ segment_editor(fields) }}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from multidict import MultiDict
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.segment_questions import LEAVES, LISTS, Asked, Question, questions_of_kind
from bot.phrases import Phrase
from bot.rule_edits import usable_tree
from data.queries.segment_choices import Choices, read_choices
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse
from data.rules.segments import DEFINITION, EVERYBODY, Node, Tree

#: Groups may stand in groups so deep.
DEPTH = 3
ROWS_MAX = 100
PREFIX = "segment"
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_ROW_ID = re.compile(rf"[0-9]{{1,3}}(-[0-9]{{1,3}}){{0,{DEPTH - 1}}}", re.ASCII)
#: What the form asks as text and the tree has as numbers.
_NUMBERS = frozenset({"department_ids", "add_ways"})
#: Between several names that are typed at once.
_BETWEEN = re.compile(r"[、,，;；\n]")

GROUP, OTHER = "several", "json"


class Whole(RuleModel):
    """A tree by itself."""

    definition: Tree


@dataclass
class Row:
    """One condition as it is shown. `kind`: the name of a leaf, or a group of `rows`, or what has no fields here and is
    kept as it is (`text`). `faults`: what is wrong, by question; "": with the whole."""

    kind: str
    negated: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    match: str = "any"
    rows: list[Row] = field(default_factory=list)
    text: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    is_new: bool = False

    @property
    def asked(self) -> Asked:
        return LEAVES[self.kind]

    def shown(self, choices: Choices) -> list[Question]:
        """The questions to be shown: of a custom field those of its kind."""
        if self.kind != "field":
            return list(self.asked.questions)
        kind = choices.field_kinds.get(self.values.get("name", ""))
        names = questions_of_kind(kind) if kind else {"name"}
        return [each for each in self.asked.questions if each.name in names or self.values.get(each.name)]


@dataclass
class Fields:
    """A segment as it is being edited."""

    choices: Choices
    prefix: str = PREFIX
    match: str = "all"
    rows: list[Row] = field(default_factory=list)
    pressed: bool = False
    tree: Node | None = None
    faults: list[str] = field(default_factory=list)
    _places: dict[str, Row] = field(default_factory=dict)

    def definition(self) -> dict[str, Any]:
        """The tree in JSON, right or not."""
        self._places.clear()
        if not self.rows:
            return {"all": []}
        return {self.match: [self._node(row, f"{DEFINITION}.{self.match}[{n}]") for n, row in enumerate(self.rows)]}

    def _node(self, row: Row, path: str) -> Any:
        self._places[path] = row
        path = f"{path}.not" if row.negated else path
        self._places[path] = row
        found: Any
        if row.kind == GROUP:
            found = {row.match: [self._node(each, f"{path}.{row.match}[{n}]") for n, each in enumerate(row.rows)]}
        elif row.kind == OTHER:
            found = _read_json(row)
        else:
            found = {row.kind: _leaf(row)}
        return {"not": found} if row.negated else found

    def note(self, problems: Iterable[Problem], root: str = DEFINITION) -> None:
        """Say what is wrong where it stands; `root`: the path at which the tree stands."""
        for problem in problems:
            path = DEFINITION + problem.path.removeprefix(root)
            place = max((each for each in self._places if _is_within(path, each)), key=len, default="")
            if not place:
                self.faults.append(problem.message)
                continue
            row, rest = self._places[place], path[len(place) :]
            names = re.findall(r"[a-z_]+", rest)
            asked = LEAVES.get(row.kind)
            name = next((each for each in names if asked and asked.find(each)), "")
            words = problem.message
            if row.kind == OTHER and rest:
                words = Phrase("%(path)s：%(fault)s", path=rest.strip("."), fault=words)
            row.faults.setdefault(name, words)

    @property
    def leaves(self) -> Mapping[str, Asked]:
        """What can be asked."""
        return LEAVES

    def all_rows(self) -> Iterator[Row]:
        """The conditions, those within groups, too."""
        waiting = [*self.rows]
        while waiting:
            row = waiting.pop()
            waiting += row.rows
            yield row

    @property
    def suggested(self) -> list[str]:
        """The kinds of things whose names are suggested while they are typed."""
        asked = [question for row in self.all_rows() if row.kind in LEAVES for question in row.asked.questions]
        return sorted({each.source for each in asked if each.kind == "named" and self.choices.names.get(each.source)})


async def open_fields(ask: Ask, tree: Node = EVERYBODY, prefix: str = PREFIX) -> Fields:
    """The fields of a tree."""
    return await ask.db.read(fields_of, ask, tree, prefix)


def fields_of(session: Session, ask: Ask, tree: Node, prefix: str = PREFIX) -> Fields:
    """The same, as a part of what is read."""
    fields = Fields(Choices({}, {}), prefix)
    fill(fields, tree.model_dump(mode="json"))
    if fields.rows:
        fields.choices = read_choices(session, ask.visible(session), _sources({row.kind for row in fields.all_rows()}))
        check(session, fields)
    else:
        fields.tree = tree
    return fields


def _sources(kinds: Iterable[str]) -> frozenset[str]:
    """What the questions of these leaves let one choose among; there are thousands of the others."""
    asked = (LEAVES[each] for each in kinds if each in LEAVES)
    return frozenset(question.source for each in asked for question in each.questions) - {""}


async def read_fields(ask: Ask, prefix: str = PREFIX) -> Fields:
    """The fields as they came back, after the button that was pressed."""
    if not _PREFIX.fullmatch(prefix):
        raise InvalidRuleError([Problem("prefix", Phrase("写法不对"))])
    return await ask.db.read(partial(_read_all, ask, prefix))


def _read_all(ask: Ask, prefix: str, session: Session) -> Fields:
    named = _sources(each for each in ask.form.values() if isinstance(each, str))
    fields = read_form(ask.form, read_choices(session, ask.visible(session), named), prefix)
    check(session, fields)
    if fields.pressed:
        # What has just been added cannot be filled in yet.
        _forget_faults(fields.rows)
    return fields


def check(session: Session, fields: Fields) -> None:
    """Make the tree, or say what is wrong with it."""
    try:
        fields.tree = usable_tree(session, parse(Whole, {DEFINITION: fields.definition()}).definition)
    except InvalidRuleError as error:
        fields.tree = None
        fields.note(error.problems)


def _forget_faults(rows: list[Row]) -> None:
    for row in rows:
        if row.is_new:
            row.faults.clear()
        _forget_faults(row.rows)


# -- from a tree


def fill(fields: Fields, definition: Mapping[str, Any]) -> None:
    """Show a tree."""
    ((key, value),) = definition.items()
    if key in ("all", "any"):
        fields.match, fields.rows = key, [_row(each, 1) for each in value]
    else:
        fields.match, fields.rows = "all", [_row(definition, 1)]


def _row(node: Mapping[str, Any], depth: int) -> Row:
    negated = "not" in node
    inner: Mapping[str, Any] = node["not"] if negated else node
    ((key, value),) = inner.items()
    if key in ("all", "any") and depth < DEPTH:
        return Row(GROUP, negated, match=key, rows=[_row(each, depth + 1) for each in value])
    asked = LEAVES.get(key)
    if asked is None or not all(asked.find(name) for name in value):
        return Row(OTHER, negated, text=json.dumps(inner, ensure_ascii=False, indent=1))
    return Row(key, negated, {name: _shown(each) for name, each in value.items()})


def _shown(value: Any) -> Any:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return [str(each) for each in value]
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


# -- from a form


def read_form(form: MultiDict[Any], choices: Choices, prefix: str) -> Fields:
    """What a form says, after its button was pressed."""
    fields = Fields(choices, prefix)
    fields.match = _one_of(_text(form, f"{prefix}.match"), ("all", "any"))
    rows: dict[str, Row] = {}
    for number in dict.fromkeys(_texts(form, f"{prefix}.row")[:ROWS_MAX]):
        parent, _, _ = number.rpartition("-")
        if not _ROW_ID.fullmatch(number) or (parent and parent not in rows):
            continue
        row = _read_row(form, choices, f"{prefix}.{number}")
        if row is not None:
            rows[number] = row
            (rows[parent].rows if parent else fields.rows).append(row)
    _press(fields, rows, form)
    return fields


def _read_row(form: MultiDict[Any], choices: Choices, at: str) -> Row | None:
    kind, negated = _text(form, f"{at}.kind"), _text(form, f"{at}.not") == "yes"
    if kind == GROUP:
        return Row(GROUP, negated, match=_one_of(_text(form, f"{at}.match"), ("any", "all")))
    if kind == OTHER:
        return Row(OTHER, negated, text=_text(form, f"{at}.json", 20_000))
    if kind not in LEAVES:
        return None
    row = Row(kind, negated)
    for question in LEAVES[kind].questions:
        name = f"{at}.{question.name}"
        if question.kind not in LISTS:
            row.values[question.name] = _text(form, name)
            continue
        found = _texts(form, name)
        if question.kind == "named":
            found += _resolve(choices.names.get(question.source, {}), _text(form, f"{name}.more"))
        row.values[question.name] = list(dict.fromkeys(each for each in found if each))
    if kind == "field" and (of := choices.field_kinds.get(row.values["name"])):
        row.values = {name: value for name, value in row.values.items() if name in questions_of_kind(of)}
    return row


def _resolve(names: Mapping[str, str], typed: str) -> list[str]:
    """The ids of what was typed: names or ids, one or several."""
    ids = {name.casefold(): id_ for id_, name in names.items()}

    def find(each: str) -> str | None:
        if each in names:
            return each
        bare = [id_ for id_, name in names.items() if name.casefold().rpartition(" / ")[2] == each.casefold()]
        return ids.get(each.casefold()) or (bare[0] if len(bare) == 1 else None)

    if not typed:
        return []
    if whole := find(typed):
        return [whole]
    return [find(each.strip()) or each.strip() for each in _BETWEEN.split(typed) if each.strip()]


def _press(fields: Fields, rows: Mapping[str, Row], form: MultiDict[Any]) -> None:
    act, _, at = _text(form, f"{fields.prefix}.do").partition(":")
    fields.pressed = bool(act)
    inside = rows[at].rows if at in rows else fields.rows
    if act == "add" and (not at or (at in rows and rows[at].kind == GROUP)):
        kind = _text(form, f"{fields.prefix}.{at}.add" if at else f"{fields.prefix}.add")
        depth = at.count("-") + 2 if at else 1
        if (kind in LEAVES or (kind == GROUP and depth < DEPTH)) and len(rows) < ROWS_MAX:
            inside.append(Row(kind, is_new=True))
    elif act == "remove" and at in rows:
        parent, _, _ = at.rpartition("-")
        siblings = rows[parent].rows if parent else fields.rows
        siblings[:] = [each for each in siblings if each is not rows[at]]


def _leaf(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for question in row.asked.questions:
        value = row.values.get(question.name)
        if not value:
            continue
        if question.name in _NUMBERS:
            value = [int(each) if each.isascii() and each.isdecimal() and len(each) < 18 else each for each in value]
        elif question.kind in ("tick", "yes_no"):
            value = value == "yes"
        elif question.source in ("campaigns", "links", "rosters"):
            value = int(value) if value.isascii() and value.isdecimal() else value
        found[question.name] = value
    return found


def _read_json(row: Row) -> Any:
    try:
        return json.loads(row.text)
    except (ValueError, RecursionError):
        return row.text


def _is_within(path: str, place: str) -> bool:
    return path == place or path.startswith((f"{place}.", f"{place}["))


def _text(form: MultiDict[Any], name: str, longest: int = 2_000) -> str:
    value = form.get(name, "")
    return value.strip()[:longest] if isinstance(value, str) else ""


def _texts(form: MultiDict[Any], name: str) -> list[str]:
    return [each.strip() for each in form.getall(name, []) if isinstance(each, str)]


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    return value if value in allowed else allowed[0]
