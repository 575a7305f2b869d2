"""Journeys tried out on the customers that there are: who would begin, and what would become of them in the days to
come. Nothing is written, and nothing is asked of WeCom.

Whoever is on the journey goes on, whoever begins it by a day that comes or because a person says so begins; then the
same decisions are made as when it runs (`data/rules/journey_simulation.py`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, time, timedelta
from itertools import islice
from typing import Any, NamedTuple

from pydantic import Field
from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.journey_steps import company_of, of_members, through
from bot.journeys import check_journey
from bot.phrases import Phrase
from data.models import JourneyScan
from data.models.journey_scans import ScanKind
from data.queries import enrolment_lists as list_rows
from data.queries import journey_dues as due_rows
from data.queries import journey_scans as scan_rows
from data.queries import journeys as journey_rows
from data.queries import kf_sessions as kf_rows
from data.queries import senders as sender_rows
from data.queries.customers import find_last_follow_id
from data.queries.segments import list_members
from data.rules.enrolments import Beginning
from data.rules.journey_days import DAY_TRIGGERS, Look, next_look
from data.rules.journey_simulation import (
    Happened,
    Simulation,
    StaffLoad,
    Subject,
    Tally,
    Thinned,
    list_loads,
)
from data.rules.journey_triggers import Entered
from data.rules.journeys import Journey, WriteInService
from data.rules.kf_sessions import Talk
from data.rules.problems import InvalidRuleError, Problem, RuleModel
from data.rules.schedule import day_began, local_datetime

DAYS_MAX = 60
PER_DAY_MAX = 10_000
#: Customers that are gone through; of more than that a part stands for all.
MOST = 20_000
#: Customers that are read, and then decided, in one go.
PIECE = 500
#: Customers whose steps are told one by one, and staff members whose load is.
SAMPLED, STAFF_TOLD = 10, 20
NOON = time(12)
Watch = Callable[[int, int], None]
NO_PATHS = ("trigger.segment", "audience")

ASSUMED = (
    Phrase("没有客户在这段时间里达成目标、购买、流失、退订，或换了人群"),
    Phrase("其他旅程和群发计划之后要发的消息没有算进去"),
    Phrase("员工当天就完成任务、确认群发"),
)
NOBODY_ENTERS = Phrase("谁会进入人群不能预知，所以没有人因此开始")
NOBODY_TRIGGERS = Phrase("触发它的事不能预知，所以没有人因此开始；填写 per_day 可以假定每天有多少人")


class Simulate(RuleModel):
    """What is tried out: the journey of that number as it is now, with who is on it, or another one that is not kept.

    `existing`: everybody in its audience begins now. `per_day`: so many of its audience begin on each day, where it is
    begun by something that happens.
    """

    journey_id: int | None = Field(default=None, ge=1, le=2**62)
    journey: Journey | None = None
    days: int = Field(default=30, ge=1, le=DAYS_MAX)
    existing: bool = False
    per_day: int = Field(default=0, ge=0, le=PER_DAY_MAX)


class _Begun(NamedTuple):
    """A customer who is on the journey: in which version, through whom, and where they stand."""

    version: int
    userid: str
    standing: Any


class _Trial:
    """One journey that is tried out."""

    def __init__(self, ctx: Context, wanted: Simulate, versions: dict[int, Journey], newest: int) -> None:
        self.ctx, self.wanted, self.versions, self.newest = ctx, wanted, versions, newest
        self.now, self.calendar = ctx.clock.now(), calendar_of(ctx.settings)
        self.until = self.now + timedelta(days=wanted.days)
        self.company = company_of(ctx.settings)
        self.customers = Thinned(MOST, "simulation")
        self.running: dict[str, _Begun] = {}
        self.begins: dict[str, list[datetime]] = defaultdict(list)
        self.left_out: Counter[str] = Counter()
        self.tally = Tally()
        self.samples: list[tuple[Subject, list[Happened]]] = []
        self.assumed = list(ASSUMED)

    @property
    def journey(self) -> Journey:
        """What it says to those who begin it."""
        return self.versions[self.newest]

    # -- who is meant

    async def find_customers(self) -> None:
        """Find who is on it and who would begin it."""
        await self._find_running()
        if self.wanted.existing:
            await self._find_beginners(ScanKind.EXISTING, Look(self.now, self._day(self.now)))
        trigger = self.journey.trigger
        if isinstance(trigger, Entered):
            self.assumed.append(NOBODY_ENTERS)
        elif isinstance(trigger, DAY_TRIGGERS):
            look = next_look(trigger, self.now, self.until, self.calendar)
            while look is not None:
                await self._find_beginners(ScanKind.DAY, look)
                look = next_look(trigger, look.at, self.until, self.calendar)
        elif self.wanted.per_day:
            await self._draw_beginners()
        else:
            self.assumed.append(NOBODY_TRIGGERS)

    def _day(self, at: datetime) -> Any:
        return local_datetime(at, self.calendar.zone).date()

    async def _find_running(self) -> None:
        after: str | None = "" if self.wanted.journey_id is not None else None
        while after is not None:
            found = await self.ctx.db.read(list_rows.list_standing, self.wanted.journey_id, after, 2000)
            for whom, version, userid, standing in found:
                self.customers.add(whom)
                if whom in self.customers:
                    self.running[whom] = _Begun(version, userid, standing)
            after = found[-1][0] if len(found) == 2000 else None

    async def _find_beginners(self, kind: ScanKind, look: Look) -> None:
        seen = set[str]()
        async for whom in self._search(kind, look):
            self.customers.add(whom)
            if whom in self.customers and whom not in seen:
                seen.add(whom)
                self.begins[whom].append(look.at)

    async def _draw_beginners(self) -> None:
        """So many a day by chance, at noon."""
        drawn = Thinned(2 * self.wanted.per_day * self.wanted.days, "beginners")  # at least half of it remains
        async for whom in self._search(ScanKind.EXISTING, Look(self.now, self._day(self.now))):
            drawn.add(whom)
        left = iter(drawn)
        for number in range(1, self.wanted.days + 1):
            day = self._day(self.now) + timedelta(days=number)
            at = day_began(day, self.calendar.zone) + timedelta(hours=NOON.hour)
            for whom in islice(left, self.wanted.per_day):
                self.customers.add(whom)
                if whom in self.customers:
                    self.begins[whom].append(at)

    async def _search(self, kind: ScanKind, look: Look) -> AsyncIterator[str]:
        """The customers whom a scan would find."""
        db, last = self.ctx.db, await self.ctx.db.read(find_last_follow_id)
        scan = JourneyScan(journey_id=0, kind=kind.value, version=self.newest, at=look.at, until_id=last)
        search = await db.read(scan_rows.prepare_search, scan, self.journey, look, self.now, self.calendar)
        after = 0
        while after < last:
            found, after = await db.read(scan_rows.read_scan_part, search, after, last)
            for each in found:
                yield each.external_userid

    # -- what becomes of them

    async def run(self, watch: Watch) -> None:
        """Go through all of them."""
        beginning = Beginning(self.wanted.journey_id or 0, self.journey, self.calendar)
        company = self.company
        simulation = Simulation(
            self.until, self.calendar, company.caps, beginning.standing, self.now, company.wecom
        )  # fmt: skip
        whole = list(self.customers)
        for start in range(0, len(whole), PIECE):
            subjects = await self.ctx.db.read(self._read_subjects, whole[start : start + PIECE])
            await asyncio.to_thread(self._run_piece, simulation, subjects)
            watch(min(start + PIECE, len(whole)), len(whole))

    def _run_piece(self, simulation: Simulation, subjects: Sequence[tuple[int, Subject]]) -> None:
        for version, subject in subjects:
            happened = list(simulation.run(self.versions[version], subject))
            for each in happened:
                self.tally.note(subject, each, self.calendar)
            if happened and len(self.samples) < SAMPLED:
                self.samples.append((subject, happened))

    def _read_subjects(self, session: Session, customers: Sequence[str]) -> list[tuple[int, Subject]]:
        """What is known of some customers now, each with the version of the journey that they are or will be on."""
        zone, day = self.calendar.zone, self._day(self.now)
        since = self.company.since(self.versions.values(), self.now)
        known = due_rows.read_known(session, customers, since, self.now, zone)
        began = list_rows.map_began(session, self.wanted.journey_id or 0, customers)
        follows = [each.follow_id for whom in customers for each in known.contacts.get(whom, ())]
        used = {self.running[whom].version if whom in self.running else self.newest for whom in customers}
        members = {
            (version, path): list_members(session, tree, self.now, zone, follows)
            for version in used
            for path, tree in self.versions[version].list_trees()
            if path not in NO_PATHS
        }
        talks = self._read_talks(session, customers)
        senders = {version: sender_rows.read_journey_senders(session, self.versions[version], day) for version in used}
        found = []
        for whom in customers:
            on, wish = self.running.get(whom), known.wishes.get(whom)
            version = on.version if on is not None else self.newest
            contacts = of_members(senders[version], known.contacts.get(whom, []))
            if not contacts or (wish is not None and wish.opted_out):
                self.left_out["opted_out" if contacts else "lost"] += 1
                continue
            contact, no_sender = through(senders[version], on.userid if on is not None else "", contacts)
            touched = known.touched.get(whom, [])
            subject = Subject(
                whom,
                contact.userid if contact is not None else "",
                no_sender,
                frozenset(path for (of, path), found_in in members.items() if of == version and whom in found_in),
                tuple(each.at for each in touched if not each.answers),
                tuple(each.at for each in touched if each.answers),
                wish,
                on.standing if on is not None else None,
                began.get(whom),
                tuple(sorted(self.begins.get(whom, ()))),
                tuple(talks.get(whom, ())),
                tuple(each.at for each in touched if each.counts),
            )
            found.append((version, subject))
        return found

    def _read_talks(self, session: Session, customers: Sequence[str]) -> dict[str, list[Talk]]:
        """Their conversations of customer service, where a step writes there."""
        steps = (step for said in self.versions.values() for step in said.steps)
        writes = any(isinstance(step.action, WriteInService) for step in steps)
        return kf_rows.map_talks(session, customers) if writes else {}

    # -- how it is told

    def told(self) -> dict[str, Any]:
        """What would happen, as it is shown; numbers stand for all, also where a part was gone through."""
        scale, tally, zone = self.customers.scale, self.tally, self.calendar.zone
        loads = list_loads(tally.by_staff, self.wanted.days, self.ctx.settings.journeys.tasks_per_day, scale)
        first = self._day(self.now)
        days = [first + timedelta(days=number) for number in range(self.wanted.days + 1)]
        said = {step.key: step for version in sorted(self.versions) for step in self.versions[version].steps}
        return {
            "journey_id": self.wanted.journey_id,
            "name": self.journey.name,
            "since": self.now,
            "until": self.until,
            "customers": len(self.customers) * scale,
            "simulated": len(self.customers),
            "is_sample": scale > 1,
            "on_it": sum(whom in self.customers for whom in self.running) * scale,
            "begun": tally.begun * scale,
            "barred": tally.barred * scale,
            "left_out": _scaled(self.left_out, scale),
            "ended": _scaled(tally.ended, scale),
            "steps": [
                {"step": key, "does": step.action.do, "outcomes": _scaled(tally.steps[key], scale)}
                for key, step in said.items()
                if key in tally.steps or key in self.journey.places
            ],
            "held_back": _scaled(tally.reasons, scale),
            "days": [
                {"day": day, **{name: getattr(tally.days[day], name) * scale for name in _DAY}}
                for day in days
                if day in tally.days
            ],
            "staff": self._staff(loads),
            "sample": [self._sampled(subject, happened, zone) for subject, happened in self.samples],
            "assumed": self.assumed,
        }

    def _staff(self, loads: Sequence[StaffLoad]) -> dict[str, Any]:
        members = len(loads)
        return {
            "list_holds": self.ctx.settings.journeys.tasks_per_day,
            "members": members,
            "most": max((each.most for each in loads), default=0),
            "mean": sum(each.mean for each in loads) / members if members else 0.0,
            "members_over": sum(each.days_over > 0 for each in loads),
            "fullest": [each._asdict() for each in loads[:STAFF_TOLD]],
        }

    def _sampled(self, subject: Subject, happened: Sequence[Happened], zone: Any) -> dict[str, Any]:
        return {
            "external_userid": subject.external_userid,
            "userid": subject.userid,
            "steps": [
                {
                    "at": each.at,
                    "step": each.key,
                    "does": each.does,
                    "outcome": each.outcome.value if each.outcome is not None else "",
                    "reason": each.reason,
                }
                for each in happened
            ],
        }


_DAY = ("begun", "tasks", "broadcasts", "others", "held_back")


def _scaled(counted: Counter[str], scale: int) -> dict[str, int]:
    return {name: number * scale for name, number in sorted(counted.items())}


def _unwatched(_done: int, _total: int) -> None:
    pass


async def simulate(ctx: Context, wanted: Simulate, watch: Watch = _unwatched) -> dict[str, Any]:
    """Try a journey out, as it is shown; `watch` is told how many customers of how many it has gone through.

    Raises NotFoundError, and InvalidRuleError where the journey is not right.
    """
    if (wanted.journey_id is None) == (wanted.journey is None):
        raise InvalidRuleError([Problem("journey", Phrase("journey 和 journey_id 填写其中一个"))])
    if wanted.journey is not None:
        await check_journey(ctx, wanted.journey)
        trial = _Trial(ctx, wanted, {0: wanted.journey}, 0)
    else:
        row = await ctx.db.read(journey_rows.get_journey, wanted.journey_id or 0)
        versions = await ctx.db.read(journey_rows.read_definitions, wanted.journey_id or 0)
        trial = _Trial(ctx, wanted, versions, row.version)
    await trial.find_customers()
    try:
        await trial.run(watch)
    except ValueError as error:
        raise InvalidRuleError(
            [Problem("steps", Phrase("有一步一年多里都没有可以执行的日子（%(error)s）", error=error))]
        ) from None
    return trial.told()
