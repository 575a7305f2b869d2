"""Hand-overs at work: which batch is next, what WeCom answered, what its results say, and when it is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlmodel import Session, col

from data.bulk import among
from data.models import CustomerGroup, GroupTransfer, Handover, HandoverStatus, Transfer, TransferStatus
from data.queries.handovers import OPEN, count_statuses, lock_handover
from data.queries.transfers import UNDER_WAY
from data.rules.handovers import ALREADY, GIVES_UP, GROUPS_A_DAY, PER_CALL, TAKES, look_again, status_of

G: Any = GroupTransfer.__table__  # type: ignore[attr-defined]
T: Any = Transfer.__table__  # type: ignore[attr-defined]


class Batch(NamedTuple):
    """What one call is about: who takes over, and ids of customers or groups."""

    takeover_userid: str
    ids: list[str]


class Result(NamedTuple):
    """What WeCom's results say of a customer."""

    external_userid: str
    status: int
    takeover_time: int


def find_due(session: Session, now: datetime) -> Handover | None:
    """The hand-over for which there has been something to do for longest."""
    query = select(Handover).where(col(Handover.next_at) <= now).order_by(col(Handover.next_at), col(Handover.id))
    return session.execute(query.limit(1)).scalar_one_or_none()


def claim_batch(session: Session, handover_id: int, now: datetime) -> Batch | None:
    """The next customers of one call, who count as asked for from now on; None: nobody, or it is not to go on."""
    if lock_handover(session, handover_id).status != HandoverStatus.RUNNING:
        return None
    planned = (T.c.handover_id == handover_id, T.c.status == TransferStatus.PLANNED)
    first = session.execute(select(T.c.takeover_userid).where(*planned).order_by(T.c.id).limit(1)).scalar()
    if first is None:
        return None
    query = select(T.c.id, T.c.external_userid).where(*planned, T.c.takeover_userid == first)
    rows = session.execute(query.order_by(T.c.id).limit(PER_CALL)).all()
    asking = {"status": TransferStatus.ASKING, "started_at": now, "cause": None}
    session.execute(update(T).where(T.c.id.in_([row.id for row in rows])).values(**asking))
    return Batch(first, [row.external_userid for row in rows])


def claim_groups(session: Session, handover_id: int, now: datetime) -> Batch | None:
    """The next groups of one call, for somebody who may take over more today; None: there are none."""
    if lock_handover(session, handover_id).status != HandoverStatus.RUNNING:
        return None
    planned = (G.c.handover_id == handover_id, G.c.status == TransferStatus.PLANNED)
    for takeover in session.execute(select(G.c.takeover_userid).where(*planned).distinct()).scalars().all():
        taken = select(func.count()).where(
            G.c.takeover_userid == takeover, G.c.started_at > now - timedelta(days=1),
            G.c.status.not_in([TransferStatus.PLANNED, TransferStatus.CANCELLED]),
        )  # fmt: skip
        room = min(PER_CALL, GROUPS_A_DAY - session.execute(taken).scalar_one())
        if room <= 0:
            continue
        query = select(G.c.chat_id).where(*planned, G.c.takeover_userid == takeover).order_by(G.c.chat_id).limit(room)
        ids = list(session.execute(query).scalars())
        session.execute(
            update(G)
            .where(G.c.handover_id == handover_id, G.c.chat_id.in_(ids))
            .values(status=TransferStatus.ASKING, started_at=now, cause=None)
        )
        return Batch(takeover, ids)
    return None


def note_answers(
    session: Session, handover_id: int, answers: Mapping[str, tuple[TransferStatus, int | None]], now: datetime
) -> None:
    """What WeCom answered of customers who were asked for. What an event has told meanwhile stays."""
    by_answer: dict[tuple[TransferStatus, int | None], list[str]] = {}
    for external_userid, answer in _as_it_stands(session, handover_id, answers).items():
        by_answer.setdefault(answer, []).append(external_userid)
    for (status, cause), ids in by_answer.items():
        ended_at = None if status in OPEN else now
        takeover_at = now + TAKES if status == TransferStatus.WAITING else None
        session.execute(
            update(T)
            .where(T.c.handover_id == handover_id, T.c.status == TransferStatus.ASKING, T.c.external_userid.in_(ids))
            .values(status=status, cause=cause, ended_at=ended_at, takeover_at=takeover_at)
        )


def note_group_answers(
    session: Session,
    handover_id: int,
    takeover_userid: str,
    answers: Mapping[str, tuple[TransferStatus, int | None]],
    now: datetime,
) -> None:
    """What WeCom answered of groups; those that have a new owner have it in our rows too, for nothing calls back."""
    for chat_id, (status, cause) in _as_it_stands(session, handover_id, answers).items():
        session.execute(
            update(G)
            .where(G.c.handover_id == handover_id, G.c.chat_id == chat_id)
            .values(status=status, cause=cause, ended_at=None if status in OPEN else now)
        )
    done = [chat_id for chat_id, (status, _) in answers.items() if status == TransferStatus.DONE]
    session.execute(
        update(CustomerGroup).where(col(CustomerGroup.chat_id).in_(done)).values(owner=takeover_userid, changed_at=now)
    )


class Asked(NamedTuple):
    """A customer of whom WeCom was asked and not heard. `refused_before`: it was tried earlier, in vain."""

    external_userid: str
    started_at: datetime
    refused_before: bool


def _as_it_stands(
    session: Session, handover_id: int, answers: Mapping[str, tuple[TransferStatus, int | None]]
) -> Mapping[str, tuple[TransferStatus, int | None]]:
    """The answers; what is to be asked for again is cancelled where the hand-over was, for nobody would ask."""
    if lock_handover(session, handover_id).status != HandoverStatus.CANCELLED:
        return answers
    over = {TransferStatus.PLANNED: TransferStatus.CANCELLED}
    return {id_: (over.get(status, status), cause) for id_, (status, cause) in answers.items()}


