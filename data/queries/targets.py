"""Whom a batch is for: customers through a staff member's follows, customer groups, or members with a post."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlmodel import Session, col

from data.bulk import among
from data.models import Batch, CustomerGroup, Follow, GroupRecipient, Publisher, Recipient, RecipientState

F: Any = Follow.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
G: Any = GroupRecipient.__table__  # type: ignore[attr-defined]

CUSTOMERS, GROUPS = "customers", "groups"
#: Batches of this kind are posts in Moments: `data/queries/moments.py`.
MOMENTS = "moments"


class Target(NamedTuple):
    """One of a batch's recipients: `key` is the number of the follow, or the chat_id."""

    key: Any
    state: int


def _table(batch: Batch) -> tuple[Any, Any]:
    return (G, G.c.chat_id) if batch.kind == GROUPS else (R, R.c.follow_id)


def _mine(batch: Batch) -> tuple[Any, ...]:
    table, _ = _table(batch)
    return table.c.run_id == batch.run_id, table.c.batch_no == batch.batch_no


def map_targets(session: Session, batch: Batch, ids: Collection[str]) -> dict[str, Target]:
    """Recipients of a batch by WeCom's id: external_userid, or chat_id."""
    dialect = session.get_bind().dialect.name
    if batch.kind == GROUPS:
        query = select(G.c.chat_id, G.c.chat_id, G.c.state).where(*_mine(batch), among(dialect, G.c.chat_id, "ids"))
    else:
        query = (
            select(F.c.external_userid, R.c.follow_id, R.c.state)
            .select_from(F)
            .join(R, (R.c.follow_id == F.c.id) & (R.c.run_id == batch.run_id))
            .where(R.c.batch_no == batch.batch_no, among(dialect, F.c.external_userid, "ids"))
        )
    return {id_: Target(key, state) for id_, key, state in session.execute(query, {"ids": sorted(ids)})}


def list_whom(session: Session, batch: Batch) -> frozenset[str]:
    """WeCom's ids of those whom a batch is for."""
    if batch.kind == GROUPS:
        query = select(G.c.chat_id).where(*_mine(batch), G.c.state < RecipientState.OPTED_OUT)
    else:
        query = select(F.c.external_userid).select_from(R).join(F, F.c.id == R.c.follow_id)
        query = query.where(*_mine(batch), R.c.state < RecipientState.OPTED_OUT)
    return frozenset(session.execute(query).scalars())


def set_states(
    session: Session, batch: Batch, keys: Collection[Any], state: RecipientState, *, waiting: bool = True
) -> int:
    """Change recipients of a batch, those who wait or any; how many did change."""
    table, key = _table(batch)
    change = update(table).where(table.c.run_id == batch.run_id, among(session.get_bind().dialect.name, key, "keys"))
    if waiting:
        change = change.where(table.c.state == RecipientState.WAITING)
    changed: Any = session.execute(change.values(state=int(state)), {"keys": sorted(keys)})
    return int(changed.rowcount)


def set_waiting(session: Session, batch: Batch, state: RecipientState) -> int:
    """All of a batch who wait still; how many did. Of a post these are the members who have not published it."""
    if batch.kind == MOMENTS:
        change = update(Publisher).where(col(Publisher.run_id) == batch.run_id, col(Publisher.state) == "waiting")
        changed: Any = session.execute(change.values(state=state.name.lower()))
    else:
        table, _ = _table(batch)
        waiting = update(table).where(*_mine(batch), table.c.state == RecipientState.WAITING)
        changed = session.execute(waiting.values(state=int(state)))
    return int(changed.rowcount)


def count_waiting(session: Session, batch: Batch) -> int:
    """How many of a batch's recipients nothing is known of."""
    table, key = _table(batch)
    return len(session.execute(select(key).where(*_mine(batch), table.c.state == RecipientState.WAITING)).all())


def list_groups_now(session: Session, batch: Batch) -> tuple[list[str], dict[RecipientState, list[str]]]:
    """The groups of a batch that can be sent to now, and the others by why not."""
    C: Any = CustomerGroup.__table__  # type: ignore[attr-defined]  # noqa: N806
    query = (
        select(G.c.chat_id, C.c.owner, C.c.dismissed_at)
        .select_from(G)
        .outerjoin(C, C.c.chat_id == G.c.chat_id)
        .where(*_mine(batch), G.c.state == RecipientState.WAITING)
        .order_by(G.c.chat_id)
    )
    there: list[str] = []
    out: dict[RecipientState, list[str]] = {}
    for chat_id, owner, dismissed_at in session.execute(query):
        if owner is None or dismissed_at is not None:
            out.setdefault(RecipientState.LEFT, []).append(chat_id)
        elif owner != batch.userid:
            out.setdefault(RecipientState.SENDER_UNABLE, []).append(chat_id)
        else:
            there.append(chat_id)
    return there, out
