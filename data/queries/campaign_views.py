"""Campaigns as people see them in the console: which ones, and what became of the customers whom they see."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, func, literal_column, or_, select, true
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import among
from data.errors import NotFoundError
from data.models import (
    Account,
    Approval,
    ApprovalStatus,
    Batch,
    BatchStatus,
    Campaign,
    Customer,
    Follow,
    FollowStatus,
    Publisher,
    PublisherState,
    Run,
    RunStatus,
    Wave,
)
from data.queries.accounts import list_visible
from data.rules.accounts import names_of
from data.rules.campaign_states import OF_RUNS, CampaignState

B: Any = Batch.__table__  # type: ignore[attr-defined]
P: Any = Publisher.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]


class Sight(NamedTuple):
    """What somebody sees of campaigns: those made under one of their `names`, and those that reach customers through
    one of `userids`; None: all. Of customers they see those of these members."""

    names: tuple[str, ...]
    userids: frozenset[str] | None

    def made(self, campaign: Campaign) -> bool:
        """Whether they may act on it: it is theirs, or they may do everything."""
        return self.userids is None or campaign.made_by in self.names


def read_sight(session: Session, account: Account) -> Sight:
    """What an account sees."""
    return Sight(names_of(account), list_visible(session, account))


def seen(session: Session, sight: Sight) -> tuple[Any, dict[str, Any]]:
    """Whether somebody sees a campaign, as a condition with its parameters."""
    if sight.userids is None:
        return true(), {}
    dialect = session.get_bind().dialect.name
    through = [
        select(table.c.userid)
        .join(Run, col(Run.id) == table.c.run_id)
        .where(col(Run.campaign_id) == col(Campaign.id), among(dialect, table.c.userid, "userids"))
        .exists()
        for table in (B, P)
    ]
    return or_(col(Campaign.made_by).in_(sight.names), *through), {"userids": sorted(sight.userids)}


def get_seen(session: Session, sight: Sight, campaign_id: int) -> Campaign:
    """One campaign, if they see it. Raises NotFoundError."""
    is_seen, given = seen(session, sight)
    found: Campaign | None = session.execute(
        select(Campaign).where(col(Campaign.id) == campaign_id, is_seen), given
    ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(
            Phrase("没有编号为 %(campaign_id)s 的群发计划。", campaign_id=campaign_id), Phrase("请在群发列表里核对。")
        )
    return found


def list_seen(
    session: Session, sight: Sight, limit: int, before_id: int | None = None, state: CampaignState | None = None
) -> list[Campaign]:
    """Campaigns that people made and that somebody sees, newest first; tests are with those that they test."""
    is_seen, given = seen(session, sight)
    query = (
        select(Campaign)
        .where(col(Campaign.test_of).is_(None), col(Campaign.journey_id).is_(None), is_seen)
        .order_by(col(Campaign.id).desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(col(Campaign.id) < before_id)
    if state is not None:
        query = query.where(*_in_state(state))
    return list(session.execute(query, given).scalars())


def _in_state(state: CampaignState) -> list[Any]:
    """What `data.rules.campaign_states.state_of` says, in SQL."""
    mine = select(col(Run.id)).where(col(Run.campaign_id) == col(Campaign.id))
    asked = (
        select(col(Approval.id))
        .where(col(Approval.campaign_id) == col(Campaign.id), col(Approval.status) == ApprovalStatus.PENDING)
        .exists()
    )
    if state is CampaignState.ASKED:
        return [asked]
    if state is CampaignState.DRAFT:
        return [~asked, ~mine.exists()]
    open_ = mine.where(col(Run.ended_at).is_(None))
    found = [~asked, mine.exists()]
    for each, statuses in OF_RUNS:
        some = open_.where(col(Run.status).in_(sorted(statuses))).exists()
        if each is state:
            return [*found, some]
        found.append(~some)
    return found


def list_made(session: Session, sight: Sight, campaign_ids: Collection[int]) -> set[int]:
    """Those of some campaigns on which somebody may act."""
    query = select(Campaign).where(col(Campaign.id).in_(sorted(campaign_ids)))
    return {each.id or 0 for each in session.execute(query).scalars() if sight.made(each)}


class Stands(NamedTuple):
    """How far campaigns are: the statuses of open runs, whether there is a run, when the next is due, whom they have
    reached or are to."""

    open_runs: frozenset[str]
    runs: int
    next_at: datetime | None
    recipients: int


def map_stands(session: Session, campaign_ids: Collection[int]) -> dict[int, Stands]:
    """By campaign, for those that were started."""
    open_ = col(Run.ended_at).is_(None)
    ahead = case((open_ & col(Run.status).in_([RunStatus.DUE, RunStatus.WORDS_DUE]), col(Run.due_at)))
    # Spelt without a parameter: to PostgreSQL two parameters are two different groups.
    status_open = case((open_, col(Run.status)), else_=literal_column("''"))
    query = (
        select(
            col(Run.campaign_id), status_open, func.count(), func.min(ahead),
            func.sum(func.coalesce(col(Run.reach), col(Run.recipients))),
        )
        .where(col(Run.campaign_id).in_(sorted(campaign_ids)))
        .group_by(col(Run.campaign_id), status_open)
    )  # fmt: skip
    found: dict[int, Stands] = {}
    for campaign_id, status, runs, next_at, recipients in session.execute(query):
        before = found.get(campaign_id, Stands(frozenset(), 0, None, 0))
        dues = [each for each in (before.next_at, next_at) if each is not None]
        statuses = before.open_runs | ({status} if status else set())
        found[campaign_id] = Stands(
            statuses, before.runs + runs, min(dues, default=None), before.recipients + int(recipients or 0)
        )
    return found


# -- results of the customers whom somebody sees


SUMS = ("recipients", "sent", "not_friend", "over_cap", "refused", "stopped")


def count_seen_results(session: Session, run_ids: Sequence[int], userids: Collection[str]) -> dict[int, dict[str, int]]:
    """What `count_results` counts, of these members' tasks and posts alone."""
    dialect, given = session.get_bind().dialect.name, {"userids": sorted(userids)}
    told: dict[int, dict[str, int]] = {}
    tasks = case((B.c.status.in_((BatchStatus.REFUSED, BatchStatus.CANCELLED)), 0), else_=1)
    query = (
        select(
            B.c.run_id, func.sum(tasks), func.sum(case((B.c.confirmed_at.is_not(None), 1), else_=0)),
            *(func.sum(B.c[name]) for name in SUMS),
        )
        .where(B.c.run_id.in_(run_ids), among(dialect, B.c.userid, "userids"))
        .group_by(B.c.run_id)
    )  # fmt: skip
    for run_id, calls, confirmed, *counts in session.execute(query, given):
        told[run_id] = {
            "tasks": int(calls), "confirmed": int(confirmed),
            **dict(zip(SUMS, map(int, counts), strict=True)),
        }  # fmt: skip
    posts = (
        select(P.c.run_id, P.c.state, func.count())
        .where(P.c.run_id.in_(run_ids), among(dialect, P.c.userid, "userids"))
        .group_by(P.c.run_id, P.c.state)
    )
    names = {PublisherState.PUBLISHED: "sent", PublisherState.REFUSED: "refused", PublisherState.STOPPED: "stopped"}
    for run_id, state, number in session.execute(posts, given):
        mine = told.setdefault(run_id, dict.fromkeys(("tasks", "confirmed", *SUMS), 0))
        mine["recipients"] += number
        if (name := names.get(state)) is not None:
            mine[name] += number
    return told


