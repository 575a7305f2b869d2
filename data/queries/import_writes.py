"""What an import writes itself: values of fields, orders, and the tags that its marking is to put on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from data.errors import NotFoundError
from data.models import Import, ImportStatus, MarkingStatus
from data.queries import markings
from data.queries.fields import add_values
from data.queries.import_rows import write_states
from data.queries.imports import lock_import
from data.queries.orders import save_orders
from data.rules.markings import Change, Tally
from data.rules.orders import OrderGiven


class Written(NamedTuple):
    """`faults`: why not, by customer."""

    goes_on: bool
    faults: Mapping[str, str]


def write_own(
    session: Session, import_id: int, fields: Mapping[str, Mapping[str, Any]], orders: Sequence[OrderGiven],
    now: datetime,
) -> Written:  # fmt: skip
    """Write values of fields by customer, and orders. Nothing is written once the import is not to go on."""
    if lock_import(session, import_id).status != ImportStatus.RUNNING:
        return Written(False, {})
    faults = add_values(session, fields, now) if fields else {}
    if orders:
        save_orders(session, orders, now)
    return Written(True, faults)


def note_piece(
    session: Session, import_id: int, states: Sequence[tuple[int, str, Sequence[Any]]],
    tags: Mapping[int, frozenset[str]], numbers: Mapping[Change, int], now: datetime,
) -> dict[Change, int] | None:  # fmt: skip
    """Write what became of rows; the tags of these follows are put on by the import's marking, of whose changes the
    `numbers` are known. The numbers of changes that are new; None: it is not to go on, and nothing was written."""
    if not write_states(session, import_id, ImportStatus.RUNNING, states):
        return None
    return _plan_tags(session, lock_import(session, import_id), tags, numbers, now) if tags else {}


def read_numbers(session: Session, import_id: int) -> dict[Change, int]:
    """The changes of an import's marking so far."""
    row = lock_import(session, import_id)
    if row.marking_id is None:
        return {}
    return {change: number for number, change in markings.list_changes(session, row.marking_id).items()}


def _plan_tags(
    session: Session, row: Import, tags: Mapping[int, frozenset[str]], numbers: Mapping[Change, int], now: datetime
) -> dict[Change, int]:
    if row.marking_id is None:
        marking = markings.add_marking(
            session, {"import_id": row.id}, Change((), ()), asked_by=row.asked_by, status=MarkingStatus.PREPARING,
            now=now,
        )  # fmt: skip
        row.marking_id = marking.id
    assert row.marking_id is not None
    marking = markings.lock_marking(session, row.marking_id)
    new: dict[Change, int] = {}
    tally, items = Tally(), list[tuple[int, int]]()
    for follow_id, tag_ids in sorted(tags.items()):
        change = Change(tuple(sorted(tag_ids)), ())
        number = numbers.get(change, new.get(change))
        if number is None:
            number = new[change] = len(numbers) + len(new)
        tally.note(change, frozenset())
        items.append((follow_id, number))
    marking.put_on = sorted({*marking.put_on, *(tag_id for tag_ids in tags.values() for tag_id in tag_ids)})
    markings.write_plan(session, row.marking_id, items, {number: each for each, number in new.items()}, tally)
    return new


def start_tags(session: Session, import_id: int, now: datetime) -> bool:
    """All is planned: the tags are put on from now on. Whether there is nothing left of that to wait for."""
    row = lock_import(session, import_id)
    if row.marking_id is None:
        return True
    try:
        marking = markings.lock_marking(session, row.marking_id)
    except NotFoundError:
        # It ended so long ago that it was forgotten.
        return True
    if marking.status == MarkingStatus.PREPARING:
        markings.start_marking(session, row.marking_id, now)
    return marking.status in (MarkingStatus.DONE, MarkingStatus.CANCELLED)
