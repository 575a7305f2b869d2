"""Items of markings: read ahead, written off in batches together with our own rows of tags, failures kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select, update
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.models import Follow, FollowStatus, FollowTag, Marking, MarkingItem, MarkingStatus
from data.queries.follow_facts import note_tags
from data.queries.happenings import note, read_ears
from data.queries.markings import lock_marking, map_tag_nos
from data.rules.happenings import TAGGED, Happened
from data.rules.markings import Change

F: Any = Follow.__table__  # type: ignore[attr-defined]
FT: Any = FollowTag.__table__  # type: ignore[attr-defined]
I: Any = MarkingItem.__table__  # type: ignore[attr-defined]  # noqa: E741

SWEPT_ROWS = 2000

_PUT_ON = BulkUpsert(FollowTag, ("follow_id", "tag_no", "live"))
_IDS: Any = bindparam("ids", expanding=True)
_WAITING = (
    select(I.c.follow_id, I.c.change_no, F.c.userid, F.c.external_userid, F.c.status)
    .join_from(I, F, F.c.id == I.c.follow_id, isouter=True)
    .where(I.c.marking_id == bindparam("marking_id"), I.c.follow_id > bindparam("after"), I.c.cause.is_(None))
    .order_by(I.c.follow_id)
    .limit(bindparam("count"))
)
_LOCKED = (
    select(F.c.id, F.c.status, F.c.changed_at, F.c.userid, F.c.external_userid).where(F.c.id.in_(_IDS)).order_by(F.c.id)
)


class Waiting(NamedTuple):
    """A follow that a marking has yet to mark; without a `userid` where we know it no more."""

    follow_id: int
    change_no: int
    userid: str | None
    external_userid: str | None
    status: str | None


class Marked(NamedTuple):
    """A follow that WeCom has marked, in a call that began at `called_at`."""

    follow_id: int
    change_no: int
    called_at: datetime


def list_waiting(session: Session, marking_id: int, after: int, count: int) -> list[Waiting]:
    """The next follows to be marked behind one, by their numbers."""
    rows = session.execute(_WAITING, {"marking_id": marking_id, "after": after, "count": count})
    return [Waiting(*row) for row in rows]


class Noted(NamedTuple):
    """How a marking stands after a batch; `again`: follows that changed while they were marked, to be marked anew."""

    status: MarkingStatus
    done: int
    again: set[int]


def note_results(
    session: Session,
    marking_id: int,
    marked: Sequence[Marked],
    failed: Mapping[int, int],
    changes: Mapping[int, Change],
    *,
    per_minute: float,
    error: str,
    sure: Collection[int] = (),
    now: datetime,
) -> Noted:
    """Write what became of a batch of calls: our rows of tags follow what WeCom accepted.

    A follow that was written after its call began may know the tags from before or from after the call: it is not
    touched and to be marked again, which does no harm, unless it is in `sure`. `failed`: causes by follow.
    """
    row = lock_marking(session, marking_id)
    query = _LOCKED.with_for_update() if session.get_bind().dialect.name == "postgresql" else _LOCKED
    known = {each[0]: each for each in session.execute(query, {"ids": [each.follow_id for each in marked]})}
    fresh = [
        each
        for each in marked
        if each.follow_id in sure or each.follow_id not in known or known[each.follow_id][2] <= each.called_at
    ]
    _write_tags(session, [each for each in fresh if each.follow_id in known], known, changes, now)
    ended = [each.follow_id for each in fresh]
    if ended:
        session.execute(delete(I).where(I.c.marking_id == marking_id, I.c.follow_id.in_(ended)))
    if failed:
        session.execute(
            update(I)
            .where(I.c.marking_id == bindparam("of"), I.c.follow_id == bindparam("whose"))
            .values(cause=bindparam("why")),
            [{"of": marking_id, "whose": follow_id, "why": cause} for follow_id, cause in failed.items()],
        )
    row.done += len(ended)
    row.failed += len(failed)
    row.per_minute, row.error = per_minute, error
    return Noted(MarkingStatus(row.status), row.done, {each.follow_id for each in marked} - set(ended))


def _write_tags(
    session: Session,
    marked: Sequence[Marked],
    known: Mapping[int, Any],
    changes: Mapping[int, Change],
    now: datetime,
) -> None:
    if not marked:
        return
    wanted = {tag_id for each in marked for side in changes[each.change_no] for tag_id in side}
    numbers = {tag_id: tag_no for tag_no, tag_id in map_tag_nos(session, wanted).items()}
    rows: list[tuple[int, int, bool]] = []
    off: dict[int, list[int]] = {}
    for follow_id, change_no, _ in marked:
        live = known[follow_id][1] == FollowStatus.PRESENT
        rows += [(follow_id, numbers[tag_id], live) for tag_id in changes[change_no].put_on if tag_id in numbers]
        for tag_id in changes[change_no].take_off:
            off.setdefault(numbers.get(tag_id, 0), []).append(follow_id)
    _note_tags(session, rows, off, known, {tag_no: tag_id for tag_id, tag_no in numbers.items()}, now)
    _PUT_ON.write(session, sorted(rows))
    for tag_no, follow_ids in off.items():
        session.execute(delete(FT).where(FT.c.follow_id.in_(follow_ids), FT.c.tag_no == tag_no))
    # A fetch that began before this knows nothing of it.
    follow_ids = [each.follow_id for each in marked]
    session.execute(update(F).where(F.c.id.in_(follow_ids)).values(changed_at=now))
    note_tags(session, follow_ids)


def _note_tags(
    session: Session,
    put_on: Sequence[tuple[int, int, bool]],
    take_off: Mapping[int, Sequence[int]],
    known: Mapping[int, Any],
    tag_ids: Mapping[int, str],
    now: datetime,
) -> None:
    """What journeys listen for, before it is written: who wears a tag already is not given it."""
    ears = read_ears(session)
    on, off = ears.list_tags("on"), ears.list_tags("off")
    changes = [(follow_id, tag_no, "on") for follow_id, tag_no, _ in put_on if tag_ids[tag_no] in on]
    changes += [
        (follow_id, tag_no, "off")
        for tag_no, follow_ids in take_off.items()
        if tag_ids.get(tag_no) in off
        for follow_id in follow_ids
    ]
    if not changes:
        return
    query = select(FT.c.follow_id, FT.c.tag_no).where(
        FT.c.follow_id.in_(_IDS), FT.c.tag_no.in_(sorted({tag_no for _, tag_no, _ in changes}))
    )
    worn = {(row[0], row[1]) for row in session.execute(query, {"ids": sorted({each[0] for each in changes})})}
    happened = []
    for follow_id, tag_no, put in changes:
        _, status, _, userid, external_userid = known[follow_id]
        if status == FollowStatus.PRESENT and ((follow_id, tag_no) in worn) == (put == "off"):
            detail = {"tag_id": tag_ids[tag_no], "put": put}
            happened.append(Happened(TAGGED, external_userid, now, detail, userid))
    note(session, happened, ears)


def sweep_cancelled(session: Session) -> bool:
    """Remove some of what cancelled markings had yet to mark. False: nothing is left of it."""
    waiting = (I.c.marking_id == col(Marking.id)) & I.c.cause.is_(None)
    marking_id = session.execute(
        select(col(Marking.id))
        .where(col(Marking.status) == MarkingStatus.CANCELLED, select(I.c.follow_id).where(waiting).exists())
        .limit(1)
    ).scalar()
    if marking_id is None:
        return False
    some = select(I.c.follow_id).where(I.c.marking_id == marking_id, I.c.cause.is_(None)).limit(SWEPT_ROWS)
    follow_ids = list(session.execute(some).scalars())
    session.execute(delete(I).where(I.c.marking_id == marking_id, I.c.follow_id.in_(follow_ids)))
    return True


def list_failures(session: Session, marking_id: int, limit: int = 100, after: int = 0) -> list[dict[str, Any]]:
    """Follows that could not be marked, by their numbers, and WeCom's number for why."""
    rows = session.execute(
        select(I.c.follow_id, F.c.userid, F.c.external_userid, I.c.cause)
        .join_from(I, F, F.c.id == I.c.follow_id, isouter=True)
        .where(I.c.marking_id == marking_id, I.c.follow_id > after, I.c.cause.is_not(None))
        .order_by(I.c.follow_id)
        .limit(limit)
    )
    return [dict(zip(("follow_id", "userid", "external_userid", "cause"), row, strict=True)) for row in rows]


def count_causes(session: Session, marking_id: int) -> dict[int, int]:
    """How many could not be marked, by WeCom's number for why."""
    rows = session.execute(
        select(I.c.cause, func.count())
        .where(I.c.marking_id == marking_id, I.c.cause.is_not(None))
        .group_by(I.c.cause)
        .order_by(func.count().desc())
    )
    return dict(rows.all())
