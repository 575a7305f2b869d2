"""Enrolments as people look at them: who is on a journey, page by page, and everybody who is on it, to be ended."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, exists, false, func, or_, select
from sqlmodel import Session, col

from data.bulk import among
from data.errors import ConflictError, NotFoundError
from data.models import EndReason, Enrolment, Follow, JourneyRow, JourneyStatus
from data.queries.enrolments import end_enrolments
from data.rules.journey_steps import Standing

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
#: Enrolments that are ended in one transaction.
PIECE = 1000


class EnrolmentFilter(NamedTuple):
    """Whom to list: those who are on it or not any more (`running`), those for whom it ended so, those who wait for a
    step (by version and number, any of these), one customer."""

    running: bool | None = None
    end_reason: EndReason | None = None
    steps: frozenset[tuple[int, int]] | None = None
    external_userid: str | None = None


def get_enrolment(session: Session, enrolment_id: int) -> Enrolment:
    """One enrolment. Raises NotFoundError."""
    row = session.get(Enrolment, enrolment_id)
    if row is None:
        raise NotFoundError(f"There is no enrolment {enrolment_id}.", "GET /journeys/{id}/enrolments lists them.")
    return row


def list_enrolments(
    session: Session,
    journey_id: int,
    wanted: EnrolmentFilter,
    limit: int,
    before_id: int | None,
    visible: Collection[str] | None = None,
) -> list[Enrolment]:
    """Enrolments of a journey, newest first; of customers of these members alone, where a reader may see no others."""
    query = select(Enrolment).where(E.c.journey_id == journey_id)
    if wanted.running is not None:
        query = query.where(E.c.ended_at.is_(None) if wanted.running else E.c.ended_at.is_not(None))
    if wanted.end_reason is not None:
        query = query.where(E.c.end_reason == wanted.end_reason.value)
    if wanted.external_userid is not None:
        query = query.where(E.c.external_userid == wanted.external_userid)
    if wanted.steps is not None:
        at = [and_(E.c.version == version, E.c.step == number) for version, number in sorted(wanted.steps)]
        query = query.where(E.c.ended_at.is_(None), or_(false(), *at))
    if visible is not None:
        theirs = exists().where(F.c.external_userid == E.c.external_userid, F.c.userid.in_(sorted(visible)))
        query = query.where(theirs)
    if before_id is not None:
        query = query.where(E.c.id < before_id)
    return list(session.execute(query.order_by(col(Enrolment.id).desc()).limit(limit)).scalars())


def count_running(session: Session, journey_id: int) -> int:
    """How many customers are on a journey."""
    query = select(func.count()).select_from(E).where(E.c.journey_id == journey_id, E.c.ended_at.is_(None))
    return int(session.execute(query).scalar_one())


def list_standing(session: Session, journey_id: int, after: str, count: int) -> list[tuple[str, int, str, Standing]]:
    """The next customers who are on a journey, behind one, by their ids, each with version, userid and standing."""
    standing = (E.c.step, E.c.started_at, E.c.before_at, E.c.due_at, E.c.wanted_at, E.c.held_out)
    query = (
        select(E.c.external_userid, E.c.version, E.c.userid, *standing)
        .where(E.c.journey_id == journey_id, E.c.ended_at.is_(None), E.c.external_userid > after)
        .order_by(E.c.external_userid)
        .limit(count)
    )
    return [(row[0], row[1], row[2], Standing(*row[3:])) for row in session.execute(query)]


def map_began(session: Session, journey_id: int, customers: Collection[str]) -> dict[str, datetime]:
    """When some customers began a journey last."""
    query = (
        select(E.c.external_userid, func.max(E.c.started_at))
        .where(E.c.journey_id == journey_id, among(session.get_bind().dialect.name, E.c.external_userid, "customers"))
        .group_by(E.c.external_userid)
    )
    return {whom: at for whom, at in session.execute(query, {"customers": sorted(customers)})}  # noqa: C416


def list_half_stopped(session: Session) -> list[int]:
    """Journeys that were stopped, and are not over for somebody yet."""
    still_on = exists().where(E.c.journey_id == col(JourneyRow.id), E.c.ended_at.is_(None))
    query = select(col(JourneyRow.id)).where(col(JourneyRow.status) == JourneyStatus.STOPPED, still_on)
    return [journey_id or 0 for journey_id in session.execute(query).scalars()]


def withdraw_piece(session: Session, journey_id: int, now: datetime) -> int:
    """The journey is over for some of those who are on it, because a person stopped it; for how many."""
    query = select(E.c.id).where(E.c.journey_id == journey_id, E.c.ended_at.is_(None)).limit(PIECE)
    return end_enrolments(session, session.execute(query).scalars().all(), EndReason.WITHDRAWN, now)


def withdraw(session: Session, enrolment_id: int, now: datetime) -> Enrolment:
    """A person takes a customer off a journey. Raises NotFoundError, and ConflictError where it is over already."""
    row = get_enrolment(session, enrolment_id)
    if not end_enrolments(session, [enrolment_id], EndReason.WITHDRAWN, now):
        raise ConflictError(
            f"The customer is not on journey {row.journey_id} any more: it ended ({row.end_reason}).",
            "Nothing is to be done.",
        )
    session.refresh(row)
    return row


class OnIt(NamedTuple):
    """How many customers are on a journey, and for how many it ended with its goal."""

    running: int = 0
    goal: int = 0


def count_on(session: Session, journey_ids: Collection[int]) -> dict[int, OnIt]:
    """The same for some journeys, those held out among them."""
    reasons = ("", EndReason.GOAL.value)
    query = (
        select(E.c.journey_id, E.c.end_reason, func.count())
        .where(E.c.journey_id.in_(sorted(journey_ids)), E.c.end_reason.in_(reasons))
        .group_by(E.c.journey_id, E.c.end_reason)
    )
    found: dict[int, OnIt] = {}
    for journey_id, reason, number in session.execute(query):
        on = found.get(journey_id, OnIt())
        found[journey_id] = on._replace(goal=number) if reason else on._replace(running=number)
    return found


def has_older(session: Session, journey_id: int, version: int) -> bool:
    """Whether somebody is on an older version of a journey."""
    query = select(E.c.id).where(E.c.journey_id == journey_id, E.c.version < version, E.c.end_reason == "")
    return session.execute(query.limit(1)).first() is not None
