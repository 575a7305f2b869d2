"""Webhooks: calls that are due, claimed for a while, taken, put off or given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, literal_column, select, update
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import Webhook, WebhookCall

W: Any = WebhookCall.__table__  # type: ignore[attr-defined]

_DUE = (
    select(W.c.id, W.c.url, W.c.body, W.c.made_at, W.c.attempts, W.c.webhook_id)
    # Written as the partial index has it.
    .where(literal_column("webhook_calls.next_at IS NOT NULL"), W.c.next_at <= bindparam("now"))
    .order_by(W.c.next_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_ENABLED = select(col(Webhook.id)).where(col(Webhook.enabled))
_LEASE = update(W).where(W.c.id.in_(bindparam("ids", expanding=True))).values(next_at=bindparam("until"))


class CallState(StrEnum):
    """Where a call stands."""

    WAITING = "waiting"
    TAKEN = "taken"
    GIVEN_UP = "given_up"


class DueCall(NamedTuple):
    """A call that is claimed until `leased_until`; `attempts` failed before this one."""

    id: int
    url: str
    body: dict[str, Any]
    made_at: datetime
    attempts: int
    webhook_id: int | None
    leased_until: datetime


def claim_due(session: Session, now: datetime, lease_seconds: float, limit: int) -> list[DueCall]:
    """Take what is due, longest due first. What is not ended is due again when the lease ends."""
    until = now + timedelta(seconds=lease_seconds)
    rows = session.execute(_DUE, {"now": now, "limit": limit}).all()
    if rows:
        session.connection().execute(_LEASE, {"ids": [row.id for row in rows], "until": until})
    return [DueCall._make((*row, until)) for row in rows]


def mark_taken(session: Session, call: DueCall, now: datetime) -> None:
    """The other program has it."""
    # Also one that another replica has claimed meanwhile: it is taken, whoever was slow.
    taken = update(W).where(W.c.id == call.id)
    session.connection().execute(taken.values(next_at=None, taken_at=now, attempts=call.attempts + 1, error=""))


def mark_failed(session: Session, call: DueCall, error: str, next_at: datetime | None) -> None:
    """A try failed; without `next_at` it was the last one."""
    mine = update(W).where(W.c.id == call.id, W.c.next_at == call.leased_until)
    session.connection().execute(mine.values(next_at=next_at, attempts=call.attempts + 1, error=error[:200]))


def try_again(session: Session, call_id: int, now: datetime) -> WebhookCall:
    """Have a call sent once more that was given up; or taken, for whoever said so may have lost it. Raises
    NotFoundError, ConflictError."""
    call = session.get(WebhookCall, call_id, with_for_update=True)
    if call is None:
        raise NotFoundError(f"There is no webhook call {call_id}.", "GET /webhook-calls lists those that there are.")
    state = state_of(call)
    if state is CallState.WAITING:
        raise ConflictError(f"Webhook call {call_id} is {state.value}: there is nothing to try again.")
    if call.webhook_id is not None and not session.execute(_ENABLED.where(col(Webhook.id) == call.webhook_id)).first():
        raise ConflictError("Its webhook is switched off or was removed.", "Switch it on first.")
    call.next_at, call.taken_at = now, None
    return call


def try_all_again(session: Session, now: datetime) -> int:
    """Have all calls that were given up tried once more, but for webhooks that are switched off; how many."""
    told = W.c.webhook_id.is_(None) | W.c.webhook_id.in_(_ENABLED)
    again = update(W).where(_IS[CallState.GIVEN_UP], told).values(next_at=now)
    return int(session.connection().execute(again).rowcount)


def state_of(call: WebhookCall) -> CallState:
    """Where a call stands."""
    if call.taken_at is not None:
        return CallState.TAKEN
    return CallState.GIVEN_UP if call.next_at is None else CallState.WAITING


_IS: dict[CallState, ColumnElement[bool]] = {
    CallState.WAITING: W.c.next_at.is_not(None),
    CallState.TAKEN: W.c.taken_at.is_not(None),
    CallState.GIVEN_UP: and_(W.c.next_at.is_(None), W.c.taken_at.is_(None)),
}


def list_calls(
    session: Session,
    *,
    state: CallState | None = None,
    external_userid: str | None = None,
    webhook_id: int | None = None,
    limit: int = 50,
    before_id: int | None = None,
) -> list[WebhookCall]:
    """Calls, newest first."""
    query = select(WebhookCall).order_by(col(WebhookCall.id).desc()).limit(limit)
    if state is not None:
        query = query.where(_IS[state])
    if external_userid is not None:
        query = query.where(col(WebhookCall.external_userid) == external_userid)
    if webhook_id is not None:
        query = query.where(col(WebhookCall.webhook_id) == webhook_id)
    if before_id is not None:
        query = query.where(col(WebhookCall.id) < before_id)
    return list(session.execute(query).scalars())
