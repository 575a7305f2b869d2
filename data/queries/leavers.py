"""Members who have left: what WeCom says is to be handed over of theirs, and what else of theirs is still about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Text, and_, cast, delete, func, or_, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.models import (
    Batch,
    Channel,
    ChannelKind,
    CustomerGroup,
    Enrolment,
    Follow,
    KfAccount,
    Leave,
    Run,
    Staff,
    StaffTask,
    StaffTaskStatus,
    Transfer,
    TransferStatus,
    Unassigned,
)
from data.queries.channel_plans import PlanFilter, count_plans
from data.queries.channels import count_foreign, count_needed, is_foreign, shows_member
from data.queries.erasures import list_erased
from data.queries.handovers import OPEN
from data.rules.handovers import OF_ACTIVE, OF_LEAVER

F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = Staff.__table__  # type: ignore[attr-defined]
T: Any = Transfer.__table__  # type: ignore[attr-defined]
U: Any = Unassigned.__table__  # type: ignore[attr-defined]

_SEEN = BulkUpsert(Unassigned, ("userid", "external_userid", "left_at", "read_no"))
#: WeCom's status of a member who has left.
LEFT = 5


class Waiting(NamedTuple):
    """A customer of somebody who left, as WeCom lists it."""

    userid: str
    external_userid: str
    left_at: int


def begin_reading(session: Session) -> int:
    """The number of a new reading of WeCom's list."""
    return int(session.execute(select(func.coalesce(func.max(U.c.read_no), 0))).scalar_one()) + 1


def note_page(session: Session, read_no: int, page: Sequence[Waiting]) -> None:
    """A page of the list, without those who were erased."""
    erased = list_erased(session, [each.external_userid for each in page])
    rows = {
        (each.userid, each.external_userid): (
            each.userid, each.external_userid, datetime.fromtimestamp(each.left_at, UTC), read_no,
        )
        for each in page
        if each.external_userid not in erased
    }  # fmt: skip
    _SEEN.write(session, sorted(rows.values()))


def end_reading(session: Session, read_no: int) -> None:
    """The list was read to its end: who was not on it has been taken over."""
    session.execute(delete(U).where(U.c.read_no < read_no))


def has_left(session: Session, userid: str) -> bool:
    """Whether a member has left the company, as far as WeCom lets us know."""
    staff = session.get(Staff, userid)
    if staff is not None and (staff.gone_at is not None or staff.status == LEFT):
        return True
    return session.execute(select(U.c.userid).where(U.c.userid == userid).limit(1)).first() is not None


def is_listed(session: Session, userid: str) -> bool:
    """Whether WeCom's list of customers to be taken over has some of a member's."""
    return session.execute(select(U.c.userid).where(U.c.userid == userid).limit(1)).first() is not None


class Leaver(NamedTuple):
    """Somebody who left: customers and groups that nobody takes over yet, and channels that still name them or fall
    back on them, or that WeCom has them on."""

    userid: str
    name: str
    left_at: datetime | None
    customers: int
    groups: int
    channels: int


def list_leavers(session: Session, userids: Collection[str] | None = None) -> list[Leaver]:
    """Members who left and of whose something is to be handed over. `userids`: of these alone."""
    mine = [] if userids is None else [U.c.userid.in_(userids)]
    customers = {
        userid: (number, left_at)
        for userid, number, left_at in session.execute(
            select(U.c.userid, func.count(), func.min(U.c.left_at))
            .where(~_taken(U.c.userid, U.c.external_userid), *mine)
            .group_by(U.c.userid)
        )
    }
    gone = or_(S.c.gone_at.is_not(None), S.c.status == LEFT, S.c.userid.in_(select(U.c.userid)))
    owner = col(CustomerGroup.owner)
    groups = dict(
        session.execute(
            select(owner, func.count())
            .join(Staff, owner == S.c.userid)
            .where(gone, col(CustomerGroup.dismissed_at).is_(None), *([] if userids is None else [owner.in_(userids)]))
            .group_by(owner)
        ).all()
    )
    left = {*session.execute(select(S.c.userid).where(gone)).scalars()}
    if userids is not None:
        left &= {*userids}
    channels = Counter({userid: number for userid, number in count_needed(session, gone) if userid in left})
    channels += count_foreign(session, left)
    wanted = sorted(customers.keys() | groups.keys() | channels.keys())
    staff = {
        row.userid: row
        for row in session.execute(select(S.c.userid, S.c.name, S.c.gone_at).where(S.c.userid.in_(wanted)))
    }
    nobody = (0, None)
    return [
        Leaver(
            userid,
            staff[userid].name if userid in staff else "",
            customers.get(userid, nobody)[1] or (staff[userid].gone_at if userid in staff else None),
            customers.get(userid, nobody)[0],
            groups.get(userid, 0),
            channels.get(userid, 0),
        )
        for userid in wanted
    ]


