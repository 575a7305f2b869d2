"""What journeys will ask of the staff by day, counted one by one or told by a sample."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session

from data.db import Database
from data.models import Enrolment, JourneyRow, JourneyVersion
from data.queries.journey_loads import EXACT, read_load
from tests.queries.journey_world import CALENDAR, NOW, add

DAY = timedelta(days=1)
TODAY = date(2026, 3, 4)
ZONE = CALENDAR.zone


def prepare(session: Session) -> None:
    steps = [
        {"key": "ask", "action": {"do": "task", "content": {"text": "x"}}},
        {"key": "mark", "action": {"do": "wait"}},
        {"key": "send", "action": {"do": "broadcast", "content": {"text": "x"}}},
    ]
    for number, status in ((1, "running"), (2, "closed"), (3, "paused")):
        said = {"name": "x", "trigger": {"on": "added"}, "steps": steps}
        session.add(JourneyRow(id=number, name="x", status=status, made_by="test", made_at=NOW))
        session.add(JourneyVersion(journey_id=number, version=1, definition=said, made_by="test", made_at=NOW))
    session.flush()
    for number in range(12):
        for userid in ("anna", "bert") if number % 2 else ("bert",):
            add(session, f"wm{number}", userid)

        def on(journey_id: int, whom: str, step: int, days: float, **more: Any) -> None:
            session.add(Enrolment(journey_id=journey_id, version=1, external_userid=whom, cause="x", started_at=NOW,
                                  before_at=NOW, due_at=NOW + days * DAY, step=step, **more))  # fmt: skip

        on(1, f"wm{number}", 0, -2 if number < 4 else 1)
        on(2, f"wm{number}", 2, 1, held_out=number == 0)
        on(3, f"wm{number}", 0, 1)
    others: list[tuple[int, dict[str, Any]]] = [(1, {}), (3, {}), (0, {"ended_at": NOW, "end_reason": "goal"})]
    for number, (step, more) in enumerate(others):
        session.add(Enrolment(journey_id=1, version=1, external_userid=f"other{number}", cause="x", started_at=NOW,
                              before_at=NOW, due_at=NOW + DAY, step=step, **more))  # fmt: skip
    session.flush()


async def test_what_customers_wait_for_next_is_told_by_day(db: Database) -> None:
    await db.write(prepare)

    async def look(userids: Collection[str] | None, days: int = 7, exact: int = EXACT) -> dict[date, dict[str, int]]:
        load = await db.read(read_load, userids, NOW + days * DAY, NOW, ZONE, exact)
        assert load.is_sample == (exact != EXACT)
        return {day: dict(counts) for day, counts in load.days.items()}

    # What was due before is today's; who is held out, on a journey that rests, or off it, is not counted.
    tomorrow = TODAY + timedelta(days=1)
    assert await look(None) == {TODAY: {"task": 4}, tomorrow: {"task": 8, "broadcast": 11}}
    assert await look({"anna"}) == {TODAY: {"task": 2}, tomorrow: {"task": 4, "broadcast": 6}}
    assert await look({"bert", "anna"}) == await look(None), "whom two of them have counts once"
    assert await look({"nobody"}) == {}
    assert await look(None, days=0) == {}

    # Of many a sample stands for all.
    for userids, exact in ((None, 10), ({"bert"}, 5)):
        about = await look(userids, exact=exact)
        number = sum(sum(counts.values()) for counts in about.values())
        assert 23 / 3 < number < 23 * 3, about
