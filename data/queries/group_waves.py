"""Customer groups that a wave is for: found, counted, written as a run's recipients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import (
    Batch,
    BatchStatus,
    Campaign,
    CustomerGroup,
    GroupMember,
    GroupRecipient,
    Preference,
    RecipientState,
    Run,
    RunStatus,
)
from data.queries.campaigns import lock_run
from data.queries.staff import map_departments
from data.queries.targets import G
from data.rules.group_waves import Assigned, Group, GroupAudience, created_between
from data.rules.schedule import day_began
from data.rules.waves import GROUPS

C: Any = CustomerGroup.__table__  # type: ignore[attr-defined]
M: Any = GroupMember.__table__  # type: ignore[attr-defined]

_NEW = BulkUpsert(GroupRecipient, ("run_id", "chat_id", "batch_no", "state"), keep=("batch_no", "state"))
_EXTERNAL = 2


def list_groups(
    session: Session, audience: GroupAudience, as_of: datetime, zone: tzinfo, last: datetime | None = None
) -> list[Group]:
    """The groups of an audience as it is at an instant, by chat_id. `last`: when the wave went to groups before; of an
    age are all that have come to it on a day since then."""
    query = select(C.c.chat_id, C.c.owner).where(C.c.dismissed_at.is_(None)).order_by(C.c.chat_id)
    given: dict[str, Any] = {}
    dialect = session.get_bind().dialect.name
    if audience.owners:
        query, given = query.where(among(dialect, C.c.owner, "owners")), {**given, "owners": sorted(audience.owners)}
    if audience.chat_ids:
        query, given = query.where(among(dialect, C.c.chat_id, "ids")), {**given, "ids": sorted(audience.chat_ids)}
    if audience.name_contains:
        query = query.where(C.c.name.contains(audience.name_contains, autoescape=True))
    if audience.created_days_ago is not None:
        first, end = created_between(audience.created_days_ago, as_of, last, zone)
        query = query.where(C.c.created_at >= day_began(first, zone), C.c.created_at < day_began(end, zone))
    groups = [Group(*row) for row in session.execute(query, given)]
    if not audience.department_ids:
        return groups
    inside, wanted = map_departments(session), set(audience.department_ids)
    return [group for group in groups if wanted & inside.get(group.owner, frozenset())]


def find_last_planned(session: Session, run: Run) -> datetime | None:
    """When the wave of a run went to groups before."""
    query = select(func.max(func.coalesce(col(Run.planned_as_of), col(Run.planned_at)))).where(
        col(Run.wave_id) == run.wave_id, col(Run.id) != run.id, col(Run.planned_at).is_not(None),
        col(Run.due_at) < run.due_at,
    )  # fmt: skip
    found: datetime | None = session.execute(query).scalar()
    return found


def list_sendings(session: Session, chat_id: str, limit: int, before_id: int | None = None) -> list[Mapping[str, Any]]:
    """The sendings that a group was for, newest first, with what became of each for it."""
    query = (
        select(
            col(Run.id), col(Run.campaign_id), col(Run.wave_id), col(Campaign.name).label("campaign"), col(Run.due_at),
            col(Run.status).label("run_status"), G.c.state, G.c.batch_no, col(Batch.userid).label("owner"),
        )
        .join(G, G.c.run_id == col(Run.id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .outerjoin(Batch, and_(col(Batch.run_id) == col(Run.id), col(Batch.batch_no) == G.c.batch_no))
        # By the whole key: the runs are few, and nothing else finds a group in each of them at once.
        .where(G.c.run_id.in_(select(col(Run.id))), G.c.chat_id == chat_id)
        .order_by(col(Run.id).desc())
        .limit(limit)
    )  # fmt: skip
    if before_id is not None:
        query = query.where(col(Run.id) < before_id)
    return [{**row, "state": RecipientState(row["state"]).name.lower()} for row in session.execute(query).mappings()]


def list_unknown(session: Session, chat_ids: Sequence[str]) -> list[str]:
    """Those of the groups that we do not know."""
    query = select(C.c.chat_id).where(among(session.get_bind().dialect.name, C.c.chat_id, "ids"))
    known = set(session.execute(query, {"ids": sorted(chat_ids)}).scalars())
    return [each for each in chat_ids if each not in known]


class Members(NamedTuple):
    """Customers in some groups, each once, and how many of these want to hear nothing: WeCom reaches them too."""

    customers: int
    opted_out: int


def count_members(session: Session, chat_ids: Sequence[str]) -> Members:
    """Who would read what is sent to these groups."""
    given = {"ids": sorted(chat_ids)}
    inside = (M.c.left_at.is_(None), M.c.type == _EXTERNAL, among(session.get_bind().dialect.name, M.c.chat_id, "ids"))
    customers = select(func.count(M.c.userid.distinct())).where(*inside)
    opted_out = customers.join(Preference, col(Preference.external_userid) == M.c.userid).where(
        col(Preference.opted_out_at).is_not(None)
    )
    return Members(
        int(session.execute(customers, given).scalar_one()), int(session.execute(opted_out, given).scalar_one())
    )


def plan_groups(session: Session, run_id: int, assigned: Assigned, now: datetime) -> RunStatus:
    """Which groups a run is for is known: they can be asked for. How the run stands: it may have been stopped."""
    run = lock_run(session, run_id)
    if run.status != RunStatus.PLANNING:
        return RunStatus(run.status)
    _NEW.write(session, [(run_id, *row) for row in assigned.rows])
    for batch_no, (owner, groups) in sorted(assigned.batches.items()):
        session.add(
            Batch(run_id=run_id, batch_no=batch_no, kind=GROUPS, userid=owner, recipients=groups,
                  status=BatchStatus.PLANNED)
        )  # fmt: skip
    run.matched, run.recipients = len(assigned.rows), len(assigned.reached)
    run.left_out, run.planned_at, run.status = assigned.left_out, now, RunStatus.SENDING
    return RunStatus(run.status)


def list_recipients(
    session: Session,
    run_id: int,
    limit: int,
    after: str = "",
    state: RecipientState | None = None,
    owners: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Groups of a run by chat_id, and what became of each; those of some `owners` if they are given."""
    query = (
        select(G.c.chat_id, func.coalesce(C.c.name, "").label("name"), func.coalesce(C.c.owner, "").label("owner"),
               G.c.state, G.c.batch_no)
        .select_from(G)
        .outerjoin(C, C.c.chat_id == G.c.chat_id)
        .where(G.c.run_id == run_id, G.c.chat_id > after)
        .order_by(G.c.chat_id)
        .limit(limit)
    )  # fmt: skip
    if state is not None:
        query = query.where(G.c.state == int(state))
    if owners is not None:
        query = query.where(among(session.get_bind().dialect.name, C.c.owner, "owners"))
    rows = session.execute(query, {} if owners is None else {"owners": sorted(owners)}).mappings()
    return [{**row, "state": RecipientState(row["state"]).name.lower()} for row in rows]
