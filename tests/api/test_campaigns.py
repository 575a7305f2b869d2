"""Campaigns through the API."""

from __future__ import annotations

from typing import Any

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


async def test_a_campaign_is_made_looked_at_and_listed(caller: Caller) -> None:
    await synced(caller)
    status, told = await caller.call("POST", "/campaigns/preview", wave())
    assert status == 200
    assert told["recipients"] == sum(each["recipients"] for each in told["senders"])
    assert told["matched"] == told["recipients"] + sum(told["left_out"].values())
    assert told["left_out"]["duplicate"] > 0
    assert told["calls"] == told["sender_count"] == len(told["senders"]) > 1
    assert "{{" not in told["words"]
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
    ):
        for route, asked, where in (
            ("/campaigns/preview", body, path),
            ("/campaigns", {"name": "x", "waves": [wave(), body]}, f"waves[1].{path}"),
        ):
            status, told = await caller.call("POST", route, asked)
            assert status == 422
            assert [each["path"] for each in told["error"]["problems"]] == [where]
    assert (await caller.call("POST", "/campaigns", {"name": "x", "waves": [wave(audience={"segment_id": 77})]}))[
        0
    ] == 404
    assert (await caller.call("GET", "/campaigns/77"))[0] == 404
    assert (await caller.call("POST", "/campaigns/77/preview"))[0] == 404
