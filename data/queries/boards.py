"""Who has confirmed a campaign's tasks, and who has yet to: by staff member, for the board and for what is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, or_, select, update
from sqlmodel import Session, col

from data.models import Batch, BatchStatus, Campaign, Department, Publisher, PublisherState, Run, RunStatus, Staff
from data.models.campaigns import BRAKES
from data.queries.batches import MADE
from data.queries.staff import NOWHERE, map_places
from data.rules.waves import GROUPS

B: Any = Batch.__table__  # type: ignore[attr-defined]
P: Any = Publisher.__table__  # type: ignore[attr-defined]
_OPEN = and_(B.c.status.in_(MADE), B.c.final_at.is_(None), B.c.withdrawn_at.is_(None), B.c.confirmed_at.is_(None))
#: Nobody is to hurry with what a brake has stopped.
_NOT_BRAKED = col(Run.pause_rule).not_in(BRAKES)
#: WeCom reminds of one group-send three times in a day at most; of itself the program does so once.
REMIND_AGAIN = timedelta(hours=24)


class BoardRow(NamedTuple):
    """What one staff member has of a campaign: tasks, of these confirmed, and what became of the recipients, customers
    and groups apart; posts in Moments, of these published, and those that still may be."""

    userid: str
    name: str
    department_id: int
    department: str
    tasks: int = 0
    confirmed: int = 0
    recipients: int = 0
    sent: int = 0
    not_sent: int = 0
    groups: int = 0
    groups_sent: int = 0
    posts: int = 0
    published: int = 0
    posts_waiting: int = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing waits for the member."""
        return self.confirmed == self.tasks and not self.posts_waiting


def read_board(session: Session, campaign_id: int, userids: Collection[str] | None = None) -> list[BoardRow]:
    """Every sender and publisher of a campaign by department and name, those for whom something waits first; only some
    members with `userids`."""
    runs = select(col(Run.id)).where(col(Run.campaign_id) == campaign_id)
    counted: dict[str, dict[str, Any]] = {}
    for query in (_tasks_of(runs), _posts_of(runs)):
        if userids is not None:
            query = query.where(query.selected_columns.userid.in_(sorted(userids)))
        for row in session.execute(query).mappings():
            numbers = {name: int(number) for name, number in row.items() if name != "userid"}
            counted.setdefault(row["userid"], {}).update(numbers)
    places = map_places(session)
    rows = [BoardRow(userid, *places.get(userid, NOWHERE), **numbers) for userid, numbers in counted.items()]
    return sorted(rows, key=lambda row: (row.department_id, row.is_done, row.name, row.userid))


def _tasks_of(runs: Any) -> Any:
    to_groups = B.c.kind == GROUPS
    failed = B.c.not_friend + B.c.over_cap + B.c.refused + B.c.stopped
    sums = {
        # What WeCom refused, and what nobody was asked for, is nobody's to confirm.
        "tasks": case((B.c.status.in_((BatchStatus.REFUSED, BatchStatus.CANCELLED)), 0), else_=1),
        "confirmed": case((B.c.confirmed_at.is_not(None), 1), else_=0),
        "recipients": case((to_groups, 0), else_=B.c.recipients),
        "sent": case((to_groups, 0), else_=B.c.sent),
        "not_sent": case((to_groups, 0), else_=failed),
        "groups": case((to_groups, B.c.recipients), else_=0),
        "groups_sent": case((to_groups, B.c.sent), else_=0),
    }
    columns = [func.sum(what).label(name) for name, what in sums.items()]
    return select(B.c.userid, *columns).where(B.c.run_id.in_(runs), B.c.userid != "").group_by(B.c.userid)


def _posts_of(runs: Any) -> Any:
    def count(state: PublisherState) -> Any:
        return func.sum(case((P.c.state == state, 1), else_=0))

    return (
        select(
            P.c.userid, func.count().label("posts"), count(PublisherState.PUBLISHED).label("published"),
            count(PublisherState.WAITING).label("posts_waiting"),
        )
        .where(P.c.run_id.in_(runs))
        .group_by(P.c.userid)
    )  # fmt: skip


# -- reminders


