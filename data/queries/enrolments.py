"""Enrolments: customers who begin journeys, and for whom they end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import EndReason, Enrolment, StaffTask, StaffTaskStatus
from data.queries.step_counts import count_converted
from data.rules.journey_steps import Standing

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
T: Any = StaffTask.__table__  # type: ignore[attr-defined]

_COLUMNS = (
    "journey_id", "version", "external_userid", "userid", "cause", "started_at", "step", "before_at", "due_at",
    "held_out", "end_reason",
)  # fmt: skip
# Whoever is on it already stays where they are.
_NEW = BulkUpsert(
    Enrolment, _COLUMNS, key=("journey_id", "external_userid"), key_where="ended_at IS NULL", keep=_COLUMNS
)


class Beginner(NamedTuple):
    """A customer who begins a journey: through whom (or empty), why, and where they stand then."""

    external_userid: str
    userid: str
    cause: str
    standing: Standing


class Before(NamedTuple):
    """A customer was on a journey before: when they began it last, and whether they are on it now."""

    began_at: datetime
    is_on: bool


def map_before(session: Session, journey_id: int, customers: Collection[str]) -> dict[str, Before]:
    """Those of some customers who are on a journey or were."""
    if not customers:
        return {}
    query = (
        select(E.c.external_userid, func.max(E.c.started_at), func.count() > func.count(E.c.ended_at))
        .where(E.c.journey_id == journey_id, among(session.get_bind().dialect.name, E.c.external_userid, "customers"))
        .group_by(E.c.external_userid)
    )
    found = session.execute(query, {"customers": sorted(customers)})
    return {whom: Before(began_at, bool(is_on)) for whom, began_at, is_on in found}


def add_enrolments(session: Session, journey_id: int, version: int, beginners: Sequence[Beginner]) -> int:
    """Customers begin a journey, each once in `beginners`; how many do. Who is on it already stays where they are."""
    rows = [
        (
            journey_id, version, each.external_userid, each.userid, each.cause[:200], each.standing.started_at,
            each.standing.step, each.standing.before_at, each.standing.due_at, each.standing.held_out, "",
        )
        for each in beginners
    ]  # fmt: skip
    return _NEW.write(session, rows)


def end_enrolments(session: Session, ids: Collection[int], reason: EndReason, now: datetime) -> int:
    """The journey is over for these, and what is asked of staff for it is withdrawn; how many it was not over for."""
    if not ids:
        return 0
    dialect, given = session.get_bind().dialect.name, {"ids": sorted(ids)}
    change = (
        update(E)
        .where(among(dialect, E.c.id, "ids"), E.c.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason.value)
        .returning(E.c.id)
    )
    ended = list(session.execute(change, given).scalars())
    withdraw_tasks(session, ids, reason, now)
    if reason is EndReason.GOAL:
        count_converted(session, ended, now)
    return len(ended)


def withdraw_tasks(session: Session, enrolment_ids: Collection[int], reason: EndReason, now: datetime) -> None:
    """What is asked of staff for these enrolments is not wanted any more. What staff do when a journey is through with
    its steps stays asked."""
    if reason is EndReason.FINISHED:
        return
    open_tasks = (
        update(T)
        .where(
            among(session.get_bind().dialect.name, T.c.enrolment_id, "ids"), T.c.status == StaffTaskStatus.OPEN.value
        )
        .values(status=StaffTaskStatus.WITHDRAWN.value, why=reason.value, answered_at=now)
    )
    session.execute(open_tasks, {"ids": sorted(enrolment_ids)})


def list_running_of(session: Session, external_userids: Collection[str]) -> list[Enrolment]:
    """The enrolments of some customers that are not over."""
    if not external_userids:
        return []
    query = select(Enrolment).where(
        among(session.get_bind().dialect.name, E.c.external_userid, "customers"), col(Enrolment.ended_at).is_(None)
    )
    return list(session.execute(query, {"customers": sorted(external_userids)}).scalars())
