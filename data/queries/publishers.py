"""Members who publish a run's post: who has, who can see it, who reacted. The same told twice changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import (
    BatchStatus,
    Follow,
    MomentReaction,
    Publisher,
    PublisherState,
    ReactionKind,
    RecipientState,
    Run,
)
from data.queries import touches
from data.queries.batches import lock_batch, settle
from data.queries.erasures import list_erased
from data.queries.follow_facts import Facts, note_facts
from data.queries.targets import set_waiting
from data.rules.preferences import TouchKind

F: Any = Follow.__table__  # type: ignore[attr-defined]
P: Any = Publisher.__table__  # type: ignore[attr-defined]
MR: Any = MomentReaction.__table__  # type: ignore[attr-defined]

_NEW = BulkUpsert(Publisher, ("run_id", "userid", "state", "seen_at", "audience", "likes", "comments"))
_REACTION = ("run_id", "userid", "external_userid", "kind", "reacted_at")
_REACTIONS = BulkUpsert(MomentReaction, _REACTION, key=_REACTION)
_FOLLOWS = select(F.c.external_userid, F.c.id).where(F.c.userid == bindparam("userid"))
#: Who has published it is no more asked.
_OPEN = (PublisherState.WAITING, PublisherState.REFUSED, PublisherState.STOPPED)


def write_tasks(
    session: Session, batch_id: int, tasks: Mapping[str, bool], now: datetime, everybody: Collection[str] | None = None
) -> None:
    """What WeCom tells of members, by userid: whether they have published. Nobody but `everybody` has a task."""
    run, batch = lock_batch(session, batch_id)
    known = dict(session.execute(select(P.c.userid, P.c.state).where(P.c.run_id == run.id)).all())
    rows = [
        (run.id, userid, PublisherState.PUBLISHED.value if done else PublisherState.WAITING.value,
         now if done else None, 0, 0, 0)
        for userid, done in sorted(tasks.items())
        if userid not in known or (done and known[userid] in _OPEN) or known[userid] == PublisherState.REFUSED
    ]  # fmt: skip
    _NEW.write(session, rows)
    without = [
        each for each, state in known.items() if state == PublisherState.WAITING and each not in (everybody or known)
    ]
    if without:
        mine = (P.c.run_id == run.id, among(session.get_bind().dialect.name, P.c.userid, "userids"))
        session.execute(update(P).where(*mine).values(state=PublisherState.REFUSED.value), {"userids": without})
    if not rows and not without:
        return
    counted = _count(session, run)
    batch.recipients = run.recipients = sum(counted.values())
    batch.sent, batch.refused = counted.get("published", 0), counted.get("refused", 0)
    batch.stopped = counted.get("stopped", 0)
    batch.confirmed_at = batch.confirmed_at or now if batch.sent and not counted.get("waiting") else None


def _count(session: Session, run: Run) -> dict[str, int]:
    return dict(session.execute(select(P.c.state, func.count()).where(P.c.run_id == run.id).group_by(P.c.state)).all())


class Published(NamedTuple):
    """A member of whom more is to be read."""

    userid: str
    seen_at: datetime
    audience_at: datetime | None


def list_published(session: Session, run_id: int, after: str, limit: int) -> list[Published]:
    """Members who have published it and of whom more is to be read, by userid."""
    query = (
        select(P.c.userid, P.c.seen_at, P.c.audience_at)
        .where(P.c.run_id == run_id, P.c.userid > after, P.c.state == PublisherState.PUBLISHED, P.c.final_at.is_(None))
        .order_by(P.c.userid)
        .limit(limit)
    )
    return [Published(*row) for row in session.execute(query)]


def write_audience(session: Session, run_id: int, member: Published, external_userids: Collection[str]) -> None:
    """These customers can see what a member published: a touch for each whom we know as the member's."""
    dialect = session.get_bind().dialect.name
    query = _FOLLOWS.where(among(dialect, F.c.external_userid, "whom"))
    found = session.execute(query, {"userid": member.userid, "whom": sorted(external_userids)})
    reached = [
        touches.NewTouch(touches.moment_origin(run_id, follow_id), whom, member.userid, member.seen_at)
        for whom, follow_id in found
    ]
    touches.record_many(session, reached, TouchKind.MOMENT, session.get_one(Run, run_id).campaign_id)


def note_audience(session: Session, run_id: int, userid: str, customers: int, now: datetime) -> None:
    """All who can see it are written."""
    _change(session, run_id, userid, audience=customers, audience_at=now)


class Reaction(NamedTuple):
    """A customer's like or comment."""

    external_userid: str
    kind: ReactionKind
    reacted_at: datetime


