"""`/webhook-calls` over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

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
    assert (await caller.call("POST", "/webhook-calls/1/again"))[0] == 409
    assert (await caller.call("POST", "/webhook-calls/9/again"))[0] == 404
    reader = await caller.make_token("webhooks:read")
    assert (await caller.call("POST", "/webhook-calls/2/again", token=reader))[0] == 403
    status, told = await caller.call("POST", "/webhook-calls/2/again")
    assert (status, told["state"]) == (200, "waiting")
