"""Conversations of customer service as they are listed and shown, and what is written into them by people."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError
from data.models import Customer, Follow, FollowStatus, KfMessage, KfSession
from data.models.kf import KfOrigin, KfState, KfStatus
from data.queries.follow_facts import Facts, note_facts
from data.queries.unionids import list_by_unionid
from data.rules.kf_sessions import IDLE, Talk

S: Any = KfSession.__table__  # type: ignore[attr-defined]


def get_session(session: Session, session_id: int, *, locked: bool = False) -> KfSession:
    """One conversation. Raises NotFoundError."""
    row = session.get(KfSession, session_id, with_for_update=locked, populate_existing=locked)
    if row is None:
        raise NotFoundError(Phrase("没有编号为 %(session_id)s 的会话。", session_id=session_id))
    return row


def list_sessions(
    session: Session,
    *,
    open_kfid: str = "",
    state: KfState | None = None,
    now: datetime,
    contact_id: str = "",
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[KfSession]:
    """Conversations, the last changed first. `visible`: only those of the customers of these staff, and those that a
    member of them has."""
    query = select(KfSession).order_by(col(KfSession.changed_at).desc(), col(KfSession.id).desc()).limit(limit)
    if open_kfid:
        query = query.where(col(KfSession.open_kfid) == open_kfid)
    if contact_id:
        query = query.where(col(KfSession.contact_id) == contact_id)
    if state is not None:
        query = query.where(_is_in(state, now))
    if visible is not None:
        query = query.where(seen_by(visible))
    edge = session.get(KfSession, before_id) if before_id is not None else None
    if edge is not None:
        at = col(KfSession.changed_at)
        query = query.where(or_(at < edge.changed_at, and_(at == edge.changed_at, col(KfSession.id) < before_id)))
    return list(session.execute(query).scalars())


def seen_by(userids: Collection[str]) -> ColumnElement[bool]:
    """Conversations of the customers of some staff, and those that they have themselves."""
    theirs = exists().where(
        col(Follow.external_userid) == col(KfSession.contact_id),
        col(Follow.userid).in_(sorted(userids)),
        col(Follow.status) == FollowStatus.PRESENT.value,
    )
    return or_(theirs, col(KfSession.servicer_userid).in_(sorted(userids)))


def is_seen(session: Session, session_id: int, userids: Collection[str]) -> bool:
    """Whether one is among those."""
    query = select(col(KfSession.id)).where(col(KfSession.id) == session_id, seen_by(userids))
    return session.execute(query).first() is not None


def _is_in(state: KfState, now: datetime) -> ColumnElement[bool]:
    """As `shown_state` has it: one that lies idle has ended."""
    last = func.coalesce(col(KfSession.written_at), col(KfSession.state_at))
    idle = and_(col(KfSession.state_at) < now - IDLE, last < now - IDLE)
    is_ended = or_(col(KfSession.state) == int(KfState.ENDED), idle)
    if state is KfState.ENDED:
        return is_ended
    return and_(col(KfSession.state) == int(state), ~is_ended)


def count_states(session: Session, now: datetime) -> dict[tuple[str, int], int]:
    """How many conversations of each account are with whom: those that are not over."""
    query = (
        select(col(KfSession.open_kfid), col(KfSession.state), func.count())
        .where(col(KfSession.state) != int(KfState.ENDED), col(KfSession.changed_at) >= now - IDLE)
        .group_by(col(KfSession.open_kfid), col(KfSession.state))
    )
    return {(open_kfid, state): count for open_kfid, state, count in session.execute(query)}


def list_messages(
    session: Session, session_id: int, *, before_id: int | None = None, limit: int = 50
) -> list[KfMessage]:
    """Messages of a conversation, newest first."""
    query = select(KfMessage).where(col(KfMessage.session_id) == session_id)
    if before_id is not None:
        edge = session.get(KfMessage, before_id)
        if edge is not None:
            at = col(KfMessage.sent_at)
            query = query.where(or_(at < edge.sent_at, and_(at == edge.sent_at, col(KfMessage.id) < before_id)))
    order = (col(KfMessage.sent_at).desc(), col(KfMessage.id).desc())
    return list(session.execute(query.order_by(*order).limit(limit)).scalars())


def add_message(session: Session, message: KfMessage, now: datetime) -> KfMessage:
    """One of our messages is to be sent now. Raises NotFoundError."""
    row = get_session(session, message.session_id, locked=True)
    session.add(message)
    if row.due_at is None or row.due_at > now:
        row.due_at = now
    session.flush()
    return message


def map_sessions(session: Session, contact_ids: Collection[str]) -> dict[str, list[KfSession]]:
    """The conversations of some customers, by contact_id, the one to which they wrote last first."""
    query = (
        select(KfSession)
        .where(col(KfSession.contact_id).in_(sorted(contact_ids)))
        .order_by(col(KfSession.written_at).desc(), col(KfSession.id).desc())
    )
    found: dict[str, list[KfSession]] = {}
    for row in session.execute(query).scalars():
        found.setdefault(row.contact_id, []).append(row)
    return {
        whom: sorted(rows, key=lambda row: row.written_at is None) for whom, rows in found.items()
    }  # what PostgreSQL takes for the latest is never


def map_talks(session: Session, contact_ids: Collection[str]) -> dict[str, list[Talk]]:
    """The same as far as they decide what may be said there."""
    return {
        whom: [
            Talk(row.open_kfid, row.state, row.state_at, row.written_at, row.replies, row.blocked) for row in rows
        ]
        for whom, rows in map_sessions(session, contact_ids).items()
    }  # fmt: skip


def write_for_journey(
    session: Session, contact_id: str, open_kfid: str, text: str, journey_id: int, now: datetime
) -> None:
    """A journey writes to a customer, where they wrote last. Whether WeCom still takes it is seen when it is sent."""
    rows = map_sessions(session, [contact_id]).get(contact_id, [])
    row = next((each for each in rows if open_kfid in ("", each.open_kfid)), None)
    if row is not None:
        content = {"msgtype": "text", "text": text}
        add_message(session, make_message(row, "text", content, text, now, journey_id=journey_id), now)


def make_message(
    row: KfSession, msgtype: str, content: Mapping[str, Any], words: str, now: datetime, **more: Any
) -> KfMessage:
    """A row of ours, to be sent once. Its msgid is made by chance: a database that is restored never says again what
    the lost one has said."""
    status = more.pop("status", KfStatus.OPEN.value)
    return KfMessage(
        session_id=row.id or 0, open_kfid=row.open_kfid, external_userid=row.external_userid,
        msgid=secrets.token_hex(16), origin=int(KfOrigin.OURS), msgtype=msgtype, content=dict(content), words=words,
        sent_at=now, status=status, **more,
    )  # fmt: skip


def note_state(
    session: Session, session_id: int, state: KfState, servicer_userid: str, at: datetime, told: KfMessage | None = None
) -> KfSession:
    """WeCom says who has a conversation, or was asked to change it, which `told` tells."""
    row = get_session(session, session_id, locked=True)
    row.state, row.servicer_userid = int(state), servicer_userid
    row.state_at = max(row.state_at, at.replace(microsecond=0))
    row.changed_at = max(row.changed_at, at)
    if told is not None:
        session.add(told)
    session.flush()
    return row


def find_link(session: Session, external_userid: str, unionid: str) -> str:
    """The id under which a person is a customer of 客户联系: their own, or one that the unionid leads to."""
    if not unionid or session.get(Customer, external_userid) is not None:
        return external_userid
    found = list_by_unionid(session, [unionid])
    return found[0][1] if len(found) == 1 else external_userid


def list_nameless(session: Session, since: datetime, limit: int) -> list[tuple[int, str]]:
    """Conversations of people of whom nothing was read yet and who came since an instant (id, external_userid)."""
    query = (
        select(S.c.id, S.c.external_userid)
        .where(S.c.fetched_at.is_(None), S.c.changed_at >= since)
        .order_by(S.c.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def write_people(session: Session, asked: Collection[str], told: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """What WeCom says of people; of those whom it does not name nothing is known, and they are not asked for again."""
    linked = set()
    for person in told:
        whom, unionid = str(person["external_userid"]), str(person.get("unionid") or "")[:64]
        contact_id = find_link(session, whom, unionid)
        values = {
            "nickname": str(person.get("nickname") or "")[:256], "avatar": str(person.get("avatar") or "")[:512],
            "gender": person["gender"] if person.get("gender") in (1, 2) else 0, "unionid": unionid,
            "contact_id": contact_id,
        }  # fmt: skip
        session.execute(update(S).where(S.c.external_userid == whom).values(**values))
        if contact_id != whom:
            linked |= {contact_id, whom}
    session.execute(update(S).where(S.c.external_userid.in_(sorted(asked))).values(fetched_at=now))
    if linked:
        note_facts(session, linked, Facts.KF)


def list_missed(session: Session, since: datetime, limit: int) -> list[KfMessage]:
    """Greetings and farewells that WeCom did not take since an instant, newest first."""
    query = (
        select(KfMessage)
        .where(
            col(KfMessage.origin) == int(KfOrigin.OURS), col(KfMessage.sent_at) >= since,
            col(KfMessage.status).in_([KfStatus.REFUSED.value, KfStatus.FAILED.value]),
        )
        .order_by(col(KfMessage.sent_at).desc())
        .limit(limit)
    )  # fmt: skip
    return list(session.execute(query).scalars())


def get_message(session: Session, message_id: int) -> KfMessage:
    """One message. Raises NotFoundError."""
    row = session.get(KfMessage, message_id)
    if row is None:
        raise NotFoundError(Phrase("没有编号为 %(message_id)s 的消息。", message_id=message_id))
    return row


def take_held(session: Session, message_id: int, session_id: int) -> dict[str, Any]:
    """What is known of the answer to a message, to send it: it is noted as sent. Raises ConflictError where it was."""
    row = session.get(KfMessage, message_id, with_for_update=True, populate_existing=True)
    if row is None or row.session_id != session_id:
        return {}
    known: dict[str, Any] = dict(row.explanation.get("knowledge", {}))
    if known.get("sent"):
        raise ConflictError(Phrase("这个答案已经发送过了"))
    if known:
        row.explanation = {**row.explanation, "knowledge": {**known, "sent": True}}
    return known


def note_knowledge(session: Session, message_id: int, told: Mapping[str, Any]) -> None:
    """What became known of the answer to a message later."""
    row = session.get(KfMessage, message_id, with_for_update=True, populate_existing=True)
    if row is not None:  # erased meanwhile
        row.explanation = {**row.explanation, "knowledge": {**row.explanation.get("knowledge", {}), **told}}


def is_whose(external_userid: str) -> ColumnElement[bool]:
    """Conversations of whoever has this id in customer service, or is known to be this customer."""
    return or_(col(KfSession.contact_id) == external_userid, col(KfSession.external_userid) == external_userid)


def is_of(external_userid: str) -> ColumnElement[bool]:
    """What was said in them."""
    theirs = col(KfMessage.session_id).in_(select(col(KfSession.id)).where(is_whose(external_userid)))
    return or_(col(KfMessage.external_userid) == external_userid, theirs)