def has_news(session: Session, run_id: int, userid: str, reactions: Collection[Reaction]) -> bool:
    """Whether WeCom tells other reactions than are written."""
    query = select(MR.c.external_userid, MR.c.kind, MR.c.reacted_at).where(MR.c.run_id == run_id, MR.c.userid == userid)
    known = {Reaction(whom, ReactionKind(kind), at) for whom, kind, at in session.execute(query)}
    return bool(set(reactions) - known)


def write_reactions(session: Session, run_id: int, userid: str, reactions: Collection[Reaction]) -> None:
    """Write the reactions to a member's post that are new, and how many WeCom counts now."""
    erased = list_erased(session, {each.external_userid for each in reactions})
    rows = {
        (run_id, userid, each.external_userid, each.kind.value, each.reacted_at)
        for each in reactions
        if each.external_userid not in erased
    }
    _REACTIONS.write(session, sorted(rows))
    note_facts(session, {row[2] for row in rows}, Facts.REACTIONS)
    kinds = [each.kind for each in reactions]
    _change(session, run_id, userid, likes=kinds.count(ReactionKind.LIKE), comments=kinds.count(ReactionKind.COMMENT))


def end_publisher(session: Session, run_id: int, userid: str, now: datetime) -> None:
    """Nothing more is read of a member's post."""
    _change(session, run_id, userid, final_at=now)


def _change(session: Session, run_id: int, userid: str, **values: Any) -> None:
    session.execute(update(P).where(P.c.run_id == run_id, P.c.userid == userid).values(**values))


def end_post(session: Session, batch_id: int, now: datetime, error: str = "") -> None:
    """Nothing about a post can change any more: who has not published it never does."""
    run, batch = lock_batch(session, batch_id)
    if batch.final_at is not None:
        return
    batch.stopped += set_waiting(session, batch, RecipientState.STOPPED)
    session.execute(update(P).where(P.c.run_id == run.id, P.c.final_at.is_(None)).values(final_at=now))
    settle(batch, BatchStatus(batch.status), now)
    batch.error = error


# -- told


def list_publishers(
    session: Session,
    run_id: int,
    limit: int,
    after: str = "",
    state: PublisherState | None = None,
    userids: Collection[str] | None = None,
) -> list[Publisher]:
    """The members who are to publish a run's post, by userid; some of them with `userids`."""
    query = select(Publisher).where(col(Publisher.run_id) == run_id, col(Publisher.userid) > after)
    if state is not None:
        query = query.where(col(Publisher.state) == state)
    if userids is not None:
        query = query.where(col(Publisher.userid).in_(sorted(userids)))
    return list(session.execute(query.order_by(col(Publisher.userid)).limit(limit)).scalars())


def list_reactions(
    session: Session,
    run_id: int,
    limit: int,
    before_id: int | None = None,
    userids: Collection[str] | None = None,
) -> list[MomentReaction]:
    """Customers' likes and comments on a run's post, as they were learnt, newest first; on what some members published
    with `userids`."""
    query = select(MomentReaction).where(col(MomentReaction.run_id) == run_id)
    if userids is not None:
        query = query.where(col(MomentReaction.userid).in_(sorted(userids)))
    if before_id is not None:
        query = query.where(col(MomentReaction.id) < before_id)
    return list(session.execute(query.order_by(col(MomentReaction.id).desc()).limit(limit)).scalars())


class Own(NamedTuple):
    """Posts that a member has published, how many customers could see them (each post's), and what these did."""

    published: int
    audience: int
    likes: int
    comments: int


def count_published(session: Session, userid: str, since: datetime) -> Own:
    """What became of the posts that a member has published since an instant."""
    sums = [func.coalesce(func.sum(P.c[name]), 0) for name in ("audience", "likes", "comments")]
    query = (
        select(func.count(), *sums)
        .select_from(P)
        .join(Run, col(Run.id) == P.c.run_id)
        .where(P.c.userid == userid, P.c.state == PublisherState.PUBLISHED, col(Run.due_at) >= since)
    )
    return Own(*(int(number) for number in session.execute(query).one()))


def count_seen(session: Session, run_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """By run that is a post: how many can see it (each member's customers), and what they did."""
    sums = [func.sum(P.c[name]) for name in ("audience", "likes", "comments")]
    query = select(P.c.run_id, *sums).where(P.c.run_id.in_(run_ids)).group_by(P.c.run_id)
    return {
        run_id: {"audience": int(audience), "likes": int(likes), "comments": int(comments)}
        for run_id, audience, likes, comments in session.execute(query)
    }
