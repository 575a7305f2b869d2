"""Enrolments: who of those that begin a journey is held out, and where they stand then."""

from __future__ import annotations

from datetime import datetime

from data.rules.journey_steps import Standing, first_standing
from data.rules.journeys import Journey
from data.rules.timings import Calendar
from data.rules.variants import HELD_OUT, Split


class Beginning:
    """Where customers stand who begin a journey: all of the same instant stand at the same place."""

    def __init__(self, journey_id: int, journey: Journey, calendar: Calendar) -> None:
        self._split = Split(f"journey:{journey_id}", hold_out_percent=journey.hold_out_percent)
        self._journey, self._calendar = journey, calendar
        self._known: dict[tuple[datetime, bool], Standing] = {}

    def is_held_out(self, external_userid: str) -> bool:
        """Whether a customer gets nothing of it, whenever they begin it."""
        return self._split.place(external_userid) == HELD_OUT

    def standing(self, external_userid: str, started_at: datetime) -> Standing:
        """Where a customer stands who begins at an instant. Raises ValueError where the first step is never due."""
        key = (started_at, self.is_held_out(external_userid))
        if key not in self._known:
            self._known[key] = first_standing(self._journey, started_at, self._calendar, held_out=key[1])
        return self._known[key]
