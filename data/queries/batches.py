"""Batches: the ledger of calls. Each step is a transaction of its own, right before or after what it tells of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import case, func, select, update
from sqlmodel import Session, col

from data.errors import NotFoundError
from data.models import (
    Batch,
    BatchStatus,
    Follow,
    FollowStatus,
    PauseRule,
    Recipient,
    RecipientState,
    Run,
    RunStatus,
)
from data.queries import targets
from data.queries.campaigns import lock_run, pause
from data.queries.caps import Limits, reason_of, state_of
from data.queries.journey_ends import is_over_now
from data.queries.leaves import is_on_leave
from data.queries.preferences import join_preferences
from data.rules.batches import look_pause, pull_pause, rest_pause
from data.rules.waves import GROUPS

F: Any = Follow.__table__  # type: ignore[attr-defined]
R: Any = Recipient.__table__  # type: ignore[attr-defined]
B: Any = Batch.__table__  # type: ignore[attr-defined]

MADE = (BatchStatus.CREATED, BatchStatus.RECONCILED)
OVER = (RunStatus.CANCELLED, RunStatus.FAILED)


def get_batch(session: Session, batch_id: int) -> Batch:
    """One batch. Raises NotFoundError."""
    row = session.get(Batch, batch_id)
    if row is None:
        raise NotFoundError(f"There is no batch {batch_id}.", "GET /campaigns/{id}/batches lists them.")
    return row


def lock_batch(session: Session, batch_id: int) -> tuple[Run, Batch]:
    """One batch and its run, locked until the transaction ends: the run always first."""
    run = lock_run(session, get_batch(session, batch_id).run_id)
    row = session.get(Batch, batch_id, with_for_update=True, populate_existing=True)
    assert row is not None
    return run, row


def lock_alone(session: Session, batch_id: int) -> Batch:
    """One batch, locked without its run: for what does not change the run, and then nothing else may be locked."""
    row = session.get(Batch, batch_id, with_for_update=True, populate_existing=True)
    return row if row is not None else get_batch(session, batch_id)


def is_over(run: Run, now: datetime) -> bool:
    """Whether nothing may be asked for any more, and what is not confirmed is to be withdrawn."""
    return run.status in OVER or now >= run.valid_until


def list_batches(
    session: Session, campaign_id: int, limit: int, before_id: int | None = None, status: BatchStatus | None = None
) -> list[Batch]:
    """The batches of a campaign, newest first."""
    runs = select(col(Run.id)).where(col(Run.campaign_id) == campaign_id)
    query = select(Batch).where(col(Batch.run_id).in_(runs)).order_by(col(Batch.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(Batch.id) < before_id)
    if status is not None:
        query = query.where(col(Batch.status) == status)
    return list(session.execute(query).scalars())


class Waiting(NamedTuple):
    """A batch that is to be asked for."""

    batch_id: int
    batch_no: int
    userid: str
    variant: str


def list_planned(session: Session, run_id: int, after_no: int, limit: int) -> list[Waiting]:
    """The next batches of a run that are to be asked for, in their order."""
    query = select(B.c.id, B.c.batch_no, B.c.userid, B.c.variant).where(
        B.c.run_id == run_id, B.c.status == BatchStatus.PLANNED, B.c.batch_no > after_no
    )
    return [Waiting(*row) for row in session.execute(query.order_by(B.c.batch_no).limit(limit))]


def claim_batch(
    session: Session, batch_id: int, body: Mapping[str, Any], now: datetime, zone: tzinfo, limits: Limits
) -> list[str] | None:
    """Write that a batch is being asked for; for whom. None: it may not be, by now.

    Who wants to hear nothing any more, is no contact any more or is left out by `limits` is taken out, for whom the
    journey is over that sends it, and all customers or groups of a sender who has gone on leave meanwhile; nobody left
    is an empty list, and the batch is settled.
    """
    run, batch = lock_batch(session, batch_id)
    if batch.status != BatchStatus.PLANNED or run.status != RunStatus.SENDING or is_over(run, now):
        return None
    whom, out = (
        targets.list_groups_now(session, batch)
        if batch.kind == GROUPS
        else _list_customers_now(session, batch, reason_of(session, now, zone, limits), is_over_now(session, run))
    )
    if whom and is_on_leave(session, batch.userid, now.astimezone(zone).date()):
        out[RecipientState.SENDER_ON_LEAVE] = [each.key for each in targets.map_targets(session, batch, whom).values()]
        whom = []
    left_out = dict(run.left_out)
    for state, keys in out.items():
        targets.set_states(session, batch, keys, state)
        name = state.name.lower()
        left_out[name] = left_out.get(name, 0) + len(keys)
    run.left_out = left_out
    # Of who was erased while it was planned nothing is left to count.
    run.recipients -= batch.recipients - len(whom)
    batch.recipients = len(whom)
    if not whom:
        settle(batch, BatchStatus.CANCELLED, now)
        batch.error = "Nobody is left to send it to."
        return whom
    batch.status, batch.body, batch.called_at = BatchStatus.SENDING, dict(body), now
    batch.first_called_at = batch.first_called_at or now
    return whom


def _list_customers_now(
    session: Session, batch: Batch, reason: Any, over: Any
) -> tuple[list[str], dict[RecipientState, list[Any]]]:
    """The customers of a batch that can be sent to now, and the follows of the others by why not."""
    query = (
        select(R.c.follow_id, F.c.external_userid, F.c.status, reason, over)
        .select_from(R)
        .join(F, F.c.id == R.c.follow_id)
        .where(R.c.state == RecipientState.WAITING)
    )
    query = targets.of_batch(join_preferences(query, F.c.external_userid), batch)
    whom: list[str] = []
    out: dict[RecipientState, list[Any]] = {}
    for follow_id, external_userid, status, why, is_ended in session.execute(query).all():
        if (state := state_of(why)) is not None:
            out.setdefault(state, []).append(follow_id)
        elif status != FollowStatus.PRESENT:
            out.setdefault(RecipientState.LEFT, []).append(follow_id)
        elif is_ended:
            out.setdefault(RecipientState.JOURNEY_OVER, []).append(follow_id)
        else:
            whom.append(external_userid)
    return whom, out


def settle(batch: Batch, status: BatchStatus, now: datetime) -> None:
    """Nothing about a batch can change any more."""
    batch.status, batch.final_at, batch.next_at = status, now, None


# What became of a call names it by `called_at`, the instant of its claim. A process that stood still meanwhile, so that
# another has asked for the same again, changes nothing of that other call.


def note_made(
    session: Session, batch_id: int, called_at: datetime, msgid: str, failed: Collection[str], now: datetime
) -> bool:
    """WeCom answered. False: the row was given up meanwhile and asked for again, so that there may be two tasks."""
    run, batch = lock_batch(session, batch_id)
    run.rests = 0
    if batch.status not in (BatchStatus.SENDING, BatchStatus.UNKNOWN) or batch.called_at != called_at:
        return batch.msgid == msgid
    batch.status, batch.msgid, batch.made_at, batch.candidates, batch.error = BatchStatus.CREATED, msgid, now, None, ""
    batch.next_at = now + timedelta(seconds=pull_pause(0))
    if failed:
        keys = [target.key for target in targets.map_targets(session, batch, failed).values()]
        batch.refused += targets.set_states(session, batch, keys, RecipientState.REFUSED)
    return True


def note_unknown(session: Session, batch_id: int, called_at: datetime, error: str, now: datetime) -> None:
    """No answer came: to be looked up, and others rather wait than end so too."""
    run, batch = lock_batch(session, batch_id)
    if batch.status == BatchStatus.SENDING and batch.called_at == called_at:
        batch.status, batch.error = BatchStatus.UNKNOWN, error
        batch.next_at = now + timedelta(seconds=look_pause(0))
    _rest(run, now, 0)


def _rest(run: Run, now: datetime, seconds: float) -> None:
    until = now + timedelta(seconds=max(seconds, rest_pause(run.rests)))
    run.rest_until, run.rests = max(run.rest_until or until, until), run.rests + 1


def note_interrupted(session: Session, now: datetime) -> int:
    """Whoever asked for what is `sending` is gone: none of it is known. How many; for the one who holds the lease."""
    changed: Any = session.execute(
        update(B)
        .where(B.c.status == BatchStatus.SENDING)
        .values(status=BatchStatus.UNKNOWN, next_at=now, error="The program ended while it was asked for.")
    )
    return int(changed.rowcount)


def note_again(
    session: Session, batch_id: int, called_at: datetime | None, error: str, now: datetime, seconds: float
) -> None:
    """WeCom made nothing of it now, or it was not asked for yet: the run rests, at least so long, and then it is."""
    run, batch = lock_batch(session, batch_id)
    _take_back(batch, called_at)
    run.error = error if run.status == RunStatus.SENDING else run.error
    _rest(run, now, seconds)


def pause_run(
    session: Session, batch_id: int, called_at: datetime | None, error: str, rule: PauseRule, now: datetime
) -> None:
    """WeCom made nothing of it, or it was not asked for yet, and will not be before a person has mended something."""
    run, batch = lock_batch(session, batch_id)
    _take_back(batch, called_at)
    if run.status == RunStatus.SENDING:
        pause(run, now, error, rule=rule)


def _take_back(batch: Batch, called_at: datetime | None) -> None:
    if batch.status == BatchStatus.SENDING and batch.called_at == called_at:
        batch.status, batch.called_at = BatchStatus.PLANNED, None


def note_refused(
    session: Session, batch_id: int, called_at: datetime | None, cause: int | None, error: str, now: datetime
) -> None:
    """WeCom will make nothing of it; without `called_at` it need not even be asked."""
    _, batch = lock_batch(session, batch_id)
    if batch.status in (BatchStatus.SENDING, BatchStatus.PLANNED) and batch.called_at == called_at:
        settle(batch, BatchStatus.REFUSED, now)
        batch.cause, batch.error = cause, error
        batch.refused += targets.set_waiting(session, batch, RecipientState.REFUSED)


def put_off(session: Session, batch_id: int, until: datetime, error: str = "") -> None:
    """Look at a batch again later."""
    _, batch = lock_batch(session, batch_id)
    if batch.final_at is None and batch.next_at is not None:
        batch.next_at, batch.error = until, error


# -- runs move on


def stop_batch(session: Session, batch: Batch, now: datetime) -> None:
    """A batch is never asked for (again)."""
    settle(batch, BatchStatus.CANCELLED, now)
    batch.stopped += targets.set_waiting(session, batch, RecipientState.STOPPED)


def end_sending(session: Session, run_id: int) -> RunStatus:
    """All batches that could be asked for were: staff have the word. How the run stands."""
    run = lock_run(session, run_id)
    left = select(B.c.id).where(
        B.c.run_id == run_id, B.c.status.in_([BatchStatus.PLANNED, BatchStatus.SENDING])
    )  # fmt: skip
    if run.status == RunStatus.SENDING and session.execute(left.limit(1)).first() is None:
        run.status, run.error, run.rest_until = RunStatus.AWAITING, "", None
    return RunStatus(run.status)


def stop_one(session: Session, now: datetime) -> bool:
    """Give up one planned batch of a run that is over. False: there is none."""
    over = col(Run.status).in_(OVER) | (col(Run.valid_until) <= now)
    found = session.execute(
        select(col(Batch.id))
        .join(Run, col(Run.id) == col(Batch.run_id))
        .where(col(Batch.status) == BatchStatus.PLANNED, col(Run.ended_at).is_(None), over)
        .limit(1)
    ).scalar()
    if found is None:
        return False
    run, batch = lock_batch(session, found)
    if batch.status == BatchStatus.PLANNED and is_over(run, now):
        stop_batch(session, batch, now)
    return True


def hasten_withdrawals(session: Session, now: datetime) -> int:
    """What is not confirmed of runs that are over is to be withdrawn now. How many batches."""
    over = select(col(Run.id)).where(
        col(Run.ended_at).is_(None), col(Run.status).in_(OVER) | (col(Run.valid_until) <= now)
    )
    changed: Any = session.execute(
        update(B)
        .where(
            B.c.run_id.in_(over), B.c.final_at.is_(None), B.c.withdrawn_at.is_(None), B.c.next_at > now,
            B.c.status.in_(MADE),
        )
        .values(next_at=now)
    )  # fmt: skip
    return int(changed.rowcount)


# -- in numbers


def count_results(session: Session, run_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """By run: how many batches have which status, and what became of the recipients."""
    sums = ("recipients", "sent", "not_friend", "over_cap", "refused", "stopped")
    told: dict[int, dict[str, int]] = {}
    query = (
        select(
            B.c.run_id, B.c.status, func.count(),
            func.sum(case((B.c.confirmed_at.is_not(None), 1), else_=0)), *(func.sum(B.c[name]) for name in sums),
        )
        .where(B.c.run_id.in_(sorted(run_ids)))
        .group_by(B.c.run_id, B.c.status)
    )  # fmt: skip
    for run_id, status, batches, confirmed, *counts in session.execute(query):
        mine = told.setdefault(run_id, dict.fromkeys(("confirmed", *sums), 0))
        mine[f"batches_{status}"] = int(batches)
        mine["confirmed"] += int(confirmed)
        for name, count in zip(sums, counts, strict=True):
            mine[name] += int(count)
    return told
