"""Rows of which something follows: `due_at` says when, or until when somebody works on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Select, update
from sqlmodel import Session

#: Rows claimed at once.
CLAIMED = 50


class Leased(Protocol):
    """A row that is claimed until `leased_until`."""

    @property
    def id(self) -> int: ...
    @property
    def attempts(self) -> int: ...
    @property
    def leased_until(self) -> datetime: ...


def claim(
    session: Session, table: Any, due: Select[Any], now: datetime, lease_seconds: float, limit: int = CLAIMED
) -> tuple[Sequence[Any], datetime]:
    """What the statement `due` finds, as of `now`, is claimed until the instant that comes with it."""
    until = now + timedelta(seconds=lease_seconds)
    rows = session.execute(due, {"now": now, "limit": limit}).all()
    if rows:
        session.connection().execute(
            update(table).where(table.c.id.in_([row.id for row in rows])).values(due_at=until)
        )  # fmt: skip
    return rows, until


def finish(session: Session, leased: Leased, outcome: dict[str, Any], *, table: Any) -> None:
    """All was done, or all that can be."""
    session.connection().execute(_still(table, leased).values(due_at=None, outcome=outcome))


def put_off(session: Session, leased: Leased, until: datetime, *, table: Any) -> None:
    """It failed: try again at `until`."""
    session.connection().execute(_still(table, leased).values(due_at=until, attempts=leased.attempts + 1))


def _still(table: Any, leased: Leased) -> Any:
    return update(table).where(table.c.id == leased.id, table.c.due_at == leased.leased_until)
