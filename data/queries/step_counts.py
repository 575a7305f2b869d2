"""How often steps of journeys came out how, counted in the transaction that writes the records, or removes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, bindparam, case, func, select, update
from sqlmodel import Session

from data.bulk import among
from data.models import EndReason, Enrolment, StepCount, StepOutcome, StepRecord
from data.queries.upsert import insert_on

C: Any = StepCount.__table__  # type: ignore[attr-defined]
E: Any = Enrolment.__table__  # type: ignore[attr-defined]
S: Any = StepRecord.__table__  # type: ignore[attr-defined]

#: A journey, version and number of a step, and its outcome.
Key = tuple[int, int, int, str]


def count_records(session: Session, journeys: Mapping[int, int], records: Sequence[Sequence[Any]]) -> None:
    """Records are about to be written: (enrolment, step, instant, version, key of the step, outcome, ...), over those
    that are there of the same enrolment, step and instant. `journeys`: by enrolment."""
    counted: Counter[Key] = Counter()
    for enrolment_id, step, _, version, _, outcome, *_ in records:
        counted[journeys[enrolment_id], version, step, outcome] += 1
    keys = {(each[0], each[1], each[2]) for each in records}
    given = {"ids": sorted({each[0] for each in records})}
    there = session.connection().execute(_there(session.get_bind().dialect.name), given) if records else ()
    for enrolment_id, step, at, version, outcome in there:
        if (enrolment_id, step, at) in keys:
            counted[journeys[enrolment_id], version, step, outcome] -= 1
    _add(session, {key: (number, 0) for key, number in counted.items() if number})


@lru_cache
def _there(dialect: str) -> Any:
    columns = (S.c.enrolment_id, S.c.step, S.c.at, S.c.version, S.c.outcome)
    return select(*columns).where(among(dialect, S.c.enrolment_id, "ids"))


def count_converted(session: Session, enrolment_ids: Collection[int], now: datetime) -> None:
    """The goal was reached now by these: the steps that were done before have led there."""
    if not enrolment_ids:
        return
    columns = (E.c.journey_id, S.c.version, S.c.step, S.c.outcome)
    query = (
        select(*columns, func.count())
        .join_from(S, E, E.c.id == S.c.enrolment_id)
        .where(
            among(session.get_bind().dialect.name, S.c.enrolment_id, "ids"), S.c.outcome == StepOutcome.DONE.value,
            S.c.at <= now,
        )
        .group_by(*columns)
    )  # fmt: skip
    found = session.execute(query, {"ids": sorted(enrolment_ids)})
    _add(session, {_key_of(row): (0, row[4]) for row in found})


def uncount_customer(session: Session, external_userid: str) -> None:
    """All records of a customer are about to be removed."""
    columns = (E.c.journey_id, S.c.version, S.c.step, S.c.outcome)
    is_converted = and_(
        E.c.end_reason == EndReason.GOAL.value, S.c.outcome == StepOutcome.DONE.value, S.c.at <= E.c.ended_at
    )
    query = (
        select(*columns, func.count(), func.sum(case((is_converted, 1), else_=0)))
        .join_from(S, E, E.c.id == S.c.enrolment_id)
        .where(E.c.external_userid == external_userid)
        .group_by(*columns)
    )
    for row in session.execute(query).all():
        counted = (C.c.journey_id == row[0], C.c.version == row[1], C.c.step == row[2], C.c.outcome == row[3])
        less = {"number": C.c.number - row[4], "converted": C.c.converted - int(row[5])}
        session.execute(update(C).where(*counted).values(less))


def _key_of(row: Any) -> Key:
    return row[0], row[1], row[2], row[3]


def _add(session: Session, counted: Mapping[Key, tuple[int, int]]) -> None:
    """In the order of their keys: two transactions that count the same do not wait for each other in a circle."""
    rows = [dict(zip(_NAMES, (*key, *counted[key]), strict=True)) for key in sorted(counted)]
    if rows:
        session.connection().execute(_adding(session.get_bind().dialect.name), rows)


_NAMES = ("journey_id", "version", "step", "outcome", "number", "converted")


@lru_cache
def _adding(dialect: str) -> Any:
    insert = insert_on(dialect, StepCount).values({name: bindparam(name) for name in _NAMES})
    more = {name: C.c[name] + insert.excluded[name] for name in ("number", "converted")}
    return insert.on_conflict_do_update(index_elements=list(_NAMES[:4]), set_=more)
