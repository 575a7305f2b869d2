"""Campaigns changed and removed before they are started."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.api.conftest import Caller
from tests.api.test_campaigns import synced, wave


async def make(caller: Caller, *waves: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A campaign, and its path."""
    status, made = await caller.call("POST", "/campaigns", {"name": "三月上新", "waves": [*waves] or [wave()]})
    assert (status, made["version"]) == (201, 1)
    return f"/campaigns/{made['id']}", made


async def test_a_campaign_is_changed_field_by_field(caller: Caller) -> None:
    await synced(caller)
    (whom, other, *_) = caller.sandbox.world.customers.listed_by(caller.sandbox.world.population.service[0].userid)
    listed = wave(audience={"external_userids": [whom, other]}, sender_policy="last_added")
    path, made = await make(caller, listed, wave(valid_hours=24))
    first, second = made["waves"]

    status, told = await caller.call("PATCH", path, {"version": 1, "name": "四月上新"})
    assert (status, told) == (200, {**made, "name": "四月上新", "version": 2})
    text = {"id": first["id"], "content": {"text": "新的话"}}
    status, told = await caller.call("PATCH", path, {"version": 2, "waves": [text, {"id": second["id"]}]})
    assert status == 200
    assert told["waves"] == [{**first, "content": {"text": "新的话", "attachments": []}}, second]
    _, previews = await caller.call("POST", f"{path}/preview")
    assert previews["waves"][0]["recipients"] == 2, "the list was kept"

    audience = {"id": first["id"], "audience": {"pairs": [{"userid": "x", "external_userid": whom}]}}
    status, told = await caller.call("PATCH", path, {"version": 3, "waves": [wave(), audience]})
    assert [each["id"] == first["id"] for each in told["waves"]] == [True, False]
    assert told["waves"][0]["audience"] == {"pairs": 1}
    _, held = await caller.call("GET", f"/customers/{other}/export")
    assert held["tables"]["wave_customers"] == []
    assert await caller.call("GET", path) == (200, told)

    status, copied = await caller.call("POST", f"{path}/copy", {})
    assert (status, copied["name"], copied["version"], copied["runs"]) == (201, "四月上新 副本", 1, [])
    different = ("id",)
    assert [{name: each[name] for name in each if name not in different} for each in copied["waves"]] == [
        {name: each[name] for name in each if name not in different} for each in told["waves"]
    ]
    assert (await caller.call("POST", f"{path}/copy", {"name": ""}))[0] == 422
    assert (await caller.call("POST", "/campaigns/77/copy", {}))[0] == 404


async def test_what_was_read_before_somebody_elses_change_is_not_written(caller: Caller) -> None:
    await caller.read_directory()
    path, _ = await make(caller)
    status, told = await caller.call("PATCH", path, {"name": "x"})
    assert (status, told["error"]["problems"][0]["path"]) == (422, "version")
    for name in ("一", "二"):
        status, told = await caller.call("PATCH", path, {"version": 1, "name": name})
    assert status == 409
    assert "version 2, not 1" in told["error"]["message"]
    answers = await asyncio.gather(
        *(caller.call("PATCH", path, {"version": 2, "name": f"{number}"}) for number in range(5))
    )
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
    (written,) = [told["name"] for status, told in answers if status == 200]
    _, told = await caller.call("GET", path)
    assert (told["name"], told["version"]) == (written, 3)


async def test_changes_are_checked_as_a_new_campaign_is(caller: Caller) -> None:
    await caller.read_directory()
    path, made = await make(caller)
    mine = made["waves"][0]["id"]
    for changes, where in (
        ({"name": None}, "name"),
        ({"name": "有\x01控制"}, "name"),
        ({"colour": 1}, "colour"),
        ({"waves": None}, "waves"),
        ({"waves": []}, "waves"),
        ({"waves": 7}, "waves"),
        ({"waves": [wave(), 7]}, "waves[1]"),
        ({"waves": [{"id": 99}]}, "waves[0].id"),
        ({"waves": [{"id": True}]}, "waves[0].id"),
        ({"waves": [{"id": mine}, {"id": mine}]}, "waves[1].id"),
        ({"waves": [{"id": mine, "audience": {}}]}, "waves[0].audience"),
        ({"waves": [{"id": mine, "content": {"text": "{{ customer_name }}"}}]}, "waves[0].content.text"),
        ({"waves": [{"id": mine}, wave(valid_hours=0)]}, "waves[1].valid_hours"),
    ):
        status, told = await caller.call("PATCH", path, {"version": 1, **changes})
        assert (status, [each["path"] for each in told["error"]["problems"]]) == (422, [where]), changes
    assert await caller.call("GET", path) == (200, made)
    assert (await caller.call("PATCH", "/campaigns/77", {"version": 1}))[0] == 404


async def test_what_was_started_stays_as_it_is_and_what_was_not_can_go(caller: Caller) -> None:
    await synced(caller)
    (whom, *_) = caller.sandbox.world.customers.listed_by(caller.sandbox.world.population.service[0].userid)
    path, _ = await make(caller, wave(audience={"external_userids": [whom]}))
    assert await caller.call("DELETE", path) == (200, {})
    assert (await caller.call("GET", path))[0] == 404
    assert (await caller.call("DELETE", path))[0] == 404
    _, held = await caller.call("GET", f"/customers/{whom}/export")
    assert held["tables"]["wave_customers"] == []

    path, _ = await make(caller)
    assert (await caller.call("POST", f"{path}/start"))[0] == 200
    assert (await caller.call("PATCH", path, {"version": 1, "name": "x"}))[0] == 409
    assert (await caller.call("DELETE", path))[0] == 409
