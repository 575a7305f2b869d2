"""Everything that happened to one customer, newest first, a page at a time: read from where each thing is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import String, bindparam, func, literal, or_, select
from sqlmodel import Session, col

from data.models import (
    AuditEntry,
    Campaign,
    CustomerGroup,
    Enrolment,
    Follow,
    FormAnswer,
    FormRow,
    GroupMember,
    JourneyRow,
    KfMessage,
    KfSession,
    Link,
    LinkClick,
    MomentReaction,
    NextContact,
    Note,
    Order,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StepOutcome,
    StepRecord,
    Touch,
    Welcome,
)
from data.models.kf import KfOrigin, KfStatus

#: Runs in which it is looked up what became of a customer, the newest before a page.
RUNS = 300
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What is changed in the console and told by an entry of its own.
TOLD_THEMSELVES = ("customers.note", "customers.next_contact", "customers.contacted")
_SAID = [each.value for each in (KfStatus.OPEN, KfStatus.DONE, KfStatus.SENT)]
_AUTHORS = {KfOrigin.CUSTOMER: "customer", KfOrigin.SERVICER: "servicer"}
_REACHED = (RecipientState.WAITING, RecipientState.SENT)


_STEP_NUMBER: Any = col(StepRecord.enrolment_id) * 1_000 + col(StepRecord.step)


class Entry(NamedTuple):
    """One thing: what it is (`kind`), and what is told of it. `at`, `kind` and `key` say where it stands."""

    at: datetime
    kind: str
    key: str
    told: dict[str, Any]

    @property
    def place(self) -> str:
        """Where a next page begins."""
        return f"{(self.at - _EPOCH) // timedelta(microseconds=1)}.{self.kind}.{self.key}"


class Before(NamedTuple):
    """What a page lies before."""

    at: datetime
    kind: str = "~"
    key: str = ""


def read_place(text: str) -> Before | None:
    """`Entry.place` again; None: it is none."""
    at, _, rest = text.partition(".")
    kind, _, key = rest.partition(".")
    if not (at.isascii() and at.isdecimal() and len(at) <= 16):
        return None
    return Before(_EPOCH + timedelta(microseconds=int(at)), kind, key)


def list_entries(session: Session, external_userid: str, before: Before | None, limit: int) -> list[Entry]:
    """The next entries before a place, newest first."""
    are_there = session.execute(_ARE_THERE, {"whose": external_userid}).one()
    sources = (source for (source, _), is_there in zip(SOURCES, are_there, strict=True) if is_there)
    found = [entry for source in sources for entry in source(session, external_userid, before, limit)]
    if before is not None:
        found = [each for each in found if each[:3] < before[:3]]
    return sorted(found, key=lambda each: each[:3], reverse=True)[:limit]


def _key(number: int | None) -> str:
    """A number of a row, which sorts as it counts."""
    return f"{number or 0:019}"


def _rows(
    session: Session, query: Any, kind: str, at: Any, id_: Any, before: Before | None, limit: int
) -> Iterable[Any]:
    """The newest rows before a place. Those of one instant stand in the order of their kinds, then of their numbers."""
    if before is not None:
        query = query.where(at <= before.at if kind <= before.kind else at < before.at)
        if kind == before.kind and before.key.isdecimal():
            query = query.where(or_(at < before.at, id_ < int(before.key)))
    return session.execute(query.order_by(at.desc(), id_.desc()).limit(limit))


def _follows(session: Session, whose: str, _before: Before | None, _limit: int) -> Iterable[Entry]:
    for follow in session.execute(select(Follow).where(col(Follow.external_userid) == whose)).scalars():
        told = {"userid": follow.userid, "state": follow.state, "status": follow.status, "add_way": follow.add_way,
                "inherited": follow.inherited}  # fmt: skip
        if follow.added_at is not None:
            yield Entry(follow.added_at, "added", _key(follow.id), told)
        if follow.ended_at is not None:
            yield Entry(follow.ended_at, "ended", _key(follow.id), told)


def _touches(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = (
        select(Touch, col(Campaign.name))
        .outerjoin(Campaign, col(Campaign.id) == col(Touch.campaign_id))
        .where(col(Touch.external_userid) == whose)
    )
    for touch, name in _rows(session, query, "touch", col(Touch.touched_at), col(Touch.id), before, limit):
        told = {"kind": touch.kind, "userid": touch.userid, "campaign_id": touch.campaign_id, "name": name or ""}
        yield Entry(touch.touched_at, "touch", _key(touch.id), told)


def _welcomes(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    """Those that did not reach them; the others are touches."""
    userids = select(col(Follow.userid)).where(col(Follow.external_userid) == whose)
    query = select(Welcome).where(
        col(Welcome.userid).in_(userids), col(Welcome.external_userid) == whose, col(Welcome.sent_at).is_(None)
    )
    for (row,) in _rows(session, query, "welcome", col(Welcome.received_at), col(Welcome.id), before, limit):
        told = {"userid": row.userid, "status": row.status, "note": row.note or row.reason}
        yield Entry(row.received_at, "welcome", _key(row.id), told)


def _orders(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = select(Order).where(col(Order.external_userid) == whose)
    for (row,) in _rows(session, query, "order", col(Order.placed_at), col(Order.id), before, limit):
        told = {"source": row.source, "number": row.number, "status": row.status, "fen": row.amount_fen}
        yield Entry(row.placed_at, "order", _key(row.id), told)


def _tasks(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = (
        select(StaffTask, col(JourneyRow.name))
        .outerjoin(JourneyRow, col(JourneyRow.id) == col(StaffTask.journey_id))
        .where(col(StaffTask.external_userid) == whose)
    )
    for row, name in _rows(session, query, "task", col(StaffTask.due_at), col(StaffTask.id), before, limit):
        told = {"userid": row.userid, "status": row.status, "why": row.why, "words": row.content.get("text", ""),
                "journey_id": row.journey_id, "name": name or ""}  # fmt: skip
        yield Entry(row.due_at, "task", _key(row.id), told)


def _enrolments(session: Session, whose: str, _before: Before | None, _limit: int) -> Iterable[Entry]:
    query = (
        select(Enrolment, col(JourneyRow.name))
        .outerjoin(JourneyRow, col(JourneyRow.id) == col(Enrolment.journey_id))
        .where(col(Enrolment.external_userid) == whose)
    )
    for row, name in session.execute(query):
        told = {"journey_id": row.journey_id, "name": name or "", "reason": row.end_reason, "held_out": row.held_out}
        yield Entry(row.started_at, "journey", _key(row.id), told)
        if row.ended_at is not None:
            yield Entry(row.ended_at, "journey_end", _key(row.id), told)


def _steps(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    """Steps that did nothing for the customer, and why; what was done is a touch, a task or an order of its own."""
    query = (
        select(StepRecord, col(JourneyRow.name), col(Enrolment.journey_id))
        .join(Enrolment, col(Enrolment.id) == col(StepRecord.enrolment_id))
        .outerjoin(JourneyRow, col(JourneyRow.id) == col(Enrolment.journey_id))
        .where(col(Enrolment.external_userid) == whose, col(StepRecord.outcome) != StepOutcome.DONE)
    )
    for row, name, journey_id in _rows(session, query, "step", col(StepRecord.at), _STEP_NUMBER, before, limit):
        told = {"journey_id": journey_id, "name": name or "", "step": row.key, "outcome": row.outcome,
                "reason": row.reason}  # fmt: skip
        yield Entry(row.at, "step", _key(row.enrolment_id * 1_000 + row.step), told)


def _unreached(session: Session, whose: str, before: Before | None, _limit: int) -> Iterable[Entry]:
    """Broadcasts that were for the customer and did not reach them, with why."""
    runs = select(col(Run.id)).order_by(col(Run.id).desc()).limit(RUNS)
    if before is not None:
        runs = runs.where(col(Run.due_at) <= before.at)
    follows = select(col(Follow.id)).where(col(Follow.external_userid) == whose)
    query = (
        select(col(Recipient.state), col(Recipient.follow_id), Run, col(Campaign.name))
        .join(Run, col(Run.id) == col(Recipient.run_id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(
            col(Recipient.run_id).in_(runs), col(Recipient.follow_id).in_(follows),
            col(Recipient.state).not_in([each.value for each in _REACHED]),
        )
    )  # fmt: skip
    for state, follow_id, run, name in session.execute(query):
        told = {"campaign_id": run.campaign_id, "name": name, "state": RecipientState(state).name.lower()}
        yield Entry(run.due_at, "unreached", f"{run.id}-{follow_id}", told)


def _clicks(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = (
        select(LinkClick, col(Link.name))
        .outerjoin(Link, col(Link.id) == col(LinkClick.link_id))
        .where(col(LinkClick.external_userid) == whose)
    )
    for row, name in _rows(session, query, "click", col(LinkClick.last_at), col(LinkClick.id), before, limit):
        yield Entry(row.last_at, "click", _key(row.id), {"name": name or "", "clicks": row.clicks})


def _answers(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = (
        select(FormAnswer, col(FormRow.name))
        .outerjoin(FormRow, col(FormRow.id) == col(FormAnswer.form_id))
        .where(col(FormAnswer.external_userid) == whose)
    )
    for row, name in _rows(session, query, "form", col(FormAnswer.answered_at), col(FormAnswer.id), before, limit):
        told = {"name": name or "", "answers": [(each.get("title", ""), each.get("value")) for each in row.answers]}
        yield Entry(row.answered_at, "form", _key(row.id), told)


def _groups(session: Session, whose: str, _before: Before | None, _limit: int) -> Iterable[Entry]:
    query = (
        select(GroupMember, func.coalesce(col(CustomerGroup.name), ""))
        .outerjoin(CustomerGroup, col(CustomerGroup.chat_id) == col(GroupMember.chat_id))
        .where(col(GroupMember.userid) == whose)
    )
    for row, name in session.execute(query):
        if row.joined_at is not None:
            yield Entry(row.joined_at, "group", row.chat_id, {"name": name})
        if row.left_at is not None:
            yield Entry(row.left_at, "group_left", row.chat_id, {"name": name})


def _reactions(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = select(MomentReaction).where(col(MomentReaction.external_userid) == whose)
    for (row,) in _rows(
        session, query, "reaction", col(MomentReaction.reacted_at), col(MomentReaction.id), before, limit
    ):
        yield Entry(row.reacted_at, "reaction", _key(row.id), {"kind": row.kind, "userid": row.userid})


def _changes(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = select(AuditEntry).where(
        col(AuditEntry.external_userid) == whose, col(AuditEntry.action).not_in(TOLD_THEMSELVES)
    )
    for (row,) in _rows(session, query, "change", col(AuditEntry.at), col(AuditEntry.id), before, limit):
        told = {"who": row.who, "action": row.action, "before": row.before or {}, "after": row.after or {}}
        yield Entry(row.at, "change", _key(row.id), told)


def _notes(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    query = select(Note).where(col(Note.external_userid) == whose)
    for (row,) in _rows(session, query, "note", col(Note.written_at), col(Note.id), before, limit):
        yield Entry(row.written_at, "note", _key(row.id), {"userid": row.userid, "by": row.author, "words": row.words})


def _contacts(session: Session, whose: str, _before: Before | None, _limit: int) -> Iterable[Entry]:
    """When staff mean to be in touch with them, and when they have been as they meant to."""
    for row in session.execute(select(NextContact).where(col(NextContact.external_userid) == whose)).scalars():
        if row.due_on is not None:
            yield Entry(row.changed_at, "next_contact", row.userid, {"userid": row.userid, "on": f"{row.due_on}"})
        if row.contacted_at is not None:
            yield Entry(row.contacted_at, "contacted", row.userid, {"userid": row.userid})


def _service(session: Session, whose: str, before: Before | None, limit: int) -> Iterable[Entry]:
    """What was said in customer service. What did not reach the customer is shown in the conversation."""
    theirs = select(col(KfSession.id)).where(col(KfSession.contact_id) == whose)
    query = select(KfMessage).where(
        col(KfMessage.session_id).in_(theirs), col(KfMessage.origin) != int(KfOrigin.EVENT),
        col(KfMessage.msgtype).not_in(["trans", "tags"]), col(KfMessage.status).in_(_SAID),
    )  # fmt: skip
    for (row,) in _rows(session, query, "kf", col(KfMessage.sent_at), col(KfMessage.id), before, limit):
        author = _AUTHORS.get(row.origin, "us")
        told = {"author": author, "userid": row.servicer_userid, "words": row.words, "session_id": row.session_id}
        yield Entry(row.sent_at, "kf", _key(row.id), told)


_WHOSE: Any = bindparam("whose", type_=String)


def _of(column: Any) -> Any:
    """That there is a row of the customer's."""
    return select(literal(1)).where(column == _WHOSE).exists()


