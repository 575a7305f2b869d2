"""The inbox's rows and how events are stored: in groups, each once, with the tasks that they ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import exists, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql
from sqlmodel import Session

from data.bulk import insert_on_sqlite, sqlite_time
from data.models.inbox import InboxEvent, InboxOutcome, InboxTask, Lane, OutcomeStatus, TaskStatus

E: Any = InboxEvent.__table__  # type: ignore[attr-defined]
T: Any = InboxTask.__table__  # type: ignore[attr-defined]
O: Any = InboxOutcome.__table__  # type: ignore[attr-defined] # noqa: E741

#: Literals: SQLite takes a partial index only for what it sees to be inside, and a parameter hides that.
WAITING: Any = literal_column("'waiting'")
CLAIMED: Any = literal_column("'claimed'")
NOTHING: Any = literal_column("''")


class NewTask(NamedTuple):
    """A task that an event asks for."""

    lane: Lane
    subject: str
    collapse_key: str = ""


class NewEvent(NamedTuple):
    """An event as it arrived. `refresh`: a repeat that comes after it was handled asks for the work again. `awaited`:
    the request that told of it waits for the answer, here."""

    digest: bytes
    callback: str
    kind: str
    subject: str
    body: str
    disposition: str
    reason: str = ""
    tasks: tuple[NewTask, ...] = ()
    refresh: bool = False
    awaited: bool = False


class StoredEvent(NamedTuple):
    """What became of a NewEvent: `claimed` are tasks that the storing process holds already."""

    event_id: int
    is_new: bool
    claimed: tuple[ClaimedTask, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedTask:
    """A task with all that is needed to do it; `finished` names the handlers that need not run again."""

    id: int
    event_id: int
    lane: int
    run: int
    attempts: int
    claim: str
    callback: str
    body: str
    received_at: datetime
    finished: frozenset[str] = frozenset()
    collapsed: int = 0


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What one handler made of the event."""

    handler: str
    status: OutcomeStatus
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a claimed task ended: done, waiting (again at `due_at`) or dead. `forget`: its event goes, with all of it."""

    task: ClaimedTask
    status: TaskStatus
    due_at: datetime | None = None
    note: str = ""
    outcomes: tuple[OutcomeRow, ...] = ()
    forget: bool = False


def digest_of(body: str, created_seconds: int | None) -> bytes:
    """What an event is known by: a hash of its plaintext, behind the instant that WeCom gave it (epoch seconds).

    What comes at about the same time lies together in the index, so that storing a group touches a page or two and
    not one per event. A repeat is the same text and therefore has the same instant.
    """
    return (created_seconds or 0).to_bytes(5, "big") + hashlib.sha256(body.encode()).digest()[:27]


_EVENT_COLUMNS = (
    "digest", "callback", "kind", "subject", "body", "disposition", "reason", "repeats", "received_at",
    "last_received_at",
)  # fmt: skip


def store_events(
    session: Session,
    events: Sequence[NewEvent],
    now: datetime,
    claim: str,
    lease_until: datetime,
    claim_welcomes: int,
) -> dict[bytes, StoredEvent]:
    """Store each event once, with its tasks; by digest, what became of it.

    Up to `claim_welcomes` welcome tasks, and of events that are awaited those which need not wait for another, are
    stored as claimed by `claim`, to be run at once: by another process the request would not hear of it.
    """
    fresh = {event.digest: event for event in events}
    new_ids = _insert_events(session, list(fresh.values()), now)
    stored: dict[bytes, StoredEvent] = {}
    tasks: list[_TaskRow] = []
    mine: list[tuple[NewEvent, _TaskRow]] = []
    awaited: dict[int, NewEvent] = {}
    for digest, event_id in new_ids.items():
        stored[digest] = StoredEvent(event_id, is_new=True)
        for task in fresh[digest].tasks:
            # One that has a subject may have to wait for another, which only `claim_tasks` sees.
            if task.lane == Lane.WELCOME and not task.subject and len(mine) < claim_welcomes:
                mine.append((fresh[digest], _task_row(event_id, task, now, claim, lease_until)))
            else:
                if fresh[digest].awaited and len(mine) + len(awaited) < claim_welcomes:
                    awaited[len(tasks)] = fresh[digest]
                tasks.append(_task_row(event_id, task, now))
    task_ids = _insert_tasks(session, tasks)
    for (event, row), task_id in zip(mine, _insert_tasks(session, [row for _, row in mine]), strict=True):
        claimed = ClaimedTask(task_id, row.event_id, row.lane, 1, 0, claim, event.callback, event.body, received_at=now)
        stored[event.digest] = StoredEvent(row.event_id, is_new=True, claimed=(claimed,))
    free = _claim_free(session, [task_ids[place] for place in awaited], claim, lease_until) if awaited else set[int]()
    for place, event in awaited.items():
        task_id, row = task_ids[place], tasks[place]
        if task_id in free:
            claimed = ClaimedTask(task_id, row.event_id, row.lane, 1, 0, claim, event.callback, event.body, now)
            stored[event.digest] = StoredEvent(row.event_id, is_new=True, claimed=(claimed,))
    repeats, firsts = [], set(new_ids)
    for event in events:
        if event.digest in firsts:
            firsts.discard(event.digest)
        else:
            repeats.append(event)
    for digest, repeated in _note_repeats(session, repeats, now).items():
        stored.setdefault(digest, repeated)
    return stored


def _insert_events(session: Session, events: Sequence[NewEvent], now: datetime) -> dict[bytes, int]:
    """Insert the events whose digest is not known yet; their ids by digest."""
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    at = sqlite_time(now) if on_sqlite else now
    values = [
        (each.digest, each.callback, each.kind, each.subject, each.body, each.disposition, each.reason, 0, at, at)
        for each in events
    ]
    if on_sqlite:
        ending = "ON CONFLICT (digest) DO NOTHING"
        ids = insert_on_sqlite(session, "inbox_events", _EVENT_COLUMNS, values, ending=ending)
        if len(ids) == len(values):
            return {row[0]: event_id for event_id, row in zip(ids, values, strict=True)}
        found = session.execute(select(E.c.id, E.c.digest).where(E.c.id.in_(ids)))
    else:
        statement = postgresql.insert(E).on_conflict_do_nothing(index_elements=[E.c.digest])
        rows = [dict(zip(_EVENT_COLUMNS, row, strict=True)) for row in values]
        found = session.execute(statement.returning(E.c.id, E.c.digest), rows)
    return {bytes(digest): event_id for event_id, digest in found}


class _TaskRow(NamedTuple):
    event_id: int
    lane: int
    subject: str
    collapse_key: str
    status: TaskStatus
    run: int
    again: bool
    attempts: int
    due_at: datetime
    claim: str
    lease_until: datetime | None
    note: str


def _task_row(
    event_id: int, task: NewTask, now: datetime, claim: str = "", lease_until: datetime | None = None
) -> _TaskRow:
    status = TaskStatus.CLAIMED if claim else TaskStatus.WAITING
    return _TaskRow(
        event_id, int(task.lane), task.subject, task.collapse_key, status, 1, False, 0, now, claim, lease_until, ""
    )


def add_tasks(session: Session, event_id: int, tasks: Sequence[NewTask], now: datetime) -> None:
    """Tasks for an event that had none: it was unhandled when it came and is not any more."""
    _insert_tasks(session, [_task_row(event_id, task, now) for task in tasks])
    session.execute(update(E).where(E.c.id == event_id).values(disposition="queued", reason=""))


def _insert_tasks(session: Session, rows: Sequence[_TaskRow]) -> list[int]:
    """Insert tasks; their ids in the order of the rows."""
    if not rows:
        return []
    if session.get_bind().dialect.name == "sqlite":
        kept = [[sqlite_time(value) if isinstance(value, datetime) else value for value in row] for row in rows]
        return insert_on_sqlite(session, "inbox_tasks", _TaskRow._fields, kept)
    statement = insert(T).returning(T.c.id, sort_by_parameter_order=True)
    return list(session.execute(statement, [row._asdict() for row in rows]).scalars())


def _claim_free(session: Session, task_ids: Sequence[int], claim: str, lease_until: datetime) -> set[int]:
    """Claim those of some tasks whose subject has no earlier one that is open (as `claim_tasks` does); which."""
    earlier = T.alias("earlier")
    blocked = exists(
        select(earlier.c.id).where(
            earlier.c.subject == T.c.subject, earlier.c.subject != NOTHING, earlier.c.id < T.c.id,
            earlier.c.status.in_([WAITING, CLAIMED]),
        )
    )  # fmt: skip
    free = update(T).where(T.c.id.in_(task_ids), ~blocked)
    free = free.values(status=TaskStatus.CLAIMED, claim=claim, lease_until=lease_until)
    return set(session.execute(free.returning(T.c.id)).scalars())


def _note_repeats(session: Session, events: Sequence[NewEvent], now: datetime) -> dict[bytes, StoredEvent]:
    stored: dict[bytes, StoredEvent] = {}
    for event in events:
        event_id = session.execute(
            update(E)
            .where(E.c.digest == event.digest)
            .values(repeats=E.c.repeats + 1, last_received_at=now)
            .returning(E.c.id)
        ).scalar_one()
        stored[event.digest] = StoredEvent(event_id, is_new=False)
        if event.refresh:
            run_again(session, T.c.event_id == event_id, now)
    return stored


def run_again(session: Session, which: Any, now: datetime) -> int:
    """Finished and dead tasks are run once more, claimed ones once they end; waiting ones will run anyway."""
    session.execute(update(T).where(which, T.c.status == TaskStatus.CLAIMED).values(again=True))
    changed = session.execute(
        update(T)
        .where(which, T.c.status.in_([TaskStatus.DONE, TaskStatus.DEAD]))
        .values(
            status=TaskStatus.WAITING,
            run=T.c.run + 1,
            attempts=0,
            due_at=now,
            finished_at=None,
            note="",
            claim="",
        )
    )
    return count_changed(changed)


def count_changed(result: Any) -> int:
    """Rows that a statement changed."""
    return int(result.rowcount)


def lease_end(now: datetime, seconds: float) -> datetime:
    """The instant a lease taken now runs out."""
    return now + timedelta(seconds=seconds)
