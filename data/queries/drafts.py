"""What a language model was asked and wrote."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from data.models import DraftRow, UnansweredQuestion
from data.rules.drafts import Outcome

#: Rows that are removed in one go.
SWEPT_ROWS = 500


def add_draft(
    session: Session,
    *,
    open_kfid: str,
    external_userid: str,
    question: str,
    answer: str,
    sources: Sequence[int],
    outcome: Outcome,
    cause: str,
    model: str,
    seconds: float,
    now: datetime,
) -> int:
    """Keep what was asked and what came of it; its number."""
    row = DraftRow(
        open_kfid=open_kfid, external_userid=external_userid, question=question, answer=answer, sources=list(sources),
        outcome=outcome.value, cause=cause[:500], model=model[:128], seconds=round(seconds, 3), made_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def note_sent(session: Session, draft_id: int, external_userid: str) -> None:
    """A customer's draft was sent, by the program or by a person."""
    change = update(DraftRow).where(col(DraftRow.id) == draft_id, col(DraftRow.external_userid) == external_userid)
    session.execute(change.values(outcome=Outcome.SENT.value))


def list_sent(session: Session, draft_ids: Collection[int]) -> set[int]:
    """Those of some drafts that were sent."""
    query = select(col(DraftRow.id)).where(col(DraftRow.id).in_(sorted(draft_ids)))
    return set(session.execute(query.where(col(DraftRow.outcome) == Outcome.SENT.value)).scalars())


def list_drafts(
    session: Session,
    *,
    external_userid: str | None = None,
    open_kfid: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[DraftRow]:
    """The latest, of a customer and an account where they are named, behind number `before`."""
    query = select(DraftRow).order_by(col(DraftRow.id).desc()).limit(limit)
    if external_userid is not None:
        query = query.where(col(DraftRow.external_userid) == external_userid)
    if open_kfid is not None:
        query = query.where(col(DraftRow.open_kfid) == open_kfid)
    if before is not None:
        query = query.where(col(DraftRow.id) < before)
    return list(session.execute(query).scalars())


def purge_knowledge(session: Session, before: datetime) -> int:
    """Remove some of what was asked, and of what models wrote, before then; how many rows went."""
    removed = 0
    drafts: Any = DraftRow.__table__  # type: ignore[attr-defined]
    asked: Any = UnansweredQuestion.__table__  # type: ignore[attr-defined]
    for table, at in ((drafts, drafts.c.made_at), (asked, asked.c.asked_at)):
        some = select(table.c.id).where(at < before).limit(SWEPT_ROWS)
        done: Any = session.execute(delete(table).where(table.c.id.in_(some)))
        removed += int(done.rowcount)
    return removed
