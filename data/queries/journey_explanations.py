"""What is known of one customer's journeys: the steps with their tasks and broadcasts, and why others did not begin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Batch,
    Enrolment,
    Follow,
    JourneyRow,
    JourneyStatus,
    JourneyWave,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StepRecord,
    WebhookCall,
)

F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = StepRecord.__table__  # type: ignore[attr-defined]
T: Any = StaffTask.__table__  # type: ignore[attr-defined]

#: A call's enrolment, the key of its step, and the instant (ISO 8601) at which it was asked for.
CallKey = tuple[int, str, str]
#: A task's enrolment, the number of its step, and the instant at which it was given.
TaskKey = tuple[int, int, datetime]


class Broadcast(NamedTuple):
    """What became of a journey's broadcast for a customer. Without a `run_id` it is not sent yet; without a `state` the
    run has not found its recipients, or the customer is not among them."""

    wave_id: int
    is_open: bool
    run_id: int | None = None
    run_status: str = ""
    planned: bool = False
    state: RecipientState | None = None
    userid: str = ""
    words: str = ""


def list_enrolments_of(session: Session, external_userid: str, limit: int) -> list[tuple[Enrolment, JourneyRow]]:
    """The journeys that a customer is or was on, newest first."""
    query = (
        select(Enrolment, JourneyRow)
        .join(JourneyRow, col(JourneyRow.id) == col(Enrolment.journey_id))
        .where(col(Enrolment.external_userid) == external_userid)
        .order_by(col(Enrolment.id).desc())
        .limit(limit)
    )
    return [(enrolment, journey) for enrolment, journey in session.execute(query)]


def map_records(session: Session, enrolment_ids: Collection[int]) -> dict[int, list[StepRecord]]:
    """What became of the steps of some enrolments, in the order of their instants."""
    query = (
        select(StepRecord)
        .where(among(session.get_bind().dialect.name, S.c.enrolment_id, "ids"))
        .order_by(S.c.enrolment_id, S.c.at, S.c.step)
    )
    found: dict[int, list[StepRecord]] = defaultdict(list)
    for record in session.execute(query, {"ids": sorted(enrolment_ids)}).scalars():
        found[record.enrolment_id].append(record)
    return found


def map_tasks(session: Session, enrolment_ids: Collection[int]) -> dict[TaskKey, StaffTask]:
    """What staff were asked for some enrolments."""
    query = select(StaffTask).where(among(session.get_bind().dialect.name, T.c.enrolment_id, "ids"))
    rows = session.execute(query, {"ids": sorted(enrolment_ids)}).scalars()
    return {(row.enrolment_id, row.step, row.due_at): row for row in rows}


def map_broadcasts(session: Session, external_userid: str, wave_ids: Collection[int]) -> dict[int, Broadcast]:
    """What became of some waves for a customer; of several of their staff the one who sends it."""
    if not wave_ids:
        return {}
    recipient = and_(
        col(Recipient.run_id) == col(Run.id),
        col(Recipient.follow_id).in_(select(F.c.id).where(F.c.external_userid == external_userid)),
    )
    query = (
        select(JourneyWave, Run, Recipient, Batch)
        .outerjoin(Run, col(Run.wave_id) == func.coalesce(col(JourneyWave.sent_with), col(JourneyWave.wave_id)))
        .outerjoin(Recipient, recipient)
        .outerjoin(
            Batch, and_(col(Batch.run_id) == col(Run.id), col(Batch.batch_no) == col(Recipient.batch_no))
        )
        .where(col(JourneyWave.wave_id).in_(sorted(wave_ids)))
        .order_by(col(Recipient.batch_no).is_(None).desc())
    )  # fmt: skip
    found: dict[int, Broadcast] = {}
    for wave, run, got, batch in session.execute(query):
        told = Broadcast(wave.wave_id, wave.closed_at is None)
        if run is not None:
            told = told._replace(run_id=run.id, run_status=run.status, planned=run.planned_at is not None)
        if got is not None:
            told = told._replace(state=RecipientState(got.state))
        if batch is not None:
            words = ((batch.body or {}).get("text") or {}).get("content", "")
            told = told._replace(userid=batch.userid, words=words)
        found[wave.wave_id] = told
    return found


#: Those that were started and not stopped.
_STARTED = (JourneyStatus.RUNNING, JourneyStatus.PAUSED, JourneyStatus.CLOSED)


def list_started_without(session: Session, external_userid: str) -> list[tuple[JourneyRow, datetime | None]]:
    """The journeys that begin for customers, or did, but this one is not on, and when this one began each last."""
    mine = and_(
        col(Enrolment.journey_id) == col(JourneyRow.id), col(Enrolment.external_userid) == external_userid
    )  # fmt: skip
    query = (
        select(col(JourneyRow.id), func.max(col(Enrolment.started_at)))
        .outerjoin(Enrolment, mine)
        .where(col(JourneyRow.status).in_(_STARTED))
        .group_by(col(JourneyRow.id))
        .having(func.count(col(Enrolment.id)) == func.count(col(Enrolment.ended_at)))
        .order_by(col(JourneyRow.id))
    )
    return [(session.get_one(JourneyRow, journey_id), last) for journey_id, last in session.execute(query).all()]


def map_followers(session: Session, external_userid: str) -> dict[int, str]:
    """Who follows a customer, by the numbers of the follows."""
    query = select(F.c.id, F.c.userid).where(F.c.external_userid == external_userid, F.c.status == "present")
    return {follow_id: userid for follow_id, userid in session.execute(query)}  # noqa: C416


def map_calls(session: Session, external_userid: str) -> dict[CallKey, WebhookCall]:
    """What other programs were told of a customer by steps of journeys."""
    query = select(WebhookCall).where(
        col(WebhookCall.external_userid) == external_userid, col(WebhookCall.webhook_id).is_(None)
    )
    return {
        (row.enrolment_id, str(row.body.get("step")), str(row.body.get("at"))): row
        for row in session.execute(query).scalars()
    }