def list_publisher_ids(session: Session, run_id: int) -> list[str]:
    """Everybody who is to publish a run's post."""
    return list(session.execute(select(P.c.userid).where(P.c.run_id == run_id)).scalars())


def map_customer_names(session: Session, external_userids: Collection[str]) -> dict[str, str]:
    """What some customers are called."""
    if not external_userids:
        return {}
    query = select(col(Customer.external_userid), col(Customer.name)).where(
        col(Customer.external_userid).in_(sorted(external_userids))
    )
    return dict(session.execute(query).all())


def list_visible_pairs(
    session: Session, listed: Sequence[tuple[str, str]], userids: Collection[str]
) -> list[tuple[str, str]]:
    """(external_userid, userid) of the contacts that a list names and that these members have."""
    dialect = session.get_bind().dialect.name
    wanted: dict[str, set[str]] = {}
    for whom, who in listed:
        wanted.setdefault(whom, set()).add(who)
    query = select(F.c.external_userid, F.c.userid).where(
        among(dialect, F.c.external_userid, "whom"), among(dialect, F.c.userid, "userids"),
        F.c.status == FollowStatus.PRESENT,
    )  # fmt: skip
    given: Mapping[str, Any] = {"whom": sorted(wanted), "userids": sorted(userids)}
    return [
        (whom, userid)
        for whom, userid in session.execute(query, given)
        if wanted[whom] & {"", userid}
    ]  # fmt: skip


def list_resting(session: Session, campaign_id: int, limit: int, sight: Sight) -> list[Batch]:
    """Calls of a campaign whose outcome a person has to tell, the oldest first."""
    query = (
        select(Batch)
        .join(Run, col(Run.id) == col(Batch.run_id))
        .where(
            col(Run.campaign_id) == campaign_id, col(Batch.status) == BatchStatus.UNKNOWN, col(Batch.next_at).is_(None)
        )
        .order_by(col(Batch.id))
        .limit(limit)
    )
    if sight.userids is not None:
        query = query.where(col(Batch.userid).in_(sorted(sight.userids)))
    return list(session.execute(query).scalars())


def campaign_of_run(session: Session, sight: Sight, run_id: int) -> tuple[Campaign, Wave, Run]:
    """A run with what it belongs to, if somebody sees its campaign. Raises NotFoundError."""
    run = session.get(Run, run_id)
    if run is None:
        raise NotFoundError(Phrase("没有编号为 %(run_id)s 的发送。", run_id=run_id), Phrase("请在群发计划里核对。"))
    campaign = get_seen(session, sight, run.campaign_id)
    return campaign, session.get_one(Wave, run.wave_id), run


def campaign_of_batch(session: Session, sight: Sight, batch_id: int) -> tuple[Campaign, Batch]:
    """The same for a call. Raises NotFoundError."""
    batch = session.get(Batch, batch_id)
    if batch is None:
        raise NotFoundError(
            Phrase("没有编号为 %(batch_id)s 的批次。", batch_id=batch_id), Phrase("请在群发计划里核对。")
        )
    return campaign_of_run(session, sight, batch.run_id)[0], batch


def campaign_of_wave(session: Session, sight: Sight, wave_id: int) -> tuple[Campaign, Wave]:
    """The same for a wave. Raises NotFoundError."""
    wave = session.get(Wave, wave_id)
    if wave is None:
        raise NotFoundError(Phrase("没有编号为 %(wave_id)s 的波次。", wave_id=wave_id), Phrase("请在群发计划里核对。"))
    return get_seen(session, sight, wave.campaign_id), wave
