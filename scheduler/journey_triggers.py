"""What has happened to customers ends journeys for them, and begins journeys.

Happenings are worked off in the order in which they were noted, some hundred in a transaction that removes them as
well: a process that dies leaves them as they were. Of one customer each is worked off after the one before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.errors import SiyuError
from bot.logs import get_logger
from data.models import BarReason, EndReason, JourneyRow, JourneyStatus
from data.queries import enrolments as enrolment_rows
from data.queries import happenings as rows
from data.queries import journey_versions as version_rows
from data.queries.barred import Barred, note_barred
from data.queries.beginners import Candidate, Version, begin
from data.queries.webhook_targets import tell
from data.rules.happenings import Happened, begins, cause_of, end_of
from data.rules.timings import Calendar
from scheduler.journey_pauses import NOT_UNDERSTOOD, pause, why_of
from scheduler.leases import SHORT_LEASE_SECONDS, LeaseHeldError, alone

log = get_logger("journeys")

LEASE = "happenings"
#: Worked off in one transaction, which takes some tens of milliseconds.
PIECE = 300


class Worked(NamedTuple):
    """What came of a piece of happenings. `broken`: the journeys that could not be begun, and why."""

    happened: int = 0
    ended: int = 0
    begun: int = 0
    broken: Mapping[int, str] = MappingProxyType({})


async def follow_happenings(ctx: Context) -> int:
    """Work off what has happened, until nothing is left; how many happenings. 0 too where another process does it."""
    if not await ctx.db.read(rows.is_waiting, ctx.clock.now()):
        return 0
    with contextlib.suppress(LeaseHeldError):
        return await alone(ctx, LEASE, lambda: _work_off(ctx), SHORT_LEASE_SECONDS)
    return 0


async def _work_off(ctx: Context) -> int:
    calendar, total = calendar_of(ctx.settings), 0
    while True:
        worked = await ctx.db.write(work_on, ctx.clock.now(), calendar, PIECE, tells=not ctx.observes)
        total += worked.happened
        for journey_id, why in worked.broken.items():
            await ctx.db.write(pause, ctx, journey_id, why)
        if worked.ended or worked.begun:
            log.info("happenings", happened=worked.happened, ended=worked.ended, begun=worked.begun)
        if worked.happened == 0:
            return total


def work_on(session: Session, now: datetime, calendar: Calendar, piece: int = PIECE, *, tells: bool = True) -> Worked:
    """Work off the oldest happenings. `tells`: other programs are told of them."""
    found = rows.list_oldest(session, piece, now)
    if not found:
        return Worked()
    rows.remove(session, [each.id for each in found])
    journeys = Journeys(session)
    ended = begun = 0
    complete = rows.complete(session, found)
    if tells:
        tell(session, complete, now)
    for some in _rounds(complete):
        ended += journeys.end(some, now)
        begun += journeys.begin(some, now, calendar)
    return Worked(len(found), ended, begun, journeys.broken)


def _rounds(happened: Sequence[Happened]) -> Iterator[list[Happened]]:
    """The same in rounds, so that none has two of one customer and they stay in order."""
    waiting = list(happened)
    while waiting:
        first: dict[str, Happened] = {}
        for each in waiting:
            first.setdefault(each.external_userid, each)
        yield list(first.values())
        waiting = [each for each in waiting if first[each.external_userid] is not each]


class Journeys:
    """The journeys that are not over, as a transaction sees them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._rows = [row for row in version_rows.list_not_over(session) if row.id is not None]
        self._ids = {row.id for row in self._rows}
        self._definitions = version_rows.read_versions(session, {(row.id or 0, row.version) for row in self._rows})
        #: Journeys with which something is wrong, and what: others do not wait for that.
        self.broken: dict[int, str] = {}

    def end(self, happened: Sequence[Happened], now: datetime) -> int:
        """End what is over with these, one of each customer; how many enrolments."""
        of_customer = {each.external_userid: each for each in happened}
        running = [
            each for each in enrolment_rows.list_running_of(self._session, of_customer) if each.journey_id in self._ids
        ]
        missing = {(each.journey_id, each.version) for each in running} - self._definitions.keys()
        self._definitions |= version_rows.read_versions(self._session, missing)
        over: dict[EndReason, list[int]] = {}
        for each in running:
            journey = self._definitions.get((each.journey_id, each.version))
            over_at = each.due_at if journey is not None and each.step >= len(journey.steps) else None
            reason = end_of(journey, each.started_at, of_customer[each.external_userid], over_at)
            if reason is not None and each.id is not None:
                over.setdefault(reason, []).append(each.id)
        return sum(enrolment_rows.end_enrolments(self._session, ids, reason, now) for reason, ids in over.items())

    def begin(self, happened: Sequence[Happened], now: datetime, calendar: Calendar) -> int:
        """Begin the running journeys that these begin, one of each customer; how many enrolments."""
        begun = 0
        for row in self._rows:
            journey_id, journey = row.id or 0, self._definitions.get((row.id or 0, row.version))
            if journey_id in self.broken:
                continue
            if journey is None:
                if row.status == JourneyStatus.RUNNING:
                    self.broken[journey_id] = NOT_UNDERSTOOD
                continue
            since = row.started_at or row.made_at
            candidates = [
                Candidate(each.external_userid, each.userid, cause_of(each), each.happened_at)
                for each in happened
                if begins(journey, since, each)
            ]
            if not candidates:
                continue
            if row.status != JourneyStatus.RUNNING:
                self._bar(row, candidates, calendar)
                continue
            try:
                begun += begin(self._session, Version(journey_id, row.version, journey), candidates, now, calendar)
            except (SiyuError, ValueError) as error:
                # No day is left for its first step (a year of holidays), or what it says cannot be asked.
                log.warning("journey_failed", journey=journey_id)
                self.broken[journey_id] = why_of(error)
        return begun

    def _bar(self, row: JourneyRow, candidates: Sequence[Candidate], calendar: Calendar) -> None:
        """A journey that rests or was closed begins for nobody, and that is told of each."""
        reason = BarReason.PAUSED if row.status == JourneyStatus.PAUSED else BarReason.CLOSED
        barred = [Barred(each.external_userid, reason, each.cause, each.at) for each in candidates]
        note_barred(self._session, row.id or 0, row.version, barred, calendar.zone)
