"""`/webhook-calls` over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlmodel import Session

from bot.config import JourneysSettings
from data.models import WebhookCall
from tests.api.conftest import Caller


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_calls_are_listed_by_how_they_stand_and_tried_once_more(caller: Caller) -> None:
    now = caller.bot.clock.now()

    def add(session: Session) -> None:
        for number, (next_at, taken_at) in enumerate([(None, now), (None, None), (now + timedelta(hours=1), None)], 1):
            session.add(
                WebhookCall(
                    id=number, enrolment_id=7, external_userid=f"wm{number}", url="https://crm.example/", body={"a": 1},
                    made_at=now, next_at=next_at, taken_at=taken_at, attempts=2, error="" if taken_at else "HTTP 500",
                )
            )  # fmt: skip

    await caller.bot.db.write(add)
    status, told = await caller.call("GET", "/webhook-calls")
    assert (status, [each["state"] for each in told["items"]]) == (200, ["waiting", "given_up", "taken"])
    status, told = await caller.call("GET", "/webhook-calls?state=given_up&external_userid=wm2")
    assert [(each["id"], each["error"], each["body"]) for each in told["items"]] == [(2, "HTTP 500", {"a": 1})]
    assert (await caller.call("GET", "/webhook-calls?limit=1"))[1]["next_before_id"] == 3
    assert (await caller.call("POST", "/webhook-calls/3/again"))[0] == 409, "it waits anyway"
    status, told = await caller.call("POST", "/webhook-calls/1/again")
    assert (status, told["state"], told["taken_at"]) == (200, "waiting", None), "whoever took it may have lost it"
    assert (await caller.call("POST", "/webhook-calls/9/again"))[0] == 404
    reader = await caller.make_token("webhooks:read")
    assert (await caller.call("POST", "/webhook-calls/2/again", token=reader))[0] == 403
    status, told = await caller.call("POST", "/webhook-calls/2/again")
    assert (status, told["state"]) == (200, "waiting")
    assert await caller.call("POST", "/webhook-calls/again") == (200, {"again": 0})


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_webhooks_are_made_changed_switched_and_removed(caller: Caller) -> None:
    draft: dict[str, Any] = {"name": "crm", "url": "https://crm.example/", "events": ["added", "lost"]}
    assert (await caller.call("POST", "/webhooks", draft))[0] == 409, "there is no secret to sign with"
    ctx = caller.bot.context
    ctx.settings = ctx.settings.model_copy(update={"journeys": JourneysSettings(webhook_secret=SecretStr("k" * 20))})
    refused: tuple[dict[str, Any], ...] = (
        {"url": "https://127.1/"}, {"events": []}, {"events": ["tagged"]}, {"name": ""},
    )  # fmt: skip
    for wrong in refused:
        assert (await caller.call("POST", "/webhooks", draft | wrong))[0] == 422, wrong
    status, made = await caller.call("POST", "/webhooks", draft)
    assert (status, len(made["secret"]), made["enabled"]) == (201, 64, True)
    path = f"/webhooks/{made['id']}"
    status, told = await caller.call("PUT", path, {**draft, "events": ["ordered"]})
    assert (status, told["events"]) == (200, ["ordered"])
    assert (await caller.call("POST", f"{path}/switch", {"enabled": False}))[1]["enabled"] is False
    status, renewed = await caller.call("POST", f"{path}/secret")
    assert (status, len(renewed["secret"]), renewed["secret"] != made["secret"]) == (200, 64, True)
    status, told = await caller.call("GET", "/webhooks")
    assert [(each["name"], "secret" in each) for each in told["items"]] == [("crm", False)]
    status, tried = await caller.call("POST", f"{path}/test")
    assert (status, tried["taken"], tried["error"] != "") == (200, False, True), "crm.example is nowhere"
    reader = await caller.make_token("webhooks:read")
    assert (await caller.call("POST", f"{path}/test", token=reader))[0] == 403
    assert (await caller.call("DELETE", path, token=reader))[0] == 403
    assert (await caller.call("DELETE", path))[0] == 200
    assert (await caller.call("PUT", path, draft))[0] == 404
