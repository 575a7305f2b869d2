"""The audit log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import AuditEntry

#: The place of whoever does something in the app's chat or by its menu.
APP = "app"
#: That of a program which does it through the API.
API = "api"


class Actor(NamedTuple):
    """Who changes something, and from where: a network address, APP or API."""

    account_id: int | None
    who: str
    address: str = ""


def add_entry(
    session: Session,
    actor: Actor,
    action: str,
    what: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    now: datetime,
    *,
    external_userid: str | None = None,
) -> None:
    """Write down a change in the transaction that makes it; of before and after only what differs is kept."""
    old, new = dict(before or {}), dict(after or {})
    same = {key for key in old.keys() & new.keys() if old[key] == new[key]}
    session.add(
        AuditEntry(
            at=now, account_id=actor.account_id, who=actor.who[:80], action=action, what=what[:120],
            before=None if before is None else {key: value for key, value in old.items() if key not in same},
            after=None if after is None else {key: value for key, value in new.items() if key not in same},
            address=actor.address, external_userid=external_userid,
        )
    )  # fmt: skip


def list_entries(
    session: Session,
    *,
    limit: int,
    before_id: int | None = None,
    account_id: int | None = None,
    what: str = "",
    action: str = "",
) -> list[AuditEntry]:
    """The latest first. `before_id`: only older ones than this."""
    query = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(AuditEntry.id) < before_id)
    if account_id is not None:
        query = query.where(col(AuditEntry.account_id) == account_id)
    if what:
        query = query.where(col(AuditEntry.what) == what)
    if action:
        query = query.where(col(AuditEntry.action) == action)
    return list(session.execute(query).scalars())
