"""Journeys in numbers: each is one statement over all enrolments of a journey, or over what became of their steps."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, select
from sqlmodel import Session

from data.models import (
    EndReason,
    Enrolment,
    JourneyWave,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StaffTaskStatus,
    StepOutcome,
    StepRecord,
)

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
S: Any = StepRecord.__table__  # type: ignore[attr-defined]
T: Any = StaffTask.__table__  # type: ignore[attr-defined]
W: Any = JourneyWave.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
U: Any = Run.__table__  # type: ignore[attr-defined]

# From the enrolments to their records, never the other way: those of all journeys are many more.
_OF_ENROLMENT = S.c.enrolment_id == E.c.id + 0


class Enrolled(NamedTuple):
    """So many enrolments of a version. Of those that are not over: the number of the `step` they wait for."""

    version: int
    held_out: bool
    end_reason: str
    step: int | None
    enrolments: int


class Reached(NamedTuple):
    """Customers of a group, each once, and how many of them reached the goal."""

    customers: int = 0
    goal: int = 0


def list_enrolled(session: Session, journey_id: int) -> list[Enrolled]:
    """All enrolments of a journey, counted."""
    step = case((E.c.ended_at.is_(None), E.c.step))
    columns = (E.c.version, E.c.held_out, E.c.end_reason, step)
    query = select(*columns, func.count()).where(E.c.journey_id == journey_id).group_by(*columns)
    return [Enrolled(*row) for row in session.execute(query)]


def count_reached(session: Session, journey_id: int) -> dict[bool, Reached]:
    """Who reached the goal, by whether they were held out; who was on it several times counts once."""
    whom = E.c.external_userid
    goal = case((E.c.end_reason == EndReason.GOAL.value, whom))
    query = (
        select(E.c.held_out, func.count(whom.distinct()), func.count(goal.distinct()))
        .where(E.c.journey_id == journey_id)
        .group_by(E.c.held_out)
    )
    return {row[0]: Reached(row[1], row[2]) for row in session.execute(query)}


def count_outcomes(session: Session, journey_id: int) -> dict[tuple[int, int], dict[StepOutcome, int]]:
    """What became of each step, by version and number: to group by its key would take half as long again."""
    columns = (S.c.version, S.c.step, S.c.outcome)
    query = (
        select(*columns, func.count())
        .join_from(E, S, _OF_ENROLMENT)
        .where(E.c.journey_id == journey_id)
        .group_by(*columns)
    )
    found: dict[tuple[int, int], dict[StepOutcome, int]] = {}
    for version, step, outcome, number in session.execute(query):
        found.setdefault((version, step), {})[StepOutcome(outcome)] = number
    return found


def count_converted(session: Session, journey_id: int) -> dict[tuple[int, int], int]:
    """For how many the goal was reached after a step was done, by version and number of the step."""
    query = (
        select(S.c.version, S.c.step, func.count())
        .join_from(E, S, _OF_ENROLMENT)
        .where(
            E.c.journey_id == journey_id, E.c.end_reason == EndReason.GOAL.value,
            S.c.outcome == StepOutcome.DONE.value, S.c.at <= E.c.ended_at,
        )
        .group_by(S.c.version, S.c.step)
    )  # fmt: skip
    return {(version, step): number for version, step, number in session.execute(query)}


def count_tasks(session: Session, journey_id: int) -> dict[tuple[int, int], dict[StaffTaskStatus, int]]:
    """How the tasks stand, by version and number of the step."""
    columns = (S.c.version, S.c.step, T.c.status)
    same = and_(S.c.enrolment_id == T.c.enrolment_id, S.c.step == T.c.step, S.c.at == T.c.due_at)
    query = (
        select(*columns, func.count()).join_from(T, S, same).where(T.c.journey_id == journey_id).group_by(*columns)
    )  # fmt: skip
    found: dict[tuple[int, int], dict[StaffTaskStatus, int]] = {}
    for version, step, status, number in session.execute(query):
        found.setdefault((version, step), {})[StaffTaskStatus(status)] = number
    return found


def count_recipients(session: Session, journey_id: int) -> dict[tuple[int, int], dict[RecipientState, int]]:
    """What became of the recipients of broadcasts, by version and number of the step."""
    columns = (W.c.version, W.c.step, R.c.state)
    query = (
        select(*columns, func.count())
        .join_from(W, U, U.c.wave_id == W.c.wave_id)
        .join(R, R.c.run_id == U.c.id)
        .where(W.c.journey_id == journey_id)
        .group_by(*columns)
    )
    found: dict[tuple[int, int], dict[RecipientState, int]] = {}
    for version, step, state, number in session.execute(query):
        found.setdefault((version, step), {})[RecipientState(state)] = number
    return found
