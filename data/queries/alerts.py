"""Alerts to staff: written once, claimed when due, finished."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from data.models import Alert
from data.queries.erasures import refuse_erased
from data.queries.upsert import insert_into


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
            status="waiting",
            attempts=0,
            error="",
            msgid="",
            created_at=now,
            due_at=now,
        )
        .on_conflict_do_nothing(index_elements=["dedupe_key"])
    )
    return bool(added.rowcount)


def has_alert(session: Session, dedupe_key: str) -> bool:
    """Whether an alert was queued under this key."""
    query = select(col(Alert.id)).where(col(Alert.dedupe_key) == dedupe_key)
    return session.execute(query).first() is not None


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


def count_sent(session: Session, userid: str, since: datetime) -> int:
    """Alerts a member was sent since an instant: WeCom drops more than 30 a minute without a word."""
    query = select(func.count()).where(col(Alert.userid) == userid, col(Alert.sent_at) >= since)
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
