"""Journeys tried out: what would become of the steps of customers in the days to come. Nothing is sent or written.

The same decision as when a journey runs, with a clock that moves from one due instant to the next. What customers do
meanwhile is not known: nobody reaches the goal, buys, leaves or changes segments.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from data.models.journeys import EndReason, StepOutcome
from data.rules.caps import DaysCap, WecomCap, wecom_cap
from data.rules.enrolments import may_begin_again
from data.rules.journey_caps import is_full, room
from data.rules.journey_steps import Decision, Facts, Standing, decide
from data.rules.journeys import Branch, GiveTask, Journey, SendBroadcast, Step, WriteInService
from data.rules.kf_sessions import Talk, why_closed
from data.rules.preferences import Preference, TouchKind, may_touch
from data.rules.schedule import local_datetime
from data.rules.timings import Calendar

DECISIONS_KEPT = 50_000
_EVER = datetime.min.replace(tzinfo=UTC)


class Subject(NamedTuple):
    """A customer as they are now.

    `userid`: through whom steps are done, or why through nobody (`no_sender`). `is_of`: the paths of the journey's
    segments that they are in. `touched`: when messages reached them lately; `answered`: those that answered an act of
    their own. `standing`: where they stand on the
    journey, if they are on it; `began_at`: when they began it last. `begins`: when something would begin it for them,
    ascending. `talks`: theirs in customer service, the one to which they wrote last first. `sent`: when
    group-sends reached them lately.
    """

    external_userid: str
    userid: str = ""
    no_sender: str = ""
    is_of: frozenset[str] = frozenset()
    touched: tuple[datetime, ...] = ()
    answered: tuple[datetime, ...] = ()
    wish: Preference | None = None
    standing: Standing | None = None
    began_at: datetime | None = None
    begins: tuple[datetime, ...] = ()
    talks: tuple[Talk, ...] = ()
    sent: tuple[datetime, ...] = ()


class Happened(NamedTuple):
    """What became of a step at an instant; of a beginning `key` is empty, and so it is where a journey ends."""

    at: datetime
    key: str
    does: str
    outcome: StepOutcome | None = None
    reason: str = ""
    end: EndReason | None = None


@dataclass(slots=True)
class _Had:
    """What a customer has had so far: when, by group-sends, and in which conversations of customer service."""

    touched: list[datetime]
    sent: list[datetime]
    talks: list[Talk]

    def note(self, step: Step, at: datetime) -> None:
        """One message more."""
        self.touched.append(at)
        if isinstance(step.action, SendBroadcast):
            self.sent.append(at)
        if isinstance(step.action, WriteInService):
            names = (each.open_kfid for each in self.talks)
            place = next(number for number, name in enumerate(names) if step.action.open_kfid in ("", name))
            self.talks[place] = self.talks[place]._replace(replies=self.talks[place].replies + 1)


BEGINS, BARRED, ENDS = "begins", "barred", "ends"


@dataclass(frozen=True)
class Simulation:
    """What holds for all customers: until when, the company's clock and limits, where somebody stands who begins.

    `since`: what was due earlier is not done before then, as when the program or the journey stood still. Many
    customers stand at the same place: what was decided for one is kept for the others.
    """

    until: datetime
    calendar: Calendar
    caps: tuple[DaysCap, ...]
    first_standing: Callable[[str, datetime], Standing]
    since: datetime = _EVER
    wecom: WecomCap = "month"
    _decided: dict[Any, Decision] = field(default_factory=dict)

    def run(self, journey: Journey, subject: Subject) -> Iterator[Happened]:
        """All that happens to a customer, in order. Raises ValueError where a step is never due."""
        standing, began_at = subject.standing, subject.began_at
        had = _Had(list(subject.touched), list(subject.sent), list(subject.talks))
        for at in (*subject.begins, self.until):
            if standing is not None:
                standing = yield from self._go_on(journey, subject, standing, had, min(at, self.until))
            if at >= self.until:
                return
            days = journey.again.after_days
            if standing is not None or (
                began_at is not None and not may_begin_again(began_at, days, at, self.calendar.zone)
            ):
                yield Happened(at, "", BARRED)
                continue
            standing, began_at = self.first_standing(subject.external_userid, at), at
            yield Happened(at, "", BEGINS)

    def _go_on(
        self, journey: Journey, subject: Subject, standing: Standing, had: _Had, until: datetime
    ) -> Generator[Happened, None, Standing | None]:
        """The steps that are due before an instant; where the customer stands then, None: the journey is over."""
        while standing.due_at < until:
            now, number = max(standing.due_at, self.since), standing.step
            step = journey.steps[number] if number < len(journey.steps) else None
            decision = self._decide(journey, standing, subject, self._facts(subject, had, now, step))
            if step is not None and decision.outcome is not None and not isinstance(step.action, Branch):
                yield Happened(now, step.key, step.action.do, decision.outcome, decision.reason)
            if decision.acts and step is not None and step.disturbs:
                had.note(step, now)
            if decision.end is not None:
                yield Happened(now, "", ENDS, end=decision.end)
                return None
            standing = decision.standing
        return standing

    def _decide(self, journey: Journey, standing: Standing, subject: Subject, facts: Facts) -> Decision:
        asked = (
            subject.is_of, facts.refusal, facts.has_room, facts.wecom_full, facts.no_sender, facts.no_window,
        )  # fmt: skip
        key = (id(journey), standing, asked)
        found = self._decided.get(key)
        if found is None:
            if len(self._decided) >= DECISIONS_KEPT:
                self._decided.clear()
            found = self._decided[key] = decide(
                journey, standing, facts, max(standing.due_at, self.since), self.calendar
            )
        return found

    def _facts(self, subject: Subject, had: _Had, now: datetime, step: Step | None) -> Facts:
        if step is None or not step.disturbs:
            return Facts(subject.is_of.__contains__)
        zone, action = self.calendar.zone, step.action
        left = room(self.caps, had.touched, now, zone)
        refusal = may_touch(subject.wish, [*had.touched, *subject.answered], now, zone, TouchKind.TASK).reason
        return Facts(
            subject.is_of.__contains__,
            refusal=refusal,
            has_room=left is None or left > 0,
            wecom_full=isinstance(action, SendBroadcast) and is_full(wecom_cap(self.wecom, now, zone), had.sent),
            no_sender=subject.no_sender,
            no_window=why_closed(had.talks, action.open_kfid, now) if isinstance(action, WriteInService) else "",
        )


class Thinned:
    """Customers, at most so many of them: of more than that the half remains whenever there are too many, always the
    same ones for a `seed`."""

    def __init__(self, most: int, seed: str) -> None:
        self._most, self._seed = most, seed
        self._kept: set[str] = set()
        self.halvings = 0

    def __contains__(self, external_userid: str) -> bool:
        return external_userid in self._kept

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._kept, key=self._drawn))

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def scale(self) -> int:
        """For how many customers each that remains stands."""
        return 1 << self.halvings

    def add(self, external_userid: str) -> None:
        """One more customer; who is there already counts once."""
        if self._remains(external_userid):
            self._kept.add(external_userid)
        while len(self._kept) > self._most:
            self.halvings += 1
            self._kept = {each for each in self._kept if self._remains(each)}

    def _remains(self, external_userid: str) -> bool:
        return self._drawn(external_userid) >> (64 - self.halvings) == 0

    def _drawn(self, external_userid: str) -> int:
        return int.from_bytes(blake2b(f"{self._seed}:{external_userid}".encode(), digest_size=8).digest())


@dataclass(slots=True)
class Day:
    """What would happen on a day."""

    begun: int = 0
    tasks: int = 0
    broadcasts: int = 0
    others: int = 0
    held_back: int = 0


@dataclass(slots=True)
class Tally:
    """What would happen, counted. `steps`: by key and outcome; `reasons`: why steps were held back, for now or for
    good; `by_staff`: the tasks of a staff member by the day on which they are given."""

    steps: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    days: dict[date, Day] = field(default_factory=lambda: defaultdict(Day))
    by_staff: dict[str, Counter[date]] = field(default_factory=lambda: defaultdict(Counter))
    begun: int = 0
    barred: int = 0

    def note(self, subject: Subject, happened: Happened, calendar: Calendar) -> None:
        """Count what happened."""
        today = local_datetime(happened.at, calendar.zone).date()
        day = self.days[today]
        if happened.end is not None:
            self.ended[happened.end.value] += 1
        elif happened.does == BEGINS:
            self.begun += 1
            day.begun += 1
        elif happened.does == BARRED:
            self.barred += 1
        elif happened.outcome is not None:
            self.steps[happened.key][happened.outcome.value] += 1
            self._note_step(subject, happened, day, today)

    def _note_step(self, subject: Subject, happened: Happened, day: Day, today: date) -> None:
        if happened.outcome is not StepOutcome.DONE:
            day.held_back += happened.outcome not in (StepOutcome.NOT_FOR, StepOutcome.HELD_OUT)
            self.reasons[happened.reason] += 1
        elif happened.does == GiveTask.model_fields["do"].default:
            day.tasks += 1
            self.by_staff[subject.userid][today] += 1
        elif happened.does == SendBroadcast.model_fields["do"].default:
            day.broadcasts += 1
        else:
            day.others += 1


class StaffLoad(NamedTuple):
    """The tasks that a staff member would be given: in all, on the fullest day, a day on average, and on how many days
    more than a list holds."""

    userid: str
    tasks: int
    most: int
    mean: float
    days_over: int


def list_loads(by_staff: Mapping[str, Counter[date]], days: int, cap: int, scale: int) -> list[StaffLoad]:
    """The same of all, the fullest first; `cap`: tasks that a list holds, 0: any number."""
    loads = []
    for userid, counted in by_staff.items():
        scaled = [number * scale for number in counted.values()]
        over = sum(number > cap for number in scaled) if cap else 0
        loads.append(StaffLoad(userid, sum(scaled), max(scaled), sum(scaled) / days, over))
    return sorted(loads, key=lambda each: (-each.most, -each.tasks, each.userid))
