"""Batches whose answer never came: what is looked up, and what becomes of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from data.bulk import among
from data.errors import ConflictError
from data.models import Batch, BatchStatus, Follow, Recipient, RunStatus
from data.queries.batches import get_batch, is_over, lock_batch, stop_batch
from data.queries.targets import list_whom
from data.rules.waves import MOMENTS

F: Any = Follow.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
B: Any = Batch.__table__  # type: ignore[attr-defined]


def list_unknown(session: Session, now: datetime, limit: int, *, moments: bool = False) -> list[Batch]:
    """Batches that are to be looked up now, the oldest call first; posts in Moments, or all others."""
    query = (
        select(Batch)
        .where(
            col(Batch.next_at) <= now, col(Batch.final_at).is_(None), col(Batch.next_at).is_not(None),
            col(Batch.status) == BatchStatus.UNKNOWN, (col(Batch.kind) == MOMENTS) == moments,
        )
        .order_by(col(Batch.first_called_at))
        .limit(limit)
    )  # fmt: skip
    return list(session.execute(query).scalars())


def list_unanswered(session: Session, userids: Collection[str], kind: str) -> list[tuple[Batch, frozenset[str]]]:
    """Every batch of one kind of these senders whose answer has not come, with those it is for."""
    query = select(Batch).where(
        col(Batch.status).in_([BatchStatus.SENDING, BatchStatus.UNKNOWN]),
        col(Batch.userid).in_(sorted(userids)),
        col(Batch.kind) == kind,
    )
    return [(batch, list_whom(session, batch)) for batch in session.execute(query).scalars().all()]


def list_owned(session: Session, msgids: Collection[str]) -> set[str]:
    """Those of the msgids that a row of ours has."""
    found = select(B.c.msgid).where(among(session.get_bind().dialect.name, B.c.msgid, "msgids"))
    return set(session.execute(found, {"msgids": sorted(msgids)}).scalars())


def read_adoptable(session: Session, batch_id: int, msgid: str) -> tuple[Batch, frozenset[str]]:
    """A batch whose answer never came, and who it is for, of a post the members who publish it. Raises NotFoundError,
    and ConflictError where it cannot be this group-send."""
    batch = get_batch(session, batch_id)
    _refuse_other(session, batch, msgid)
    return batch, list_whom(session, batch)


def _refuse_other(session: Session, batch: Batch, msgid: str) -> None:
    if batch.status != BatchStatus.UNKNOWN:
        raise ConflictError(f"Batch {batch.id} is {batch.status}, not unknown.", "Look at it first.")
    if list_owned(session, [msgid]):
        raise ConflictError(f"{msgid} is another batch's.", "Choose one that no batch has.")


def adopt(session: Session, batch_id: int, msgid: str, now: datetime) -> Batch:
    """A batch whose answer never came is this group-send. Raises ConflictError when it is not to be looked up."""
    _, batch = lock_batch(session, batch_id)
    _refuse_other(session, batch, msgid)
    batch.status, batch.msgid, batch.made_at, batch.next_at = BatchStatus.RECONCILED, msgid, batch.called_at, now
    batch.candidates, batch.error = None, ""
    return batch


def ask_again(session: Session, batch_id: int, now: datetime, *, absent: datetime | None) -> Batch:
    """WeCom has made nothing of a batch whose answer never came: it is asked for again, unless its run is over.

    `absent`: the program is sure of it, of the call that was begun then; else a person is, of one that rests. Raises
    ConflictError.
    """
    run, batch = lock_batch(session, batch_id)
    meant = batch.next_at is None if absent is None else batch.called_at == absent
    if batch.status != BatchStatus.UNKNOWN or not meant:
        raise ConflictError(f"Batch {batch_id} does not rest for a person.", "Look at it first.")
    batch.candidates, batch.error = None, ""
    if is_over(run, now):
        stop_batch(session, batch, now)
        return batch
    batch.status, batch.called_at, batch.next_at, batch.jobid = BatchStatus.PLANNED, None, None, None
    if run.status == RunStatus.AWAITING:
        run.status = RunStatus.SENDING
    return batch


def leave_to_person(session: Session, batch_id: int, candidates: Sequence[str], error: str) -> None:
    """It cannot be told what became of a batch: it rests."""
    _, batch = lock_batch(session, batch_id)
    if batch.status == BatchStatus.UNKNOWN:
        batch.next_at, batch.candidates, batch.error = None, list(candidates), error
