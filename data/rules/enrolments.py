"""Enrolments: who of those that begin a journey is held out, and where they stand then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from data.rules.journey_steps import Standing, first_standing
from data.rules.journeys import Journey
from data.rules.schedule import local_datetime
from data.rules.timings import Calendar
from data.rules.variants import HELD_OUT, Split


def begins_again_at(began_at: datetime, after_days: int, zone: tzinfo) -> datetime:
    """From when on a journey may begin anew for a customer who began it last at `began_at`: days of the calendar later,
    at the same time of the day. Of a time that the clock skips or shows twice the earliest instant counts."""
    local = local_datetime(began_at, zone)
    there = datetime.combine(local.date() + timedelta(days=after_days), local.time(), zone)
    return min(there.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def may_begin_again(began_at: datetime, after_days: int | None, at: datetime, zone: tzinfo) -> bool:
    """Whether a journey that a customer began at `began_at`, and that is over for them, may begin anew at an instant.
    With 0 days everything that happens may begin it, whatever came first."""
    return after_days == 0 or (after_days is not None and at >= begins_again_at(began_at, after_days, zone))


class Beginning:
    """Where customers stand who begin a journey: all of the same instant stand at the same place."""

    def __init__(self, journey_id: int, journey: Journey, calendar: Calendar) -> None:
        self._split = Split(f"journey:{journey_id}", hold_out_percent=journey.hold_out_percent)
        self._journey, self._calendar = journey, calendar
        self._known: dict[tuple[datetime, bool], Standing] = {}

    def is_held_out(self, external_userid: str) -> bool:
        """Whether a customer gets nothing of it, whenever they begin it."""
        return self._journey.hold_out_percent > 0 and self._split.place(external_userid) == HELD_OUT

    def standing(self, external_userid: str, started_at: datetime) -> Standing:
        """Where a customer stands who begins at an instant. Raises ValueError where the first step is never due."""
        key = (started_at, self.is_held_out(external_userid))
        if key not in self._known:
            self._known[key] = first_standing(self._journey, started_at, self._calendar, held_out=key[1])
        return self._known[key]
