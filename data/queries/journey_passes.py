"""What became of due steps, written down with all that it brings, in one transaction: nothing is done twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from data.bulk import BulkUpdate, BulkUpsert, among
from data.models import (
    EndReason,
    Enrolment,
    JourneyRow,
    StaffTask,
    StaffTaskStatus,
    StepRecord,
    WaveCustomer,
    WebhookCall,
)
from data.queries import fields as field_rows
from data.queries import kf_sessions as kf_rows
from data.queries import step_counts
from data.queries.enrolments import withdraw_tasks
from data.queries.journey_dues import Due
from data.queries.journey_marks import add_marks
from data.queries.journey_versions import GOING_ON
from data.queries.journey_waves import find_open_wave
from data.rules.journey_steps import Decision
from data.rules.journeys import Journey, PutTags

E: Any = Enrolment.__table__  # type: ignore[attr-defined]

_STANDING = BulkUpdate(Enrolment, ("step", "before_at", "due_at", "wanted_at", "ended_at", "end_reason"))
_RECORDS = BulkUpsert(StepRecord, ("enrolment_id", "step", "at", "version", "key", "outcome", "reason", "wave_id"))
_TASK_COLUMNS = (
    "enrolment_id", "journey_id", "version", "step", "userid", "external_userid", "content", "hint", "worth", "due_at",
    "valid_until", "status", "answered_by", "why",
)  # fmt: skip
_TASKS = BulkUpsert(StaffTask, _TASK_COLUMNS, key=("enrolment_id", "step", "due_at"), keep=_TASK_COLUMNS)
_LISTED = BulkUpsert(WaveCustomer, ("wave_id", "external_userid", "userid"))


class Task(NamedTuple):
    """What is asked of a staff member: see StaffTask."""

    content: Mapping[str, Any]
    hint: str
    worth: int
    valid_until: datetime


class Mark(NamedTuple):
    """Tags for a contact."""

    follow_id: int
    action: PutTags


@dataclass(slots=True)
class Pass:
    """What became of a due step (of the `key`), at an instant, and what it brings; `userid`: through whom."""

    due: Due
    decision: Decision
    key: str
    at: datetime
    userid: str = ""
    task: Task | None = None
    broadcast: bool = False
    mark: Mark | None = None
    field: Mapping[str, Any] | None = None
    call: tuple[str, Mapping[str, Any]] | None = None
    #: A text for customer service, with the account's open_kfid or nothing.
    said: tuple[str, str] | None = None


@dataclass(slots=True)
class Written:
    """How many passes were written, and what they brought."""

    passes: int = 0
    tasks: int = 0
    broadcasts: int = 0
    ended: list[int] = field(default_factory=list)


def write_passes(
    session: Session, passes: Sequence[Pass], journeys: Mapping[tuple[int, int], Journey], now: datetime
) -> Written:
    """Write down what became of steps. Those that were decided meanwhile, or whose journey was paused, are left out."""
    valid = _lock(session, passes)
    moved = [_standing_of(each, now) for each in valid]
    _STANDING.write(session, moved)
    waves = _waves_of(session, valid, journeys, now)
    records = [
        (
            each.due.enrolment_id, each.due.standing.step, each.at, each.due.version, each.key,
            each.decision.outcome.value, each.decision.reason, waves.get(_step_of(each)) if each.broadcast else None,
        )
        for each in valid
        if each.decision.outcome is not None
    ]  # fmt: skip
    step_counts.count_records(session, {each.due.enrolment_id: each.due.journey_id for each in valid}, records)
    _RECORDS.write(session, records)
    tasks = [_task_row(each, each.task) for each in valid if each.task is not None]
    _TASKS.write(session, tasks)
    listed = {(waves[_step_of(each)], each.due.external_userid, each.userid) for each in valid if each.broadcast}
    _LISTED.write(session, sorted(listed))
    add_marks(session, [(_step_of(each), each.mark.follow_id, each.mark.action) for each in valid if each.mark], now)
    for each in valid:
        if each.field is not None:
            field_rows.save_values(session, each.due.external_userid, each.field, now, replace=False)
        if each.call is not None:
            _add_call(session, each, now)
        if each.said is not None:
            kf_rows.write_for_journey(session, each.due.external_userid, *each.said, each.due.journey_id, now)
    ended = [each.due.enrolment_id for each in valid if each.decision.end is not None]
    for reason in (EndReason.LOST, EndReason.OPTED_OUT):
        over = [each.due.enrolment_id for each in valid if each.decision.end is reason]
        if over:
            withdraw_tasks(session, over, reason, now)
    return Written(len(valid), len(tasks), len(listed), ended)


def _lock(session: Session, passes: Sequence[Pass]) -> list[Pass]:
    """The passes that still hold: the customer stands where they stood in that version, on a journey that goes on."""
    dialect = session.get_bind().dialect.name
    rows = (
        select(E.c.id, E.c.version, E.c.step, E.c.due_at)
        .where(among(dialect, E.c.id, "ids"), E.c.ended_at.is_(None))
        .order_by(E.c.id)
        .with_for_update()
    )
    ids = sorted({each.due.enrolment_id for each in passes})
    stands = {row[0]: tuple(row[1:]) for row in session.execute(rows, {"ids": ids})}
    journey = JourneyRow.__table__  # type: ignore[attr-defined]
    going = select(journey.c.id).where(journey.c.status.in_(GOING_ON)).with_for_update(read=True)
    going_on = set(session.execute(going).scalars())
    return [
        each
        for each in passes
        if each.due.journey_id in going_on
        and stands.get(each.due.enrolment_id) == (each.due.version, each.due.standing.step, each.due.standing.due_at)
    ]


def _standing_of(each: Pass, now: datetime) -> tuple[Any, ...]:
    standing, end = each.decision.standing, each.decision.end
    return (
        each.due.enrolment_id, standing.step, standing.before_at, standing.due_at, standing.wanted_at,
        now if end is not None else None, end.value if end is not None else "",
    )  # fmt: skip


def _step_of(each: Pass) -> tuple[int, int, int]:
    return each.due.journey_id, each.due.version, each.due.standing.step


def _waves_of(
    session: Session, valid: Sequence[Pass], journeys: Mapping[tuple[int, int], Journey], now: datetime
) -> dict[tuple[int, int, int], int]:
    """The open broadcast of each step that sends one."""
    steps = sorted({_step_of(each) for each in valid if each.broadcast})
    return {step: find_open_wave(session, *step, journeys[step[:2]], now) for step in steps}


def _task_row(each: Pass, task: Task) -> tuple[Any, ...]:
    due = each.due
    return (
        due.enrolment_id, due.journey_id, due.version, due.standing.step, each.userid, due.external_userid,
        dict(task.content), task.hint, task.worth, each.at, task.valid_until, StaffTaskStatus.OPEN.value, "", "",
    )  # fmt: skip


def _add_call(session: Session, each: Pass, now: datetime) -> None:
    assert each.call is not None
    url, body = each.call
    session.add(
        WebhookCall(
            enrolment_id=each.due.enrolment_id, external_userid=each.due.external_userid, url=url, body=dict(body),
            made_at=now, next_at=now,
        )
    )  # fmt: skip
