"""What staff and managers are told once a day, or when they ask: what waits for whom, and how campaigns stand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, delete, func, select, union
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Approval,
    ApprovalStatus,
    Batch,
    BatchStatus,
    Campaign,
    Department,
    Digest,
    DigestChoice,
    Publisher,
    PublisherState,
    Run,
    RunStatus,
    Staff,
)
from data.models.campaigns import BRAKES
from data.queries.batches import MADE
from data.queries.upsert import insert_into
from data.rules.waves import GROUPS, MOMENTS

B: Any = Batch.__table__  # type: ignore[attr-defined]
P: Any = Publisher.__table__  # type: ignore[attr-defined]

_SHOWN = (RunStatus.WORDS_DUE, RunStatus.PLANNING, RunStatus.SENDING, RunStatus.AWAITING, RunStatus.PAUSED)
#: Staff may do their part of what was made and is not withdrawn; nobody is to hurry with what a brake has stopped.
_TO_CONFIRM = (RunStatus.SENDING, RunStatus.AWAITING, RunStatus.PAUSED)
_OPEN = and_(B.c.status.in_(MADE), B.c.final_at.is_(None), B.c.withdrawn_at.is_(None))
KEPT = timedelta(days=60)


@dataclass(slots=True)
class Mine:
    """What waits for one member of staff: group-send tasks for so many customers and groups, and posts."""

    tasks: int = 0
    customers: int = 0
    groups: int = 0
    posts: int = 0


@dataclass(slots=True)
class Standing:
    """How a campaign stands: its sendings that have not ended, what staff have done of them, and what a person has to.

    `departments`: by name, (confirmed, tasks) of group-sends and posts. `unknown`: calls whose outcome a person has to
    find out.
    """

    campaign_id: int
    name: str
    owner: str
    runs: list[Run] = field(default_factory=list)
    tasks: int = 0
    confirmed: int = 0
    recipients: int = 0
    sent: int = 0
    refused: int = 0
    groups: int = 0
    groups_sent: int = 0
    posts: int = 0
    published: int = 0
    unknown: int = 0
    departments: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_running(self) -> bool:
        """Whether more than words are waited for."""
        return any(run.status != RunStatus.WORDS_DUE for run in self.runs)


@dataclass(slots=True)
class Overview:
    """What waits for staff, by userid; campaigns, the oldest first; requests for approval that wait."""

    tasks: dict[str, Mine]
    campaigns: list[Standing]
    approvals: list[Approval]


def read_overview(session: Session, now: datetime) -> Overview:
    """Everything that digests are made of."""
    campaigns = _standings(session)
    tasks: dict[str, Mine] = {}
    departments = _departments(session)
    _count_tasks(session, campaigns, tasks, departments, now)
    _count_posts(session, campaigns, tasks, departments, now)
    pending = select(Approval).where(col(Approval.status) == ApprovalStatus.PENDING, col(Approval.expires_at) > now)
    approvals = list(session.execute(pending.order_by(col(Approval.id))).scalars())
    return Overview(tasks, [campaigns[number] for number in sorted(campaigns)], approvals)


def _standings(session: Session) -> dict[int, Standing]:
    query = (
        select(Run, col(Campaign.name), col(Campaign.owner))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(col(Run.ended_at).is_(None), col(Run.status).in_(_SHOWN), col(Campaign.test_of).is_(None))
        .order_by(col(Run.id))
    )
    found: dict[int, Standing] = {}
    for run, name, owner in session.execute(query):
        found.setdefault(run.campaign_id, Standing(run.campaign_id, name, owner)).runs.append(run)
    return found


def _departments(session: Session) -> dict[str, str]:
    query = select(col(Staff.userid), col(Department.name)).join(
        Department, col(Department.id) == col(Staff.main_department_id)
    )
    return dict(session.execute(query).all())


def _goes_on(now: datetime) -> Any:
    """Runs whose tasks staff are to confirm."""
    return and_(
        col(Run.status).in_(_TO_CONFIRM), col(Run.valid_until) > now, col(Run.pause_rule).not_in(BRAKES)
    )  # fmt: skip


def _count_tasks(
    session: Session,
    campaigns: dict[int, Standing],
    tasks: dict[str, Mine],
    departments: dict[str, str],
    now: datetime,
) -> None:
    confirmed = case((B.c.confirmed_at.is_not(None), 1), else_=0)
    waits = and_(_OPEN, B.c.confirmed_at.is_(None), _goes_on(now))
    unclear = and_(B.c.status == BatchStatus.UNKNOWN, B.c.next_at.is_(None))
    given = B.c.status.not_in([BatchStatus.REFUSED, BatchStatus.CANCELLED])
    query = (
        select(
            col(Run.campaign_id), B.c.userid, B.c.kind, func.sum(case((given, 1), else_=0)), func.sum(confirmed),
            func.sum(B.c.recipients), func.sum(B.c.sent), func.sum(B.c.refused), func.sum(case((waits, 1), else_=0)),
            func.sum(case((waits, B.c.recipients), else_=0)), func.sum(case((unclear, 1), else_=0)),
        )
        .select_from(B)
        .join(Run, col(Run.id) == B.c.run_id)
        .where(col(Run.ended_at).is_(None), col(Run.status).in_(_SHOWN))
        .group_by(col(Run.campaign_id), B.c.userid, B.c.kind)
    )  # fmt: skip
    for campaign_id, userid, kind, *numbers in session.execute(query):
        given_tasks, done, recipients, sent, refused, waiting, waiting_for, unknown = map(int, numbers)
        if waiting and kind != MOMENTS:
            mine = tasks.setdefault(userid, Mine())
            mine.tasks += waiting
            mine.groups += waiting_for if kind == GROUPS else 0
            mine.customers += waiting_for if kind != GROUPS else 0
        standing = campaigns.get(campaign_id)
        if standing is None:
            continue
        standing.unknown += unknown
        if kind == MOMENTS:
            continue
        standing.tasks, standing.confirmed = standing.tasks + given_tasks, standing.confirmed + done
        standing.refused += refused
        _note_department(standing, departments.get(userid, ""), done, given_tasks)
        if kind == GROUPS:
            standing.groups, standing.groups_sent = standing.groups + recipients, standing.groups_sent + sent
        else:
            standing.recipients, standing.sent = standing.recipients + recipients, standing.sent + sent


def _count_posts(
    session: Session,
    campaigns: dict[int, Standing],
    tasks: dict[str, Mine],
    departments: dict[str, str],
    now: datetime,
) -> None:
    published = case((P.c.state == PublisherState.PUBLISHED, 1), else_=0)
    waits = and_(P.c.state == PublisherState.WAITING, _OPEN, _goes_on(now))
    query = (
        select(
            col(Run.campaign_id), P.c.userid, func.count(), func.sum(published), func.sum(case((waits, 1), else_=0))
        )
        .select_from(P)
        .join(Run, col(Run.id) == P.c.run_id)
        .join(B, and_(B.c.run_id == P.c.run_id, B.c.kind == MOMENTS))
        .where(
            col(Run.ended_at).is_(None), col(Run.status).in_(_SHOWN), P.c.state != PublisherState.REFUSED
        )
        .group_by(col(Run.campaign_id), P.c.userid)
    )  # fmt: skip
    for campaign_id, userid, *numbers in session.execute(query):
        posts, done, waiting = map(int, numbers)
        if waiting:
            tasks.setdefault(userid, Mine()).posts += waiting
        standing = campaigns.get(campaign_id)
        if standing is None:
            continue
        standing.posts, standing.published = standing.posts + posts, standing.published + done
        _note_department(standing, departments.get(userid, ""), done, posts)


def count_behind(session: Session, now: datetime, userids: Collection[str] | None = None) -> int:
    """How many members have a task that they have not confirmed, or a post that they have not published; of these."""
    dialect = session.get_bind().dialect.name
    open_ = (col(Run.ended_at).is_(None), _OPEN, _goes_on(now))
    tasks = select(B.c.userid).join(Run, col(Run.id) == B.c.run_id)
    tasks = tasks.where(*open_, B.c.kind != MOMENTS, B.c.confirmed_at.is_(None))
    posts = select(P.c.userid).join(Run, col(Run.id) == P.c.run_id)
    posts = posts.join(B, and_(B.c.run_id == P.c.run_id, B.c.kind == MOMENTS))
    posts = posts.where(*open_, P.c.state == PublisherState.WAITING)
    if userids is not None:
        tasks = tasks.where(among(dialect, B.c.userid, "userids"))
        posts = posts.where(among(dialect, P.c.userid, "userids"))
    query = select(func.count()).select_from(union(tasks, posts).subquery())
    given = {} if userids is None else {"userids": sorted(userids)}
    return int(session.execute(query, given).scalar_one())


def _note_department(standing: Standing, name: str, done: int, of: int) -> None:
    before = standing.departments.get(name, (0, 0))
    standing.departments[name] = (before[0] + done, before[1] + of)


# -- once a day


def is_written(session: Session, day: date) -> bool:
    """Whether all were told of a day."""
    return session.get(Digest, (day.isoformat(), "")) is not None


def note_digest(session: Session, day: date, userid: str, now: datetime) -> bool:
    """A member is being told of a day, or all were. False: it was noted before."""
    added: Any = session.execute(
        insert_into(session, Digest)
        .values(day=day.isoformat(), userid=userid, written_at=now)
        .on_conflict_do_nothing(index_elements=["day", "userid"])
    )
    return bool(added.rowcount)


def find_choice(session: Session, userid: str) -> str | None:
    """When a member wants to be told: like `08:30`, empty for never; None: at the company's time."""
    found = session.get(DigestChoice, userid)
    return None if found is None else found.at


def map_choices(session: Session) -> dict[str, str]:
    """The same of all who have chosen."""
    return dict(session.execute(select(col(DigestChoice.userid), col(DigestChoice.at))).all())


def choose(session: Session, userid: str, at: str | None, now: datetime) -> None:
    """A member wants to be told at this time, never (empty), or at the company's (None)."""
    session.execute(delete(DigestChoice).where(col(DigestChoice.userid) == userid))
    if at is not None:
        session.add(DigestChoice(userid=userid, at=at, changed_at=now))
    session.flush()


def list_noted(session: Session, day: date) -> set[str]:
    """Who was told of a day, or had nothing to be told."""
    return set(session.execute(select(col(Digest.userid)).where(col(Digest.day) == day.isoformat())).scalars())


def forget_digests(session: Session, day: date) -> None:
    """Nobody asks any more who was told long before a day."""
    session.execute(delete(Digest).where(col(Digest.day) < (day - KEPT).isoformat()))
