"""What journeys use is not removed: files and rosters, in every version, until the journey is stopped."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from data.db import Database
from data.queries import journeys as rows
from data.queries import media_uses, roster_uses
from data.queries.roster_uses import RosterUse
from data.rules.journey_acts import Act
from data.rules.journeys import Journey
from data.rules.media import MediaUse


def journey(name: str, media: str, **more: Any) -> Journey:
    content = {"attachments": [{"msgtype": "image", "image": {"media": media}}]}
    steps = [{"key": "ask", "action": {"do": "task", "content": content}}]
    return Journey.model_validate({"name": name, "trigger": {"on": "added"}, "steps": steps, **more})


async def test_what_journeys_use_is_known_until_they_are_stopped(db: Database, now: datetime) -> None:
    of_roster = {"not": {"roster": {"roster_id": 7}}}
    made = await db.write(rows.add_journey, journey("新客", "a" * 64, audience=of_roster), "", "test", now)
    number = made.id or 0
    await db.write(rows.add_version, number, 1, journey("新客二", "b" * 64), "test", now)
    for act in (Act.START, Act.PAUSE):
        await db.write(rows.act_on, number, act, "test", now)
        use = MediaUse("journey", number, "新客二")
        assert await db.read(media_uses.list_uses) == {"a" * 64: [use], "b" * 64: [use]}
        assert await db.read(roster_uses.list_uses) == {7: [RosterUse("journey", number, "新客二")]}
    await db.write(rows.act_on, number, Act.STOP, "test", now)
    assert await db.read(media_uses.list_uses) == {}
    assert await db.read(roster_uses.list_uses) == {}
