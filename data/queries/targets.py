"""Whom a batch is for: customers through a staff member's follows, customer groups, or members with a post."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Select, select, text, update
from sqlmodel import Session, col

from data.bulk import among
from data.models import Batch, CustomerGroup, Follow, GroupRecipient, Publisher, Recipient, RecipientState
from data.rules.waves import GROUPS, MOMENTS

F: Any = Follow.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
G: Any = GroupRecipient.__table__  # type: ignore[attr-defined]


class Target(NamedTuple):
    """One of a batch's recipients: `key` is the number of the follow, or the chat_id.

    `alone`: it is the customer's only follow.
    """

    key: Any
    state: int
    alone: bool = False


def _table(batch: Batch) -> tuple[Any, Any]:
    return (G, G.c.chat_id) if batch.kind == GROUPS else (R, R.c.follow_id)


def of_batch(query: Select[Any], batch: Batch) -> Select[Any]:
    """The same for the rows of one batch alone. SQLite would walk all of a run where it has not counted lately."""
    table, _ = _table(batch)
    index = f"INDEXED BY ix_{table.name}_batch"
    return query.where(table.c.run_id == batch.run_id, table.c.batch_no == batch.batch_no).with_hint(
        table, index, "sqlite"
    )


#: Told in which order, SQLite takes a third of the time that two lists take it.
_CUSTOMERS = (
    "SELECT {told} FROM {given} {join} follows"
    " ON follows.userid = :userid AND follows.external_userid = given.value {join} {recipients}"
    " ON recipients.run_id = :run_id AND recipients.follow_id = follows.id WHERE recipients.batch_no = :batch_no"
)
_TOLD = "follows.external_userid, follows.id, recipients.state, follows.shared"
#: All in one row: at each row of a result SQLite's driver gives up the interpreter lock (`data/bulk.py`).
_CUSTOMERS_ON_SQLITE = text(
    _CUSTOMERS.format(
        told=f"json_group_array(json_array({_TOLD}))",
        given="json_each(:ids) AS given",
        join="CROSS JOIN",
        recipients="recipients NOT INDEXED",
    )
)
_CUSTOMERS_ON_POSTGRES = text(
    _CUSTOMERS.format(
        told=_TOLD, given="unnest(CAST(:ids AS TEXT[])) AS given (value)", join="JOIN", recipients="recipients"
    )
)


def map_targets(session: Session, batch: Batch, ids: Collection[str]) -> dict[str, Target]:
    """Recipients of a batch by WeCom's id: external_userid, or chat_id."""
    dialect, given = session.get_bind().dialect.name, {"ids": sorted(ids)}
    if batch.kind == GROUPS:
        groups = of_batch(select(G.c.chat_id, G.c.state), batch).where(among(dialect, G.c.chat_id, "ids"))
        return {chat_id: Target(chat_id, state) for chat_id, state in session.execute(groups, given).all()}
    asked = {"userid": batch.userid, "run_id": batch.run_id, "batch_no": batch.batch_no}
    found: Iterable[Any]
    if dialect == "sqlite":
        told = session.execute(_CUSTOMERS_ON_SQLITE, {"ids": json.dumps(sorted(ids)), **asked}).scalar_one()
        found = from_json(told)
    else:
        found = session.execute(_CUSTOMERS_ON_POSTGRES, {**given, **asked})
    return {whom: Target(follow_id, state, not shared) for whom, follow_id, state, shared in found}


def list_whom(session: Session, batch: Batch) -> frozenset[str]:
    """WeCom's ids of those whom a batch is for; of a post the members who publish it."""
    if batch.kind == MOMENTS:
        members = select(col(Publisher.userid)).where(col(Publisher.run_id) == batch.run_id)
        return frozenset(session.execute(members).scalars())
    if batch.kind == GROUPS:
        query = select(G.c.chat_id).where(G.c.state < RecipientState.OPTED_OUT)
    else:
        query = select(F.c.external_userid).select_from(R).join(F, F.c.id == R.c.follow_id)
        query = query.where(R.c.state < RecipientState.OPTED_OUT)
    return frozenset(session.execute(of_batch(query, batch)).scalars())


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
        return int(changed.rowcount)
    keys = list_waiting(session, batch)
    return set_states(session, batch, keys, state) if keys else 0


def list_waiting(session: Session, batch: Batch) -> list[Any]:
    """The keys of a batch's recipients of whom nothing is known."""
    table, key = _table(batch)
    waiting = of_batch(select(key).where(table.c.state == RecipientState.WAITING), batch)
    return list(session.execute(waiting).scalars())


def list_groups_now(session: Session, batch: Batch) -> tuple[list[str], dict[RecipientState, list[Any]]]:
    """The groups of a batch that can be sent to now, and the others by why not."""
    C: Any = CustomerGroup.__table__  # type: ignore[attr-defined]  # noqa: N806
    query = (
        select(G.c.chat_id, C.c.owner, C.c.dismissed_at)
        .select_from(G)
        .outerjoin(C, C.c.chat_id == G.c.chat_id)
        .where(G.c.state == RecipientState.WAITING)
        .order_by(G.c.chat_id)
    )
    there: list[str] = []
    out: dict[RecipientState, list[Any]] = {}
    for chat_id, owner, dismissed_at in session.execute(of_batch(query, batch)):
        if owner is None or dismissed_at is not None:
            out.setdefault(RecipientState.LEFT, []).append(chat_id)
        elif owner != batch.userid:
            out.setdefault(RecipientState.SENDER_UNABLE, []).append(chat_id)
        else:
            there.append(chat_id)
    return there, out
