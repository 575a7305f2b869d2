"""Test customers and tests of campaigns through the API."""

from __future__ import annotations

import pytest

from data.rules import testers as rules
from tests.api.conftest import Caller
from tests.api.test_campaigns import synced, until, wave


async def test_test_customers_are_kept_and_a_campaign_waits_for_its_test(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await synced(caller)
    world = caller.sandbox.world
    userid = world.population.service[0].userid
    first, second, third = list(world.customers.listed_by(userid))[:3]
    pair = {"userid": userid, "external_userid": first}
    status, kept = await caller.call("POST", "/testers", pair)
    assert (status, kept["present"], kept["added_by"]) == (201, True, "everything")
    assert await caller.call("POST", "/testers", pair) == (201, kept), "once"
    status, told = await caller.call("POST", "/testers", {**pair, "external_userid": "wmNobody"})
    assert (status, told["error"]["problems"][0]["path"]) == (422, "external_userid")
    monkeypatch.setattr("data.queries.testers.TESTERS_MAX", 2)
    assert rules.TESTERS_MAX > 2
    _, other = await caller.call("POST", "/testers", {**pair, "external_userid": second})
    assert (await caller.call("POST", "/testers", {**pair, "external_userid": third}))[0] == 409
    assert (await caller.call("DELETE", f"/testers/{other['id']}"))[0] == 200
    assert (await caller.call("DELETE", f"/testers/{other['id']}"))[0] == 404
    assert (await caller.call("GET", "/testers"))[1]["items"] == [kept]
    _, held = await caller.call("GET", f"/customers/{first}/export")
    assert [row["id"] for row in held["tables"]["testers"]] == [kept["id"]]

    audience = {"pairs": [pair]}
    _, made = await caller.call(
        "POST", "/campaigns", {"name": "x", "test_first": True, "waves": [wave(audience=audience)]}
    )
    assert (made["test_first"], made["tests"], made["go_version"]) == (True, [], None)
    campaign = f"/campaigns/{made['id']}"
    status, told = await caller.call("POST", f"{campaign}/test")
    assert status == 200
    (test,) = told["tests"]
    assert (test["version"], test["is_current"]) == (1, True)
    assert (await caller.call("POST", f"{campaign}/go", {"version": 1}))[0] == 409
    await until(caller, f"/campaigns/{test['campaign_id']}", "awaiting")
    for send, _ in list(caller.sandbox.machine.group_send_acts.tasks_of(userid, waiting=True)):
        caller.sandbox.machine.group_send_acts.confirm(userid, send.msgid)
    await until(caller, f"/campaigns/{test['campaign_id']}", "finished", minutes=2)
    assert [each["id"] for each in (await caller.call("GET", "/campaigns"))[1]["items"]] == [made["id"]]
    assert (await caller.call("GET", f"/campaigns/{test['campaign_id']}"))[1]["test_of"] == made["id"]

    _, told = await caller.call("PATCH", campaign, {"version": 1, "name": "y"})
    assert (told["tests"][0]["is_current"], told["test_first"]) == (False, True)
    assert (await caller.call("POST", f"{campaign}/go", {"version": 1}))[0] == 409
    _, told = await caller.call("PATCH", campaign, {"version": 2, "test_first": False})
    assert told["test_first"] is False
    await caller.call("POST", f"{campaign}/start")
    await until(caller, campaign, "awaiting")
