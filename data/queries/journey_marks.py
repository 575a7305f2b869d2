"""Tags that steps of journeys put on and take off: a marking for each step, its list grown as customers get there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from data.bulk import among
from data.models import FollowTag, Marking, MarkingStatus
from data.queries.journey_dues import ASKED_BY, list_markings
from data.queries.locks import lock_names
from data.queries.markings import add_marking, list_changes, map_tag_nos, start_marking, write_plan
from data.rules.journeys import PutTags
from data.rules.markings import Change, Tally

#: Journey, version, number of the step.
StepOf = tuple[int, int, int]


def add_marks(session: Session, wanted: Iterable[tuple[StepOf, int, PutTags]], now: datetime) -> None:
    """Put follows on the lists of their steps' markings."""
    by_step: dict[StepOf, tuple[PutTags, set[int]]] = {}
    for step, follow_id, action in wanted:
        by_step.setdefault(step, (action, set()))[1].add(follow_id)
    for step, (action, follow_ids) in sorted(by_step.items()):
        change = Change(tuple(sorted(action.put_on)), tuple(sorted(action.take_off)))
        marking_id = _find_open(session, step, change, len(follow_ids), now)
        worn, tally, items = _read_worn(session, follow_ids, change), Tally(), list[tuple[int, int]]()
        for follow_id in sorted(follow_ids):
            if tally.note(change, frozenset(worn[follow_id])):
                items.append((follow_id, 0))
        changes = {} if list_changes(session, marking_id) else {0: change}
        write_plan(session, marking_id, items, changes, tally)


def _find_open(session: Session, step: StepOf, change: Change, number: int, now: datetime) -> int:
    asked_by = ASKED_BY + ":".join(map(str, step))
    lock_names(session, "journey_marks", [asked_by])
    found = select(Marking).where(col(Marking.status) == MarkingStatus.PREPARING, col(Marking.asked_by) == asked_by)
    row = session.execute(found).scalars().first()
    if row is None:
        audience = {"pairs": 0}
        row = add_marking(session, audience, change, asked_by=asked_by, status=MarkingStatus.PREPARING, now=now)
    row.audience = {"pairs": row.audience["pairs"] + number}
    session.flush()
    return row.id or 0


def _read_worn(session: Session, follow_ids: Iterable[int], change: Change) -> dict[int, set[str]]:
    tag_nos = map_tag_nos(session, {tag_id for side in change for tag_id in side})
    worn = select(col(FollowTag.follow_id), col(FollowTag.tag_no)).where(
        among(session.get_bind().dialect.name, FollowTag.__table__.c.follow_id, "follows"),  # type: ignore[attr-defined]
        col(FollowTag.tag_no).in_(list(tag_nos)),
    )
    found: dict[int, set[str]] = defaultdict(set)
    for follow_id, tag_no in session.execute(worn, {"follows": sorted(follow_ids)}):
        found[follow_id].add(tag_nos[tag_no])
    return found


def start_markings(session: Session, now: datetime) -> int:
    """All lists are complete for now: they are worked off; how many."""
    waiting = list_markings(session)
    for row in waiting:
        start_marking(session, row.id or 0, now)
    return len(waiting)
