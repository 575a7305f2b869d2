"""What campaigns and journeys led to, in short: whom they reached, who clicked, bought or reached the goal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session, col

from data.bulk import among
from data.models import (
    Batch,
    Campaign,
    Enrolment,
    Follow,
    JourneyRow,
    JourneyStatus,
    LinkClick,
    Order,
    Recipient,
    RecipientState,
    Run,
    StepCount,
    StepOutcome,
)
from data.queries.batches import MADE
from data.queries.campaign_views import Sight, seen
from data.queries.enrolment_lists import OnIt, count_on
from data.queries.journey_versions import read_kept
from data.queries.links import OF_A_RUN
from data.rules.orders import PAID
from data.rules.waves import CUSTOMERS

B: Any = Batch.__table__  # type: ignore[attr-defined]
E: Any = Enrolment.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]
O: Any = Order.__table__  # type: ignore[attr-defined]  # noqa: E741
R: Any = Recipient.__table__  # type: ignore[attr-defined]
S: Any = StepCount.__table__  # type: ignore[attr-defined]

#: How long after a sending an order counts for it.
BOUGHT_WITHIN = timedelta(days=7)
#: What a step does where it reaches the customer.
_REACHING = ("task", "broadcast", "kf")


class CampaignEffect(NamedTuple):
    """What a campaign led to: whom it was planned for, whom it reached, who followed a link of it, and who got it and
    bought within `BOUGHT_WITHIN`."""

    id: int
    name: str
    meant: int
    reached: int
    clicked: int
    bought: int

    @property
    def reach_percent(self) -> float | None:
        """Of those it was meant for, how many it reached."""
        return 100 * self.reached / self.meant if self.meant else None

    @property
    def bought_percent(self) -> float | None:
        """Of those it reached, how many bought."""
        return 100 * self.bought / self.reached if self.reached else None


class JourneyEffect(NamedTuple):
    """What a journey led to: how many have begun it, how many of its steps reached a customer, how many are on it now,
    and for how many it ended with its goal."""

    id: int
    name: str
    begun: int
    reached: int
    running: int
    goal: int

    @property
    def goal_percent(self) -> float | None:
        """Of those who began it, for how many it ended with its goal."""
        return 100 * self.goal / self.begun if self.begun else None


def list_campaigns(session: Session, sight: Sight, since: datetime, limit: int) -> list[CampaignEffect]:
    """Campaigns to customers of which a sending began since then, the newest first, through whom somebody sees."""
    is_seen, given = seen(session, sight)
    began = (
        select(col(Run.id))
        .join(B, B.c.run_id == col(Run.id))
        .where(col(Run.campaign_id) == col(Campaign.id), col(Run.planned_at) >= since, B.c.kind == CUSTOMERS)
    )
    query = (
        select(col(Campaign.id), col(Campaign.name))
        .where(col(Campaign.test_of).is_(None), col(Campaign.journey_id).is_(None), began.exists(), is_seen)
        .order_by(col(Campaign.id).desc())
        .limit(limit)
    )
    found = session.execute(query, given).all()
    return [_campaign(session, row[0], row[1], since, sight.userids) for row in found]


def _campaign(
    session: Session, campaign_id: int, name: str, since: datetime, userids: Collection[str] | None
) -> CampaignEffect:
    ran = select(col(Run.id), col(Run.planned_at)).where(
        col(Run.campaign_id) == campaign_id, col(Run.planned_at) >= since
    )  # fmt: skip
    runs = session.execute(ran).all()
    ids, first, last = sorted(row[0] for row in runs), min(row[1] for row in runs), max(row[1] for row in runs)
    dialect, given = session.get_bind().dialect.name, {} if userids is None else {"userids": sorted(userids)}

    def mine(column: Any) -> list[Any]:
        return [] if userids is None else [among(dialect, column, "userids")]

    sums = select(func.coalesce(func.sum(B.c.recipients), 0), func.coalesce(func.sum(B.c.sent), 0)).where(
        B.c.run_id.in_(ids), B.c.kind == CUSTOMERS, B.c.status.in_(MADE), *mine(B.c.userid)
    )
    meant, reached = session.execute(sums, given).one()
    clicked = select(func.count(K.c.external_userid.distinct())).where(K.c.run_id.in_(ids), OF_A_RUN, *mine(K.c.userid))
    # From the orders of these days, which are fewer than the recipients.
    bought = (
        select(func.count(O.c.external_userid.distinct()))
        .select_from(O)
        .join(F, F.c.external_userid == O.c.external_userid)
        .join(R, (R.c.follow_id == F.c.id) & R.c.run_id.in_(ids))
        .where(
            O.c.placed_at >= first, O.c.placed_at < last + BOUGHT_WITHIN, O.c.covered.is_not(True),
            O.c.status.in_(sorted(status.value for status in PAID)), R.c.state == RecipientState.SENT,
            *mine(F.c.userid),
        )
        .with_hint(O, "INDEXED BY ix_orders_counted", "sqlite")
    )  # fmt: skip
    return CampaignEffect(
        campaign_id, name, int(meant), int(reached),
        session.execute(clicked, given).scalar_one(), session.execute(bought, given).scalar_one(),
    )  # fmt: skip


def list_journeys(session: Session, limit: int) -> list[JourneyEffect]:
    """Journeys that go on, the newest first."""
    going = [JourneyStatus.RUNNING.value, JourneyStatus.PAUSED.value, JourneyStatus.CLOSED.value]
    query = (
        select(col(JourneyRow.id), col(JourneyRow.name))
        .where(col(JourneyRow.status).in_(going))
        .order_by(col(JourneyRow.id).desc())
        .limit(limit)
    )
    names: dict[int, str] = dict(session.execute(query).all())
    begun = select(E.c.journey_id, func.count()).where(E.c.journey_id.in_(sorted(names))).group_by(E.c.journey_id)
    entered: dict[int, int] = dict(session.execute(begun).all())
    on, reached = count_on(session, names), _count_reached(session, sorted(names))
    found = []
    for key, name in names.items():
        now = on.get(key, OnIt())
        found.append(JourneyEffect(key, name, entered.get(key, 0), reached.get(key, 0), now.running, now.goal))
    return found


def _count_reached(session: Session, journey_ids: Sequence[int]) -> dict[int, int]:
    query = select(S.c.journey_id, S.c.version, S.c.step, S.c.number).where(
        S.c.journey_id.in_(journey_ids), S.c.outcome == StepOutcome.DONE.value
    )
    counts = session.execute(query).all()
    said = read_kept(session, {(row[0], row[1]) for row in counts})
    found: dict[int, int] = {}
    for journey_id, version, step, number in counts:
        steps = said.get((journey_id, version), {}).get("steps", [])
        if step < len(steps) and steps[step].get("action", {}).get("do") in _REACHING:
            found[journey_id] = found.get(journey_id, 0) + number
    return found
