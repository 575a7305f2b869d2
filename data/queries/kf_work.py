"""The work on conversations of customer service: claimed, decided, sent and put down, one worker for each at a time.

A worker has a conversation by its claim until an instant, and what it writes counts as long as it has it. Answers are
rows before WeCom is asked for anything, in the transaction in which the message that they answer is done: a worker that
dies leaves rows that the next one sends under the same msgid, which WeCom takes once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, literal_column, or_, select, update
from sqlmodel import Session, col

from data.models import KfAccount, KfMessage, KfSession
from data.models.kf import KfOrigin, KfState, KfStatus
from data.queries.kf_accounts import choices_of
from data.queries.touches import record
from data.rules.kf import KfChoices
from data.rules.knowledge import Answer
from data.rules.preferences import TouchKind

S: Any = KfSession.__table__  # type: ignore[attr-defined]
M: Any = KfMessage.__table__  # type: ignore[attr-defined]

#: So far back it is known when a rule last answered a customer.
ANSWERED_SINCE = timedelta(days=7)
TOUCH_ORIGIN = "kf:"

_FREE = or_(S.c.claimed_until.is_(None), S.c.claimed_until <= bindparam("now"))
_DUE = (
    select(S.c.id)
    # Written as the partial index has it.
    .where(literal_column("kf_sessions.due_at IS NOT NULL"), S.c.due_at <= bindparam("now"), _FREE)
    .order_by(S.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_ONE = select(S.c.id).where(S.c.id == bindparam("session_id"), _FREE).with_for_update(skip_locked=True)
_CLAIM = (
    update(S)
    .where(S.c.id.in_(bindparam("ids", expanding=True)))
    .values(claim=bindparam("holder"), claimed_until=bindparam("until"))
)
_OPEN = col(KfMessage.status) == literal_column("'open'")
_IS_OPEN = M.c.status == literal_column("'open'")
_DECIDE = update(M).where(M.c.id == bindparam("message_id"))


@dataclass(slots=True)
class Work:
    """A conversation that is claimed, with what is open in it, oldest first."""

    session: KfSession
    account: KfAccount | None
    choices: KfChoices
    open: list[KfMessage]
    answered: dict[int, datetime] = field(default_factory=dict)


def claim_due(session: Session, now: datetime, claim: str, until: datetime, limit: int) -> list[Work]:
    """Take conversations in which something is due, what is due longest first."""
    ids = list(session.execute(_DUE, {"now": now, "limit": limit}).scalars())
    return _claim(session, ids, now, claim, until)


def claim_one(session: Session, session_id: int, now: datetime, claim: str, until: datetime) -> list[Work]:
    """Take one conversation, if nobody has it."""
    ids = list(session.execute(_ONE, {"session_id": session_id, "now": now}).scalars())
    return _claim(session, ids, now, claim, until)


def _claim(session: Session, ids: Sequence[int], now: datetime, claim: str, until: datetime) -> list[Work]:
    if not ids:
        return []
    session.connection().execute(_CLAIM, {"ids": ids, "holder": claim, "until": until})
    rows = session.execute(
        select(KfSession).where(col(KfSession.id).in_(ids)).execution_options(populate_existing=True)
    ).scalars()
    found = {row.id: row for row in rows}
    accounts = {
        account.open_kfid: account
        for account in session.execute(
            select(KfAccount).where(col(KfAccount.open_kfid).in_({row.open_kfid for row in found.values()}))
        ).scalars()
    }
    works = {
        number: Work(found[number], accounts.get(found[number].open_kfid),
                     choices_of(accounts.get(found[number].open_kfid)), [])
        for number in ids if number in found
    }  # fmt: skip
    open_rows = select(KfMessage).where(_OPEN, col(KfMessage.session_id).in_(ids)).order_by(col(KfMessage.id))
    for message in session.execute(open_rows).scalars():
        works[message.session_id].open.append(message)
    answered = (
        select(M.c.session_id, M.c.rule_id, func.max(M.c.sent_at))
        .where(
            M.c.session_id.in_([number for number, work in works.items() if _asks(work)]),
            M.c.sent_at >= now - ANSWERED_SINCE, M.c.origin != int(KfOrigin.OURS), M.c.rule_id.is_not(None),
        )
        .group_by(M.c.session_id, M.c.rule_id)
    )  # fmt: skip
    for number, rule_id, at in session.execute(answered):
        works[number].answered[rule_id] = at
    return [works[number] for number in ids if number in works]


def _asks(work: Work) -> bool:
    return any(message.origin != KfOrigin.OURS for message in work.open)


@dataclass(slots=True)
class Decided:
    """What becomes of a message or an event that was open: why, and the rows that answer it. `drafted`: of what a
    language model is to make a draft for staff, to the `question`."""

    message_id: int
    reason: str
    rule_id: int | None = None
    explanation: Mapping[str, Any] = field(default_factory=dict)
    answers: list[KfMessage] = field(default_factory=list)
    status: KfStatus = KfStatus.DONE
    question: str = ""
    drafted: Sequence[Answer] = ()


def record_decisions(
    session: Session, claim: str, decided: Mapping[int, Sequence[Decided]], now: datetime
) -> dict[int, list[KfMessage]]:
    """Write down decisions with their answers, by conversation; those that are still ours, with what is to be sent."""
    held = _list_held(session, claim, decided)
    to_send: dict[int, list[KfMessage]] = {number: [] for number in held}
    values: list[dict[str, Any]] = []
    for number in held:
        for each in decided[number]:
            values.append({
                "message_id": each.message_id, "status": each.status.value, "reason": each.reason,
                "rule_id": each.rule_id, "explanation": dict(each.explanation), "ended_at": now, "code": "",
            })  # fmt: skip
            session.add_all(each.answers)
            to_send[number] += each.answers
    if values:
        session.connection().execute(_DECIDE, values)
    session.flush()
    return to_send


def _list_held(session: Session, claim: str, ids: Mapping[int, Any]) -> list[int]:
    query = select(S.c.id).where(S.c.id.in_(sorted(ids)), S.c.claim == claim).order_by(S.c.id).with_for_update()
    return list(session.execute(query).scalars())


@dataclass(slots=True)
class Sent:
    """What became of one of our rows. `status` open: it is tried again at `again_at`."""

    message_id: int
    status: KfStatus
    reason: str = ""
    counts: bool = False
    again_at: datetime | None = None
    attempts: int = 0


@dataclass(slots=True)
class Ended:
    """What a worker leaves of a conversation: what was sent, who has it now, and rows that follow from that."""

    session_id: int
    sent: list[Sent] = field(default_factory=list)
    state: KfState | None = None
    servicer_userid: str = ""
    used_up: bool = False
    follow: list[KfMessage] = field(default_factory=list)


def finish(session: Session, claim: str, ended: Sequence[Ended], now: datetime) -> None:
    """Put down conversations. What was sent is written whoever has them by now."""
    ids = sorted(each.session_id for each in ended)
    locked = select(KfSession).where(col(KfSession.id).in_(ids)).order_by(col(KfSession.id)).with_for_update()
    rows = {row.id: row for row in session.execute(locked.execution_options(populate_existing=True)).scalars()}
    there = [each for each in ended if each.session_id in rows]  # the others were erased meanwhile
    sent = sorted(each.message_id for one in there for each in one.sent)
    written = select(KfMessage).where(col(KfMessage.id).in_(sent)).order_by(col(KfMessage.id)).with_for_update()
    messages = {row.id: row for row in session.execute(written.execution_options(populate_existing=True)).scalars()}
    for one in there:
        row = rows[one.session_id]
        for each in one.sent:
            _write_sent(session, row, messages.get(each.message_id), each, now)
        if one.used_up:
            row.replies = max(row.replies, 5)
        if one.state is not None:
            set_state(row, one.state, one.servicer_userid, now)
        session.add_all(one.follow)
    session.flush()
    # Asked after the rows were locked: what comes in meanwhile waits for that.
    is_open = select(M.c.session_id).where(_IS_OPEN, M.c.session_id.in_(ids)).distinct()
    unfinished = set(session.execute(is_open).scalars())
    for one in there:
        row = rows[one.session_id]
        if row.claim == claim:
            row.claim, row.claimed_until = "", None
            row.due_at = _next_due(one, now) if row.id in unfinished else None
    session.flush()


def _write_sent(session: Session, row: KfSession, message: KfMessage | None, sent: Sent, now: datetime) -> None:
    if message is None or message.status != KfStatus.OPEN.value:
        return  # sent by another meanwhile, or WeCom has told that it failed
    message.status, message.reason, message.attempts = sent.status.value, sent.reason, sent.attempts
    if sent.status is KfStatus.OPEN:
        return
    message.ended_at, message.code = now, ""
    if sent.status is KfStatus.SENT:
        message.sent_at = now
        row.changed_at = max(row.changed_at, now)
        if sent.counts:
            row.replies += 1
        if message.journey_id is not None:
            record(
                session, origin=f"{TOUCH_ORIGIN}{message.id}", kind=TouchKind.KF, external_userid=row.contact_id,
                touched_at=now,
            )  # fmt: skip


def _next_due(ended: Ended, now: datetime) -> datetime:
    """When there is something to do next."""
    waits = [each.again_at for each in ended.sent if each.again_at is not None]
    return min(waits) if waits else now


def set_state(row: KfSession, state: KfState, servicer_userid: str, now: datetime) -> None:
    """Somebody else has a conversation from now on. WeCom tells instants in whole seconds, and so does this."""
    row.state, row.servicer_userid = int(state), servicer_userid
    row.state_at = max(row.state_at, now.replace(microsecond=0))
    row.changed_at = max(row.changed_at, now)


def release(session: Session, claim: str, session_id: int, again_at: datetime) -> None:
    """Give a conversation back that could not be worked on; it is due again then."""
    mine = update(S).where(S.c.id == session_id, S.c.claim == claim)
    session.connection().execute(mine.values(claim="", claimed_until=None, due_at=again_at))


def release_cut_off(session: Session, claim: str, session_ids: Sequence[int]) -> None:
    """Give back, as they are, conversations on which work was cut off."""
    mine = update(S).where(S.c.id.in_(session_ids), S.c.claim == claim)
    session.connection().execute(mine.values(claim="", claimed_until=None))


def release_all(session: Session) -> None:
    """Nobody works on any conversation: whoever did has died."""
    claimed = update(S).where(S.c.due_at.is_not(None), S.c.claimed_until.is_not(None))
    session.connection().execute(claimed.values(claim="", claimed_until=None))


def note_attempt(session: Session, message_ids: Sequence[int], failed_after: int, reason: str, now: datetime) -> None:
    """Messages could not be handled; after so many tries they are not tried again, and the others go on."""
    mine = M.c.id.in_(message_ids)
    session.connection().execute(update(M).where(mine, _IS_OPEN).values(attempts=M.c.attempts + 1, reason=reason))
    session.connection().execute(
        update(M)
        .where(mine, _IS_OPEN, M.c.attempts >= failed_after)
        .values(status=KfStatus.FAILED.value, ended_at=now, code="")
    )
