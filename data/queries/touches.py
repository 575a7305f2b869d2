"""Touches: what reached one customer, when, and what it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, tuple_
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.models import (
    Batch,
    Campaign,
    Follow,
    JourneyRow,
    JourneyWave,
    Recipient,
    Run,
    StaffTask,
    Touch,
    Wave,
    WaveCustomer,
    Welcome,
    WelcomeRuleRow,
)
from data.models.campaigns import SEVERAL
from data.queries.erasures import find_erased_at, list_erased
from data.queries.follow_facts import Facts, note_facts, note_touched
from data.queries.upsert import insert_into
from data.rules.preferences import NOT_COUNTED, TouchKind

WELCOME_ORIGIN = "welcome:"
_BROADCAST = re.compile(r"broadcast:(?P<run>[0-9]{1,18}):(?P<follow>[0-9]{1,18})", re.ASCII)
MOMENT_ORIGIN = "moment:"
TASK_ORIGIN = "task:"
_COLUMNS = ("origin", "kind", "external_userid", "userid", "campaign_id", "touched_at")
_NEW = BulkUpsert(Touch, _COLUMNS, key=("origin",), keep=_COLUMNS)
_COUNTED = col(Touch.kind).not_in(sorted(NOT_COUNTED))


def record(
    session: Session,
    *,
    origin: str,
    kind: TouchKind,
    external_userid: str,
    touched_at: datetime,
    userid: str = "",
    campaign_id: int | None = None,
) -> bool:
    """Write down that something reached a customer. False: it was known by its origin, or the customer was erased."""
    if find_erased_at(session, external_userid) is not None:
        return False
    added: Any = session.execute(
        insert_into(session, Touch)
        .values(
            origin=origin,
            kind=kind.value,
            external_userid=external_userid,
            userid=userid,
            campaign_id=campaign_id,
            touched_at=touched_at,
        )
        .on_conflict_do_nothing(index_elements=["origin"])
    )
    if added.rowcount:
        note_facts(session, [external_userid], Facts.TOUCHES)
    return bool(added.rowcount)


class NewTouch(NamedTuple):
    """A touch to be written; see `record`. `follow_id`: of the customer's only follow, where it is known to be that."""

    origin: str
    external_userid: str
    userid: str
    touched_at: datetime
    follow_id: int | None = None


def record_many(session: Session, new: Sequence[NewTouch], kind: TouchKind, campaign_id: int | None = None) -> None:
    """The same for many. What is known by its origin stays, and nothing is written about who was erased."""
    erased = list_erased(session, {each.external_userid for each in new})
    kept = [each for each in new if each.external_userid not in erased]
    way = kind.value
    rows = [(each.origin, way, each.external_userid, each.userid, campaign_id, each.touched_at) for each in kept]
    written = _NEW.write(session, rows)
    if written == len(rows):
        note_touched(session, [(each.external_userid, each.touched_at, each.follow_id) for each in kept])
    elif written:
        note_facts(session, {each.external_userid for each in kept}, Facts.TOUCHES)


def count_since(session: Session, external_userid: str, since: datetime) -> int:
    """How many messages that count reached a customer from an instant on."""
    query = select(func.count()).where(
        col(Touch.external_userid) == external_userid, col(Touch.touched_at) >= since, _COUNTED
    )
    return int(session.execute(query).scalar_one())


def list_times(session: Session, external_userid: str, since: datetime) -> list[datetime]:
    """When those messages reached them."""
    query = select(col(Touch.touched_at)).where(
        col(Touch.external_userid) == external_userid, col(Touch.touched_at) >= since, _COUNTED
    )
    return list(session.execute(query).scalars())


def last_of(session: Session, external_userid: str, kind: TouchKind | None = None) -> Touch | None:
    """The newest touch of a customer, of one kind if it is given."""
    query = select(Touch).where(col(Touch.external_userid) == external_userid)
    if kind is not None:
        query = query.where(col(Touch.kind) == kind.value)
    return session.execute(query.order_by(col(Touch.touched_at).desc(), col(Touch.id).desc()).limit(1)).scalar()


@dataclass(frozen=True, slots=True)
class Explained:
    """A touch and why it came: `because` is what its origin knows, empty where that is not kept any more."""

    touch: Touch
    because: Mapping[str, Any]


def list_explained(
    session: Session, external_userid: str, limit: int = 50, before_id: int | None = None
) -> list[Explained]:
    """What reached a customer, newest first: the answer to "why did they get this?"."""
    query = select(Touch).where(col(Touch.external_userid) == external_userid).order_by(col(Touch.id).desc())
    if before_id is not None:
        query = query.where(col(Touch.id) < before_id)
    touches = list(session.execute(query.limit(limit)).scalars())
    known: dict[str, dict[str, Any]] = {}
    for kind, explain in (
        (TouchKind.WELCOME, _explain_welcomes),
        (TouchKind.BROADCAST, _explain_broadcasts),
        (TouchKind.TEST, _explain_broadcasts),
        (TouchKind.MOMENT, _explain_moments),
        (TouchKind.TASK, _explain_tasks),
    ):
        known |= explain(session, [each.origin for each in touches if each.kind == kind])
    return [Explained(each, known.get(each.origin, {})) for each in touches]


