"""Welcomes, events, the directory, media and health through the API."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest

from bot.api import media
from data.models.inbox import TaskStatus
from tests.api.conftest import Caller

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20
MP4 = b"\0\0\0\x18ftypisom" + b"x" * 20


async def add_customers(caller: Caller, number: int) -> list[str]:
    await caller.call("POST", "/welcome-rules", {"name": "默认", "content": {"text": "您好"}})
    added = [caller.sandbox.machine.people.scan(state="store_poster") for _ in range(number)]
    await caller.settle()
    return [each.follow.external_userid for each in added]


async def test_welcomes_are_paged_and_filtered(caller: Caller) -> None:
    await caller.read_directory()
    customers = await add_customers(caller, 3)
    status, first = await caller.call("GET", "/welcomes?limit=2")
    assert status == 200
    assert len(first["items"]) == 2
    _, second = await caller.call("GET", f"/welcomes?limit=2&before_id={first['next_before_id']}")
    assert second["next_before_id"] is None
    found = [each["external_userid"] for each in first["items"] + second["items"]]
    assert sorted(found) == sorted(customers)
    _, one = await caller.call(
        "GET", f"/welcomes?external_userid={customers[1]}&status=sent&since=2020-01-01T00:00:00Z"
    )
    assert [each["external_userid"] for each in one["items"]] == [customers[1]]
    assert one["items"][0]["explanation"]["rules"][0]["outcome"] == "matched"
    assert (await caller.call("GET", "/welcomes?status=missed"))[1]["items"] == []


async def test_an_event_tells_what_came_of_it_but_not_what_was_said(caller: Caller) -> None:
    (customer,) = await add_customers(caller, 1)
    _, told = await caller.call("GET", f"/events?external_userid={customer}&kind=change_external_contact")
    (event,) = told["items"]
    assert event["kind"] == "change_external_contact.add_external_contact"
    assert {task["status"] for task in event["tasks"]} == {"done"}
    handlers = {outcome["handler"]: outcome for outcome in event["outcomes"]}
    assert handlers["welcome.on_added"]["detail"]["rules"][0]["rule_name"] == "默认"
    assert "body" not in event
    assert await caller.call("GET", f"/events/{event['id']}") == (200, event)
    _, body = await caller.call("GET", f"/events/{event['id']}/body")
    assert customer in body["body"]
    assert (await caller.call("GET", "/events/999999"))[0] == 404


async def test_a_query_that_means_nothing_is_refused(caller: Caller) -> None:
    for query in (
        "limit=0",
        "limit=201",
        "limit=x",
        "before_id=0",
        "colour=red",
        "since=yesterday",
        "status=odd",
        "since=2026-01-01",
    ):
        status, told = await caller.call("GET", f"/events?{query}")
        assert status == 422, query
        assert [problem["path"] for problem in told["error"]["problems"]] == [query.split("=")[0]]


async def test_a_query_that_cannot_be_read_is_refused(caller: Caller) -> None:
    for query in ("kind=%00", "limit=1&limit=2"):
        assert (await caller.call("GET", f"/events?{query}"))[0] == 400


async def test_replaying_runs_handlers_again_and_greets_nobody_twice(caller: Caller) -> None:
    await caller.read_directory()
    (customer,) = await add_customers(caller, 1)
    _, told = await caller.call("GET", f"/events?external_userid={customer}")
    event = told["items"][0]
    status, done = await caller.call("POST", "/events/replay", {"event_id": event["id"]})
    assert (status, done) == (202, {"tasks": 2, "adopted": 0})
    await caller.settle()
    _, again = await caller.call("GET", f"/events/{event['id']}")
    assert {outcome["run"] for outcome in again["outcomes"]} == {2}
    calls = caller.sandbox.machine.calls.counts
    assert sum(count for (path, _), count in calls.items() if path == "externalcontact/send_welcome_msg") == 1
    assert (await caller.call("POST", "/events/replay", {"dead": True}))[1] == {"tasks": 0, "adopted": 0}
    _, done = await caller.call("POST", "/events/replay", {"since": "2020-01-01T00:00:00Z"})
    assert done["tasks"] >= 2


async def test_a_replay_of_nothing_in_particular_is_refused(caller: Caller) -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"event_id": 1, "dead": True},
        {"dead": False},
        {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"event_id": 0},
        {"all": True},
    ]
    for body in bodies:
        assert (await caller.call("POST", "/events/replay", body))[0] == 422, body


async def test_a_replay_of_an_unknown_event_is_refused(caller: Caller) -> None:
    assert (await caller.call("POST", "/events/replay", {"event_id": 5}))[0] == 404


async def test_the_directory_is_what_was_read_from_wecom(caller: Caller) -> None:
    await caller.read_directory()
    world = caller.sandbox.world
    _, staff = await caller.call("GET", "/staff")
    assert {each["userid"] for each in staff["items"]} == {member.userid for member in world.directory}
    _, tags = await caller.call("GET", "/tags")
    assert {each["tag_id"] for each in tags["items"]} == {tag.id for tag in world.tags}
    _, channels = await caller.call("GET", "/channels")
    assert "store_poster" in {each["state"] for each in channels["items"]}


async def test_health_tells_what_callbacks_have_shown(caller: Caller) -> None:
    await add_customers(caller, 1)
    await caller.bot.signs.write()
    _, told = await caller.call("GET", "/health")
    assert told["mode"] == "live"
    assert told["callbacks"][0]["name"] == "app"
    assert told["callbacks"][0]["last_add_at"]
    assert told["tasks"][TaskStatus.DEAD] == 0


async def test_a_file_is_kept_once_by_its_bytes(caller: Caller) -> None:
    status, kept = await caller.call("POST", "/media?filename=海报.png", data=PNG)
    assert (status, kept["kind"], kept["filename"], kept["size_bytes"]) == (201, "image", "海报.png", len(PNG))
    _, again = await caller.call("POST", "/media?filename=other.png", data=PNG)
    assert again == kept
    assert (await caller.call("GET", "/media"))[1]["items"] == [kept]
    status, told = await caller.call("POST", "/media?filename=a.png&kind=file", data=PNG)
    assert (status, told["error"]["code"]) == (409, "conflict")
    _, video = await caller.call("POST", "/media?filename=a.mp4", data=MP4)
    assert video["kind"] == "video"


async def test_a_file_is_removed_when_nothing_uses_it(caller: Caller) -> None:
    _, kept = await caller.call("POST", "/media?filename=海报.png", data=PNG)
    path, image = f"/media/{kept['media']}", {"msgtype": "image", "image": {"media": kept["media"]}}
    content = {"text": "您好", "attachments": [image]}
    _, rule = await caller.call("POST", "/welcome-rules", {"name": "默认", "content": content})
    wave = {"content": content, "audience": {"everyone": True}}
    _, campaign = await caller.call("POST", "/campaigns", {"name": "三月", "waves": [wave]})
    status, told = await caller.call("GET", path)
    assert status == 200
    assert told["used_by"] == [
        {"kind": "welcome_rule", "id": rule["id"], "name": "默认"},
        {"kind": "campaign", "id": campaign["id"], "name": "三月"},
    ]
    assert (await caller.call("GET", "/media"))[1]["items"] == [told]
    status, refused = await caller.call("DELETE", path)
    assert (status, refused["error"]["code"]) == (409, "conflict")
    assert "默认" in refused["error"]["message"]
    assert "三月" in refused["error"]["message"]
    await caller.call("DELETE", f"/welcome-rules/{rule['id']}")
    await caller.call("DELETE", f"/campaigns/{campaign['id']}")
    assert await caller.call("DELETE", path) == (200, {})
    assert [(await caller.call(method, path))[0] for method in ("GET", "DELETE")] == [404, 404]


async def test_what_wecom_would_not_take_is_refused(caller: Caller) -> None:
    for query, content, status in (
        ("filename=a.png", b"", 422),
        ("filename=a.txt", b"12345", 422),
        ("filename=a.txt", b"123456", 201),
        ("filename=a.png&kind=image", b"GIF89a----", 422),
        ("filename=a.mov&kind=video", b"\0\0\0\x14ftypqt  ----", 422),
        ("filename=a.amr&kind=voice", b"#!AMR\n----", 422),
        ("filename=%2F", b"123456", 422),
        ("", b"123456", 422),
    ):
        assert (await caller.call("POST", f"/media?{query}", data=content))[0] == status, (query, content)


async def test_files_beyond_wecoms_limits_are_refused(caller: Caller) -> None:
    ten, twenty = 10 * 1024 * 1024, 20 * 1024 * 1024
    assert (await caller.call("POST", "/media?filename=a.png", data=BytesIO(PNG + bytes(ten))))[0] == 422
    status, kept = await caller.call("POST", "/media?filename=a.bin", data=BytesIO(bytes(ten + 1)))
    assert (status, kept["kind"]) == (201, "file")
    status, told = await caller.call("POST", "/media?filename=a.bin", data=BytesIO(bytes(twenty + 1)))
    assert (status, told["error"]["code"]) == (413, "too_large")


async def test_a_file_that_never_ends_arriving_is_given_up(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "UPLOAD_SECONDS", 0.05)

    async def trickle() -> Any:
        yield PNG
        await asyncio.Event().wait()

    status, told = await caller.call("POST", "/media?filename=a.png", data=trickle())
    assert (status, told["error"]["code"]) == (408, "too_slow")
