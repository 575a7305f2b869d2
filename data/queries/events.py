"""Events and what became of them: to look at, to run again, to remove."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, exists, func, or_, select, update
from sqlmodel import Session

from data.models.inbox import TaskStatus
from data.queries.inbox import WAITING, E, O, T, count_changed, run_again


def count_tasks(session: Session) -> dict[str, int]:
    """Open and dead tasks by status."""
    rows = session.execute(select(T.c.status, func.count()).where(T.c.status != TaskStatus.DONE).group_by(T.c.status))
    return dict(rows.all())


def find_oldest_waiting(session: Session) -> datetime | None:
    """When the event that waits longest was received; None when nothing waits."""
    oldest: datetime | None = session.execute(
        select(E.c.received_at).join(T, T.c.event_id == E.c.id).where(T.c.status == WAITING).order_by(T.c.id).limit(1)
    ).scalar_one_or_none()
    return oldest


def list_events(
    session: Session,
    *,
    status: str | None = None,
    subject: str | None = None,
    kind: str | None = None,
    event_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
    before_id: int | None = None,
) -> list[dict[str, Any]]:
    """Events, newest first, each with its tasks and outcomes: the answer to "what happened and why"."""
    query = select(E).order_by(E.c.id.desc()).limit(limit)
    if status in ("ignored", "unhandled"):
        query = query.where(E.c.disposition == status)
    elif status is not None:
        query = query.where(E.c.id.in_(select(T.c.event_id).where(T.c.status == status)))
    for condition in (
        E.c.subject == subject if subject is not None else None,
        or_(E.c.kind == kind, E.c.kind.startswith(f"{kind}.", autoescape=True)) if kind is not None else None,
        E.c.id == event_id if event_id is not None else None,
        E.c.received_at >= since if since is not None else None,
        E.c.received_at < until if until is not None else None,
        E.c.id < before_id if before_id is not None else None,
    ):
        if condition is not None:
            query = query.where(condition)
    events = [dict(row._mapping) for row in session.execute(query)]  # noqa: SLF001
    ids = [event["id"] for event in events]
    tasks = session.execute(select(T).where(T.c.event_id.in_(ids)).order_by(T.c.id)).all()
    outcomes = session.execute(select(O).where(O.c.event_id.in_(ids)).order_by(O.c.at)).all()
    for found in events:
        found["digest"] = found["digest"].hex()
        found["tasks"] = [dict(row._mapping) for row in tasks if row.event_id == found["id"]]  # noqa: SLF001
        found["outcomes"] = [dict(row._mapping) for row in outcomes if row.event_id == found["id"]]  # noqa: SLF001
    return events


def find_last_received(session: Session, kind: str) -> datetime | None:
    """When an event of a kind last came, if one is kept; `change_external_contact` includes all its change types."""
    last: datetime | None = session.execute(
        select(E.c.received_at)
        .where(or_(E.c.kind == kind, E.c.kind.startswith(f"{kind}.", autoescape=True)))
        .order_by(E.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return last


def list_idle_events(
    session: Session, since: datetime | None, until: datetime | None, event_id: int | None = None
) -> list[tuple[int, str]]:
    """Ids and bodies of the events of a period (or of one event) that have no task."""
    query = select(E.c.id, E.c.body).where(E.c.disposition != "queued")
    if event_id is not None:
        query = query.where(E.c.id == event_id)
    if since is not None:
        query = query.where(E.c.received_at >= since)
    if until is not None:
        query = query.where(E.c.received_at < until)
    return list(session.execute(query.order_by(E.c.id)))


def replay_events(
    session: Session,
    now: datetime,
    *,
    event_id: int | None = None,
    dead_only: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Have tasks run again: those of one event, the dead ones, or all of a period. The number that will run.

    Those that wait for a retry run now.
    """
    which = []
    if event_id is not None:
        which.append(T.c.event_id == event_id)
    if dead_only:
        which.append(T.c.status == TaskStatus.DEAD)
    if since is not None:
        which.append(T.c.event_id.in_(select(E.c.id).where(E.c.received_at >= since)))
    if until is not None:
        which.append(T.c.event_id.in_(select(E.c.id).where(E.c.received_at < until)))
    hurried = session.execute(update(T).where(*which, T.c.status == WAITING).values(due_at=now))
    return run_again(session, and_(*which), now) + count_changed(hurried)


def purge_events(session: Session, before: datetime, limit: int = 2000) -> int:
    """Remove up to `limit` events received before `before` that are finished; dead letters stay. The number removed."""
    still_open = exists(select(T.c.id).where(T.c.event_id == E.c.id, T.c.status != TaskStatus.DONE))
    ids = list(
        session.execute(
            select(E.c.id).where(E.c.received_at < before, ~still_open).order_by(E.c.id).limit(limit)
        ).scalars()
    )
    for table, column in ((O, O.c.event_id), (T, T.c.event_id), (E, E.c.id)):
        session.execute(delete(table).where(column.in_(ids)))
    return len(ids)
