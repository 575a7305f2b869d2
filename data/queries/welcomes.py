"""Welcomes: at most one greeting per add, whatever order and number of events the add brings."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update
from sqlmodel import Session, col

from data.bulk import among
from data.models import Welcome, WelcomeStatus
from data.queries.erasures import refuse_erased
from data.queries.link_clicks import note_greeted
from data.queries.locks import lock_names
from data.queries.touches import WELCOME_ORIGIN
from data.queries.touches import record as record_touch
from data.rules.preferences import TouchKind

#: A half-add and its confirmation are one add even when the staff member takes days to confirm.
HALF_WINDOW = timedelta(days=7)
#: Two events of the same kind within a code's life are one add (several callbacks may each bring it).
SAME_KIND_WINDOW = timedelta(seconds=20)
#: States of which there can be only one per add.
TAKEN = (WelcomeStatus.SENDING, WelcomeStatus.SENT)


@dataclass(frozen=True, slots=True)
class WelcomeStart:
    """The add that a welcome belongs to. `status` None: this event has no welcome yet and no other has the add.

    `reason` is the one recorded with it.
    """

    welcome_id: int | None
    status: WelcomeStatus | None
    own: bool
    reason: str = ""


#: Of so many members or fewer the welcomes are looked up by member.
FEW_MEMBERS = 100

W: Any = Welcome.__table__  # type: ignore[attr-defined]
_OF_ADD = (
    select(W.c.id, W.c.event_id, W.c.kind, W.c.status, W.c.reason, W.c.received_at)
    .where(
        or_(
            W.c.event_id == bindparam("event_id"),
            and_(
                W.c.userid == bindparam("userid"),
                W.c.external_userid == bindparam("external_userid"),
                W.c.ended_at.is_(None),
                W.c.received_at >= bindparam("since"),
            ),
        )
    )
    .order_by((W.c.event_id == bindparam("event_id")).desc(), W.c.id.desc())
    .limit(10)
)
_BEGIN = insert(W).returning(W.c.id)
_BEGIN_AGAIN = update(W).where(W.c.id == bindparam("welcome_id"), W.c.status != WelcomeStatus.SENT)


def find_add(
    session: Session, event_id: int, kind: str, userid: str, external_userid: str, received_at: datetime
) -> WelcomeStart:
    """The welcome that this event's add has already: its own row, or that of the other event of the same add."""
    given = {
        "event_id": event_id,
        "userid": userid,
        "external_userid": external_userid,
        "since": received_at - HALF_WINDOW,
    }
    for row in session.execute(_OF_ADD, given):
        if row.event_id == event_id:
            return WelcomeStart(row.id, WelcomeStatus(row.status), own=True, reason=row.reason)
        if row.kind != kind or abs(received_at - row.received_at) <= SAME_KIND_WINDOW:
            return WelcomeStart(row.id, WelcomeStatus(row.status), own=False)
    return WelcomeStart(None, None, own=False)


def begin_welcome(session: Session, values: Mapping[str, Any]) -> WelcomeStart:
    """Write the row `sending` unless another event of the same add is sending or has sent; what stands now.

    The check and the row are one transaction, and one at a time per pair on any number of replicas. Raises ErasedError.
    """
    refuse_erased(session, values["external_userid"])
    lock_pair(session, values["userid"], values["external_userid"])
    start = find_add(
        session,
        values["event_id"],
        values["kind"],
        values["userid"],
        values["external_userid"],
        values["received_at"],
    )
    if not start.own and start.status in TAKEN:
        return start
    row = {"reason": "", "note": "", **values, "status": WelcomeStatus.SENDING}
    if start.own:
        session.execute(_BEGIN_AGAIN, {**row, "welcome_id": start.welcome_id})
        return start
    return WelcomeStart(session.execute(_BEGIN, row).scalar_one(), None, own=True)


def lock_pair(session: Session, userid: str, external_userid: str) -> None:
    """Serialise what follows per pair; SQLite has one writer anyway."""
    lock_names(session, "welcome", [f"{userid}\n{external_userid}"])


def record_welcome(session: Session, values: Mapping[str, Any], *, shows_links: bool = False) -> None:
    """Write how a welcome ended, over the event's own row if it has one. What was sent stays sent, and is a touch.

    `shows_links`: the customer may have followed one by now. Raises ErasedError.
    """
    refuse_erased(session, values["external_userid"])
    query = select(Welcome).where(col(Welcome.event_id) == values["event_id"]).with_for_update()
    row = session.execute(query).scalar_one_or_none()
    if row is None:
        session.add(Welcome(**values))
    elif row.status != WelcomeStatus.SENT:
        for name, value in values.items():
            setattr(row, name, value)
    if values["status"] == WelcomeStatus.SENT:
        record_touch(
            session,
            origin=f"{WELCOME_ORIGIN}{values['event_id']}",
            kind=TouchKind.WELCOME,
            external_userid=values["external_userid"],
            userid=values["userid"],
            touched_at=values["sent_at"],
        )
        if shows_links and values["rule_id"] is not None:
            note_greeted(session, values["event_id"], values["rule_id"], values["external_userid"])


def end_adds(session: Session, userid: str, external_userid: str, at: datetime) -> None:
    """The pair are contacts no more: the next add is greeted again."""
    session.execute(
        update(Welcome)
        .where(
            col(Welcome.userid) == userid,
            col(Welcome.external_userid) == external_userid,
            col(Welcome.ended_at).is_(None),
            col(Welcome.received_at) <= at,
        )
        .values(ended_at=at)
    )


def list_welcomes(
    session: Session,
    *,
    status: str | None = None,
    reason: str | None = None,
    userid: str | None = None,
    external_userid: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    userids: Collection[str] | None = None,
    limit: int = 50,
    before_id: int | None = None,
) -> list[Welcome]:
    """Welcomes, newest first. `userids`: those of these members alone."""
    wanted = (
        col(Welcome.status) == status if status is not None else None,
        col(Welcome.reason) == reason if reason is not None else None,
        col(Welcome.userid) == userid if userid is not None else None,
        col(Welcome.external_userid) == external_userid if external_userid is not None else None,
        col(Welcome.received_at) >= since if since is not None else None,
        col(Welcome.received_at) < until if until is not None else None,
        col(Welcome.id) < before_id if before_id is not None else None,
        among(session.get_bind().dialect.name, W.c.userid, "userids") if userids is not None else None,
    )
    conditions = [each for each in wanted if each is not None]
    query = select(Welcome).order_by(col(Welcome.id).desc()).limit(limit)
    if userids is None or len(userids) > FEW_MEMBERS:
        query = query.where(*conditions)
    else:
        # In the order of all welcomes those of a few members lie far apart: they are looked up by member, and what is
        # sorted is not the key itself, which either database would walk along.
        theirs = select(W.c.id).where(*conditions).order_by((W.c.id + 0).desc()).limit(limit)
        query = query.where(W.c.id.in_(theirs))
    given = {} if userids is None else {"userids": sorted(userids)}
    return list(session.execute(query, given).scalars())


def count_by_reason(session: Session, since: datetime) -> dict[tuple[str, str], int]:
    """Welcomes since an instant, by status and reason."""
    rows = session.execute(
        select(col(Welcome.status), col(Welcome.reason), func.count())
        .where(col(Welcome.received_at) >= since)
        .group_by(col(Welcome.status), col(Welcome.reason))
    )
    return {(status, reason): count for status, reason, count in rows}
