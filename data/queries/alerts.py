"""Alerts to staff: written once, claimed when due, finished."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from data.models import Alert
from data.queries.erasures import refuse_erased
from data.queries.upsert import insert_into

#: The kind of a message that stands for several.
MERGED = "merged"


def add_alert(
    session: Session,
    *,
    dedupe_key: str,
    kind: str,
    userid: str,
    external_userid: str,
    words: str,
    now: datetime,
    media_id: str = "",
    media_type: str = "file",
    due_at: datetime | None = None,
) -> bool:
    """Queue an app message, or a file. False when one with this key exists: the event is being handled again.

    Raises ErasedError when it is about a customer who was erased.
    """
    refuse_erased(session, external_userid)
    added: Any = session.execute(
        insert_into(session, Alert)
        .values(
            dedupe_key=dedupe_key[:200],
            kind=kind,
            userid=userid,
            external_userid=external_userid,
            words=words,
            media_id=media_id,
            media_type=media_type,
            status="waiting",
            attempts=0,
            error="",
            msgid="",
            created_at=now,
            due_at=due_at or now,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )
    return bool(added.rowcount)


def has_alert(session: Session, dedupe_key: str) -> bool:
    """Whether an alert was queued under this key."""
    query = select(col(Alert.id)).where(col(Alert.dedupe_key) == dedupe_key)
    return session.execute(query).first() is not None


def reply_key(event_id: int, number: int = 1) -> str:
    """The key of the answer to an event, or of a later part of it."""
    return f"reply:{event_id}:{number}"


def take_reply(session: Session, event_id: int, now: datetime, may_take: Callable[[], bool]) -> str:
    """The answer to an event, which now goes back in the response to the request that told of it; or that went so
    before, for WeCom has asked again. Empty: there is none, it goes by app message, or `may_take` says no by now."""
    if not may_take():
        return ""
    key = reply_key(event_id)
    taken = session.execute(
        update(Alert)
        # One that was tried as an app message may have arrived.
        .where(col(Alert.dedupe_key) == key, col(Alert.status) == "waiting", col(Alert.attempts) == 0)
        .values(status="replied", sent_at=now)
        .returning(col(Alert.words))
    ).scalar_one_or_none()
    if taken is None:
        again = select(col(Alert.words)).where(col(Alert.dedupe_key) == key, col(Alert.status) == "replied")
        taken = session.execute(again).scalar_one_or_none()
    return taken or ""


def list_told(session: Session, kind: str, dedupe_key: str, userids: Collection[str]) -> set[str]:
    """Those of some members for whom an alert of a kind was queued under this key (`bot.delivery.add_alert`)."""
    keys = {f"{dedupe_key}:{kind}:{userid}:1": userid for userid in userids}
    found = select(col(Alert.dedupe_key)).where(col(Alert.dedupe_key).in_(keys))
    return {keys[key] for key in session.execute(found).scalars()} if keys else set()


def claim_due_alerts(session: Session, now: datetime, lease_seconds: float, limit: int) -> list[Alert]:
    """Alerts that are due, oldest first, put off by the lease so that no other replica takes them meanwhile."""
    alerts = list(
        session.execute(
            select(Alert)
            .where(col(Alert.status) == "waiting", col(Alert.due_at) <= now)
            .order_by(col(Alert.id))
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).scalars()
    )
    for alert in alerts:
        alert.due_at = now + timedelta(seconds=lease_seconds)
        alert.attempts += 1
    return alerts


def merge_alerts(
    session: Session, alerts: Sequence[Alert], words: str, now: datetime, lease_seconds: float
) -> Alert | None:
    """Put one message in the place of several to the same member; it is claimed like they were. None: one of them is
    not waiting any more."""
    ids = [each.id for each in alerts]
    waiting = select(col(Alert.id)).where(col(Alert.id).in_(ids), col(Alert.status) == "waiting").with_for_update()
    if len(session.execute(waiting).all()) != len(ids):
        return None
    session.execute(update(Alert).where(col(Alert.id).in_(ids)).values(status="merged"))
    made = Alert(
        dedupe_key=f"merged:{ids[0]}:{ids[-1]}", kind=MERGED, userid=alerts[0].userid, words=words, attempts=1,
        created_at=now, due_at=now + timedelta(seconds=lease_seconds),
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def count_sent(session: Session, userid: str, since: datetime) -> int:
    """App messages a member was sent since an instant: WeCom drops more than 30 a minute without a word. What went back
    in the response to a callback it counts in no limit."""
    query = select(func.count()).where(
        col(Alert.userid) == userid, col(Alert.sent_at) >= since, col(Alert.status) == "sent"
    )
    return int(session.execute(query).scalar_one())


def finish_alert(
    session: Session,
    alert_id: int,
    status: str,
    *,
    now: datetime,
    due_at: datetime | None = None,
    error: str = "",
    msgid: str = "",
) -> None:
    """Record how a try ended: sent, observed, failed, or waiting until `due_at`."""
    session.execute(
        update(Alert)
        .where(col(Alert.id) == alert_id)
        .values(
            status=status,
            error=error,
            msgid=msgid[:200],
            due_at=due_at or now,
            sent_at=now if status == "sent" else None,
        )
    )


def put_off_alert(session: Session, alert_id: int, due_at: datetime, error: str) -> None:
    """Not tried: the claim does not count as an attempt."""
    session.execute(
        update(Alert)
        .where(col(Alert.id) == alert_id)
        .values(status="waiting", attempts=col(Alert.attempts) - 1, due_at=due_at, error=error)
    )


def list_alerts(session: Session, *, userid: str | None = None, limit: int = 50) -> list[Alert]:
    """Alerts, newest first."""
    query = select(Alert).order_by(col(Alert.id).desc()).limit(limit)
    if userid is not None:
        query = query.where(col(Alert.userid) == userid)
    return list(session.execute(query).scalars())
