"""What a year of journeys should bring, worked out one customer after the other and a quarter of an hour at a time: by
other means than the program's, and with none of its decisions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from data.rules.journey_times import When
from data.rules.journeys import Journey, Step
from data.rules.timings import Calendar
from tests.unit.test_rules_journey_times import searched

Row = tuple[datetime, str, str]


@dataclass
class Walk:
    """A customer on a journey."""

    number: int
    journey: Journey
    started_at: datetime
    held_out: bool
    due: datetime
    step: int = 0
    wanted: datetime | None = None
    over: str = ""

    @property
    def action(self) -> str:
        """What the next step does."""
        return self.journey.steps[self.step].action.do if self.step < len(self.journey.steps) else ""


@dataclass
class Person:
    """A customer with what happens to them: when they leave, when they opt out, whether they are a woman."""

    name: str
    is_woman: bool
    lost_at: datetime | None = None
    opted_out_at: datetime | None = None
    touched: list[datetime] = field(default_factory=list)
    walks: list[Walk] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


class Reference:
    """Works through the ticks at the instants given."""

    def __init__(self, calendar: Calendar, caps: dict[int, int]) -> None:
        self.calendar = calendar
        self.caps = caps

    def begin(self, person: Person, number: int, journey: Journey, at: datetime, *, held_out: bool) -> None:
        """A customer begins a journey."""
        walk = Walk(number, journey, at, held_out, at)
        self._stand_before(walk, 0, at)
        person.walks.append(walk)

    def tick(self, person: Person, now: datetime) -> None:
        """Everything that is due by now, in the order in which it was due."""
        while ready := [walk for walk in person.walks if not walk.over and walk.due <= now]:
            self._do(person, min(ready, key=lambda walk: (walk.due, -walk.journey.priority, walk.number)), now)

    def _do(self, person: Person, walk: Walk, now: datetime) -> None:
        if person.lost_at is not None and person.lost_at <= now:
            walk.over = "lost"
        elif person.opted_out_at is not None and person.opted_out_at <= now:
            walk.over = "opted_out"
        elif walk.step >= len(walk.journey.steps):
            walk.over = "finished"
        else:
            self._do_step(person, walk, walk.journey.steps[walk.step], now)

    def _do_step(self, person: Person, walk: Walk, step: Step, now: datetime) -> None:
        action: Any = step.action
        if step.only_if is not None and not person.is_woman:
            self._note(person, walk, step, "not_for")
            self._stand_before(walk, walk.step + 1, walk.due)
        elif action.do == "wait":
            self._stand_before(walk, walk.step + 1, walk.due)
        elif action.do == "end":
            walk.over = "finished"
        elif action.do == "branch":
            self._note(person, walk, step, "done")
            goes = action.cases[0].go if person.is_woman else action.otherwise
            keys = [each.key for each in walk.journey.steps]
            self._stand_before(walk, keys.index(goes) if goes else walk.step + 1, walk.due)
        else:
            self._reach(person, walk, step, now)

    def _reach(self, person: Person, walk: Walk, step: Step, now: datetime) -> None:
        at = walk.due if now - walk.due <= timedelta(minutes=5) else now
        may = searched(When(days=0, only=step.when.only), at, at, self.calendar, step.disturbs)
        if step.late.then == "skip" and may - walk.due > timedelta(hours=step.late.within_hours):
            outcome = "late"
        elif walk.held_out:
            outcome = "held_out"
        elif may > at:
            self._note(person, walk, step, "moved")
            walk.wanted, walk.due = walk.wanted or walk.due, may
            return
        else:
            outcome = self._held_back(person, walk, now)
            if outcome != "done":
                wanted = walk.wanted or walk.due
                next_day = When(days=1, at=step.when.at, only=step.when.only)
                again = searched(next_day, walk.due, walk.due, self.calendar, step.disturbs)
                if again - wanted <= timedelta(days=step.hold_days, hours=1):
                    self._note(person, walk, step, "moved")
                    walk.wanted, walk.due = wanted, again
                    return
        done_at = at if outcome == "done" else walk.due
        if outcome == "done":
            person.touched.append(at)
        person.rows.append((done_at, step.key, outcome))
        self._stand_before(walk, walk.step + 1, done_at)

    def _held_back(self, person: Person, walk: Walk, now: datetime) -> str:
        today = now.astimezone(self.calendar.zone).date()
        lefts = []
        for days, most in self.caps.items():
            first = today - timedelta(days=days - 1)
            lefts.append(most - sum(at.astimezone(self.calendar.zone).date() >= first for at in person.touched))
        if not lefts:
            return "done"
        if min(lefts) <= 0:
            return "capped"
        before = [
            each
            for each in person.walks
            if not each.over and each.due.astimezone(self.calendar.zone).date() <= today
            and each.journey.priority > walk.journey.priority and each.action in ("task", "broadcast")
            and (each.journey.steps[each.step].only_if is None or person.is_woman)
            and not each.held_out
        ]  # fmt: skip
        return "outranked" if len(before) >= min(lefts) else "done"

    def _note(self, person: Person, walk: Walk, step: Step, outcome: str) -> None:
        person.rows.append((walk.due, step.key, outcome))

    def _stand_before(self, walk: Walk, number: int, before: datetime) -> None:
        walk.step, walk.wanted = number, None
        if number < len(walk.journey.steps):
            step = walk.journey.steps[number]
            walk.due = searched(step.when, walk.started_at, before, self.calendar, step.disturbs)
        elif walk.journey.goal is None or not walk.journey.goal_days:
            walk.over = "finished"
        else:
            walk.due = before + timedelta(days=walk.journey.goal_days)
