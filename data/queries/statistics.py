"""What the database's planner knows of the tables' contents."""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Session

#: Rows of each index that are looked at: some milliseconds for a million follows.
SAMPLED_ROWS = 400


def refresh_statistics(session: Session) -> None:
    """Let SQLite's planner know about how many rows each index tells apart. PostgreSQL keeps count itself."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(text(f"PRAGMA analysis_limit = {SAMPLED_ROWS}"))
        session.execute(text("ANALYZE"))
