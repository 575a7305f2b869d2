"""Journeys in numbers: each is one statement, which reads counters or an index that holds all it asks for."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import case, exists, func, select
from sqlmodel import Session

from data.models import (
    EndReason,
    Enrolment,
    Follow,
    JourneyWave,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StaffTaskStatus,
    StepCount,
    StepOutcome,
    WaveCustomer,
)

E: Any = Enrolment.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
L: Any = WaveCustomer.__table__  # type: ignore[attr-defined]
S: Any = StepCount.__table__  # type: ignore[attr-defined]
T: Any = StaffTask.__table__  # type: ignore[attr-defined]
W: Any = JourneyWave.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
U: Any = Run.__table__  # type: ignore[attr-defined]


class Enrolled(NamedTuple):
    """So many enrolments of a version; `step`: the number of the one that they wait for, or waited for in the end."""

    version: int
    held_out: bool
    end_reason: str
    step: int
    enrolments: int


class Reached(NamedTuple):
    """Customers of a group, each once, and how many of them reached the goal."""

    customers: int = 0
    goal: int = 0


def list_enrolled(session: Session, journey_id: int) -> list[Enrolled]:
    """All enrolments of a journey, counted."""
    # In the order of the index: nothing is sorted.
    columns = (E.c.version, E.c.held_out, E.c.end_reason, E.c.step)
    query = select(*columns, func.count()).where(E.c.journey_id == journey_id).group_by(*columns)
    return [Enrolled(*row) for row in session.execute(query)]


def count_reached(session: Session, journey_id: int) -> dict[bool, Reached]:
    """Who reached the goal, by whether they were held out; who was on it several times counts once."""
    goal = func.max(case((E.c.end_reason == EndReason.GOAL.value, 1), else_=0))
    # Through one index in the order of the customers, not through the table: PostgreSQL takes it for a journey. SQLite
    # would take another one, so it is asked for those of all journeys, and the others are left out.
    mine = E.c.journey_id + 0 if session.get_bind().dialect.name == "sqlite" else E.c.journey_id
    customers = (
        select(E.c.held_out, goal.label("goal"))
        .where(mine == journey_id)
        .group_by(E.c.external_userid, E.c.journey_id, E.c.held_out)
        .subquery("customers")
    )
    query = select(customers.c.held_out, func.count(), func.sum(customers.c.goal)).group_by(customers.c.held_out)
    return {row[0]: Reached(row[1], int(row[2])) for row in session.execute(query)}


def count_outcomes(session: Session, journey_id: int) -> dict[tuple[int, int], dict[StepOutcome, int]]:
    """What became of each step, by version and number."""
    query = select(S.c.version, S.c.step, S.c.outcome, S.c.number).where(S.c.journey_id == journey_id, S.c.number > 0)
    found: dict[tuple[int, int], dict[StepOutcome, int]] = {}
    for version, step, outcome, number in session.execute(query):
        found.setdefault((version, step), {})[StepOutcome(outcome)] = number
    return found


def count_converted(session: Session, journey_id: int) -> dict[tuple[int, int], int]:
    """For how many the goal was reached after a step was done, by version and number of the step."""
    query = select(S.c.version, S.c.step, S.c.converted).where(S.c.journey_id == journey_id, S.c.converted > 0)
    return {(version, step): number for version, step, number in session.execute(query)}


def count_tasks(session: Session, journey_id: int) -> dict[tuple[int, int], dict[StaffTaskStatus, int]]:
    """How the tasks stand, by version and number of the step."""
    columns = (T.c.version, T.c.step, T.c.status)
    query = select(*columns, func.count()).where(T.c.journey_id == journey_id).group_by(*columns)
    found: dict[tuple[int, int], dict[StaffTaskStatus, int]] = {}
    for version, step, status, number in session.execute(query):
        found.setdefault((version, step), {})[StaffTaskStatus(status)] = number
    return found


def count_recipients(session: Session, journey_id: int) -> dict[tuple[int, int], dict[RecipientState, int]]:
    """What became of the recipients of broadcasts, by version and number of the step."""
    columns = (W.c.version, W.c.step, R.c.state)
    alone = (
        select(*columns, func.count())
        .join_from(W, U, U.c.wave_id == W.c.wave_id)
        .join(R, R.c.run_id == U.c.id)
        .where(W.c.journey_id == journey_id, W.c.sent_with.is_(None))
        .group_by(*columns)
    )
    # Of what was sent together with others those count whom this one has put on the list.
    mine = exists().where(L.c.wave_id == W.c.wave_id, L.c.external_userid == F.c.external_userid)
    together = (
        select(*columns, func.count())
        .join_from(W, U, U.c.wave_id == W.c.sent_with)
        .join(R, R.c.run_id == U.c.id)
        .join(F, F.c.id == R.c.follow_id)
        .where(W.c.journey_id == journey_id, W.c.sent_with.is_not(None), mine)
        .group_by(*columns)
    )
    found: dict[tuple[int, int], dict[RecipientState, int]] = {}
    for query in (alone, together):
        for version, step, state, number in session.execute(query):
            states = found.setdefault((version, step), {})
            states[RecipientState(state)] = states.get(RecipientState(state), 0) + number
    return found
