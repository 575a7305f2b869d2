"""Markings: asked for, planned piece by piece, worked off in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import bindparam, delete, select, tuple_, update
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.errors import ConflictError, NotFoundError
from data.models import Follow, FollowStatus, FollowTag, Marking, MarkingChange, MarkingItem, MarkingStatus, Tag
from data.queries import segments
from data.queries.segment_plans import prepare
from data.queries.segment_sql import Plan, selected
from data.rules.markings import ACTS, Act, Audience, Change, Pair, Tally

F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]
I: Any = MarkingItem.__table__  # type: ignore[attr-defined]  # noqa: E741

OPEN = (MarkingStatus.RUNNING,)
#: Markings that are kept to look at.
KEEP_MARKINGS = 200
PAIRS_PER_STATEMENT = 300

_NEW_ITEMS = BulkUpsert(MarkingItem, ("marking_id", "follow_id", "change_no", "cause"), keep=("change_no", "cause"))
_IDS: Any = bindparam("ids", expanding=True)
_WORN = select(FT.c.follow_id, FT.c.tag_no).where(
    FT.c.follow_id > bindparam("after"), FT.c.follow_id <= bindparam("upto"), FT.c.tag_no.in_(_IDS)
)


def add_marking(
    session: Session,
    audience: Mapping[str, Any],
    change: Change,
    *,
    asked_by: str,
    status: MarkingStatus,
    rule_ids: Collection[int] = (),
    now: datetime,
) -> Marking:
    """A new marking. Markings of long ago are forgotten."""
    row = Marking(
        asked_by=asked_by[:80],
        audience=dict(audience),
        put_on=list(change.put_on),
        take_off=list(change.take_off),
        rule_ids=sorted(rule_ids),
        status=status,
        gains={},
        losses={},
        asked_at=now,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    _forget_old(session, row.id - KEEP_MARKINGS)
    return row


def _forget_old(session: Session, until: int) -> None:
    ended = select(col(Marking.id)).where(
        col(Marking.id) <= until, col(Marking.status).in_([MarkingStatus.DONE, MarkingStatus.CANCELLED])
    )
    for marking_id in session.execute(ended.limit(5)).scalars().all():
        for model in (MarkingItem, MarkingChange):
            session.execute(delete(model).where(col(model.marking_id) == marking_id))
        session.execute(delete(Marking).where(col(Marking.id) == marking_id))


def get_marking(session: Session, marking_id: int) -> Marking:
    """One marking. Raises NotFoundError."""
    row = session.get(Marking, marking_id)
    if row is None:
        raise NotFoundError(f"There is no marking {marking_id}.", "List them with: siyu tags markings list")
    return row


def find_marking(session: Session, marking_id: int) -> Marking | None:
    """One marking; None once it was forgotten."""
    return session.get(Marking, marking_id)


def find_open_marking(session: Session) -> Marking | None:
    """The oldest marking that is to be worked on."""
    return session.execute(
        select(Marking).where(col(Marking.status).in_(OPEN)).order_by(col(Marking.id)).limit(1)
    ).scalar_one_or_none()


def list_markings(session: Session, limit: int = 50, before_id: int | None = None) -> list[Marking]:
    """Markings, newest first."""
    query = select(Marking).order_by(col(Marking.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(Marking.id) < before_id)
    return list(session.execute(query).scalars())


def act_on(session: Session, marking_id: int, act: Act, now: datetime) -> Marking:
    """Pause, resume, cancel, or try what failed again.

    Raises NotFoundError, and ConflictError when its status does not allow that or nothing failed.
    """
    row = lock_marking(session, marking_id)
    allowed, after = ACTS[act]
    if row.status == after and act is not Act.RETRY:
        return row
    if row.status not in allowed:
        raise ConflictError(f"Marking {marking_id} is {row.status}: it cannot be {after}.", "Look at it first.")
    row.status, row.per_minute = after, 0
    if act is Act.RETRY:
        _try_failed_again(session, row)
    if act in (Act.RESUME, Act.RETRY):
        row.error = ""
    if act is Act.CANCEL:
        row.ended_at = now
    return row


def _try_failed_again(session: Session, row: Marking) -> None:
    failed = (I.c.marking_id == row.id, I.c.cause.is_not(None))
    again: Any = session.execute(update(I).where(*failed).values(cause=None))
    if not again.rowcount:
        raise ConflictError(f"Nothing of marking {row.id} failed.")
    row.failed, row.ended_at = 0, None


def lock_marking(session: Session, marking_id: int) -> Marking:
    """One marking, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(Marking, marking_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(f"There is no marking {marking_id}.", "List them with: siyu tags markings list")
    return row


def map_tag_nos(session: Session, tag_ids: Collection[str]) -> dict[int, str]:
    """Tag ids by the numbers that stand for them."""
    found = session.execute(select(col(Tag.tag_no), col(Tag.tag_id)).where(col(Tag.tag_id).in_(list(tag_ids))))
    return dict(found.all())


def plan_audience(session: Session, audience: Audience, now: datetime, zone: tzinfo) -> Plan | None:
    """How the audience's segment is asked, as of `now`; None where it is no segment."""
    return None if audience.segment is None else segments.plan_segment(session, audience.segment, now, zone)


def list_worn(
    session: Session, audience: Audience, segment: Plan | None, after: int, upto: int, tag_nos: Mapping[int, str]
) -> list[tuple[int, frozenset[str]]]:
    """The contacts of an audience whose follow's number is in (after, upto], and which of some tags they wear."""
    follow_ids = session.execute(in_audience(session, select(F.c.id), audience, segment, after, upto)).scalars().all()
    worn = read_worn(session, after, upto, tag_nos)
    nothing: frozenset[str] = frozenset()
    return [(follow_id, worn.get(follow_id, nothing)) for follow_id in follow_ids]


def read_worn(session: Session, after: int, upto: int, tag_nos: Mapping[int, str]) -> dict[int, frozenset[str]]:
    """Which of some tags the follows in (after, upto] wear; those that wear none are left out."""
    found: dict[int, set[str]] = {}
    for follow_id, tag_no in session.execute(_WORN, {"after": after, "upto": upto, "ids": list(tag_nos)}):
        found.setdefault(follow_id, set()).add(tag_nos[tag_no])
    return {follow_id: frozenset(tag_ids) for follow_id, tag_ids in found.items()}


def in_audience(session: Session, query: Any, audience: Audience, segment: Plan | None, after: int, upto: int) -> Any:
    """A query of follows, of those of an audience whose number is in (after, upto]."""
    if segment is not None:
        prepare(session)
        ids = session.execute(selected(segment, F.c.id, within=(after, upto))).scalars().all()
        query = query.where(F.c.id.in_(ids))
    query = query.where(F.c.id > after, F.c.id <= upto, F.c.status == FollowStatus.PRESENT).order_by(F.c.id)
    if audience.userids:
        query = query.where(F.c.userid.in_(sorted(audience.userids)))
    if audience.tag_ids:
        numbers = list(map_tag_nos(session, audience.tag_ids))
        query = query.where(select(FT.c.follow_id).where(FT.c.follow_id == F.c.id, FT.c.tag_no.in_(numbers)).exists())
    return query


def list_worn_of_pairs(
    session: Session, pairs: Sequence[Pair], tag_nos: Mapping[int, str]
) -> list[tuple[int, frozenset[str]]]:
    """The same for pairs; those who are not contacts are left out."""
    found: dict[int, set[str]] = {}
    for start in range(0, len(pairs), PAIRS_PER_STATEMENT):
        some = [(pair.userid, pair.external_userid) for pair in pairs[start : start + PAIRS_PER_STATEMENT]]
        follow_ids = session.execute(
            select(F.c.id).where(
                tuple_(F.c.userid, F.c.external_userid).in_(some), F.c.status == FollowStatus.PRESENT
            )
        ).scalars().all()  # fmt: skip
        found |= {follow_id: set() for follow_id in follow_ids}
        worn = select(FT.c.follow_id, FT.c.tag_no).where(FT.c.follow_id.in_(follow_ids), FT.c.tag_no.in_(list(tag_nos)))
        for follow_id, tag_no in session.execute(worn):
            found[follow_id].add(tag_nos[tag_no])
    return [(follow_id, frozenset(tag_ids)) for follow_id, tag_ids in sorted(found.items())]


def write_plan(
    session: Session,
    marking_id: int,
    items: Iterable[tuple[int, int]],
    changes: Mapping[int, Change],
    tally: Tally,
    *,
    upto: int = 0,
    planned_at: datetime | None = None,
) -> MarkingStatus:
    """Add follows (and which change each gets) to a marking, with changes that are new; how it stands now.

    `upto`: how far the follows have been looked at. With `planned_at` that was all. A piece that was planned already
    is left as it is.
    """
    row = lock_marking(session, marking_id)
    if upto and upto <= row.planned_until:
        return MarkingStatus(row.status)
    for change_no, change in changes.items():
        row_of_change = {"put_on": list(change.put_on), "take_off": list(change.take_off)}
        session.add(MarkingChange(marking_id=marking_id, change_no=change_no, **row_of_change))
    written = _NEW_ITEMS.write(session, [(marking_id, follow_id, change_no, None) for follow_id, change_no in items])
    row.planned_until = upto or row.planned_until
    row.examined += tally.examined
    row.already += tally.examined - written
    row.items += written
    row.gains = dict(Counter(row.gains) + tally.gains)
    row.losses = dict(Counter(row.losses) + tally.losses)
    row.planned_at = planned_at or row.planned_at
    return MarkingStatus(row.status)


def start_marking(session: Session, marking_id: int, now: datetime) -> None:
    """Everything was handed in: it may be worked on."""
    row = lock_marking(session, marking_id)
    if row.status == MarkingStatus.PREPARING:
        row.status, row.planned_at = MarkingStatus.RUNNING, now


def begin_marking(session: Session, marking_id: int, now: datetime) -> Marking:
    """It is being worked on from now on, for the first time or again."""
    row = lock_marking(session, marking_id)
    row.started_at = row.started_at or now
    return row


def list_changes(session: Session, marking_id: int) -> dict[int, Change]:
    """The changes of a marking by their numbers."""
    rows = session.execute(select(MarkingChange).where(col(MarkingChange.marking_id) == marking_id)).scalars()
    return {row.change_no: Change(tuple(row.put_on), tuple(row.take_off)) for row in rows}


def replace_changes(session: Session, marking_id: int, changes: Mapping[int, Change]) -> None:
    """Tags were deleted: the changes are without them from now on."""
    for change_no, change in changes.items():
        row = session.get_one(MarkingChange, (marking_id, change_no))
        row.put_on, row.take_off = list(change.put_on), list(change.take_off)


def get_status(session: Session, marking_id: int) -> MarkingStatus:
    """How a marking stands. Raises NotFoundError."""
    return MarkingStatus(get_marking(session, marking_id).status)


def pause_marking(session: Session, marking_id: int, error: str) -> None:
    """It cannot go on without a person."""
    row = lock_marking(session, marking_id)
    if row.status == MarkingStatus.RUNNING:
        row.status, row.error, row.per_minute = MarkingStatus.PAUSED, error, 0


def end_marking(session: Session, marking_id: int, now: datetime) -> MarkingStatus:
    """Nothing waits any more; how it stands."""
    row = lock_marking(session, marking_id)
    if row.status == MarkingStatus.RUNNING:
        row.status, row.ended_at, row.error, row.per_minute = MarkingStatus.DONE, now, "", 0
    return MarkingStatus(row.status)
