"""What brakes ask: how much of a campaign is refused, how many left who received it; and campaigns paused by them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, literal_column, or_, select
from sqlmodel import Session, col

from data.models import (
    Batch,
    BatchStatus,
    Campaign,
    Follow,
    PauseRule,
    Publisher,
    Run,
    RunStatus,
    Touch,
)
from data.queries.batches import MADE
from data.queries.campaign_edits import lock_campaign
from data.queries.campaigns import lock_runs, pause
from data.rules.brakes import USUAL_DAYS, Reached, Refused
from data.rules.waves import CUSTOMERS, MOMENTS

B: Any = Batch.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
P: Any = Publisher.__table__  # type: ignore[attr-defined]

_AT_WORK = (RunStatus.PLANNING, RunStatus.SENDING, RunStatus.AWAITING)
_STOPPED = (RunStatus.DUE, RunStatus.WORDS_DUE, *_AT_WORK)
#: Written out, not bound: only then do the databases see that a partial index holds the rows.
_LEFT = F.c.status == literal_column("'deleted_by_customer'")
_NOT_PRESENT = F.c.status != literal_column("'present'")


class Running(NamedTuple):
    """A campaign that is being sent, or confirmed by staff."""

    campaign_id: int
    name: str
    owner: str
    accepted_at: datetime | None


def list_running(session: Session, campaign_id: int | None = None) -> list[Running]:
    """Campaigns that brakes look at: all, or this one if it is among them."""
    at_work = select(col(Run.campaign_id)).where(col(Run.status).in_(_AT_WORK), col(Run.ended_at).is_(None))
    query = select(col(Campaign.id), col(Campaign.name), col(Campaign.owner), col(Campaign.accepted_at)).where(
        col(Campaign.id).in_(at_work)
    )
    if campaign_id is not None:
        query = query.where(col(Campaign.id) == campaign_id)
    return [Running(*row) for row in session.execute(query.order_by(col(Campaign.id)))]


def count_refused(session: Session, campaign_ids: Collection[int]) -> dict[int, Refused]:
    """What WeCom has answered to the calls of these campaigns' sendings that go on, since a person accepted it."""
    whole = B.c.status == BatchStatus.REFUSED
    since = func.coalesce(B.c.made_at, B.c.final_at)
    query = (
        select(
            col(Run.campaign_id), func.count(), func.sum(case((whole, 1), else_=0)),
            func.sum(case((or_(whole, B.c.refused > 0), 1), else_=0)), func.sum(B.c.recipients), func.sum(B.c.refused),
        )
        .select_from(B)
        .join(Run, col(Run.id) == B.c.run_id)
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(
            col(Run.campaign_id).in_(sorted(campaign_ids)), col(Run.ended_at).is_(None), B.c.kind != MOMENTS,
            or_(B.c.status.in_(MADE), whole),
            or_(col(Campaign.accepted_at).is_(None), since > col(Campaign.accepted_at)),
        )
        .group_by(col(Run.campaign_id))
    )  # fmt: skip
    return {row[0]: Refused(*(int(number) for number in row[1:])) for row in session.execute(query)}


def find_last_cause(session: Session, campaign_id: int) -> str:
    """Why the last call of a campaign was refused; empty when only recipients were."""
    query = (
        select(B.c.error)
        .join(Run, col(Run.id) == B.c.run_id)
        .where(col(Run.campaign_id) == campaign_id, B.c.status == BatchStatus.REFUSED)
        .order_by(B.c.final_at.desc(), B.c.id.desc())
        .limit(1)
    )
    return str(session.execute(query).scalar() or "")


