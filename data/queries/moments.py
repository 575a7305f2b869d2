"""Moments posts: who publishes one, who can see it, and its way through the ledger of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import (
    Batch,
    BatchStatus,
    Department,
    Follow,
    FollowStatus,
    FollowTag,
    Preference,
    Publisher,
    PublisherState,
    RecipientState,
    Run,
    RunStatus,
    Staff,
    Tag,
)
from data.queries.batch_lookups import list_owned, list_unknown
from data.queries.batch_results import list_due
from data.queries.batches import is_over, lock_batch, settle
from data.queries.campaigns import lock_run
from data.queries.leaves import map_substitutes
from data.queries.senders import list_unable
from data.queries.staff import map_departments
from data.queries.targets import list_whom, set_waiting
from data.rules.batches import job_pause
from data.rules.moments import Visible
from data.rules.waves import MOMENTS

F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]
P: Any = Publisher.__table__  # type: ignore[attr-defined]

#: Members on leave whom a run names.
ON_LEAVE_KEPT = 1000
_PUBLISHERS = BulkUpsert(Publisher, ("run_id", "userid", "state", "audience", "likes", "comments"))


# -- who publishes it, and who may see it


def list_unknown_names(session: Session, visible: Visible) -> Visible:
    """What a range names that there is not."""
    userids = _userids(session)
    departments = set(session.execute(select(col(Department.id)).where(col(Department.gone_at).is_(None))).scalars())
    tags = set(_tag_nos(session, visible))
    return Visible(
        userids=tuple(each for each in visible.userids if each.lower() not in userids),
        department_ids=tuple(each for each in visible.department_ids if each not in departments),
        tag_ids=tuple(each for each in visible.tag_ids if each not in tags),
    )


def _userids(session: Session) -> dict[str, str]:
    """Members by their userid in small letters: WeCom does not tell them apart."""
    found = session.execute(select(col(Staff.userid)).where(col(Staff.gone_at).is_(None))).scalars()
    return {userid.lower(): userid for userid in found}


def _tag_nos(session: Session, visible: Visible) -> dict[str, int]:
    query = select(col(Tag.tag_id), col(Tag.tag_no)).where(
        col(Tag.tag_id).in_(visible.tag_ids), col(Tag.deleted_at).is_(None)
    )
    return {tag_id: tag_no for tag_id, tag_no in session.execute(query) if tag_no is not None}


class Publishers(NamedTuple):
    """Who is to publish a post: `matched` members are in its range; `left_out` counts the others by why, and those
    `on_leave` are named. `asked`: the range that WeCom is to be given, which names members where one is on leave."""

    userids: list[str]
    matched: int
    left_out: dict[str, int]
    on_leave: tuple[str, ...] = ()
    asked: Visible = Visible()


def find_publishers(session: Session, visible: Visible, day: date) -> Publishers:
    """Who would be asked to publish a post on a day, as far as we know the members; WeCom decides."""
    known, matched = _userids(session), set[str]()
    if visible.userids or visible.department_ids:
        matched = {known[each.lower()] for each in visible.userids if each.lower() in known}
        wanted = set(visible.department_ids)
        if wanted:
            inside = map_departments(session)
            matched |= {userid for userid in known.values() if wanted & inside.get(userid, frozenset())}
    else:
        serving = select(col(Staff.userid)).where(col(Staff.gone_at).is_(None), col(Staff.follows_customers))
        matched = set(session.execute(serving).scalars())
    able = matched - list_unable(session)
    left_out = {"sender_unable": len(matched) - len(able)}
    away = able & map_substitutes(session, day).keys()
    left_out["sender_on_leave"], able = len(away), able - away
    if visible.tag_ids:
        with_tag = select(F.c.userid).join(FT, FT.c.follow_id == F.c.id).where(*_tagged(session, visible)).distinct()
        having = able & set(session.execute(with_tag).scalars())
        left_out["without_customers"], able = len(able) - len(having), having
    named = {"userids": tuple(sorted(matched - away)), "department_ids": ()}
    asked = visible.model_copy(update=named) if away else visible
    told = {name: number for name, number in left_out.items() if number}
    return Publishers(sorted(able), len(matched), told, tuple(sorted(away)), asked)


def _tagged(session: Session, visible: Visible) -> tuple[Any, ...]:
    return FT.c.tag_no.in_(sorted(_tag_nos(session, visible).values())), FT.c.live


class Reach(NamedTuple):
    """Who can see a post: their customers by member, how many different ones, and how many of these opted out."""

    by_member: dict[str, int]
    customers: int
    opted_out: int


def count_reach(session: Session, visible: Visible, userids: Sequence[str]) -> Reach:
    """Who could see a post that these members publish now."""
    given = {"userids": list(userids)}
    seers = [F.c.status == FollowStatus.PRESENT, among(session.get_bind().dialect.name, F.c.userid, "userids")]
    if visible.tag_ids:
        seers.append(F.c.id.in_(select(FT.c.follow_id).where(*_tagged(session, visible))))
    alone = func.sum(case((F.c.shared.is_(False), 1), else_=0))
    by_member, customers = {}, 0
    for userid, follows, of_one in session.execute(
        select(F.c.userid, func.count(), alone).where(*seers).group_by(F.c.userid), given
    ):
        by_member[userid] = int(follows)
        customers += int(of_one)
    # Only a customer whom several members follow can be counted twice.
    several = select(func.count(F.c.external_userid.distinct())).where(*seers, F.c.shared.is_(True))
    customers += int(session.execute(several, given).scalar_one())
    told = (
        select(func.count())
        .select_from(Preference)
        .where(
            col(Preference.opted_out_at).is_not(None),
            select(F.c.id).where(F.c.external_userid == col(Preference.external_userid), *seers).exists(),
        )
    )
    return Reach(by_member, customers, int(session.execute(told, given).scalar_one()))


# -- the ledger: each step is a transaction of its own, right before or after what it tells of


def plan_post(session: Session, run_id: int, found: Publishers, reach: int, now: datetime) -> RunStatus:
    """Who publishes a run's post is known, and how many could see it: it can be asked for.

    How the run stands: it may have been stopped.
    """
    run = lock_run(session, run_id)
    if run.status == RunStatus.PLANNING:
        if found.userids:
            batch = Batch(
                run_id=run_id, batch_no=1, kind=MOMENTS, userid="", recipients=0, status=BatchStatus.PLANNED
            )  # fmt: skip
            session.add(batch)
            _put_publishers(session, run, batch, found)
        _note_left_out(run, found)
        run.reach = reach
        run.planned_at, run.status = now, RunStatus.SENDING
    return RunStatus(run.status)


def _put_publishers(session: Session, run: Run, batch: Batch, found: Publishers) -> None:
    session.execute(P.delete().where(P.c.run_id == run.id))
    _PUBLISHERS.write(session, [(run.id, userid, PublisherState.WAITING.value, 0, 0, 0) for userid in found.userids])
    batch.recipients = run.recipients = len(found.userids)
    _note_left_out(run, found)


def _note_left_out(run: Run, found: Publishers) -> None:
    run.matched, run.left_out, run.on_leave = found.matched, found.left_out, list(found.on_leave[:ON_LEAVE_KEPT])


def claim_post(session: Session, batch_id: int, body: Mapping[str, Any], found: Publishers, now: datetime) -> bool:
    """Write that a post is being asked for. False: it may not be, by now, or nobody is left to publish it."""
    run, batch = lock_batch(session, batch_id)
    if batch.status != BatchStatus.PLANNED or run.status != RunStatus.SENDING or is_over(run, now):
        return False
    _put_publishers(session, run, batch, found)
    if not found.userids:
        settle(batch, BatchStatus.CANCELLED, now)
        batch.error = "Nobody is left to publish it."
        return False
    batch.status, batch.body, batch.called_at = BatchStatus.SENDING, dict(body), now
    batch.first_called_at = batch.first_called_at or now
    return True


def note_job(session: Session, batch_id: int, called_at: datetime, jobid: str, now: datetime) -> bool:
    """WeCom has begun a job. False: the row was given up meanwhile and asked for again: there may be two posts."""
    run, batch = lock_batch(session, batch_id)
    run.rests = 0
    if batch.status not in (BatchStatus.SENDING, BatchStatus.UNKNOWN) or batch.called_at != called_at:
        return batch.jobid == jobid
    batch.status, batch.jobid, batch.candidates, batch.error = BatchStatus.MAKING, jobid, None, ""
    batch.next_at = now + timedelta(seconds=job_pause(0))
    return True


def note_post(session: Session, batch_id: int, moment_id: str, ignored: dict[str, Any] | None, now: datetime) -> bool:
    """The job has made the post. False: another row owns it, and a person has to look."""
    _, batch = lock_batch(session, batch_id)
    if batch.status != BatchStatus.MAKING:
        return batch.msgid == moment_id
    batch.ignored = ignored
    if list_owned(session, [moment_id]):
        batch.status, batch.next_at, batch.candidates = BatchStatus.UNKNOWN, None, []
        batch.error = f"WeCom says it is {moment_id}, and that is another batch's."
        return False
    batch.status, batch.msgid, batch.made_at, batch.next_at = BatchStatus.CREATED, moment_id, now, now
    batch.error = ""
    return True


def note_job_failed(
    session: Session, batch_id: int, cause: int, error: str, ignored: dict[str, Any] | None, now: datetime
) -> None:
    """The job has ended and made nothing."""
    _, batch = lock_batch(session, batch_id)
    if batch.status == BatchStatus.MAKING:
        settle(batch, BatchStatus.REFUSED, now)
        batch.cause, batch.error, batch.ignored = cause, error, ignored
        batch.refused += set_waiting(session, batch, RecipientState.REFUSED)


def note_job_lost(session: Session, batch_id: int, error: str, now: datetime) -> None:
    """Nothing can be learnt of the job any more: the post is looked for."""
    _, batch = lock_batch(session, batch_id)
    if batch.status == BatchStatus.MAKING:
        batch.status, batch.jobid, batch.next_at, batch.error = BatchStatus.UNKNOWN, None, now, error


def list_unanswered(session: Session) -> list[tuple[Batch, frozenset[str]]]:
    """Every post that is asked for and not known yet, with the members who are to publish it."""
    open_ = (BatchStatus.SENDING, BatchStatus.MAKING, BatchStatus.UNKNOWN)
    query = select(Batch).where(col(Batch.kind) == MOMENTS, col(Batch.status).in_(open_))
    return [(batch, list_whom(session, batch)) for batch in session.execute(query).scalars().all()]


def has_work(session: Session, now: datetime) -> bool:
    """Whether a post is to be looked up or asked about now."""
    return bool(list_unknown(session, now, 1, moments=True) or list_due(session, now, 1, moments=True))
