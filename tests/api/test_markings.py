"""Markings through the API."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.sandbox.faults import Fault
from data.queries import sync_runs as run_rows
from scheduler.sync import Sync
from tests.api.conftest import Caller


async def synced(caller: Caller) -> list[str]:
    """All customers are known; the tags."""
    run = await caller.bot.db.write(run_rows.ask_for_run, "command", caller.bot.clock.now())
    await Sync(caller.bot.context).run(run.id or 0)
    _, tags = await caller.call("GET", "/tags")
    return [tag["tag_id"] for tag in tags["items"]]


async def until(caller: Caller, marking: str, *statuses: str) -> dict[str, Any]:
    """The marking, once it has one of these statuses."""
    async with asyncio.timeout(60):
        while True:
            _, told = await caller.call("GET", marking)
            if told["status"] in statuses:
                return dict(told)
            await caller.bot.runner.run_now("markings")


async def test_a_marking_is_counted_made_and_done(caller: Caller) -> None:
    put, off = (await synced(caller))[:2]
    asked = {"put_on": [put], "take_off": [off], "audience": {"everyone": True}}
    status, counted = await caller.call("POST", "/markings", {**asked, "dry_run": True})
    assert (status, counted["dry_run"], counted["items"] > 0) == (200, True, True)
    status, made = await caller.call("POST", "/markings", asked)
    assert (status, made["asked_by"], made["audience"]) == (201, "everything", {"everyone": True})
    done = await until(caller, f"/markings/{made['id']}", "done")
    assert (done["done"], done["waiting"], done["failed"], done["causes"]) == (counted["items"], 0, 0, [])
    assert (done["gains"], done["losses"], done["already"]) == (counted["gains"], counted["losses"], counted["already"])
    _, listed = await caller.call("GET", "/markings")
    assert [each["id"] for each in listed["items"]] == [made["id"]]
    assert await caller.call("GET", f"/markings/{made['id']}/failures") == (200, {"items": [], "next_after": None})


async def test_it_is_paused_resumed_and_cancelled_and_failures_are_listed(caller: Caller) -> None:
    (tag, *_) = await synced(caller)
    faults = caller.sandbox.machine.faults
    faults.add(Fault(0, "api", "latency", on="externalcontact/mark_tag", seconds=1))
    faults.add(Fault(0, "api", "errcode", on="externalcontact/mark_tag", errcode=84061, count=2))
    _, made = await caller.call("POST", "/markings", {"put_on": [tag], "audience": {"everyone": True}})
    marking = f"/markings/{made['id']}"
    work = asyncio.create_task(caller.bot.runner.run_now("markings"))
    async with asyncio.timeout(60):
        while (await caller.call("GET", marking))[1]["done"] == 0:
            await asyncio.sleep(0.02)
    status, paused = await caller.call("POST", f"{marking}/pause")
    assert (status, paused["status"], paused["waiting"] > 0) == (200, "paused", True)
    await work
    assert (await caller.call("POST", f"{marking}/resume"))[1]["status"] == "running"
    assert (await caller.call("POST", f"{marking}/cancel"))[1]["status"] == "cancelled"
    status, told = await caller.call("POST", f"{marking}/resume")
    assert (status, told["error"]["code"]) == (409, "conflict")
    _, told = await caller.call("GET", marking)
    assert [(each["cause"], each["count"]) for each in told["causes"]] == [(84061, 2)]
    _, failures = await caller.call("GET", f"{marking}/failures?limit=1")
    assert failures["items"][0]["meaning"]
    _, rest = await caller.call("GET", f"{marking}/failures?after={failures['next_after']}")
    assert len(rest["items"]) == 1
    assert (await caller.call("POST", f"{marking}/retry"))[0] == 409


async def test_what_cannot_be_done_is_told_with_its_path(caller: Caller) -> None:
    await caller.read_directory()
    for body, path in (
        ({"put_on": ["etNone"], "audience": {"everyone": True}}, "put_on"),
        ({"put_on": [], "audience": {"pairs": [{"userid": "a"}]}}, "audience.pairs[0].external_userid"),
        ({"put_on": [], "audience": {"nobody": True}}, "audience.nobody"),
    ):
        status, told = await caller.call("POST", "/markings", body)
        assert status == 422
        assert path in [problem["path"] for problem in told["error"]["problems"]]
    assert (await caller.call("GET", "/markings/77"))[0] == 404
    assert (await caller.call("POST", "/markings/77/pause"))[0] == 404
