"""What is the same for all rows of an import."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlmodel import Session

from data.queries import import_facts
from data.queries.fields import list_definitions
from data.rules.fields import FieldKind
from data.rules.import_plans import TagIndex
from data.rules.imports import Given


@dataclass(frozen=True)
class Scope:
    """What is the same for all rows of an import."""

    userids: frozenset[str] | None
    kinds: Mapping[str, FieldKind]
    staff: Mapping[str, frozenset[str]]
    index: TagIndex

    def staff_of(self, given: Given) -> Collection[str]:
        """The members whom a row may mean."""
        return self.staff.get(given.staff.casefold(), frozenset())


def read_scope(session: Session, account_id: int | None) -> Scope | None:
    """None: whoever asked may not do so any more."""
    may, userids = import_facts.find_scope(session, account_id)
    if not may:
        return None
    kinds = {each.name: FieldKind(each.kind) for each in list_definitions(session)}
    return Scope(userids, kinds, import_facts.map_staff(session), import_facts.read_tag_index(session))
