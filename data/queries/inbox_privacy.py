"""What the inbox holds about one customer: events about them, and their id in events about others.

Nothing in the inbox is found by a customer's id but the work that is open, so its events are read through, a window of
ids at a time: callbacks are stored in between.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Text, cast, delete, func, or_, select, update
from sqlmodel import Session

from data.queries.inbox import E, O, T
from data.queries.privacy import Person, overwriting

#: Events that are read, or erased, in one go.
WINDOW = 2000
NAMES_WINDOW = 100
#: What may be an id, as the whole text of an element.
_ID = re.compile(r"(?<=[>\[])[\w-]{4,64}(?=[\]<])", re.ASCII)

#: Tables of the inbox, and how what is about one customer is found in them.
HELD: Mapping[str, str] = MappingProxyType(
    {
        "inbox_events": "by the subject, and by the id in the body",
        "inbox_tasks": "with their event",
        "inbox_outcomes": "with their event",
    }
)


def find_last_id(session: Session) -> int:
    """The newest event's id; 0 where there is none."""
    return int(session.execute(select(func.coalesce(func.max(E.c.id), 0))).scalar_one())


def list_mentions(session: Session, person: Person, after_id: int) -> list[int]:
    """Events of the window behind `after_id` that are about a customer or name them."""
    holds = func.instr if session.get_bind().dialect.name == "sqlite" else func.strpos
    rows = session.execute(
        select(E.c.id, E.c.subject, E.c.body).where(
            E.c.id > after_id,
            E.c.id <= after_id + WINDOW,
            or_(E.c.subject == _subject(person), holds(E.c.body, person.external_userid) > 0),
        )
    )
    return [row.id for row in rows if row.subject == _subject(person) or person.mention.search(row.body)]


def find_id_before(session: Session, since: datetime) -> int:
    """The id behind which the events received since an instant stand."""
    first = session.execute(select(func.min(E.c.id)).where(E.c.received_at >= since)).scalar_one()
    return find_last_id(session) if first is None else int(first) - 1


def list_named(session: Session, after_id: int) -> tuple[dict[str, list[int]], int | None]:
    """Everything in the next events that may be somebody's id, with the events it stands in; the id to go on behind."""
    query = select(E.c.id, E.c.body).where(E.c.id > after_id).order_by(E.c.id).limit(NAMES_WINDOW)
    rows = session.execute(query).all()
    named: dict[str, list[int]] = {}
    for row in rows:
        for found in set(_ID.findall(row.body)):
            named.setdefault(found, []).append(row.id)
    return named, rows[-1].id if len(rows) == NAMES_WINDOW else None


def export_events(session: Session, person: Person, event_ids: Collection[int]) -> dict[str, list[dict[str, Any]]]:
    """These events with their tasks and outcomes, by table; of events about others not what may name those."""
    found: dict[str, list[dict[str, Any]]] = {}
    others: set[int] = set()
    for table, column in ((E, E.c.id), (T, T.c.event_id), (O, O.c.event_id)):
        rows = session.execute(select(table).where(column.in_(event_ids)).order_by(*table.primary_key)).mappings()
        found[table.name] = [dict(row) for row in rows]
        if table is E:
            others = {row["id"] for row in found[table.name] if row["subject"] != _subject(person)}
        for row in found[table.name]:
            if row[column.name] in others:
                row.update({name: None for name in ("body", "note", "detail") if name in row})
    return found


def erase_events(session: Session, person: Person, event_ids: Collection[int]) -> int:
    """Remove the events about a customer, dead letters too, and their id from the others.

    Of events that are gone already, what came of them since goes. The number of events that were changed.
    """
    with overwriting(session):
        rows = session.execute(select(E.c.id, E.c.subject, E.c.body).where(E.c.id.in_(event_ids))).all()
        others = {row.id: row.body for row in rows if row.subject != _subject(person)}
        gone = sorted(set(event_ids) - others.keys())
        for table, column in ((O, O.c.event_id), (T, T.c.event_id), (E, E.c.id)):
            session.execute(delete(table).where(column.in_(gone)))
        for event_id, body in others.items():
            # Its members are then fewer than it says, so that a group is fetched and not continued.
            session.execute(update(E).where(E.c.id == event_id).values(body=person.mention.sub("", body)))
        named = cast(O.c.detail, Text).contains(person.external_userid, autoescape=True)
        session.execute(
            update(O)
            .where(O.c.event_id.in_(others), or_(named, O.c.reason.contains(person.external_userid, autoescape=True)))
            .values(detail={}, reason="")
        )
        session.execute(
            update(T)
            .where(T.c.event_id.in_(others), T.c.note.contains(person.external_userid, autoescape=True))
            .values(note="")
        )
    return len(rows)


def _subject(person: Person) -> str:
    return f"customer:{person.external_userid}"
