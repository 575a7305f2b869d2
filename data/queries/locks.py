"""Locks by name, for what has no row yet that could be locked."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text
from sqlmodel import Session

_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS TEXT[])) AS given (name)"
)


def lock_names(session: Session, what: str, names: Collection[str]) -> None:
    """One transaction at a time beyond this, for each name of a kind, until it ends; SQLite has one writer anyway.

    In one order: two who lock the same names do not wait for each other.
    """
    if names and session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_LOCK, {"names": [f"{what}\n{name}" for name in sorted(names)]})
