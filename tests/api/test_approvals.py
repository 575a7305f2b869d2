"""Approval through the API: another token's word, for the version that was looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.app import Bot
from bot.clock import Clock
from bot.config import ApprovalSettings
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.scopes import SCOPES
from tests.api.conftest import Caller
from tests.api.test_campaigns import synced, wave
from tests.conftest import Urls
from tests.scenarios.conftest import CUSTOMERS, settings_for


@pytest.fixture
async def caller(urls: Urls, clock: Clock) -> AsyncIterator[Caller]:
    """A bot whose campaigns need approval."""
    async with Sandbox(World(clock=clock, customers=CUSTOMERS)) as sandbox:
        staff = [member.userid for member in sandbox.world.directory]
        settings = settings_for(sandbox, urls, approval=ApprovalSettings(above=3, approvers=tuple(staff[:2])))
        async with Bot(settings, clock, bell=False) as bot, aiohttp.ClientSession() as http:
            sandbox.world.app.callback_url = f"{bot.url}/callback"
            sandbox.world.put_app(sandbox.world.app)
            found = Caller(bot, sandbox, http, "")
            found.token = await found.make_token(*SCOPES, name="shop")
            yield found


async def make(caller: Caller) -> str:
    """A campaign that needs approval; its path."""
    status, made = await caller.call("POST", "/campaigns", {"name": "三月上新", "waves": [wave()]})
    assert (status, made["approval"]) == (201, None)
    return f"/campaigns/{made['id']}"


async def test_another_token_approves_what_it_has_looked_at(caller: Caller) -> None:
    await synced(caller)
    path, other = await make(caller), await caller.make_token("campaigns:approve", name="boss")
    for route in ("approve", "reject"):
        status, told = await caller.call(
            "POST", f"{path}/{route}", {"version": 1} if route == "approve" else {"reason": "x"}
        )
        assert status == 409, "nothing waits"
    status, told = await caller.call("POST", f"{path}/start")
    assert (status, told["error"]["code"]) == (409, "approval_needed")
    assert "submit" in told["error"]["remedy"]

    status, asked = await caller.call("POST", f"{path}/submit")
    assert (status, asked["status"], asked["submitted_by"]) == (201, "pending", "shop")
    assert asked["approvers"] == list(caller.bot.settings.approval.approvers)
    assert asked["recipients"] == sum(asked["counts"].values())
    status, told = await caller.call("POST", f"{path}/approve", {"version": 1})
    assert (status, "Whoever asks" in told["error"]["message"]) == (409, True)
    assert (await caller.call("POST", f"{path}/approve", {"version": 2}, token=other))[0] == 409
    assert (await caller.call("POST", f"{path}/approve", {}, token=other))[0] == 422
    status, approved = await caller.call("POST", f"{path}/approve", {"version": 1}, token=other)
    assert (status, approved["status"], approved["decided_by"]) == (200, "approved", "boss")
    assert (await caller.call("POST", f"{path}/reject", {"reason": "x"}, token=other))[0] == 409
    status, told = await caller.call("POST", f"{path}/start")
    assert (status, told["approval"]["status"]) == (200, "approved")
    assert (await caller.call("POST", f"{path}/submit"))[0] == 409
    assert (await caller.call("POST", f"{path}/start", token=other))[0] == 403


async def test_what_is_rejected_says_why_and_can_be_submitted_again(caller: Caller) -> None:
    await synced(caller)
    path, other = await make(caller), await caller.make_token("campaigns:approve", name="boss")
    at = caller.bot.clock.now().isoformat()
    for body, where in (
        ({"requested_by": "nobody"}, "requested_by"),
        ({"requested_by": "有空格 "}, "requested_by"),
        ({"at": "tomorrow"}, "at"),
        ({"version": 0}, "version"),
    ):
        status, told = await caller.call("POST", f"{path}/submit", body)
        assert (status, [each["path"] for each in told["error"]["problems"]]) == (422, [where])
    assert (await caller.call("POST", f"{path}/submit", {"version": 7}))[0] == 409
    assert (await caller.call("POST", "/campaigns/77/submit"))[0] == 404

    await caller.call("POST", f"{path}/submit", {"at": at})
    assert (await caller.call("POST", f"{path}/reject", {}, token=other))[0] == 422
    _, told = await caller.call("POST", f"{path}/reject", {"reason": "太长"}, token=other)
    assert (told["status"], told["reason"]) == ("rejected", "太长")
    for _ in range(2):
        assert (await caller.call("POST", f"{path}/submit", {"at": at}))[0] == 201
    _, told = await caller.call("POST", f"{path}/approve", {"version": 1}, token=other)
    assert told["status"] == "approved"
    _, listed = await caller.call("GET", f"{path}/approvals")
    assert [each["status"] for each in listed["items"]] == ["approved", "void", "rejected"]
    _, campaign = await caller.call("GET", path)
    assert [each["status"] for each in campaign["runs"]] != [], "approval has started it"


async def test_nobody_to_reach_is_nothing_to_approve(caller: Caller) -> None:
    await synced(caller)
    body: dict[str, Any] = {"name": "x", "waves": [wave(audience={"external_userids": ["wmNobody"]})]}
    _, made = await caller.call("POST", "/campaigns", body)
    status, told = await caller.call("POST", f"/campaigns/{made['id']}/submit")
    assert (status, "Nobody" in told["error"]["message"]) == (409, True)
