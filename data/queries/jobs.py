"""Jobs: how they went last."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import JobState
from data.queries.upsert import upsert


def note_run(session: Session, name: str, holder: str, started_at: datetime, ended_at: datetime, error: str) -> None:
    """A job has run; without an `error` it is done."""
    row = {"name": name, "holder": holder, "started_at": started_at, "ended_at": ended_at, "error": error[:300]}
    if error:
        upsert(session, JobState, [{**row, "outcome": "failed"}])
    else:
        upsert(session, JobState, [{**row, "outcome": "done", "good_at": ended_at}])


def list_states(session: Session) -> dict[str, JobState]:
    """How jobs went last, by name; those that never ran are not among them."""
    return {row.name: row for row in session.execute(select(JobState).order_by(col(JobState.name))).scalars()}