def count_left(session: Session, campaign_ids: Collection[int], since: datetime) -> dict[int, int]:
    """By campaign, how many customers deleted the member through whom they had received it; both since an instant,
    and the leaving after what a person has accepted.

    Looked at are the customers who left, for they are few.
    """
    query = (
        select(T.c.campaign_id, func.count(F.c.external_userid.distinct()))
        .select_from(F)
        .join(
            T, and_(T.c.external_userid == F.c.external_userid, T.c.userid == F.c.userid, T.c.touched_at >= since,
                    T.c.touched_at <= F.c.ended_at)
        )
        .join(Campaign, col(Campaign.id) == T.c.campaign_id)
        .where(
            _LEFT, F.c.ended_at >= since, T.c.campaign_id.in_(sorted(campaign_ids)),
            or_(col(Campaign.accepted_at).is_(None), F.c.ended_at > col(Campaign.accepted_at)),
        )
        .group_by(T.c.campaign_id)
        # SQLite would begin at all whom the campaign reached.
        .with_hint(F, "INDEXED BY ix_follows_left", "sqlite")
        .with_hint(T, "INDEXED BY ix_touches_external_userid", "sqlite")
    )  # fmt: skip
    return {campaign_id: int(number) for campaign_id, number in session.execute(query)}


def list_reached(session: Session, campaign_id: int, since: datetime) -> list[Reached]:
    """How many customers received a campaign, and when, as far as that may have been since an instant."""
    lately = select(col(Run.id)).where(
        col(Run.campaign_id) == campaign_id, or_(col(Run.ended_at).is_(None), col(Run.ended_at) >= since)
    )
    at = func.coalesce(B.c.confirmed_at, B.c.made_at)
    batches = select(B.c.sent, at).where(B.c.run_id.in_(lately), B.c.kind == CUSTOMERS, B.c.sent > 0)
    posts = select(P.c.audience, P.c.seen_at).where(
        P.c.run_id.in_(lately), P.c.audience > 0, P.c.seen_at.is_not(None)
    )  # fmt: skip
    rows = [*session.execute(batches).all(), *session.execute(posts).all()]
    return [Reached(int(customers), begun) for customers, begun in rows if begun is not None]


class Usual(NamedTuple):
    """How many contacts left in so many days, and how many there are."""

    left: int
    present: int
    days: float


def count_usual(session: Session, before: datetime) -> Usual:
    """What is usually lost, in the weeks before an instant, or from the first customer on who is known to have left."""
    begins = before - timedelta(days=USUAL_DAYS)
    first = session.execute(select(func.min(F.c.ended_at)).where(_LEFT)).scalar()
    if first is None or first >= before:
        return Usual(0, 0, 0.0)
    left = select(func.count()).where(_LEFT, F.c.ended_at >= begins, F.c.ended_at < before)
    others = select(func.count()).where(_NOT_PRESENT)
    everybody = int(session.execute(select(func.count()).select_from(F)).scalar_one())
    present = everybody - int(session.execute(others).scalar_one())
    days = (before - max(first, begins)).total_seconds() / 86_400.0
    return Usual(int(session.execute(left).scalar_one()), present, days)


def count_unconfirmed(session: Session, campaign_id: int) -> int:
    """Tasks and posts of a campaign that staff may still confirm."""
    runs = select(col(Run.id)).where(col(Run.campaign_id) == campaign_id, col(Run.ended_at).is_(None))
    query = select(func.count()).where(
        B.c.run_id.in_(runs), B.c.status.in_(MADE), B.c.final_at.is_(None), B.c.withdrawn_at.is_(None),
        B.c.confirmed_at.is_(None),
    )  # fmt: skip
    return int(session.execute(query).scalar_one())


def pause_campaign(session: Session, running: Running, rule: PauseRule, why: str, now: datetime) -> bool:
    """Pause all that a campaign still does. False: a person has accepted what was, meanwhile, or nothing is left."""
    campaign = lock_campaign(session, running.campaign_id)
    if campaign.accepted_at != running.accepted_at:
        return False
    runs = lock_runs(session, running.campaign_id)
    if not any(run.status in _AT_WORK and run.ended_at is None for run in runs):
        return False
    for run in runs:
        if run.status in _STOPPED and run.ended_at is None:
            pause(run, now, why, rule=rule)
    return True