def ask_to_remind(session: Session, campaign_id: int, userids: Collection[str] | None = None) -> int:
    """Have those reminded, soon, who have not confirmed a campaign's tasks, only some members with `userids`; how many
    tasks."""
    runs = select(col(Run.id)).where(col(Run.campaign_id) == campaign_id)
    whose = B.c.userid != "" if userids is None else B.c.userid.in_(sorted(userids))
    changed: Any = session.execute(update(B).where(B.c.run_id.in_(runs), whose, _OPEN).values(remind=True))
    return int(changed.rowcount)


def list_reminders(session: Session, now: datetime, after_hours: int, limit: int) -> list[tuple[int, str]]:
    """Tasks whose staff are to be reminded now, by number and msgid.

    Asked for by a person, or not confirmed `after_hours` after it was made (0: never for that) and not reminded of
    within a day.
    """
    due = B.c.remind.is_(True)
    if after_hours:
        waited = and_(
            B.c.made_at <= now - timedelta(hours=after_hours),
            or_(B.c.reminded_at.is_(None), B.c.reminded_at <= now - REMIND_AGAIN),
        )
        due = or_(due, waited)
    query = (
        select(B.c.id, B.c.msgid)
        .join(Run, col(Run.id) == B.c.run_id)
        .where(_OPEN, due, B.c.userid != "", col(Run.valid_until) > now)
        .where(col(Run.status).in_([RunStatus.SENDING, RunStatus.AWAITING, RunStatus.PAUSED]), _NOT_BRAKED)
        .order_by(B.c.id)
        .limit(limit)
    )
    return [(int(batch_id), str(msgid)) for batch_id, msgid in session.execute(query)]


def note_reminded(session: Session, batch_id: int, now: datetime) -> None:
    """Its staff are being reminded."""
    session.execute(update(B).where(B.c.id == batch_id).values(remind=False, reminded_at=now))


# -- what people are told


class Unconfirmed(NamedTuple):
    """Staff members who let a run's tasks lie, by their leader."""

    run_id: int
    campaign: str
    leader: str
    names: tuple[str, ...]


def list_unconfirmed(session: Session, made_before: datetime, now: datetime) -> list[Unconfirmed]:
    """Whose tasks made before an instant wait still, for the leaders of their departments."""
    query = (
        select(B.c.run_id, col(Campaign.name), B.c.userid, col(Staff.name), col(Department.leader_userids))
        .distinct()
        .select_from(B)
        .join(Run, col(Run.id) == B.c.run_id)
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .join(Staff, col(Staff.userid) == B.c.userid)
        .join(Department, col(Department.id) == col(Staff.main_department_id))
        .where(_OPEN, B.c.made_at <= made_before, col(Run.valid_until) > now, col(Run.ended_at).is_(None), _NOT_BRAKED)
    )
    found: dict[tuple[int, str, str], set[str]] = {}
    for run_id, campaign, userid, name, leaders in session.execute(query):
        for leader in leaders or ():
            if leader != userid:
                found.setdefault((run_id, campaign, leader), set()).add(name or userid)
    return [Unconfirmed(*key, tuple(sorted(names))) for key, names in sorted(found.items())]


class Happened(NamedTuple):
    """A run of which its campaign's owner should hear."""

    run: Run
    campaign: str
    owner: str


def list_happened(session: Session, since: datetime) -> list[Happened]:
    """Runs that rest for a person, want words or ended lately, of campaigns that have an owner; broadcasts of journeys
    end every day."""
    query = (
        select(Run, col(Campaign.name), col(Campaign.owner))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .where(
            col(Campaign.owner) != "",
            or_(
                # Brakes tell it themselves.
                and_(col(Run.status) == RunStatus.PAUSED, col(Run.error) != "", _NOT_BRAKED),
                col(Run.status) == RunStatus.WORDS_DUE,
                and_(
                    col(Run.ended_at) >= since,
                    col(Run.status).in_([RunStatus.FINISHED, RunStatus.SKIPPED, RunStatus.FAILED]),
                    or_(col(Run.status) != RunStatus.FINISHED, col(Campaign.journey_id).is_(None)),
                ),
            ),
        )
    )
    return [Happened(*row) for row in session.execute(query)]


def count_sent(session: Session, run_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """By run: how many have received it, and how many were to."""
    query = select(B.c.run_id, func.sum(B.c.sent), func.sum(B.c.recipients)).where(B.c.run_id.in_(run_ids))
    return {run_id: (int(sent), int(all_)) for run_id, sent, all_ in session.execute(query.group_by(B.c.run_id))}
