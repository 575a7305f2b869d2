"""Clicks on tracked links are written: whose they are, out of which message of ours, and what follows from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session, col

from data.bulk import among
from data.models import Batch, Follow, LinkClick, OtherClick, Recipient, Touch, Welcome
from data.queries.erasures import find_erased_at
from data.queries.follow_facts import Facts, note_facts
from data.queries.happenings import note
from data.queries.links import OF_A_RUN, get_link
from data.queries.touches import WELCOME_ORIGIN, broadcast_origin
from data.queries.upsert import insert_into
from data.rules.happenings import CLICKED, Happened
from data.rules.links import Via, Visitor
from data.rules.waves import CUSTOMERS
from data.types import UtcDateTime

K: Any = LinkClick.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
O: Any = OtherClick.__table__  # type: ignore[attr-defined]  # noqa: E741

_RECIPIENT = (
    select(col(Follow.id))
    .join(Recipient, col(Recipient.follow_id) == col(Follow.id))
    .where(
        col(Follow.userid) == bindparam("userid"), col(Follow.external_userid) == bindparam("whom"),
        col(Recipient.run_id) == bindparam("run_id"), col(Recipient.batch_no) == bindparam("batch_no"),
    )
)  # fmt: skip
_GREETED = select(col(Welcome.rule_id), col(Welcome.userid)).where(
    col(Welcome.event_id) == bindparam("event_id"), col(Welcome.external_userid) == bindparam("whom"),
    col(Welcome.rule_id).is_not(None),
)  # fmt: skip
_FIRST_GREETED = select(func.min(K.c.first_at)).where(
    K.c.external_userid == bindparam("whom"), K.c.welcome_rule_id == bindparam("rule_id")
)
_CLICKED = (
    update(T)
    .where(T.c.origin == bindparam("of"), T.c.clicked_at.is_(None))
    .values(clicked_at=bindparam("at", type_=UtcDateTime()))
)


class _Source(NamedTuple):
    """What a click came out of: a run, or a welcome by a rule; neither: nothing known to have reached this customer.

    `touch` is the origin of the message's touch.
    """

    run_id: int = 0
    welcome_rule_id: int = 0
    follow_id: int | None = None
    userid: str = ""
    touch: str = ""


def _find_source(session: Session, via: Via, external_userid: str) -> _Source:
    """What the address says, as far as our own rows bear it out: anybody can write an address."""
    if via.event_id:
        asked_of = {"event_id": via.event_id, "whom": external_userid}
        greeted = session.connection().execute(_GREETED, asked_of).first()
        if greeted is None:
            return _Source()
        return _Source(0, greeted.rule_id, None, greeted.userid, f"{WELCOME_ORIGIN}{via.event_id}")
    batch_id = via.batch_id
    # Shared with other clicks, and one after the other with results: the touch is there, or they look for the click.
    batch = session.get(Batch, batch_id, with_for_update={"read": True}) if batch_id else None
    if batch is None:
        return _Source()
    if batch.kind != CUSTOMERS:
        return _Source(batch.run_id, 0, None, batch.userid)
    asked = {"userid": batch.userid, "whom": external_userid, "run_id": batch.run_id, "batch_no": batch.batch_no}
    follow_id = session.execute(_RECIPIENT, asked).scalar()
    if follow_id is None:
        return _Source()
    return _Source(batch.run_id, 0, follow_id, batch.userid, broadcast_origin(batch.run_id, follow_id))


def record_click(session: Session, link_id: int, external_userid: str, via: Via, now: datetime) -> None:
    """A customer has followed a link. The first time, what follows from it is due.

    About a customer who was erased nothing is written but that somebody came.
    """
    if find_erased_at(session, external_userid) is not None:
        record_other(session, link_id, Visitor.UNKNOWN, via, now)
        return
    link = get_link(session, link_id)
    source = _find_source(session, via, external_userid)
    known = select(K.c.id).where(K.c.link_id == link_id, K.c.external_userid == external_userid).limit(1)
    wants = bool(link.tag_ids) or link.tells_staff
    due_at = now if wants and session.execute(known).first() is None else None
    row = {
        "link_id": link_id, "external_userid": external_userid, "run_id": source.run_id,
        "welcome_rule_id": source.welcome_rule_id, "follow_id": source.follow_id, "userid": source.userid, "clicks": 1,
        "first_at": now, "last_at": now, "due_at": due_at, "attempts": 0,
    }  # fmt: skip
    session.execute(
        insert_into(session, LinkClick)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["link_id", "external_userid", "run_id", "welcome_rule_id"],
            set_={"clicks": K.c.clicks + 1, "last_at": now},
        )
    )
    note_facts(session, [external_userid], Facts.CLICKS)
    note(session, [Happened(CLICKED, external_userid, now, {"link": link.name})])
    if source.touch:
        _note_touches(session, [(source.touch, now)])


def record_other(session: Session, link_id: int, kind: Visitor, via: Via, now: datetime) -> None:
    """Somebody else has followed a link."""
    batch = session.get(Batch, via.batch_id) if via.batch_id else None
    row = {
        "link_id": link_id, "run_id": batch.run_id if batch else 0, "kind": kind.value, "clicks": 1,
        "first_at": now, "last_at": now,
    }  # fmt: skip
    session.execute(
        insert_into(session, OtherClick)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["link_id", "run_id", "kind"], set_={"clicks": O.c.clicks + 1, "last_at": now}
        )
    )


def _note_touches(session: Session, clicked: Sequence[tuple[str, datetime]]) -> None:
    """Touches by their origin, and when a link in them was followed."""
    if clicked:
        session.connection().execute(_CLICKED, [{"of": origin, "at": at} for origin, at in clicked])


def note_reached(session: Session, run_id: int, external_userids: Collection[str]) -> None:
    """WeCom tells now that a run has reached these customers: some may have followed its links already."""
    dialect = session.get_bind().dialect.name
    query = (
        select(K.c.follow_id, func.min(K.c.first_at))
        .where(
            K.c.run_id == run_id, OF_A_RUN, K.c.follow_id.is_not(None), among(dialect, K.c.external_userid, "ids")
        )
        .group_by(K.c.follow_id)
    )  # fmt: skip
    found = session.execute(query, {"ids": sorted(external_userids)}).all()
    _note_touches(session, [(broadcast_origin(run_id, follow_id), first_at) for follow_id, first_at in found])


def note_greeted(session: Session, event_id: int, rule_id: int, external_userid: str) -> None:
    """A welcome is known now to have reached a customer, who may have followed its links already."""
    first_at = session.execute(_FIRST_GREETED, {"rule_id": rule_id, "whom": external_userid}).scalar()
    if first_at is not None:
        _note_touches(session, [(f"{WELCOME_ORIGIN}{event_id}", first_at)])
