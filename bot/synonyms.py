"""Synonyms of the knowledge made, changed and removed: one way for the API, commands and the console, each written down
in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.rule_edits import unwritable
from data.queries import synonyms as rows
from data.queries.audit import Actor, add_entry
from data.rules import synonyms as rules
from data.rules.problems import InvalidRuleError, Problem
from data.rules.synonyms import Synonyms


def list_all(session: Session, words: str = "") -> list[Synonyms]:
    """All groups that are in use, a company's own first; of those that have a word with this in it, if any."""
    sought = " ".join(rules.words_from(words))
    found = rules.in_use(rows.list_synonyms(session))
    return [each for each in found if any(sought in word for word in (*each.words, *each.built_in))]


def save(session: Session, group: Synonyms, actor: Actor, now: datetime, version: int | None = None) -> Synonyms:
    """Make a group, or change the words of one with a number.

    Raises InvalidRuleError, NotFoundError, and StaleError where it is not at `version` any more.
    """
    before = rows.get_synonyms(session, group.id) if group.id else Synonyms((), replaces=group.replaces)
    group = replace(group, replaces=before.replaces)
    found = [Problem("words", each.message) for each in unwritable(list(group.words))]
    if found := [*found[:1], *rules.problems(group, rows.list_synonyms(session))]:
        raise InvalidRuleError(found)
    if group.id:
        rows.change_synonyms(session, group, actor.who, now, version)
        was: Mapping[str, Any] | None = _told(before)
    else:
        group = replace(group, id=rows.add_synonyms(session, group, actor.who, now))
        was = {"words": list(group.built_in)} if group.replaces else None
    action = "synonyms.change" if was is not None else "synonyms.make"
    add_entry(session, actor, action, f"synonyms {group.id}", was, _told(group), now)
    return rows.get_synonyms(session, group.id)


def remove(session: Session, id_: int, actor: Actor, now: datetime) -> None:
    """Remove a group; of one in the program what the program has is in use again. Raises NotFoundError."""
    before = rows.get_synonyms(session, id_)
    rows.remove_synonyms(session, id_)
    after = {"words": list(before.built_in)} if before.built_in else None
    add_entry(session, actor, "synonyms.remove", f"synonyms {id_}", _told(before), after, now)


def to_json(group: Synonyms) -> dict[str, Any]:
    """A group as the API and the commands tell of it."""
    return {
        "id": group.id or None, "replaces": group.replaces, "words": list(group.words),
        "built_in": list(group.built_in), "version": group.version, "changed_by": group.changed_by,
    }  # fmt: skip


def _told(group: Synonyms) -> dict[str, Any]:
    return {"words": list(group.words), **({"replaces": group.replaces} if group.replaces else {})}
