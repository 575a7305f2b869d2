"""What follows from a customer's first click on a link: claimed for a while, finished, or put off."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import bindparam, literal_column, select
from sqlmodel import Session

from data.models import Link, LinkClick
from data.queries import follow_ups
from data.queries.follow_ups import CLAIMED

L: Any = Link.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]

_DUE = (
    select(
        K.c.id, K.c.link_id, L.c.name, L.c.tag_ids, L.c.tells_staff, K.c.external_userid, K.c.userid, K.c.first_at,
        K.c.attempts,
    )
    .join(L, L.c.id == K.c.link_id)
    # Written as the partial index has it.
    .where(literal_column("link_clicks.due_at IS NOT NULL"), K.c.due_at <= bindparam("now"))
    .order_by(K.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True, of=K)
)  # fmt: skip


class DueClick(NamedTuple):
    """A first click that is claimed until `leased_until`; `userid` sent the link, if that is known."""

    id: int
    link_id: int
    link: str
    tag_ids: list[str]
    tells_staff: bool
    external_userid: str
    userid: str
    clicked_at: datetime
    attempts: int
    leased_until: datetime


def claim_due(session: Session, now: datetime, lease_seconds: float, limit: int = CLAIMED) -> list[DueClick]:
    """Take what is due. What is not finished is due again when the lease ends."""
    rows, until = follow_ups.claim(session, K, _DUE, now, lease_seconds, limit)
    return [DueClick._make((*row, until)) for row in rows]


finish = partial(follow_ups.finish, table=K)
put_off = partial(follow_ups.put_off, table=K)
