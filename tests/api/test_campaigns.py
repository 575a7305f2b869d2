"""Campaigns through the API."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot import campaign_plans
from data.queries import sync_runs as run_rows
from scheduler.sync import Sync
from tests.api.conftest import Caller


async def synced(caller: Caller) -> None:
    """All staff and customers are known."""
    await caller.read_directory()
    run = await caller.bot.db.write(run_rows.ask_for_run, "command", caller.bot.clock.now())
    await Sync(caller.bot.context).run(run.id or 0)


def wave(**more: Any) -> dict[str, Any]:
    """A part of a campaign."""
    return {"content": {"text": "我是{{ staff_name }}，周末有新品"}, "audience": {"everyone": True}, **more}


async def test_a_campaign_is_made_looked_at_and_listed(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    await synced(caller)
    status, told = await caller.call("POST", "/campaigns/preview", wave())
    assert status == 200
    assert told["recipients"] == sum(each["recipients"] for each in told["senders"])
    assert told["matched"] == told["recipients"] + sum(told["left_out"].values())
    assert told["left_out"]["duplicate"] > 0
    assert told["calls"] == told["sender_count"] == len(told["senders"]) > 1
    assert "{{" not in told["words"]
    assert sum(each["recipients"] for each in told["departments"]) == told["recipients"]
    assert sum(each["senders"] for each in told["departments"]) == told["sender_count"]
    assert all(each["name"] for each in told["departments"])
    assert len({each["external_userid"] for each in told["sample"]}) == min(10, told["recipients"])
    for each in told["sample"]:
        assert each["external_userid"] in caller.sandbox.world.customers.listed_by(each["userid"])
    with monkeypatch.context() as large:
        large.setattr(campaign_plans, "FEW", 0)
        _, from_places = await caller.call("POST", "/campaigns/preview", wave())
    assert 5 <= len({each["external_userid"] for each in from_places["sample"]}) <= 10
    somebody = next(iter(caller.sandbox.world.customers.listed_by(told["senders"][0]["userid"])))
    assert (await caller.call("PUT", f"/customers/{somebody}/preference", {"opted_out": True}))[0] == 200
    _, again = await caller.call("POST", "/campaigns/preview", wave(sender_policy="all"))
    assert again["left_out"]["opted_out"] >= 1
    assert "duplicate" not in again["left_out"]

    status, made = await caller.call("POST", "/campaigns", {"name": "三月上新", "waves": [wave()]})
    assert (status, made["runs"], made["made_by"]) == (201, [], "everything")
    assert made["waves"][0]["audience"] == {"everyone": True}
    _, previews = await caller.call("POST", f"/campaigns/{made['id']}/preview")
    assert previews["waves"][0]["matched"] == told["matched"]
    assert await caller.call("GET", f"/campaigns/{made['id']}") == (200, made)
    assert (await caller.call("GET", "/campaigns"))[1]["items"] == [made]


async def test_a_list_is_kept_apart_and_a_saved_segment_as_it_is_now(caller: Caller) -> None:
    await synced(caller)
    (whom, *_) = caller.sandbox.world.customers.listed_by(caller.sandbox.world.population.service[0].userid)
    listed = wave(audience={"external_userids": [whom, "wmNobody"]})
    _, segment = await caller.call("POST", "/segments", {"name": "全部", "definition": {"all": []}})
    saved = wave(audience={"segment_id": segment["id"]})
    status, made = await caller.call("POST", "/campaigns", {"name": "x", "waves": [listed, saved]})
    assert status == 201
    assert [each["audience"] for each in made["waves"]] == [{"external_userids": 2}, {"segment": {"all": []}}]
    _, previews = await caller.call("POST", f"/campaigns/{made['id']}/preview")
    assert previews["waves"][0]["left_out"]["unknown"] == 1
    assert previews["waves"][0]["recipients"] == 1
    _, held = await caller.call("GET", f"/customers/{whom}/export")
    assert [row["wave_id"] for row in held["tables"]["wave_customers"]] == [made["waves"][0]["id"]]


async def test_what_cannot_be_sent_is_told_with_its_path(caller: Caller) -> None:
    await caller.read_directory()
    image = {"msgtype": "image", "image": {"media": "nothing"}}
    for body, path in (
        (wave(content={"text": "{{ customer_name }}您好"}), "content.text"),
        (wave(content={"text": "长" * 1334}), "content.text"),
        (wave(content={"text": "x", "attachments": [image]}), "content.attachments[0].image.media"),
        (wave(audience={"segment": {"tags": {"tag_ids": ["etNone"]}}}), "audience.segment.tags.tag_ids"),
        (wave(audience={"segment": {"any": []}}), "audience.segment"),
        (wave(audience={"segment_id": 77}), "audience.segment_id"),
    ):
        for route, asked, where in (
            ("/campaigns/preview", body, path),
            ("/campaigns", {"name": "x", "waves": [wave(), body]}, f"waves[1].{path}"),
        ):
            status, told = await caller.call("POST", route, asked)
            assert status == 422
            assert [each["path"] for each in told["error"]["problems"]] == [where]
    assert (await caller.call("GET", "/campaigns/77"))[0] == 404
    assert (await caller.call("POST", "/campaigns/77/preview"))[0] == 404


async def until(caller: Caller, campaign: str, *statuses: str, **step: float) -> dict[str, Any]:
    """The run of a campaign, once it has one of these statuses; the clock moves between."""
    async with asyncio.timeout(60):
        while True:
            _, told = await caller.call("GET", campaign)
            if told["runs"][0]["status"] in statuses:
                return dict(told["runs"][0])
            for job in ("campaigns", "campaign_lookups", "campaign_results"):
                await caller.bot.runner.run_now(job)
            caller.bot.clock.advance(timedelta(**(step or {"seconds": 20})))


async def test_a_campaign_is_started_followed_and_cancelled(caller: Caller) -> None:
    await synced(caller)
    userid = caller.sandbox.world.population.service[0].userid
    listed = [{"userid": userid, "external_userid": each} for each in caller.sandbox.world.customers.listed_by(userid)]
    _, made = await caller.call("POST", "/campaigns", {"name": "x", "waves": [wave(audience={"pairs": listed})]})
    campaign = f"/campaigns/{made['id']}"
    assert (await caller.call("POST", f"{campaign}/pause"))[0] == 409
    at = caller.bot.clock.now() + timedelta(hours=1)
    for wrong in ((at - timedelta(days=1)).isoformat(), "tomorrow"):
        status, told = await caller.call("POST", f"{campaign}/start", {"at": wrong})
        assert (status, [each["path"] for each in told["error"]["problems"]]) == (422, ["at"])
        assert "时间" in told["error"]["problems"][0]["message"]
    status, started = await caller.call("POST", f"{campaign}/start", {"at": at.isoformat()})
    assert (status, [each["status"] for each in started["runs"]]) == (200, ["due"])
    assert (await caller.call("POST", f"{campaign}/start"))[0] == 409
    assert (await caller.call("POST", f"{campaign}/preview"))[0] == 409
    await caller.bot.runner.run_now("campaigns")
    assert (await caller.call("GET", campaign))[1]["runs"][0]["status"] == "due"
    assert (await caller.call("POST", f"{campaign}/pause"))[1]["runs"][0]["status"] == "paused"
    assert (await caller.call("POST", f"{campaign}/resume"))[1]["runs"][0]["status"] == "due"
    run = await until(caller, campaign, "awaiting", minutes=10)
    assert run["recipients"] == len(listed)

    _, told = await caller.call("GET", f"{campaign}/batches?status=created")
    (batch,) = told["items"]
    assert (batch["userid"], batch["recipients"], batch["needs_person"]) == (userid, len(listed), False)
    assert (await caller.call("POST", f"/batches/{batch['id']}/adopt", {"msgid": "msgOther"}))[0] == 409
    assert (await caller.call("POST", f"/batches/{batch['id']}/again"))[0] == 409
    caller.sandbox.machine.group_send_acts.confirm(userid, batch["msgid"])
    await until(caller, campaign, "finished", minutes=2)
    (result,) = (await caller.call("GET", f"{campaign}/results"))[1]["items"]
    assert (result["sent"], result["waiting"], result["batches"]) == (len(listed), 0, {"created": 1})
    assert (await caller.call("POST", f"{campaign}/cancel"))[0] == 409
    _, first = await caller.call("GET", f"/runs/{run['id']}/recipients?limit=2&state=sent")
    _, rest = await caller.call("GET", f"/runs/{run['id']}/recipients?after={first['next_after']}")
    assert len(first["items"]) + len(rest["items"]) == len(listed)
    assert {each["state"] for each in rest["items"]} <= {"sent"}
    assert (await caller.call("GET", f"/runs/{run['id']}/recipients?state=x"))[0] == 422
    whom = first["items"][0]["external_userid"]
    _, touches = await caller.call("GET", f"/customers/{whom}/touches")
    assert touches["items"][0]["kind"] == "broadcast"

    _, other = await caller.call("POST", "/campaigns", {"name": "y", "waves": [wave(audience={"pairs": listed[:2]})]})
    await caller.call("POST", f"/campaigns/{other['id']}/start")
    await until(caller, f"/campaigns/{other['id']}", "awaiting")
    assert (await caller.call("POST", f"/campaigns/{other['id']}/cancel"))[1]["runs"][0]["status"] == "cancelled"
    for path in ("/runs/77/recipients", "/campaigns/77/results", "/campaigns/77/batches"):
        assert (await caller.call("GET", path))[0] == 404