_THEIR_WELCOME = (
    select(literal(1))
    .where(
        col(Welcome.userid).in_(select(col(Follow.userid)).where(col(Follow.external_userid) == _WHOSE)),
        col(Welcome.external_userid) == _WHOSE,
    )
    .exists()
)
#: Where things are read from, and whether there may be any of a customer's.
SOURCES: tuple[tuple[Callable[[Session, str, Before | None, int], Iterable[Entry]], Any], ...] = (
    (_follows, _of(col(Follow.external_userid))),
    (_touches, _of(col(Touch.external_userid))),
    (_welcomes, _THEIR_WELCOME),
    (_orders, _of(col(Order.external_userid))),
    (_tasks, _of(col(StaffTask.external_userid))),
    (_enrolments, _of(col(Enrolment.external_userid))),
    (_steps, _of(col(Enrolment.external_userid))),
    (_unreached, select(literal(1)).select_from(Run).exists()),
    (_clicks, _of(col(LinkClick.external_userid))),
    (_answers, _of(col(FormAnswer.external_userid))),
    (_groups, _of(col(GroupMember.userid))),
    (_reactions, _of(col(MomentReaction.external_userid))),
    (_changes, _of(col(AuditEntry.external_userid))),
    (_notes, _of(col(Note.external_userid))),
    (_contacts, _of(col(NextContact.external_userid))),
    (_service, _of(col(KfSession.contact_id))),
)
#: One statement: most customers have had a few of all these.
_ARE_THERE = select(*(is_there.label(f"is_{number}") for number, (_, is_there) in enumerate(SOURCES)))