def list_unheard(session: Session, handover_id: int) -> dict[str, list[Asked]]:
    """By who takes over. Only the one process that works on hand-overs may ask: nobody else's call is under way."""
    before = T.alias("before")
    tried = (
        select(before.c.id)
        .where(
            before.c.external_userid == T.c.external_userid, before.c.handover_userid == T.c.handover_userid,
            before.c.takeover_userid == T.c.takeover_userid, before.c.id < T.c.id,
            before.c.status.in_([TransferStatus.REFUSED, TransferStatus.LIMIT]),
        )
        .exists()
    )  # fmt: skip
    query = select(T.c.takeover_userid, T.c.external_userid, T.c.started_at, tried).where(
        T.c.handover_id == handover_id, T.c.status == TransferStatus.ASKING
    )
    found: dict[str, list[Asked]] = {}
    for takeover, *row in session.execute(query):
        found.setdefault(takeover, []).append(Asked(*row))
    return found


class AskedGroup(NamedTuple):
    """A group of which WeCom was asked, and it is not known what became of it. `cause`: what WeCom said."""

    chat_id: str
    takeover_userid: str
    started_at: datetime
    cause: int | None


def list_unheard_groups(session: Session, handover_id: int) -> list[AskedGroup]:
    """Groups of which nothing was heard, or nothing that says whose they are."""
    query = select(G.c.chat_id, G.c.takeover_userid, G.c.started_at, G.c.cause).where(
        G.c.handover_id == handover_id, G.c.status == TransferStatus.ASKING
    )
    return [AskedGroup(*row) for row in session.execute(query)]


def list_waiting_shares(session: Session, handover_id: int) -> list[str]:
    """Who takes over customers that WeCom has not yet told the end of."""
    query = select(T.c.takeover_userid).where(T.c.handover_id == handover_id, T.c.status == TransferStatus.WAITING)
    return sorted(session.execute(query.distinct()).scalars())


def note_results(
    session: Session, handover_id: int, takeover_userid: str, results: Sequence[Result], now: datetime
) -> int:
    """What a page of WeCom's results says of those who wait; how many it is final of."""
    listed = among(session.get_bind().dialect.name, T.c.external_userid, "listed")
    query = select(T.c.id, T.c.external_userid, T.c.takeover_at).where(
        T.c.handover_id == handover_id, T.c.takeover_userid == takeover_userid,
        T.c.status == TransferStatus.WAITING, listed,
    )  # fmt: skip
    told = {each.external_userid: each for each in results}
    changes, final = [], 0
    for id_, external_userid, takeover_at in session.execute(query, {"listed": list(told)}):
        result = told[external_userid]
        status = status_of(result.status)
        at = datetime.fromtimestamp(result.takeover_time, UTC) if result.takeover_time > 0 else takeover_at
        if status == TransferStatus.WAITING:
            if at != takeover_at:
                changes.append({"of": id_, "to": status, "at": at, "end": None})
            continue
        final += 1
        changes.append({"of": id_, "to": status, "at": at, "end": now})
    if changes:
        session.execute(
            update(T)
            .where(T.c.id == bindparam("of"))
            .values(status=bindparam("to"), takeover_at=bindparam("at"), ended_at=bindparam("end")),
            changes,
            execution_options={"synchronize_session": False},
        )
    return final


def note_untold(session: Session, handover_id: int, takeover_userid: str, told: Collection[str], now: datetime) -> None:
    """WeCom's whole results say nothing of some who wait: then it was another's hand-over that stood in the way, or
    long after they should be there, it is not known what became of them."""
    query = select(T.c.id, T.c.external_userid, T.c.cause, T.c.takeover_at).where(
        T.c.handover_id == handover_id, T.c.takeover_userid == takeover_userid, T.c.status == TransferStatus.WAITING
    )
    for id_, external_userid, cause, takeover_at in session.execute(query).all():
        late = takeover_at is not None and takeover_at + GIVES_UP < now
        if cause in ALREADY and external_userid not in told:
            status = TransferStatus.FAILED
        elif late:
            status = TransferStatus.UNKNOWN
        else:
            continue
        session.execute(update(T).where(T.c.id == id_).values(status=status, ended_at=now))


def rest(session: Session, handover_id: int, until: datetime) -> None:
    """Nothing is done before then."""
    lock_handover(session, handover_id).next_at = until


def pause(session: Session, handover_id: int, error: str) -> None:
    """It cannot go on without a person. What was to be asked for still is."""
    row = lock_handover(session, handover_id)
    if row.status == HandoverStatus.RUNNING:
        row.status, row.error = HandoverStatus.PAUSED, error


def end_or_wait(session: Session, handover_id: int, now: datetime) -> HandoverStatus:
    """It is over when nothing of it is open; else when to look next."""
    row = lock_handover(session, handover_id)
    counts = count_statuses(session, handover_id) + count_statuses(session, handover_id, G)
    if row.status == HandoverStatus.RUNNING and not any(counts[status] for status in OPEN):
        row.status, row.ended_at = HandoverStatus.DONE, now
    if not any(counts[status] for status in (OPEN if row.status == HandoverStatus.RUNNING else UNDER_WAY)):
        row.next_at = None
    elif row.next_at is None or row.next_at <= now:
        soonest = select(func.min(T.c.takeover_at)).where(
            T.c.handover_id == handover_id, T.c.status == TransferStatus.WAITING, T.c.takeover_at > now
        )
        row.next_at = look_again(now, session.execute(soonest).scalar())
    return HandoverStatus(row.status)
