"""Notes about customers, and on which day a member means to be in touch with each next. Both belong to a follow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, func, literal_column, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import Customer, Follow, FollowStatus, NextContact, Note
from data.queries.customers import get_contact
from data.queries.upsert import upsert
from data.rules.notes import check_note

N: Any = NextContact.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
C: Any = Customer.__table__  # type: ignore[attr-defined]

#: Written as the partial index has it.
_IS_DUE: Any = literal_column("next_contacts.due_on IS NOT NULL")
LISTED = 200


class DueContact(NamedTuple):
    """A customer with whom a member means to be in touch. `userid`: whose intention it is; `remark`: the reader's."""

    userid: str
    external_userid: str
    name: str
    remark: str
    on: date


# -- notes


def add_note(
    session: Session, userid: str, external_userid: str, words: str, at: datetime, *, author: str = ""
) -> Note:
    """Note something about a member's contact. `author`: who wrote it, where that was not the member.

    Raises NotFoundError where the two are no contacts, and InvalidRuleError.
    """
    get_contact(session, userid, external_userid)
    note = Note(
        userid=userid, external_userid=external_userid, words=check_note(words), author=author[:80], written_at=at
    )
    session.add(note)
    session.flush()
    return note


def list_notes(session: Session, external_userid: str, limit: int = 50, before_id: int | None = None) -> list[Note]:
    """What all have noted about a customer, newest first."""
    query = select(Note).where(col(Note.external_userid) == external_userid)
    if before_id is not None:
        query = query.where(col(Note.id) < before_id)
    return list(session.execute(query.order_by(col(Note.id).desc()).limit(limit)).scalars())


def remove_note(session: Session, external_userid: str, note_id: int, userid: str | None = None) -> Note:
    """Remove a note; what it was. `userid`: only where this member wrote it. Raises NotFoundError."""
    note = session.get(Note, note_id)
    theirs = note is not None and (userid is None or (note.userid == userid and not note.author))
    if note is None or note.external_userid != external_userid or not theirs:
        raise NotFoundError(Phrase("没有这条跟进记录，或者不是您写的。"), Phrase("请刷新页面再看看。"))
    session.expunge(note)
    session.execute(delete(Note).where(col(Note.id) == note_id))
    return note


# -- when to be in touch next


def set_next_contact(session: Session, userid: str, external_userid: str, on: date | None, at: datetime) -> NextContact:
    """A member means to be in touch with a contact on a day, or not any more (None). Raises NotFoundError where the two
    are no contacts."""
    get_contact(session, userid, external_userid)
    row = {"userid": userid, "external_userid": external_userid, "due_on": on, "changed_at": at, "contacted_at": None}
    upsert(session, NextContact, [row], keep=("contacted_at",))
    return _get(session, userid, external_userid)


def mark_contacted(session: Session, userid: str, external_userid: str, at: datetime) -> NextContact:
    """A member has been in touch as they meant to. Raises NotFoundError where they did not mean to."""
    row = _lock_planned(session, userid, external_userid)
    row.due_on, row.contacted_at, row.changed_at = None, at, at
    session.flush()
    return row


def put_off_contact(session: Session, userid: str, external_userid: str, on: date, at: datetime) -> NextContact:
    """A member does it on another day. Raises as `mark_contacted`."""
    row = _lock_planned(session, userid, external_userid)
    row.due_on, row.changed_at = on, at
    session.flush()
    return row


def _lock_planned(session: Session, userid: str, external_userid: str) -> NextContact:
    row = session.get(NextContact, (userid, external_userid), with_for_update=True, populate_existing=True)
    if row is None or row.due_on is None:
        raise NotFoundError(Phrase("没有和这位客户约好的日子。"), Phrase("请刷新页面再看看。"))
    return row


def _get(session: Session, userid: str, external_userid: str) -> NextContact:
    row = session.get(NextContact, (userid, external_userid), populate_existing=True)
    assert row is not None
    return row


class Stranded(NamedTuple):
    """What a member meant to who follows the customer no more, and who took the customer over (继承)."""

    userid: str
    external_userid: str
    heir: str


def list_stranded(session: Session, limit: int = 500) -> list[Stranded]:
    """Some of those; of several who took a customer over the one who did so last."""
    heirs = F.alias("heirs")
    is_there = and_(
        F.c.userid == N.c.userid, F.c.external_userid == N.c.external_userid,
        F.c.status == FollowStatus.PRESENT.value,
    )  # fmt: skip
    takes = and_(
        heirs.c.external_userid == N.c.external_userid, heirs.c.inherited.is_(True),
        heirs.c.status == FollowStatus.PRESENT.value,
    )  # fmt: skip
    query = (
        select(N.c.userid, N.c.external_userid, heirs.c.userid)
        .select_from(N)
        .outerjoin(F, is_there)
        .join(heirs, takes)
        .where(_IS_DUE, F.c.id.is_(None))
        .order_by(heirs.c.added_at, heirs.c.id)
        .limit(limit)
    )
    found = {(userid, whom): heir for userid, whom, heir in session.execute(query)}
    return [Stranded(*pair, heir) for pair, heir in found.items()]


def move_contacts(session: Session, stranded: Sequence[Stranded], at: datetime) -> int:
    """Have whoever took these customers over be in touch on those days, or on earlier ones of their own; how many."""
    moved = 0
    for userid, external_userid, heir in stranded:
        old = session.get(NextContact, (userid, external_userid), with_for_update=True, populate_existing=True)
        if old is None or old.due_on is None:
            continue
        own = session.get(NextContact, (heir, external_userid), with_for_update=True, populate_existing=True)
        if own is None:
            own = NextContact(userid=heir, external_userid=external_userid, changed_at=at)
            session.add(own)
        own.due_on, own.changed_at = min(old.due_on, own.due_on or old.due_on), at
        old.due_on, old.changed_at = None, at
        moved += 1
    session.flush()
    return moved


def list_next_contacts(session: Session, external_userid: str) -> list[NextContact]:
    """When whoever follows a customer means to be in touch with them, the next first."""
    query = select(NextContact).where(N.c.external_userid == external_userid, _IS_DUE)
    return list(session.execute(query.order_by(N.c.due_on, N.c.userid)).scalars())


def list_due_contacts(
    session: Session, userid: str, until: date, *, owners: Collection[str] = (), limit: int = LISTED
) -> list[DueContact]:
    """With whom a member means to be in touch by a day, that day too, the longest due first. `owners`: and whose else
    intentions they see to, as far as the customers are their own contacts as well."""
    query = (
        select(N.c.userid, N.c.external_userid, func.coalesce(C.c.name, ""), F.c.remark, N.c.due_on)
        .select_from(N)
        .join(F, (F.c.userid == userid) & (F.c.external_userid == N.c.external_userid))
        .outerjoin(C, C.c.external_userid == N.c.external_userid)
        .where(
            _IS_DUE, N.c.userid.in_(sorted({userid, *owners})), N.c.due_on <= until,
            F.c.status == FollowStatus.PRESENT.value,
        )
        .order_by(N.c.due_on, N.c.external_userid, N.c.userid)
        .limit(limit)
    )  # fmt: skip
    return [DueContact(*row) for row in session.execute(query)]
