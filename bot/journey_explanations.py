"""Why a customer got something of a journey, or did not: all their journeys with every step, what would have begun
others, and why those did not begin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from sqlmodel import Session

from data.models import (
    BarReason,
    EndReason,
    Enrolment,
    JourneyRow,
    JourneyStatus,
    RunStatus,
    StaffTask,
    StaffTaskStatus,
    StepOutcome,
    WebhookCall,
)
from data.models import StepRecord as Record
from data.queries import barred as barred_rows
from data.queries import journey_explanations as rows
from data.queries import journeys as journey_rows
from data.queries import preferences as preference_rows
from data.queries.journey_explanations import Broadcast
from data.queries.segments import list_members
from data.queries.senders import list_only
from data.queries.webhooks import state_of
from data.rules import journey_words as words
from data.rules.enrolments import may_begin_again
from data.rules.journeys import Journey

#: Enrolments that are told of one customer, the newest.
TOLD = 100
#: How runs stand that nothing comes of any more.
_NEVER_SENT = (RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.SKIPPED)


def explain_customer(session: Session, external_userid: str, now: datetime, zone: tzinfo) -> dict[str, Any]:
    """Every journey that a customer is or was on, and those that have not begun for them, as they are shown."""
    found = rows.list_enrolments_of(session, external_userid, TOLD)
    ids = [enrolment.id or 0 for enrolment, _ in found]
    records, tasks, calls = (
        rows.map_records(session, ids),
        rows.map_tasks(session, ids),
        rows.map_calls(session, external_userid),
    )
    waves = {each.wave_id for mine in records.values() for each in mine if each.wave_id is not None}
    broadcasts = rows.map_broadcasts(session, external_userid, waves)
    said = {key: journey_rows.read_definition(session, *key) for key in {(e.journey_id, e.version) for e, _ in found}}
    return {
        "external_userid": external_userid,
        "journeys": [
            {
                **_told(enrolment, row, said[enrolment.journey_id, enrolment.version]),
                "steps": [_step(each, tasks, broadcasts, calls) for each in records.get(enrolment.id or 0, ())],
            }
            for enrolment, row in found
        ],
        "barred": list_barred(session, external_userid),
        "not_on": _not_on(session, external_userid, now, zone),
    }


def list_barred(session: Session, external_userid: str, limit: int = TOLD) -> list[dict[str, Any]]:
    """What would have begun journeys for a customer and why it did not, the latest first."""
    return [
        {
            "journey_id": row.journey_id,
            "name": name,
            "version": row.version,
            "cause": row.cause,
            "at": row.at,
            "last_at": row.last_at,
            "times": row.times,
            "reason": row.reason,
            "reason_words": words.BARS[BarReason(row.reason)],
        }
        for row, name in barred_rows.list_barred(session, external_userid, limit)
    ]


def list_next(session: Session, external_userid: str) -> list[dict[str, Any]]:
    """The journeys that a customer is on, each with what is due next, the earliest first."""
    running = [each for each in rows.list_enrolments_of(session, external_userid, TOLD) if each[0].ended_at is None]
    told = [
        _told(enrolment, row, journey_rows.read_definition(session, enrolment.journey_id, enrolment.version))
        for enrolment, row in running
        if not enrolment.held_out
    ]
    return sorted(told, key=lambda each: (each["next"]["due_at"] is None, each["next"]["due_at"] or each["started_at"]))


def _told(enrolment: Enrolment, row: JourneyRow, said: Journey) -> dict[str, Any]:
    return {
        "enrolment_id": enrolment.id,
        "journey_id": enrolment.journey_id,
        "name": row.name,
        "status": row.status,
        "version": enrolment.version,
        "userid": enrolment.userid,
        "cause": enrolment.cause,
        "started_at": enrolment.started_at,
        "held_out": enrolment.held_out,
        "ended_at": enrolment.ended_at,
        "end_reason": enrolment.end_reason,
        "end_words": words.ENDS[EndReason(enrolment.end_reason)] if enrolment.end_reason else "",
        "next": None if enrolment.ended_at is not None else _next(enrolment, row, said),
    }


def _next(enrolment: Enrolment, row: JourneyRow, said: Journey) -> dict[str, Any]:
    """What is due next; behind the last step nothing but the goal is waited for."""
    step = said.steps[enrolment.step] if enrolment.step < len(said.steps) else None
    return {
        "step": step.key if step is not None else "",
        "does": step.action.do if step is not None else "goal",
        "due_at": enrolment.due_at,
        "wanted_at": enrolment.wanted_at,
        "rests": row.status == JourneyStatus.PAUSED,
    }


def _step(
    record: Record,
    tasks: Mapping[rows.TaskKey, StaffTask],
    broadcasts: Mapping[int, Broadcast],
    calls: Mapping[rows.CallKey, WebhookCall],
) -> dict[str, Any]:
    task = tasks.get((record.enrolment_id, record.step, record.at))
    broadcast = broadcasts.get(record.wave_id) if record.wave_id is not None else None
    call = calls.get((record.enrolment_id, record.key, record.at.isoformat()))
    return {
        "step": record.key,
        "at": record.at,
        "outcome": record.outcome,
        "reason": record.reason or words.OUTCOMES[StepOutcome(record.outcome)],
        "task": None if task is None else _task(task),
        "broadcast": None if broadcast is None else _broadcast(broadcast),
        "call": None if call is None else _call(call),
    }


def _task(task: StaffTask) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "userid": task.userid,
        "status": task.status,
        "status_words": words.TASKS[StaffTaskStatus(task.status)],
        "words": task.content.get("text", ""),
        "valid_until": task.valid_until,
        "later_until": task.later_until,
        "answered_at": task.answered_at,
        "answered_by": task.answered_by,
        "why": task.why,
        "moves": [{**each, "words": words.moved_words(each)} for each in task.moves],
    }


def _broadcast(broadcast: Broadcast) -> dict[str, Any]:
    if broadcast.state is not None:
        told = words.RECIPIENTS[broadcast.state]
    elif broadcast.run_id is None:
        told = words.NOT_SENT_YET if broadcast.is_open else words.NEVER_SENT
    elif broadcast.planned:
        told = words.NOBODY
    else:
        told = words.NEVER_SENT if broadcast.run_status in _NEVER_SENT else words.NOT_PLANNED
    return {
        "wave_id": broadcast.wave_id,
        "run_id": broadcast.run_id,
        "run_status": broadcast.run_status,
        "userid": broadcast.userid,
        "state": broadcast.state.name.lower() if broadcast.state is not None else "",
        "state_words": told,
        "words": broadcast.words,
    }


def _call(call: WebhookCall) -> dict[str, Any]:
    state = state_of(call)
    return {
        "call_id": call.id,
        "state": state,
        "state_words": words.CALLS[state.value],
        "attempts": call.attempts,
        "next_at": call.next_at,
        "error": call.error,
    }


def _not_on(session: Session, external_userid: str, now: datetime, zone: tzinfo) -> list[dict[str, Any]]:
    """The journeys that a customer is not on, and why each would not begin now; or that nothing began it."""
    followers = rows.map_followers(session, external_userid)
    wanted = preference_rows.find_rule(session, external_userid)
    general = [] if followers else [words.NO_CONTACT]
    if wanted is not None and wanted.opted_out:
        general.append(words.WANTS_NOTHING)
    found = []
    for row, last in rows.list_started_without(session, external_userid):
        said = journey_rows.read_definition(session, row.id or 0, row.version)
        standing = words.STANDING.get(JourneyStatus(row.status))
        reasons, only = [*general, *_barred(last, said, now, zone)], list_only(session, said)
        reasons = reasons if standing is None else [standing, *reasons]
        follow_ids = [each for each, userid in followers.items() if only is None or userid in only]
        if followers and not follow_ids:
            reasons.append(words.NOT_OF_MEMBERS)
        elif said.audience is not None and not list_members(session, said.audience, now, zone, follow_ids):
            reasons.append(words.NOT_IN_AUDIENCE)
        found.append(
            {
                "journey_id": row.id,
                "name": row.name,
                "may_begin": not reasons,
                "reasons": reasons or [words.NOTHING_HAPPENED],
                "trigger": said.trigger.model_dump(mode="json"),
            }
        )
    return found


def _barred(last: datetime | None, said: Journey, now: datetime, zone: tzinfo) -> list[str]:
    days = said.again.after_days
    if last is None or may_begin_again(last, days, now, zone):
        return []
    return [words.barred_words(last, days, zone)]
