"""Hand-overs: asked for, planned piece by piece as rows of `transfers`, paused, resumed, ended, shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from sqlalchemy import case, func, insert, or_, select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import among
from data.errors import ConflictError, NotFoundError
from data.models import (
    Customer,
    CustomerGroup,
    Follow,
    GroupTransfer,
    Handover,
    HandoverStatus,
    Transfer,
    TransferStatus,
    Unassigned,
)
from data.queries.segment_sql import selected
from data.queries.segments import plan_segment
from data.rules.handovers import ACTS, PERIOD, TIMES, Act, HandoverAudience, LeftOut, Takeover, share, tree_of

C: Any = Customer.__table__  # type: ignore[attr-defined]
F: Any = Follow.__table__  # type: ignore[attr-defined]
G: Any = GroupTransfer.__table__  # type: ignore[attr-defined]
T: Any = Transfer.__table__  # type: ignore[attr-defined]
U: Any = Unassigned.__table__  # type: ignore[attr-defined]

#: Who asks plans at once; a plan that is not ready by then was interrupted.
PLANNED_WITHIN = timedelta(seconds=30)
#: It will be, or is being, handed over.
OPEN = (TransferStatus.PLANNED, TransferStatus.ASKING, TransferStatus.WAITING)


def add_handover(
    session: Session,
    userid: str,
    *,
    resigned: bool,
    takeovers: Sequence[Takeover],
    audience: dict[str, Any],
    message: str,
    asked_by: str,
    now: datetime,
) -> int:
    """A new hand-over, to be planned; its number."""
    row = Handover(
        userid=userid,
        resigned=resigned,
        takeovers=[each.model_dump() for each in takeovers],
        audience=audience,
        message=message,
        asked_by=asked_by[:80],
        status=HandoverStatus.PLANNING,
        left_out={},
        asked_at=now,
        next_at=now + PLANNED_WITHIN,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def get_handover(session: Session, handover_id: int) -> Handover:
    """One hand-over. Raises NotFoundError."""
    row = session.get(Handover, handover_id)
    if row is None:
        raise NotFoundError(
            Phrase("没有编号为 %(handover_id)s 的交接。", handover_id=handover_id), Phrase("请在交接列表里核对。")
        )
    return row


def lock_handover(session: Session, handover_id: int) -> Handover:
    """The same, locked until the transaction ends."""
    row = session.get(Handover, handover_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(
            Phrase("没有编号为 %(handover_id)s 的交接。", handover_id=handover_id), Phrase("请在交接列表里核对。")
        )
    return row


def list_handovers(
    session: Session, limit: int = 50, before_id: int | None = None, userids: Collection[str] | None = None
) -> list[Handover]:
    """Hand-overs, newest first. `userids`: of these members' customers alone."""
    query = select(Handover).order_by(col(Handover.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(Handover.id) < before_id)
    if userids is not None:
        query = query.where(col(Handover.userid).in_(userids))
    return list(session.execute(query).scalars())


def act_on(session: Session, handover_id: int, act: Act, now: datetime) -> Handover:
    """Pause, resume or cancel. Raises NotFoundError, and ConflictError when its status does not allow that."""
    row = lock_handover(session, handover_id)
    allowed, after = ACTS[act]
    if row.status == after:
        return row
    if row.status not in allowed:
        raise ConflictError(f"Hand-over {handover_id} is {row.status}: it cannot be {after}.", "Look at it first.")
    row.status = after
    if act is Act.RESUME:
        row.error, row.next_at = "", now
    if act is Act.CANCEL:
        for table in (T, G):
            planned = (table.c.handover_id == handover_id, table.c.status == TransferStatus.PLANNED)
            session.execute(update(table).where(*planned).values(status=TransferStatus.CANCELLED, ended_at=now))
        row.error, row.ended_at, row.next_at = "", now, now
    return row


# -- planning


def list_candidates(
    session: Session, userid: str, audience: HandoverAudience, *, resigned: bool, now: datetime, zone: tzinfo
) -> list[str]:
    """Which customers of a member an audience means, in the order of their ids; of one who left, those too of whom only
    WeCom's list tells."""
    plan = plan_segment(session, tree_of(audience, resigned=resigned), now, zone, userids=[userid])
    found = set(session.execute(selected(plan, F.c.external_userid).where(F.c.userid == userid)).scalars())
    if resigned and (audience.everyone or audience.external_userids):
        found |= set(session.execute(select(U.c.external_userid).where(U.c.userid == userid)).scalars())
    if audience.external_userids:
        found &= set(audience.external_userids)
    return sorted(found)


class Sorted(NamedTuple):
    """Some customers, each with who takes over; and how many are left out, by why."""

    given: list[tuple[str, str]]
    left_out: Counter[str]


def sort_out(
    session: Session,
    userid: str,
    takeovers: Sequence[Takeover],
    external_userids: Sequence[str],
    place: int,
    *,
    resigned: bool,
    now: datetime,
) -> Sorted:
    """Who gets which of some customers. `place`: how many have somebody already."""
    why = _read_reasons(session, userid, external_userids, resigned=resigned, now=now)
    given, left_out = [], Counter[str]()
    for external_userid in external_userids:
        reason = why.get(external_userid)
        if reason is None and (whose := share(takeovers, place)) is not None:
            given.append((external_userid, whose))
            place += 1
        else:
            left_out[reason or LeftOut.NO_SHARE] += 1
    return Sorted(given, left_out)


def _read_reasons(
    session: Session, userid: str, external_userids: Sequence[str], *, resigned: bool, now: datetime
) -> dict[str, LeftOut]:
    """Why some of these customers cannot be handed over now."""
    listed = among(session.get_bind().dialect.name, T.c.external_userid, "listed")
    given = {"listed": list(external_userids)}
    held = select(T.c.external_userid, T.c.status).where(
        listed, T.c.handover_userid == userid, T.c.status.in_([*OPEN, *([TransferStatus.DONE] if resigned else [])])
    )
    why = {
        external_userid: LeftOut.DONE if status == TransferStatus.DONE else LeftOut.UNDER_WAY
        for external_userid, status in session.execute(held, given)
    }
    if not resigned:
        # One and the same hand-over is done by our row, and observed by its event.
        done, seen = (
            func.sum(case((T.c.status == status, 1), else_=0))
            for status in (TransferStatus.DONE, TransferStatus.OBSERVED)
        )
        often = (
            select(T.c.external_userid)
            .where(listed, T.c.started_at >= now - PERIOD)
            .group_by(T.c.external_userid)
            .having(or_(done >= TIMES, seen >= TIMES))
        )
        for external_userid in session.execute(often, given).scalars():
            why.setdefault(external_userid, LeftOut.TWICE)
    return why


def write_plan(
    session: Session,
    handover_id: int,
    external_userids: Sequence[str],
    now: datetime,
    *,
    more: Counter[str] | None = None,
) -> bool:
    """Plan the next customers, by their ids. False: it is not being planned any more."""
    row = lock_handover(session, handover_id)
    if row.status != HandoverStatus.PLANNING:
        return False
    wanted = [each for each in external_userids if each > row.planned_until]
    takeovers = [Takeover.model_validate(each) for each in row.takeovers]
    found = sort_out(session, row.userid, takeovers, wanted, row.planned, resigned=row.resigned, now=now)
    if found.given:
        session.execute(
            insert(T),
            [
                {
                    "handover_id": handover_id, "handover_userid": row.userid, "takeover_userid": whose,
                    "external_userid": external_userid, "status": TransferStatus.PLANNED, "started_at": now,
                }
                for external_userid, whose in found.given
            ],
        )  # fmt: skip
    row.planned += len(found.given)
    row.planned_until = wanted[-1] if wanted else row.planned_until
    row.left_out = dict(Counter(row.left_out) + found.left_out + (more or Counter()))
    return True


def plan_groups(session: Session, handover_id: int, chat_ids: Collection[str] | None, now: datetime) -> int:
    """Plan groups that the member owns, these or all (None), shared evenly; how many."""
    row = lock_handover(session, handover_id)
    query = select(col(CustomerGroup.chat_id)).where(
        col(CustomerGroup.owner) == row.userid, col(CustomerGroup.dismissed_at).is_(None)
    )
    if chat_ids is not None:
        query = query.where(col(CustomerGroup.chat_id).in_(chat_ids))
    found = list(session.execute(query.order_by(col(CustomerGroup.chat_id))).scalars())
    session.add_all(
        GroupTransfer(
            handover_id=handover_id, chat_id=chat_id, status=TransferStatus.PLANNED, started_at=now,
            takeover_userid=row.takeovers[place % len(row.takeovers)]["userid"],
        )
        for place, chat_id in enumerate(found)
    )  # fmt: skip
    return len(found)


def count_groups(session: Session, userid: str, chat_ids: Collection[str] | None = None) -> int:
    """How many groups a member owns, of all or of these."""
    query = select(func.count()).where(col(CustomerGroup.owner) == userid, col(CustomerGroup.dismissed_at).is_(None))
    if chat_ids is not None:
        query = query.where(col(CustomerGroup.chat_id).in_(chat_ids))
    return int(session.execute(query).scalar_one())


def end_planning(session: Session, handover_id: int, now: datetime) -> None:
    """All of it is planned: it may begin."""
    row = lock_handover(session, handover_id)
    if row.status == HandoverStatus.PLANNING:
        row.status, row.planned_at, row.next_at = HandoverStatus.RUNNING, now, now


# -- how far it is


def count_statuses(session: Session, handover_id: int, table: Any = T) -> Counter[str]:
    """How many customers (or groups) of a hand-over have which status."""
    query = select(table.c.status, func.count()).where(table.c.handover_id == handover_id).group_by(table.c.status)
    return Counter(dict(session.execute(query).all()))


def count_shares(session: Session, handover_id: int) -> dict[str, Counter[str]]:
    """The same of customers, by who takes over."""
    query = (
        select(T.c.takeover_userid, T.c.status, func.count())
        .where(T.c.handover_id == handover_id)
        .group_by(T.c.takeover_userid, T.c.status)
    )
    found: dict[str, Counter[str]] = {}
    for userid, status, number in session.execute(query):
        found.setdefault(userid, Counter())[status] = number
    return found


def count_causes(session: Session, handover_id: int, table: Any = T) -> dict[int, int]:
    """How many failed, by WeCom's number for why."""
    query = (
        select(table.c.cause, func.count())
        .where(table.c.handover_id == handover_id, table.c.status == TransferStatus.FAILED, table.c.cause.is_not(None))
        .group_by(table.c.cause)
        .order_by(func.count().desc())
    )
    return dict(session.execute(query).all())


class CustomerShown(NamedTuple):
    """A customer of a hand-over as a row of a list."""

    id: int
    external_userid: str
    name: str
    takeover_userid: str
    status: str
    cause: int | None
    started_at: datetime
    takeover_at: datetime | None
    ended_at: datetime | None


def list_customers(
    session: Session, handover_id: int, status: str | None = None, limit: int = 100, before_id: int | None = None
) -> list[CustomerShown]:
    """The customers of a hand-over, the last planned first; all, or those of one status."""
    columns = (
        T.c.id, T.c.external_userid, func.coalesce(C.c.name, "").label("name"), T.c.takeover_userid, T.c.status,
        T.c.cause, T.c.started_at, T.c.takeover_at, T.c.ended_at,
    )  # fmt: skip
    query = (
        select(*columns)
        .join_from(T, C, C.c.external_userid == T.c.external_userid, isouter=True)
        .where(T.c.handover_id == handover_id)
        .order_by(T.c.id.desc())
        .limit(limit)
    )
    if status is not None:
        query = query.where(T.c.status == status)
    if before_id is not None:
        query = query.where(T.c.id < before_id)
    return [CustomerShown(*row) for row in session.execute(query)]


def list_groups(session: Session, handover_id: int) -> list[dict[str, Any]]:
    """The groups of a hand-over with their names."""
    query = (
        select(G.c.chat_id, col(CustomerGroup.name), G.c.takeover_userid, G.c.status, G.c.cause)
        .join_from(G, CustomerGroup, col(CustomerGroup.chat_id) == G.c.chat_id, isouter=True)
        .where(G.c.handover_id == handover_id)
        .order_by(G.c.chat_id)
    )
    return [dict(row) for row in session.execute(query).mappings()]
