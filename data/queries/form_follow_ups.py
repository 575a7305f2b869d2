"""What follows from a customer's answer to a form: claimed for a while, finished, or put off."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, select
from sqlmodel import Session

from data.models import FormAnswer, FormRow
from data.queries import follow_ups

A: Any = FormAnswer.__table__  # type: ignore[attr-defined]
F: Any = FormRow.__table__  # type: ignore[attr-defined]

_DUE = (
    select(
        A.c.id, A.c.form_id, F.c.definition, A.c.external_userid, A.c.userid, A.c.answers, A.c.answered_at, A.c.put_on,
        A.c.take_off, A.c.attempts,
    )
    .join(F, F.c.id == A.c.form_id)
    # Written as the partial index has it.
    .where(literal_column("form_answers.due_at IS NOT NULL"), A.c.due_at <= bindparam("now"))
    .order_by(A.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True, of=A)
)  # fmt: skip


class DueAnswer(NamedTuple):
    """An answer that is claimed until `leased_until`; `userid` sent the customer the form, if that is known."""

    id: int
    form_id: int
    definition: dict[str, Any]
    external_userid: str
    userid: str
    answers: list[dict[str, Any]]
    answered_at: datetime
    put_on: list[str]
    take_off: list[str]
    attempts: int
    leased_until: datetime


def claim_due(session: Session, now: datetime, lease_seconds: float) -> list[DueAnswer]:
    """Take what is due. What is not finished is due again when the lease ends."""
    rows, until = follow_ups.claim(session, A, _DUE, now, lease_seconds)
    return [DueAnswer._make((*row, until)) for row in rows]


finish = partial(follow_ups.finish, table=A)
put_off = partial(follow_ups.put_off, table=A)