def _taken(userid: Any, external_userid: Any) -> Any:
    """That somebody takes the customer over, or has."""
    return (
        select(T.c.id)
        .where(
            T.c.external_userid == external_userid, T.c.handover_userid == userid,
            T.c.status.in_([*OPEN, TransferStatus.DONE]),
        )
        .exists()
    )  # fmt: skip


class Checklist(NamedTuple):
    """What is about of a member. `customers`: whom nobody takes over yet; `under_way`: whom somebody is to;
    `enrolments`: journeys that those are on through the member, or through whoever has them."""

    customers: int
    under_way: int
    groups: int
    channels: int
    links: int
    seats: int
    tasks: int
    enrolments: int
    sendings: int
    substitutes: int


def read_checklist(session: Session, userid: str, today: date) -> Checklist:
    """What is to be seen to when a member leaves."""
    left = has_left(session, userid)
    statuses = OF_LEAVER if left else OF_ACTIVE
    theirs: Any = select(F.c.external_userid).where(F.c.userid == userid, F.c.status.in_(sorted(statuses)))
    if left:
        theirs = theirs.union(select(U.c.external_userid).where(U.c.userid == userid))
    whose = theirs.subquery()

    def count(query: Any) -> int:
        return int(session.execute(query).scalar_one())

    named = f'"{userid}"'

    def count_channels(kind: str) -> int:
        """Those that name the member here, whoever else has them meanwhile; of others, whom WeCom has on them."""
        wanted = PlanFilter(kind=kind, member=userid)
        others = select(func.count()).where(is_foreign(), col(Channel.kind) == kind, shows_member(userid))
        return count_plans(session, wanted) + count(others)

    return Checklist(
        customers=count(select(func.count()).select_from(whose).where(~_taken(userid, whose.c.external_userid))),
        under_way=count(select(func.count()).where(T.c.handover_userid == userid, T.c.status.in_(OPEN))),
        groups=count(
            select(func.count()).where(col(CustomerGroup.owner) == userid, col(CustomerGroup.dismissed_at).is_(None))
        ),
        channels=count_channels(ChannelKind.CODE),
        links=count_channels(ChannelKind.LINK),
        seats=count(
            select(func.count()).where(
                col(KfAccount.granted), cast(col(KfAccount.servicers), Text).contains(named, autoescape=True)
            )
        ),
        tasks=count(
            select(func.count()).where(col(StaffTask.userid) == userid, col(StaffTask.status) == StaffTaskStatus.OPEN)
        ),
        enrolments=count(select(func.count()).where(col(Enrolment.userid) == userid, col(Enrolment.ended_at).is_(None)))
        # Most journeys name nobody and ask at each step who has the customer.
        + count(
            select(func.count())
            .select_from(whose)
            .join(Enrolment, col(Enrolment.external_userid) == whose.c.external_userid)
            .where(
                col(Enrolment.userid) == "", col(Enrolment.ended_at).is_(None), ~_taken(userid, whose.c.external_userid)
            )
        ),
        sendings=count(
            select(func.count(col(Batch.run_id).distinct()))
            .join(Run, col(Run.id) == col(Batch.run_id))
            .where(and_(col(Batch.userid) == userid, col(Batch.final_at).is_(None)))
        ),
        substitutes=count(select(func.count()).where(col(Leave.substitute) == userid, col(Leave.last_day) >= today)),
    )
