"""Group welcomes over the API, with the local WeCom behind it: made once, changed, repaired, retired."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from bot.sandbox.faults import Fault
from bot.sandbox.group_welcomes import GroupWelcome
from data.queries import media as media_rows
from scheduler.group_welcomes import check_group_welcomes, write_group_welcomes
from tests.api.conftest import Caller
from tests.sandbox.test_media import PNG

FOLDER = "externalcontact/group_welcome_template/"
DRAFT: dict[str, Any] = {"name": "新人", "content": {"text": "欢迎 %NICKNAME%！"}}


def stock(caller: Caller) -> list[GroupWelcome]:
    """What the local WeCom has of the company's group welcomes."""
    return caller.sandbox.world.group_welcomes.listed()


async def make(caller: Caller, **more: Any) -> dict[str, Any]:
    status, answer = await caller.call("POST", "/group-welcomes", {**DRAFT, **more})
    assert status == 201, answer
    made: dict[str, Any] = answer
    return made


def disturb(caller: Caller, kind: str, on: str, **more: Any) -> None:
    caller.sandbox.machine.faults.add(Fault(id=0, target="api", kind=kind, on=FOLDER + on, **more))


async def test_a_group_welcome_is_made_changed_and_retired_in_wecom(caller: Caller) -> None:
    key = await caller.bot.db.write(media_rows.add_media, "image", "a.png", PNG, caller.bot.clock.now())
    image = {"msgtype": "image", "image": {"media": key}}
    made = await make(caller, content={**DRAFT["content"], "attachment": image}, notify=False)
    assert (made["status"], made["written_version"], made["needs_person"]) == ("made", 1, False)
    [kept] = stock(caller)
    assert (kept.template_id, kept.notify) == (made["template_id"], False)
    assert [msgtype for msgtype, _ in kept.content] == ["text", "image"]
    _, listed = await caller.call("GET", "/media")
    assert listed["items"][0]["used_by"] == [{"kind": "group_welcome", "id": made["id"], "name": "新人"}]

    path = f"/group-welcomes/{made['id']}"
    link = {"msgtype": "link", "link": {"title": "群规", "url": "https://shop.example/rules"}}
    _, changed = await caller.call("PATCH", path, {"content": {"attachment": link}})
    assert (changed["status"], changed["version"], changed["written_version"]) == ("made", 2, 2)
    assert stock(caller)[0].content[1][1]["title"] == "群规"
    status, refused = await caller.call("PATCH", path, {"content": {"text": "汉" * 1001}})
    assert (status, refused["error"]["problems"][0]["path"]) == (422, "content.text")
    assert stock(caller)[0].content[0][1]["content"] == DRAFT["content"]["text"]

    _, retired = await caller.call("DELETE", path)
    assert retired["status"] == "retired"
    assert stock(caller) == []
    assert (await caller.call("DELETE", path))[0] == 409
    assert (await caller.call("GET", "/group-welcomes"))[1] == {"items": []}
    assert [each["id"] for each in (await caller.call("GET", "/group-welcomes?retired=true"))[1]["items"]] == [
        made["id"]
    ]
    assert (await caller.call("GET", "/group-welcomes/999"))[0] == 404


async def test_no_fault_makes_a_second_one(caller: Caller) -> None:
    disturb(caller, "lose_answer", "add", count=1)
    made = await make(caller)
    assert (made["status"], made["needs_person"], made["next_at"]) == ("unknown", True, None)
    path = f"/group-welcomes/{made['id']}"
    # Nothing but a person's word has it added again, however often it is looked at or changed.
    await caller.call("PATCH", path, {"content": {"text": "您好"}})
    await write_group_welcomes(caller.bot.context)
    assert (await caller.call("POST", f"{path}/repair"))[0] == 409
    assert len(stock(caller)) == 1
    caller.sandbox.world.group_welcomes.delete(stock(caller)[0].template_id)
    _, added = await caller.call("POST", f"{path}/again")
    assert (added["status"], added["written_version"], added["error"]) == ("made", 2, "")
    assert [each.content[0][1]["content"] for each in stock(caller)] == ["您好"]

    # Changing and deleting state what is to be: they are repeated.
    disturb(caller, "lose_answer", "edit", count=1)
    disturb(caller, "lose_answer", "del", count=1)
    _, edited = await caller.call("PATCH", path, {"content": {"text": "晚上好"}})
    assert (edited["status"], edited["written_version"]) == ("made", 3)
    assert (await caller.call("DELETE", path))[1]["status"] == "retired"
    assert stock(caller) == []


async def test_the_same_request_sent_again_makes_one(caller: Caller) -> None:
    headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": "1"}
    answers = []
    for _ in range(2):
        async with caller.http.post(f"{caller.bot.url}/api/v1/group-welcomes", json=DRAFT, headers=headers) as response:
            answers.append((response.headers.get("Idempotency-Replayed"), (await response.json())["template_id"]))
    assert [replayed for replayed, _ in answers] == [None, "true"]
    assert [template_id for _, template_id in answers] == [stock(caller)[0].template_id] * 2
    assert len(stock(caller)) == 1


async def test_what_wecom_refuses_is_tried_again_or_waits_for_a_person(caller: Caller) -> None:
    disturb(caller, "errcode", "add", errcode=41055, count=1)
    made = await make(caller)
    assert (made["status"], made["cause"], made["needs_person"]) == ("refused", 41055, True)
    assert "100 group welcomes" in made["error"]
    path = f"/group-welcomes/{made['id']}"
    assert (await caller.call("POST", f"{path}/repair"))[1]["status"] == "made"

    disturb(caller, "errcode", "edit", errcode=6000, count=6)
    _, waiting = await caller.call("PATCH", path, {"content": {"text": "您好"}})
    assert (waiting["status"], waiting["written_version"], waiting["needs_person"]) == ("made", 1, False)
    assert waiting["next_at"] is not None
    caller.bot.clock.advance(timedelta(minutes=1))
    async with asyncio.timeout(60):
        while (await caller.call("GET", path))[1]["written_version"] == 1:
            await write_group_welcomes(caller.bot.context)
    assert stock(caller)[0].content[0][1]["content"] == "您好"


async def test_what_somebody_changes_in_wecom_is_seen_and_mended(caller: Caller) -> None:
    changed, deleted = await make(caller), await make(caller, name="老友")
    kept = caller.sandbox.world.group_welcomes.find(changed["template_id"])
    assert kept is not None
    kept.content = [("text", {"content": "别的话"})]
    caller.sandbox.world.group_welcomes.delete(deleted["template_id"])
    assert await check_group_welcomes(caller.bot.context) == 2
    _, listed = await caller.call("GET", "/group-welcomes")
    assert [(each["status"], each["drift"], each["needs_person"]) for each in listed["items"]] == [
        ("made", ["text"], True),
        ("gone", [], True),
    ]
    for each in (changed, deleted):
        status, mended = await caller.call("POST", f"/group-welcomes/{each['id']}/repair")
        assert (status, mended["status"], mended["drift"], mended["needs_person"]) == (200, "made", [], False)
    assert {each.content[0][1]["content"] for each in stock(caller)} == {DRAFT["content"]["text"]}
    assert await check_group_welcomes(caller.bot.context) == 2
    assert not any(each["needs_person"] for each in (await caller.call("GET", "/group-welcomes"))[1]["items"])
