"""Calls that each process made of WeCom's APIs, and pauses that WeCom asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.models import CallCount, CallPause
from data.queries.upsert import insert_into

_COUNTS = BulkUpsert(CallCount, ["process", "path", "seconds", "buckets", "ends_at"])
_OTHERS = select(col(CallCount.path), col(CallCount.seconds), col(CallCount.buckets)).where(
    col(CallCount.process) != bindparam("process"), col(CallCount.ends_at) > bindparam("now")
)
_PAUSES = select(CallPause).where(col(CallPause.paused_until) > bindparam("now"))


@dataclass(frozen=True, slots=True)
class Used:
    """What the other processes used: path, window in seconds and its buckets; and the pauses of all."""

    counts: list[tuple[str, int, list[list[int]]]]
    pauses: list[CallPause]


def find_used(session: Session, process: str, now: datetime) -> Used:
    """What still counts of the calls that processes other than `process` made, ended ones among them."""
    counts = session.execute(_OTHERS, {"process": process, "now": now})
    pauses = session.execute(_PAUSES, {"now": now}).scalars()
    return Used([(path, seconds, buckets) for path, seconds, buckets in counts], list(pauses))


def exchange_used(
    session: Session, process: str, counts: Sequence[CallCount], pauses: Sequence[CallPause], now: datetime
) -> Used:
    """Write what `process` used, in place of what it wrote before, and read what the others did."""
    _COUNTS.write(session, [(process, row.path, row.seconds, row.buckets, row.ends_at) for row in counts])
    for pause in sorted(pauses, key=lambda each: each.path):
        insert: Any = insert_into(session, CallPause).values(pause.model_dump())
        session.execute(
            insert.on_conflict_do_update(
                index_elements=["path"],
                set_={name: insert.excluded[name] for name in ("paused_until", "refusals")},
                where=col(CallPause.paused_until) < insert.excluded.paused_until,
            )
        )
    return find_used(session, process, now)


def remove_ended(session: Session, now: datetime) -> int:
    """Remove counts that are older than their window and pauses that are over; how many."""
    ended: list[Any] = [
        session.execute(delete(CallCount).where(col(CallCount.ends_at) <= now)),
        session.execute(delete(CallPause).where(col(CallPause.paused_until) <= now)),
    ]
    return sum(int(each.rowcount) for each in ended)
