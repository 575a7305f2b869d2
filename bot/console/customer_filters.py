"""Which customers a list shows: those whom a search finds, of a segment that is saved or stands in the address, as far
as who looks may see them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from sqlmodel import Session

from bot.console.asks import Ask, number_of
from bot.console.segment_forms import Whole
from bot.phrases import Phrase
from bot.rule_edits import usable_tree
from data.queries import customer_pages, customer_search, segment_names
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.segment_leaves import IDS_MAX
from data.rules.segments import DEFINITION, EVERYBODY, Node, Segment

#: Of a segment in an address: longer ones are saved first.
DEFINITION_MAX = 6_000
SEARCH_MAX = 64


@dataclass
class Filter:
    """What a list is of. `visible`: of these members alone (None: all); `found`: the follows that a search found."""

    text: str
    segment: Segment | None
    tree: Node
    visible: frozenset[str] | None
    found: list[int] | None

    @cached_property
    def kept(self) -> dict[str, str]:
        """What says the same in an address or a form."""
        kept = {"q": self.text} if self.text else {}
        if self.segment is not None:
            kept["segment_id"] = str(self.segment.id)
        elif self.tree != EVERYBODY:
            kept[DEFINITION] = definition_of(self.tree)
        return kept

    def address(self, path: str, **more: object) -> str:
        """A page of the list."""
        asked = {**self.kept, **{name: str(value) for name, value in more.items()}}
        return path + (f"?{urlencode(asked)}" if asked else "")

    @property
    def narrowed(self) -> Node:
        """The tree, bounded to whom one may see."""
        return self.tree if self.visible is None else Node.model_validate({"all": [*_members(self.visible), self.tree]})

    @property
    def asked(self) -> dict[str, Any]:
        """What the queries of `customer_pages` are asked with."""
        return {"userids": self.visible, "among_ids": self.found}


def definition_of(tree: Node) -> str:
    """A tree as it stands in an address. Raises InvalidRuleError for one that is too long."""
    told = json.dumps(tree.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    if len(told.encode()) > DEFINITION_MAX:
        raise InvalidRuleError([Problem("", Phrase("条件太多，不能直接筛选，请先保存为分群"))])
    return told


async def read_filter(ask: Ask, given: Mapping[str, Any]) -> Filter:
    """What an address or a form asks for. Raises InvalidRuleError, NotFoundError."""
    return await ask.db.read(find_filter, ask, given)


def find_filter(session: Session, ask: Ask, given: Mapping[str, Any]) -> Filter:
    """The same, as a part of what is read."""
    text, visible = _text(given, "q")[:SEARCH_MAX], ask.visible(session)
    segment, tree = _read_tree(session, given)
    found = customer_search.search(session, text, visible) if text else None
    return Filter(text, segment, tree, visible, found)


def find_pairs(session: Session, ask: Ask, found: Filter, limit: int) -> list[tuple[str, str]]:
    """(userid, external_userid) of whom a filter finds, the newest first."""
    shown = customer_pages.list_page(session, found.tree, ask.now, ask.zone, limit=limit, **found.asked)
    return [(each.userid, each.external_userid) for each in shown]


def _read_tree(session: Session, given: Mapping[str, Any]) -> tuple[Segment | None, Node]:
    segment_id = number_of(_text(given, "segment_id"))
    if segment_id is not None:
        segment = segment_names.get_segment(session, segment_id)
        return segment, segment.definition
    if definition := _text(given, DEFINITION):
        return None, usable_tree(session, parse(Whole, {DEFINITION: _json(definition)}).definition)
    return None, EVERYBODY


def _members(userids: Collection[str]) -> Iterable[Mapping[str, Any]]:
    """Conditions that together say: of these members."""
    if not userids:
        return [{"not": {"all": []}}]
    each = sorted(userids)
    leaves = [{"staff": {"userids": each[start : start + IDS_MAX]}} for start in range(0, len(each), IDS_MAX)]
    return [{"any": leaves}]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    return value.strip() if isinstance(value, str) else ""
