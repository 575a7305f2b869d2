"""Scans: all follows are gone through for a journey, in pieces that a process that dies does not begin again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, false, func, or_, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.errors import ConflictError
from data.models import CustomerField, Follow, FollowStatus, JourneyMember, JourneyRow, JourneyScan, JourneyStatus
from data.models.journey_scans import ScanKind
from data.queries.beginners import Candidate, Version, begin
from data.queries.customers import find_last_follow_id
from data.queries.follow_facts import birthday_number
from data.queries.journey_versions import read_versions
from data.queries.journeys import lock_journey
from data.queries.segment_sql import Plan
from data.queries.segments import Recipient, list_members, plan_everybody, plan_segment, read_part
from data.queries.upsert import upsert
from data.rules.journey_days import DAY_TRIGGERS, Look, field_dates, list_birthdays, next_look, silent_span
from data.rules.journey_triggers import Anniversary, Entered, FieldDay, Silent
from data.rules.journeys import Journey
from data.rules.segments import Node
from data.rules.timings import Calendar

F: Any = Follow.__table__  # type: ignore[attr-defined]
CF: Any = CustomerField.__table__  # type: ignore[attr-defined]
M: Any = JourneyMember.__table__  # type: ignore[attr-defined]

_SEEN = BulkUpsert(JourneyMember, ("journey_id", "external_userid"))


# -- what is to be gone through


def ask_existing(session: Session, journey_id: int, now: datetime) -> JourneyScan:
    """Have a journey begin for everybody in its audience, from now on in the background. While that goes on, to ask
    again changes nothing.

    Raises NotFoundError, and ConflictError where it does not run.
    """
    row = lock_journey(session, journey_id)
    if row.status != JourneyStatus.RUNNING:
        raise ConflictError(
            f"Journey {journey_id} is {row.status}: it begins for nobody.", "Start it first, or resume it."
        )
    scan = session.get(JourneyScan, (journey_id, ScanKind.EXISTING))
    if scan is not None and scan.ended_at is None:
        return scan
    return _put(session, journey_id, ScanKind.EXISTING, row.version, now, only_seen=False)


def begin_look(session: Session, journey_id: int, version: int, look: Look, *, only_seen: bool) -> JourneyScan:
    """Begin to look for whom a day has begun a journey."""
    return _put(session, journey_id, ScanKind.DAY, version, look.at, only_seen=only_seen)


def _put(
    session: Session, journey_id: int, kind: ScanKind, version: int, at: datetime, *, only_seen: bool
) -> JourneyScan:
    row = {
        "journey_id": journey_id, "kind": kind.value, "version": version, "at": at, "only_seen": only_seen,
        "after_id": 0, "until_id": find_last_follow_id(session), "begun": 0, "ended_at": None,
    }  # fmt: skip
    upsert(session, JourneyScan, [row])
    session.expire_all()
    return session.get_one(JourneyScan, (journey_id, kind.value))


def find_scan(session: Session, journey_id: int, kind: ScanKind) -> JourneyScan | None:
    """The last time that all were gone through for a journey, or how far that is."""
    return session.get(JourneyScan, (journey_id, kind.value))


def list_open(session: Session) -> list[JourneyScan]:
    """What is not gone through yet, of journeys that begin for somebody."""
    query = (
        select(JourneyScan)
        .join(JourneyRow, col(JourneyRow.id) == col(JourneyScan.journey_id))
        .where(col(JourneyScan.ended_at).is_(None), col(JourneyRow.status) == JourneyStatus.RUNNING)
        .order_by(col(JourneyScan.at), col(JourneyScan.journey_id))
    )
    return list(session.execute(query).scalars())


def skip_old(session: Session, oldest: datetime) -> list[int]:
    """Days before an instant are not made up for any more; the journeys that they have come for."""
    until = func.coalesce(col(JourneyRow.scanned_until), col(JourneyRow.started_at))
    late = (col(JourneyRow.status) == JourneyStatus.RUNNING, until < oldest)
    rows = list(session.execute(select(JourneyRow).where(*late).order_by(col(JourneyRow.id))).scalars())
    said = read_versions(session, {(row.id or 0, row.version) for row in rows})
    found = [
        row
        for row in rows
        if (journey := said.get((row.id or 0, row.version))) is not None and isinstance(journey.trigger, DAY_TRIGGERS)
    ]
    for row in found:
        row.scanned_until = oldest
    return [row.id or 0 for row in found]


class DueLook(NamedTuple):
    """A day has come for a journey. `only_seen`: who is in its segment has not come, but was there already."""

    version: Version
    look: Look
    only_seen: bool = False


def list_due_looks(session: Session, now: datetime, calendar: Calendar) -> list[DueLook]:
    """The next look of each running journey whose time has come, the earliest first."""
    running = select(JourneyRow).where(col(JourneyRow.status) == JourneyStatus.RUNNING)
    rows = list(session.execute(running.order_by(col(JourneyRow.id))).scalars())
    said = read_versions(session, {(row.id or 0, row.version) for row in rows})
    due = []
    for row in rows:
        journey = said.get((row.id or 0, row.version))
        if journey is None or not isinstance(trigger := journey.trigger, DAY_TRIGGERS):
            continue
        version = Version(row.id or 0, row.version, journey)
        until = row.scanned_until or row.started_at or row.made_at
        if isinstance(trigger, Entered) and not _is_seen(session, version, until):
            due.append(DueLook(version, Look(until, until.astimezone(calendar.zone).date()), only_seen=True))
        elif (look := next_look(trigger, until, now, calendar)) is not None:
            due.append(DueLook(version, look))
    return sorted(due, key=lambda each: (each.look.at, each.version.journey_id))


def _is_seen(session: Session, version: Version, until: datetime) -> bool:
    """Whether it is known who was in the segment when the journey was started or resumed, or the segment changed."""
    scan = find_scan(session, version.journey_id, ScanKind.DAY)
    if scan is None or scan.at < until:
        return False
    if scan.version == version.version:
        return True
    before = read_versions(session, {(version.journey_id, scan.version)}).get((version.journey_id, scan.version))
    return before is not None and before.trigger == version.journey.trigger


# -- how it is gone through


class Search(NamedTuple):
    """Whom a scan looks for: a plan, and what else must hold."""

    plan: Plan
    where: tuple[ColumnElement[bool], ...] = ()


def prepare_search(
    session: Session, scan: JourneyScan, journey: Journey, look: Look, now: datetime, calendar: Calendar
) -> Search:
    """Whom a scan looks for, as of `now`."""
    trigger = journey.trigger
    tree = trigger.segment if scan.kind == ScanKind.DAY and isinstance(trigger, Entered) else journey.audience
    plan = (
        plan_everybody(session, now, calendar.zone) if tree is None else plan_segment(session, tree, now, calendar.zone)
    )
    return Search(plan, _condition(trigger, look, calendar) if scan.kind == ScanKind.DAY else ())


def _condition(trigger: Any, look: Look, calendar: Calendar) -> tuple[ColumnElement[bool], ...]:
    """For which follows a day begins a journey, apart from its audience."""
    match trigger:
        case Anniversary():
            return (F.c.birthday.in_(sorted(map(birthday_number, list_birthdays(trigger, look.day)))),)
        case FieldDay():
            dates = field_dates(trigger, look.day)
            on_days = or_(false(), *(CF.c.text.endswith(f"-{day}") for day in dates.yearly))
            held = or_(CF.c.text == dates.last, and_(CF.c.text <= dates.last, on_days))
            mine = and_(CF.c.external_userid == F.c.external_userid, CF.c.name == trigger.field)
            return (exists().where(mine, held),)
        case Silent():
            since, upto = silent_span(trigger, look.day, calendar)
            return (
                F.c.added_at < upto,
                or_(F.c.active_at.is_(None), F.c.active_at < upto),
                or_(F.c.added_at >= since, F.c.active_at >= since),
            )
        case _:
            return ()


def read_scan_part(session: Session, search: Search, after: int, until: int) -> tuple[list[Recipient], int]:
    """Whom a scan finds among the next follows, and the id of the last one that was looked at."""
    return read_part(session, search.plan, after, until, search.where)


class Piece(NamedTuple):
    """Some whom a scan has found between two ids of follows."""

    after_id: int
    upto_id: int
    found: Sequence[Recipient]


def begin_piece(
    session: Session, scan: JourneyScan, version: Version, piece: Piece, cause: str, now: datetime, calendar: Calendar
) -> int | None:
    """Begin a journey for some, and write how far the scan is; how many begin. None: it is not to go on here, because
    another process does it or the journey does not run any more.

    Raises ValueError as `begin`.
    """
    row = session.get(JourneyRow, scan.journey_id, with_for_update={"read": True}, populate_existing=True)
    mine = session.get(JourneyScan, (scan.journey_id, scan.kind), with_for_update=True, populate_existing=True)
    if row is None or mine is None or row.status != JourneyStatus.RUNNING or mine.at != scan.at:
        return None
    if mine.after_id != piece.after_id or mine.ended_at is not None:
        return None
    if mine.kind == ScanKind.DAY and row.scanned_until is not None and mine.at < row.scanned_until:
        # It was paused meanwhile: that day is over for it.
        mine.ended_at = now
        return None
    customers = sorted({each.external_userid for each in piece.found})
    if mine.kind == ScanKind.DAY and isinstance(version.journey.trigger, Entered):
        customers = _see(session, version.journey_id, customers)
    begun = 0
    if customers and not mine.only_seen:
        candidates = [Candidate(each, "", cause, mine.at) for each in customers]
        is_of = mine.kind == ScanKind.EXISTING or not isinstance(version.journey.trigger, Entered)
        begun = begin(session, version, candidates, now, calendar, is_of_audience=is_of)
    mine.after_id = piece.upto_id
    mine.begun += begun
    if mine.after_id >= mine.until_id:
        mine.ended_at = now
        if mine.kind == ScanKind.DAY:
            looked = session.get_one(JourneyRow, scan.journey_id, with_for_update=True, populate_existing=True)
            looked.scanned_until = max(mine.at, looked.scanned_until or mine.at)
    session.flush()
    return begun


def _see(session: Session, journey_id: int, customers: Sequence[str]) -> list[str]:
    """Those who were not in the segment when it was looked at last; now they are."""
    if not customers:
        return []
    known = select(M.c.external_userid).where(
        M.c.journey_id == journey_id, among(session.get_bind().dialect.name, M.c.external_userid, "customers")
    )
    come = sorted(set(customers) - set(session.execute(known, {"customers": list(customers)}).scalars()))
    _SEEN.write(session, [(journey_id, each) for each in come])
    return come


def list_seen(session: Session, journey_id: int, after: str, count: int) -> list[str]:
    """The next customers who were in a journey's segment, behind one, by their ids."""
    query = select(M.c.external_userid).where(M.c.journey_id == journey_id, M.c.external_userid > after)
    return list(session.execute(query.order_by(M.c.external_userid).limit(count)).scalars())


def list_gone(session: Session, customers: Sequence[str], tree: Node, now: datetime, calendar: Calendar) -> list[str]:
    """Those of some customers who are not in a segment any more."""
    follows = select(F.c.id).where(
        among(session.get_bind().dialect.name, F.c.external_userid, "customers"),
        F.c.status == FollowStatus.PRESENT.value,
    )
    ids = list(session.execute(follows, {"customers": list(customers)}).scalars())
    return sorted(set(customers) - list_members(session, tree, now, calendar.zone, ids))


def forget_seen(session: Session, journey_id: int, customers: Sequence[str]) -> None:
    """They have left a journey's segment: they may come once more."""
    if customers:
        gone = among(session.get_bind().dialect.name, M.c.external_userid, "customers")
        session.execute(delete(M).where(M.c.journey_id == journey_id, gone), {"customers": list(customers)})
