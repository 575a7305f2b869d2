"""Requests that carry an idempotency key: what they ask is done once, and answered alike each time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlmodel import Session, col

from bot.errors import SiyuError
from data.models import RepeatedRequest
from data.queries.upsert import insert_into

PURGED_AT_ONCE = 500


class KeyReusedError(SiyuError):
    """The key was given to another request."""


class Keyed(NamedTuple):
    """A request with a key. `caller` is the API token's number; `digest` tells requests apart."""

    caller: int
    key: str
    digest: str


class Answered(NamedTuple):
    """An answer as it was sent. `repeated`: nothing was done for it this time."""

    status: int
    body: str
    repeated: bool = False


def answer_once(session: Session, asked: Keyed, work: Callable[[Session], Answered], now: datetime) -> Answered:
    """Do `work` unless it was done for this key before, in the same transaction as the note that it was done.

    A twin that comes meanwhile waits for this transaction. Raises KeyReusedError, and what `work` raises: then nothing
    is kept, and the key is free.
    """
    noted = session.execute(
        insert_into(session, RepeatedRequest)
        .values(caller=asked.caller, key=asked.key, digest=asked.digest, status=0, body="", asked_at=now)
        .on_conflict_do_nothing()
        .returning(col(RepeatedRequest.key))
    ).first()
    row = session.execute(
        select(RepeatedRequest).where(
            col(RepeatedRequest.caller) == asked.caller, col(RepeatedRequest.key) == asked.key
        )
    ).scalar_one()
    if noted is None:
        if row.digest != asked.digest:
            raise KeyReusedError(
                "This Idempotency-Key was used for another request.", "Give every request a key of its own."
            )
        return Answered(row.status, row.body, repeated=True)
    done = work(session)
    row.status, row.body = done.status, done.body
    return done


def purge(session: Session, before: datetime) -> int:
    """Forget some of the requests asked before an instant; how many."""
    old = select(col(RepeatedRequest.caller), col(RepeatedRequest.key)).where(col(RepeatedRequest.asked_at) < before)
    keys = session.execute(old.limit(PURGED_AT_ONCE)).all()
    for caller, key in keys:
        session.execute(
            delete(RepeatedRequest).where(col(RepeatedRequest.caller) == caller, col(RepeatedRequest.key) == key)
        )
    return len(keys)
