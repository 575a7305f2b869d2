"""`/syncs`: asked for, run by the scheduler, told."""

from __future__ import annotations

import asyncio

from tests.api.conftest import Caller


async def test_a_sync_is_asked_for_once_and_followed_to_its_end(caller: Caller) -> None:
    status, asked = await caller.call("POST", "/syncs")
    assert (status, asked["status"], asked["cause"]) == (202, "waiting", "api")
    _, again = await caller.call("POST", "/syncs")
    assert again["id"] == asked["id"], "one at a time"

    await asyncio.wait_for(caller.bot.runner.run_now("sync"), 60)
    status, told = await caller.call("GET", f"/syncs/{asked['id']}")
    assert (status, told["status"], told["problems"]) == (200, "done", [])
    assert told["changed"]["follows_new"] > 0
    _, listed = await caller.call("GET", "/syncs?limit=1")
    assert [each["id"] for each in listed["items"]] == [asked["id"]]
    _, listed = await caller.call("GET", f"/syncs?before_id={asked['id']}")
    assert listed == {"items": [], "next_before_id": None}


async def test_a_sync_that_is_not_there(caller: Caller) -> None:
    status, told = await caller.call("GET", "/syncs/99")
    assert (status, told["error"]["code"]) == (404, "not_found")
    token = await caller.make_token("sync:read")
    status, told = await caller.call("POST", "/syncs", token=token)
    assert (status, told["error"]["code"]) == (403, "not_permitted")
