"""What other programs tell of customers, for journeys."""

from __future__ import annotations

from typing import Any

from data.queries.happenings import is_waiting
from scheduler.journey_days import follow_days
from tests.api.conftest import Caller
from tests.queries.journey_world import list_noted, start_journey

EVENT = {"name": "shop.visited"}


async def test_an_event_is_noted_once_if_a_journey_listens(caller: Caller) -> None:
    added = caller.sandbox.machine.people.scan(state="store_poster")
    await caller.settle()
    whom = added.follow.external_userid
    told = EVENT | {"external_userid": whom}
    assert await caller.call("POST", "/events", told) == (200, {"external_userid": whom, "heard": False})
    db, now = caller.bot.db, caller.bot.clock.now()
    await db.write(start_journey, {"on": "event", "name": "shop.visited"}, at=now)
    assert await caller.call("POST", "/events", told | {"name": "shop.left"}) == (
        200, {"external_userid": whom, "heard": False},
    )  # fmt: skip
    assert (await caller.call("POST", "/events", told | {"at": "2026-01-01T00:00:00Z"}))[1]["heard"] is False
    headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": "one"}
    for replayed in (None, "true"):
        async with caller.http.post(f"{caller.bot.url}/api/v1/events", json=told, headers=headers) as response:
            assert (response.status, response.headers.get("Idempotency-Replayed")) == (200, replayed)
            assert await response.json() == {"external_userid": whom, "heard": True}
    assert await db.read(list_noted) == [("event", whom, "", {"name": "shop.visited"})]
    assert await db.read(is_waiting, now)


async def test_an_event_says_to_whom_and_when(caller: Caller) -> None:
    async def status(**told: Any) -> int:
        return int((await caller.call("POST", "/events", EVENT | told))[0])

    assert await status(external_userid="nobody") == 404
    assert await status(unionid="nobody") == 404
    assert await status() == 422
    assert await status(external_userid="x", at="2099-01-01T00:00:00Z") == 422
    assert await status(external_userid="x", name="Shop Visited") == 422


async def test_a_journey_begins_for_the_customers_there_are(caller: Caller) -> None:
    whom = []
    for _ in range(2):
        whom.append(caller.sandbox.machine.people.scan(state="store_poster").follow.external_userid)
        await caller.settle()
    step = {"key": "one", "when": {"days": 1}, "action": {"do": "task", "content": {"text": "您好"}}}
    _, made = await caller.call("POST", "/journeys", {"name": "旅程", "trigger": {"on": "added"}, "steps": [step]})
    path = f"/journeys/{made['id']}"
    assert (await caller.call("GET", f"{path}/existing"))[0] == 404
    assert (await caller.call("POST", f"{path}/existing"))[0] == 409
    await caller.call("POST", f"{path}/start")
    status, told = await caller.call("POST", f"{path}/existing")
    assert (status, told["version"]) == (202, 1)
    while told["ended_at"] is None:
        await follow_days(caller.bot.context)
        _, told = await caller.call("GET", f"{path}/existing")
    assert told["begun"] == 2
    _, listed = await caller.call("GET", f"{path}/enrolments")
    assert sorted(each["external_userid"] for each in listed["items"]) == sorted(whom)
    assert {each["cause"] for each in listed["items"]} == {"existing"}
