"""The calendar: what is sent by day, the first of many, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session

from data.db import Database
from data.models import Campaign, Run, RunStatus, Wave
from data.queries.campaign_calendar import Day, read_days
from data.queries.campaign_views import Sight
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = Calendar(ZONE, TimeWindow(), ((date(2026, 3, 5), date(2026, 3, 5)),))
EVERYTHING, OWN = Sight((), None), Sight(("ann",), frozenset())
DAYS = [date(2026, 3, 2) + timedelta(days=number) for number in range(7)]


def _add(session: Session, name: str, timing: dict[str, object], *due: datetime) -> None:
    campaign = Campaign(name=name, made_by="ann" if name == "many" else "bo", owner="ann", made_at=due[0])
    session.add(campaign)
    session.flush()
    wave = Wave(
        campaign_id=campaign.id or 0, kind="customers", content={}, audience={}, sender_policy="all", valid_hours=72,
        timing=timing,
    )  # fmt: skip
    session.add(wave)
    session.flush()
    for at in due if "at" not in timing else ():
        status = RunStatus.DUE
        session.add(
            Run(campaign_id=campaign.id or 0, wave_id=wave.id or 0, status=status, due_at=at, valid_until=at)
        )  # fmt: skip


def _fill(session: Session) -> None:
    first = datetime(2026, 3, 3, 1, tzinfo=UTC)
    # The last instant of the third, and the first of the fourth, by the company's clock.
    ends = (datetime(2026, 3, 3, 15, 59, tzinfo=UTC), datetime(2026, 3, 3, 16, 0, tzinfo=UTC))
    _add(session, "many", {}, *(first + timedelta(minutes=number) for number in range(5)), *ends)
    _add(session, "daily", {"cron": "30 9 * * *", "skip_holidays": True}, datetime(2026, 3, 3, 1, 30, tzinfo=UTC))
    _add(session, "draft", {"at": "2026-03-06T10:00:00+08:00"}, first)


def _told(days: dict[date, Day]) -> dict[int, tuple[list[str], int]]:
    return {
        day.day: ([f"{each.at.astimezone(ZONE):%H:%M} {each.name}" for each in found.entries], found.more)
        for day, found in days.items()
    }


async def test_a_day_shows_its_first_entries_and_how_many_more_there_are(db: Database) -> None:
    await db.write(_fill)
    found = await db.read(read_days, EVERYTHING, DAYS, CALENDAR, 2)
    assert _told(found) == {
        3: (["09:00 many", "09:01 many"], 5),
        4: (["00:00 many", "09:30 daily"], 0),
        # The fifth is a holiday.
        6: (["09:30 daily", "10:00 draft"], 0),
        7: (["09:30 daily"], 0),
        8: (["09:30 daily"], 0),
    }
    assert [each.is_draft for each in found[date(2026, 3, 6)].entries] == [False, True]
    one = await db.read(read_days, EVERYTHING, DAYS[1:2], CALENDAR, 50)
    assert [each.run is not None for each in one[DAYS[1]].entries] == [True] * 7
    assert _told(await db.read(read_days, OWN, DAYS, CALENDAR, 9)).keys() == {3, 4}
