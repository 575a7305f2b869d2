"""Template cards and their changes: written once, claimed when due, finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import Approval, ApprovalStatus, Card, CardChange
from data.queries.upsert import insert_into

Call = TypeVar("Call", Card, CardChange)


def add_card(
    session: Session,
    approval_id: int,
    task_id: str,
    userids: Sequence[str],
    body: dict[str, Any],
    now: datetime,
    language: str = "zh",
) -> None:
    """Queue a card."""
    session.add(
        Card(
            approval_id=approval_id, task_id=task_id, userids=list(userids), language=language, body=body, due_at=now
        )
    )  # fmt: skip


def find_card(session: Session, task_id: str) -> Card | None:
    """The card that a click tells of, if it is one of ours."""
    return session.execute(select(Card).where(col(Card.task_id) == task_id)).scalar_one_or_none()


def find_cards(session: Session, approval_ids: Sequence[int]) -> dict[int, Card]:
    """The card of each of some requests that has one; of several one that failed, else the first."""
    query = select(Card).where(col(Card.approval_id).in_(approval_ids)).order_by(col(Card.id).desc())
    found = sorted(session.execute(query).scalars(), key=lambda card: card.status == "failed")
    return {card.approval_id: card for card in found}


def lock_cards_of(session: Session, approval_id: int) -> list[Card]:
    """The cards by which approval was asked for, locked: one for each language of those who were asked."""
    query = select(Card).where(col(Card.approval_id) == approval_id).order_by(col(Card.id)).with_for_update()
    return list(session.execute(query.execution_options(populate_existing=True)).scalars())


def lock_card(session: Session, card_id: int) -> Card:
    """One card, locked."""
    return session.get_one(Card, card_id, with_for_update=True, populate_existing=True)


def add_change(
    session: Session, card_id: int, response_code: str, userids: Sequence[str], words: str, now: datetime
) -> bool:
    """Queue words in the place of a card's buttons. False when this code is used or queued already."""
    values = {
        "card_id": card_id, "response_code": response_code, "userids": list(userids), "words": words,
        "status": "waiting", "called": False, "attempts": 0, "error": "", "due_at": now,
    }  # fmt: skip
    added: Any = session.execute(
        insert_into(session, CardChange).values(**values).on_conflict_do_nothing(index_elements=["response_code"])
    )
    return bool(added.rowcount)


def has_change(session: Session, response_code: str) -> bool:
    """Whether a code is used or queued: its click was handled before."""
    query = select(col(CardChange.id)).where(col(CardChange.response_code) == response_code)
    return session.execute(query).first() is not None


def has_work(session: Session, now: datetime) -> bool:
    """Whether a card or a change is due, or a request has expired."""
    due = [
        select(col(Card.id)).where(col(Card.status) == "waiting", col(Card.due_at) <= now).limit(1),
        select(col(CardChange.id)).where(col(CardChange.status) == "waiting", col(CardChange.due_at) <= now).limit(1),
        select(col(Approval.id))
        .where(col(Approval.status) == ApprovalStatus.PENDING, col(Approval.expires_at) <= now)
        .limit(1),
    ]
    return any(session.execute(query).first() is not None for query in due)


def claim_due(
    session: Session, model: type[Call], now: datetime, lease_seconds: float, limit: int
) -> list[tuple[Call, bool]]:
    """Cards or changes that are due, put off by the lease, each with whether an earlier call got no answer."""
    query = (
        select(model)
        .where(col(model.status) == "waiting", col(model.due_at) <= now)
        .order_by(col(model.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [(row, row.called) for row in session.execute(query).scalars()]
    for row, _ in found:
        row.due_at, row.called = now + timedelta(seconds=lease_seconds), True
        row.attempts += 1
    return found


def put_off(
    session: Session, model: type[Card] | type[CardChange], row_id: int, due_at: datetime, error: str, *, called: bool
) -> None:
    """A call came to nothing: it is made again at `due_at`. `called`: it got no answer, so it may have been done."""
    row = session.get_one(model, row_id, with_for_update=True, populate_existing=True)
    row.due_at, row.error, row.called = due_at, error, called


def finish_change(session: Session, change_id: int, status: str, now: datetime, error: str = "") -> None:
    """Record how a change ended: sent, observed or failed."""
    row = session.get_one(CardChange, change_id, with_for_update=True, populate_existing=True)
    row.status, row.error, row.sent_at = status, error, now if status == "sent" else None
