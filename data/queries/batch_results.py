"""Results of batches: what WeCom tells of each recipient, written page by page, and touches with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from data.models import Batch, BatchStatus, Campaign, Recipient, RecipientState, Run
from data.queries import link_clicks, targets, touches
from data.queries.batches import MADE, is_over, lock_alone
from data.rules.batches import LAST_LOOK_SECONDS, RESULTS_LAG
from data.rules.preferences import TouchKind
from data.rules.waves import GROUPS, MOMENTS

R: Any = Recipient.__table__  # type: ignore[attr-defined]

_COUNTED = {
    RecipientState.SENT: "sent",
    RecipientState.NOT_FRIEND: "not_friend",
    RecipientState.OVER_CAP: "over_cap",
    RecipientState.REFUSED: "refused",
    RecipientState.STOPPED: "stopped",
}
#: WeCom said first that there is no task, or that it was withdrawn.
_SAID_OTHERWISE = (RecipientState.REFUSED, RecipientState.STOPPED)


class Result(NamedTuple):
    """What WeCom tells of one recipient, a customer or a group. `state` is one of its own: WAITING, SENT, NOT_FRIEND,
    OVER_CAP."""

    id: str
    userid: str
    state: RecipientState
    sent_at: datetime | None


class Look(NamedTuple):
    """What a look at a batch told: who has the task, whether all of them have confirmed it and when the last did; the
    results that are not written yet, and how many of those that are waited still."""

    members: Sequence[str]
    all_confirmed: bool
    confirmed_at: datetime | None
    results: Sequence[Result]
    waiting: int


class Due(NamedTuple):
    """A batch whose results are to be read. `withdraw`: what is not confirmed is not to be sent any more."""

    batch: Batch
    withdraw: bool


def list_due(session: Session, now: datetime, limit: int, *, moments: bool = False) -> list[Due]:
    """Batches whose results are to be read now, the longest due first; posts in Moments and the jobs that make them,
    or all others."""
    query = (
        select(Batch, Run)
        .join(Run, col(Run.id) == col(Batch.run_id))
        .where(
            col(Batch.next_at) <= now, col(Batch.final_at).is_(None), col(Batch.next_at).is_not(None),
            col(Batch.status).in_((*MADE, BatchStatus.MAKING)), (col(Batch.kind) == MOMENTS) == moments,
        )
        .order_by(col(Batch.next_at))
        .limit(limit)
    )  # fmt: skip
    return [Due(batch, is_over(run, now)) for batch, run in session.execute(query)]


def write_results(session: Session, batch_id: int, results: Sequence[Result]) -> int:
    """Write what is new in a page, with a touch for each who received it; how many wait still.

    The same page again changes nothing.
    """
    return _write_results(session, lock_alone(session, batch_id), results)


def _write_results(session: Session, batch: Batch, results: Sequence[Result]) -> int:
    known = targets.map_targets(session, batch, [each.id for each in results])
    changed: dict[RecipientState, list[Any]] = {}
    reached: list[touches.NewTouch] = []
    # Looked up once: of a row of the ORM and of an enumeration each time takes as long as the rest of this.
    run_id, of_customers = batch.run_id, batch.kind != GROUPS
    waiting, sent = RecipientState.WAITING, RecipientState.SENT
    for each in results:
        target = known.get(each.id)
        if target is None or target.state == each.state or each.state is waiting:
            continue
        key, state, alone = target
        if state in _SAID_OTHERWISE:
            name = _COUNTED[RecipientState(state)]
            setattr(batch, name, getattr(batch, name) - 1)
        changed.setdefault(each.state, []).append(key)
        if each.state is sent and each.sent_at is not None and of_customers:
            origin = touches.broadcast_origin(run_id, key)
            reached.append(touches.NewTouch(origin, each.id, each.userid, each.sent_at, key if alone else None))
    for state, keys in changed.items():
        targets.set_states(session, batch, keys, state, waiting=False)
        setattr(batch, _COUNTED[state], getattr(batch, _COUNTED[state]) + len(keys))
    if reached:
        campaign_id = session.get_one(Run, run_id).campaign_id
        is_test = session.execute(select(col(Campaign.test_of)).where(col(Campaign.id) == campaign_id)).scalar()
        touches.record_many(session, reached, TouchKind.TEST if is_test else TouchKind.BROADCAST, campaign_id)
        link_clicks.note_reached(session, run_id, {each.external_userid for each in reached})
    return sum(each.state is waiting for each in results)


def note_look(session: Session, batch_id: int, look: Look, now: datetime, again_at: datetime | None) -> bool:
    """Write what a look told that is not written yet. Where nothing can change any more the batch ends; whether it did.

    Otherwise it is looked at again at `again_at`; None: as it was.
    """
    batch = lock_alone(session, batch_id)
    if batch.final_at is not None:
        _write_results(session, batch, look.results)
        return True
    batch.members = None if list(look.members) == [batch.userid] else list(look.members)
    batch.confirmed_at = look.confirmed_at if look.all_confirmed else None
    waiting = look.waiting + _write_results(session, batch, look.results)
    if look.all_confirmed and (batch.kind == GROUPS or not waiting):
        left = targets.list_waiting(session, batch)
        # Of whom WeCom tells nothing now it may tell in time: of groups only those that were sent to.
        lately = look.confirmed_at is None or now - look.confirmed_at < RESULTS_LAG
        if not (left and lately):
            state = RecipientState.STOPPED if batch.kind == GROUPS else RecipientState.REFUSED
            _end(batch, state, targets.set_states(session, batch, left, state) if left else 0, now)
            return True
    if again_at is not None and batch.next_at is not None and batch.withdrawn_at is None:
        batch.next_at, batch.error = again_at, ""
    return False


def note_withdrawn(session: Session, batch_id: int, now: datetime) -> None:
    """Nobody can confirm it any more: its results are read once again in a while."""
    batch = lock_alone(session, batch_id)
    if batch.final_at is None:
        batch.withdrawn_at, batch.next_at = now, now + timedelta(seconds=LAST_LOOK_SECONDS)


def end_batch(session: Session, batch_id: int, state: RecipientState, now: datetime, error: str = "") -> None:
    """Nothing can change any more; `state` is what became of those of whom WeCom tells nothing."""
    batch = lock_alone(session, batch_id)
    if batch.final_at is None:
        _end(batch, state, targets.set_waiting(session, batch, state), now, error)


def _end(batch: Batch, state: RecipientState, left: int, now: datetime, error: str = "") -> None:
    setattr(batch, _COUNTED[state], getattr(batch, _COUNTED[state]) + left)
    batch.final_at, batch.next_at, batch.error = now, None, error
