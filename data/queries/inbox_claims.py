"""Tasks of the inbox: claimed in groups, finished in groups, given back when their holder is gone.

A task is claimable when it is due and no earlier task of its subject is open. That rule alone keeps a customer's
events in order on any number of replicas: the second task of a subject cannot be claimed by anyone before the first is
finished. Welcomes have no subject, so they wait for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, and_, bindparam, case, delete, exists, or_, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session

from data.models.inbox import InboxOutcome, InboxTask, Lane, OutcomeStatus, TaskStatus
from data.queries.inbox import CLAIMED, NOTHING, WAITING, ClaimedTask, E, O, T, TaskResult, count_changed
from data.queries.upsert import insert_into


def _due_of(lane: Lane) -> Any:
    """Due tasks that no earlier one of their subject keeps waiting; takes `now` and `room`, the most of them."""
    earlier = aliased(InboxTask.__table__)  # type: ignore[attr-defined]
    blocked = exists(
        select(earlier.c.id).where(
            earlier.c.subject == T.c.subject,
            earlier.c.subject != NOTHING,
            earlier.c.status.in_([WAITING, CLAIMED]),
            earlier.c.id < T.c.id,
        )
    )
    due = (
        select(T.c.id)
        .where(T.c.status == WAITING, T.c.due_at <= bindparam("now"), or_(T.c.subject == "", ~blocked))
        .where(T.c.lane == int(lane))
        .with_for_update(skip_locked=True)
        .limit(bindparam("room", type_=Integer))
    )
    return due.order_by(T.c.id.desc() if lane == Lane.WELCOME else T.c.id)


#: Asked at every event and every second: built once.
DUE = {lane: _due_of(lane) for lane in (Lane.WELCOME, Lane.NORMAL, Lane.STORM)}


def claim_tasks(
    session: Session, now: datetime, claim: str, lease_until: datetime, limit: int, storms: int | None = None
) -> list[ClaimedTask]:
    """Claim up to `limit` due tasks, welcomes first; collapsible ones take their likes with them.

    Of the welcomes the newest goes first, for its code lives longest: after a long stop those that are too late anyway
    must not make the others late. Everything else goes by age. `storms` is the most that may be of the storm lane.
    """
    found: list[int] = []
    for lane, most in ((Lane.WELCOME, limit), (Lane.NORMAL, limit), (Lane.STORM, limit if storms is None else storms)):
        room = min(limit - len(found), most)
        if room > 0:
            found += session.execute(DUE[lane], {"now": now, "room": room}).scalars()
    if not found:
        return []
    session.execute(
        update(T).where(T.c.id.in_(found)).values(status=TaskStatus.CLAIMED, claim=claim, lease_until=lease_until)
    )
    collapsed = _collapse(session, found, now)
    return _load(session, found, collapsed)


def _collapse(session: Session, ids: Sequence[int], now: datetime) -> dict[int, int]:
    """Finish the waiting likes of the claimed tasks; by claimed task, how many it answers for."""
    keys = session.execute(
        select(T.c.id, T.c.event_id, T.c.collapse_key).where(T.c.id.in_(ids), T.c.collapse_key != "")
    ).all()
    counts: dict[int, int] = {}
    for task_id, event_id, key in keys:
        changed = session.execute(
            update(T)
            .where(T.c.collapse_key == key, T.c.status == WAITING, T.c.collapse_key != NOTHING)
            .values(
                status=TaskStatus.DONE,
                finished_at=now,
                note=f"answered by one look together with event {event_id}",
            )
        )
        counts[task_id] = count_changed(changed)
    return counts


def _load(session: Session, ids: Sequence[int], collapsed: dict[int, int]) -> list[ClaimedTask]:
    finished: dict[int, set[str]] = {}
    done = (
        select(T.c.id, O.c.handler)
        .join(O, and_(O.c.event_id == T.c.event_id, O.c.run >= T.c.run))
        .where(T.c.id.in_(ids), O.c.status != OutcomeStatus.FAILED)
    )
    for task_id, handler in session.execute(done):
        finished.setdefault(task_id, set()).add(handler)
    rows = session.execute(
        select(
            T.c.id,
            T.c.event_id,
            T.c.lane,
            T.c.run,
            T.c.attempts,
            T.c.claim,
            E.c.callback,
            E.c.body,
            E.c.received_at,
        )
        .join(E, E.c.id == T.c.event_id)
        .where(T.c.id.in_(ids))
        .order_by(T.c.lane, T.c.id)
    )
    claimed = (ClaimedTask(*row) for row in rows)
    return [
        replace(task, finished=frozenset(finished.get(task.id, ())), collapsed=collapsed.get(task.id, 0))
        for task in claimed
    ]


def finish_tasks(session: Session, results: Sequence[TaskResult], now: datetime) -> None:
    """Record how claimed tasks ended. A task whose claim was lost meanwhile keeps its new holder's state."""
    # asyncpg wants to know the type of every parameter.
    ended: Any = bindparam("ended", type_=T.c.status.type)
    tries: Any = bindparam("tries", type_=T.c.attempts.type)
    finished: Any = bindparam("finished", type_=T.c.finished_at.type)
    repeat = and_(T.c.again, ended != TaskStatus.WAITING.value)
    session.execute(
        update(T)
        .where(T.c.id == bindparam("task_id"), T.c.claim == bindparam("holder"), T.c.status == TaskStatus.CLAIMED)
        .values(
            status=case((repeat, TaskStatus.WAITING.value), else_=ended),
            run=case((repeat, T.c.run + 1), else_=T.c.run),
            attempts=case((repeat, 0), else_=tries),
            due_at=bindparam("due"),
            finished_at=case((repeat, None), else_=finished),
            note=bindparam("why"),
            again=False,
            claim="",
            lease_until=None,
        ),
        [
            {
                "task_id": result.task.id,
                "holder": result.task.claim,
                "ended": result.status.value,
                "tries": result.task.attempts + (result.status != TaskStatus.DONE),
                "due": result.due_at or now,
                "finished": None if result.status == TaskStatus.WAITING else now,
                "why": result.note,
            }
            for result in results
        ],
        execution_options={"synchronize_session": False},
    )
    forget_events(session, [result.task.event_id for result in results if result.forget])
    outcomes = {
        (result.task.event_id, outcome.handler): {
            "event_id": result.task.event_id,
            "handler": outcome.handler,
            "run": result.task.run,
            "status": outcome.status,
            "reason": outcome.reason,
            "detail": outcome.detail,
            "at": now,
        }
        for result in results
        for outcome in result.outcomes
        if not result.forget
    }
    if outcomes:
        statement = insert_into(session, InboxOutcome)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=[O.c.event_id, O.c.handler],
                set_={name: statement.excluded[name] for name in ("run", "status", "reason", "detail", "at")},
            ),
            list(outcomes.values()),
        )