def _explain_welcomes(session: Session, origins: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The rule and the words of welcomes, by the origins of their touches."""
    events = [int(number) for each in origins if (number := each.removeprefix(WELCOME_ORIGIN)).isdecimal()]
    if not events:
        return {}
    rows = session.execute(
        select(Welcome, col(WelcomeRuleRow.name))
        .outerjoin(WelcomeRuleRow, col(WelcomeRuleRow.id) == col(Welcome.rule_id))
        .where(col(Welcome.event_id).in_(events))
    )
    return {
        f"{WELCOME_ORIGIN}{welcome.event_id}": {
            "event_id": welcome.event_id,
            "event": welcome.kind,
            "state": welcome.state,
            "rule_id": welcome.rule_id,
            "rule": rule or "",
            "words": welcome.words,
            "attachments": welcome.attachments,
            "explanation": welcome.explanation,
        }
        for welcome, rule in rows
    }


def broadcast_origin(run_id: int, follow_id: int) -> str:
    """Where a broadcast to one customer comes from."""
    return f"broadcast:{run_id}:{follow_id}"


def _explain_broadcasts(session: Session, origins: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The campaign, whom it was for and what it said, by the origins of touches."""
    found = (_BROADCAST.fullmatch(each) for each in origins)
    keys = [(int(each["run"]), int(each["follow"])) for each in found if each]
    if not keys:
        return {}
    rows = session.execute(
        select(Recipient, Run, Wave, Campaign, Batch)
        .join(Run, col(Run.id) == col(Recipient.run_id))
        .join(Wave, col(Wave.id) == col(Run.wave_id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .join(Batch, (col(Batch.run_id) == col(Recipient.run_id)) & (col(Batch.batch_no) == col(Recipient.batch_no)))
        .where(tuple_(col(Recipient.run_id), col(Recipient.follow_id)).in_(keys))
    )
    return {
        broadcast_origin(recipient.run_id, recipient.follow_id): {
            "campaign_id": campaign.id,
            "campaign": "、".join(name for _, name in theirs) or campaign.name,
            "made_by": campaign.made_by,
            "journey_id": theirs[0][0] if theirs else campaign.journey_id,
            "run_id": run.id,
            "due_at": run.due_at.isoformat(),
            "audience": wave.audience,
            "sender_policy": wave.sender_policy,
            "variant": batch.variant,
            "words": ((batch.body or {}).get("text") or {}).get("content", ""),
            "attachments": (batch.body or {}).get("attachments") or [],
            "msgid": batch.msgid,
        }
        for recipient, run, wave, campaign, batch in rows
        for theirs in (_journeys_of(session, wave, recipient) if campaign.journey_id == SEVERAL else [],)
    }


def _journeys_of(session: Session, wave: Wave, recipient: Recipient) -> list[tuple[int, str]]:
    """The journeys, of several that have sent a wave together, that have put a customer on its list."""
    whose = select(col(Follow.external_userid)).where(col(Follow.id) == recipient.follow_id).scalar_subquery()
    query = (
        select(col(JourneyRow.id), col(JourneyRow.name))
        .join(JourneyWave, col(JourneyWave.journey_id) == col(JourneyRow.id))
        .join(WaveCustomer, col(WaveCustomer.wave_id) == col(JourneyWave.wave_id))
        .where(col(JourneyWave.sent_with) == wave.id, col(WaveCustomer.external_userid) == whose)
        .distinct()
        .order_by(col(JourneyRow.id))
    )
    return [(number or 0, name) for number, name in session.execute(query)]


def moment_origin(run_id: int, follow_id: int) -> str:
    """Where a post that one customer can see comes from."""
    return f"{MOMENT_ORIGIN}{run_id}:{follow_id}"


def _explain_moments(session: Session, origins: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The campaign, who may see its post and what that shows, by the origins of touches."""
    run_of = {each: int(each.removeprefix(MOMENT_ORIGIN).split(":")[0]) for each in origins}
    if not run_of:
        return {}
    rows = session.execute(
        select(Run, Wave, Campaign, Batch)
        .join(Wave, col(Wave.id) == col(Run.wave_id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .join(Batch, col(Batch.run_id) == col(Run.id))
        .where(col(Run.id).in_(set(run_of.values())))
    )
    told = {
        run.id: {
            "campaign_id": campaign.id,
            "campaign": campaign.name,
            "made_by": campaign.made_by,
            "run_id": run.id,
            "due_at": run.due_at.isoformat(),
            "visible": wave.audience,
            "words": ((batch.body or {}).get("text") or {}).get("content", ""),
            "attachments": (batch.body or {}).get("attachments") or [],
            "moment_id": batch.msgid,
        }
        for run, wave, campaign, batch in rows
    }
    return {origin: told[run_id] for origin, run_id in run_of.items() if run_id in told}


def task_origin(task_id: int) -> str:
    """Where the touch of a task that was done comes from."""
    return f"{TASK_ORIGIN}{task_id}"


def _explain_tasks(session: Session, origins: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The journey, whose task it was and what it said, by the origins of touches."""
    ids = [int(number) for each in origins if (number := each.removeprefix(TASK_ORIGIN)).isdecimal()]
    if not ids:
        return {}
    rows = session.execute(
        select(StaffTask, col(JourneyRow.name))
        .outerjoin(JourneyRow, col(JourneyRow.id) == col(StaffTask.journey_id))
        .where(col(StaffTask.id).in_(ids))
    )
    return {
        task_origin(task.id or 0): {
            "task_id": task.id,
            "userid": task.userid,
            "journey_id": task.journey_id,
            "journey": journey or "",
            "step": task.step,
            "due_at": task.due_at.isoformat(),
            "words": task.content.get("text", ""),
            "attachments": task.content.get("attachments") or [],
        }
        for task, journey in rows
    }