def forget_events(session: Session, event_ids: Sequence[int]) -> None:
    """Remove events with their tasks and outcomes, whatever is left to do: they are about a customer who was erased."""
    if event_ids:
        for table, column in ((O, O.c.event_id), (T, T.c.event_id), (E, E.c.id)):
            session.execute(delete(table).where(column.in_(event_ids)))


def release_tasks(session: Session, now: datetime) -> int:
    """Give back tasks whose lease ended: their process died or lost the database."""
    return _release(session, T.c.lease_until <= now, now)


def release_held(session: Session, holder: str, now: datetime) -> int:
    """Give back what a process that stops did not finish."""
    return _release(session, T.c.claim.startswith(f"{holder}-"), now)


def release_all_claims(session: Session, now: datetime) -> int:
    """Give back every claimed task: for the start of a process that knows it is the only one."""
    return _release(session, T.c.claim != "", now)


def _release(session: Session, which: Any, now: datetime) -> int:
    return count_changed(
        session.execute(
            update(T)
            .where(T.c.status == CLAIMED, which)
            .values(status=TaskStatus.WAITING, claim="", lease_until=None, due_at=now)
        )
    )


def renew_claims(session: Session, ids: Sequence[int], claim: str, lease_until: datetime) -> None:
    """Keep tasks that are still being worked on."""
    session.execute(
        update(T)
        .where(T.c.id.in_(list(ids)), T.c.claim == claim, T.c.status == TaskStatus.CLAIMED)
        .values(lease_until=lease_until)
    )


def find_next_due(session: Session) -> datetime | None:
    """When the earliest waiting task is due."""
    due: datetime | None = session.execute(
        select(T.c.due_at).where(T.c.status == WAITING).order_by(T.c.due_at).limit(1)
    ).scalar_one_or_none()
    return due
