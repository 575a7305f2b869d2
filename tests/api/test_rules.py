"""Welcome rules and auto-tagging rules through the API."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from data.queries import rules as rule_rows
from data.rules.welcome import WelcomeRule
from tests.api.conftest import Caller

DEFAULT: dict[str, Any] = {"name": "默认", "content": {"text": "您好，我是{{ staff_name }}"}}


def paths(told: dict[str, Any]) -> list[str]:
    assert told["error"]["code"] == "invalid"
    return [problem["path"] for problem in told["error"]["problems"]]


async def test_a_rule_is_made_read_changed_replaced_and_removed(caller: Caller) -> None:
    status, made = await caller.call("POST", "/welcome-rules", {**DEFAULT, "priority": 3, "id": 77})
    assert status == 201
    assert made["id"] != 77, "ids are ours to give"
    rule = f"/welcome-rules/{made['id']}"
    assert await caller.call("GET", rule) == (200, made)
    assert (await caller.call("GET", "/welcome-rules"))[1]["items"] == [made]

    status, patched = await caller.call("PATCH", rule, {"enabled": False, "conditions": {"states": ["web"]}})
    assert status == 200
    assert patched == {**made, "enabled": False, "conditions": {**made["conditions"], "states": ["web"]}}
    _, unset = await caller.call("PATCH", rule, {"conditions": {"states": None}})
    assert unset["conditions"] == made["conditions"]

    status, replaced = await caller.call("PUT", rule, {"name": "新的", "content": {"text": "嗨"}})
    assert (status, replaced["priority"], replaced["enabled"]) == (200, 0, True)
    assert await caller.call("DELETE", rule) == (200, {})
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = None if method in ("GET", "DELETE") else {"name": "x", "content": {"text": "嗨"}}
        assert (await caller.call(method, rule, body))[0] == 404, method


async def test_a_name_can_be_used_once(caller: Caller) -> None:
    await caller.call("POST", "/welcome-rules", DEFAULT)
    status, told = await caller.call("POST", "/welcome-rules", DEFAULT)
    assert (status, told["error"]["code"]) == (409, "conflict")


UNUSABLE: list[tuple[dict[str, Any], list[str]]] = [
    ({"content": {"text": "{{ nobody }}"}}, ["content.text"]),
    ({"content": {"text": "您好"}, "fallback_text": "{% for x in y %}"}, ["fallback_text"]),
    ({"content": {"text": "好" * 1400}}, ["content.text"]),
    ({"content": {"text": "", "attachments": []}}, ["content"]),
    ({"content": {"text": "a", "attachments": [{"msgtype": "voice"}]}}, ["content.attachments[0]"]),
    (
        {"content": {"text": "a", "attachments": [{"msgtype": "image", "image": {"media": "0" * 64}}]}},
        ["content.attachments[0].image.media"],
    ),
    (
        {"content": {"text": "a", "attachments": [{"msgtype": "link", "link": {"title": "", "url": "x"}}]}},
        ["content.attachments[0].link.title", "content.attachments[0].link.url"],
    ),
    ({"conditions": {"windows": [{"start": "9:00"}]}}, ["conditions.windows[0].start"]),
    ({"conditions": {"weather": "rain"}}, ["conditions.weather"]),
    ({"priority": "high"}, ["priority"]),
    ({"name": "一\n二"}, ["name"]),
    ({"conditions": {"states": ["a\u0007"]}}, ["conditions.states[0]"]),
]


async def test_what_could_not_be_sent_is_refused_by_field(caller: Caller) -> None:
    for change, wanted in UNUSABLE:
        status, told = await caller.call("POST", "/welcome-rules", {**DEFAULT, **change})
        assert status == 422, change
        assert paths(told) == wanted
    assert (await caller.call("GET", "/welcome-rules"))[1]["items"] == []


async def test_a_picture_cannot_be_sent_as_a_video(caller: Caller) -> None:
    _, kept = await caller.call("POST", "/media?filename=a.png", data=b"\x89PNG\r\n\x1a\n" + b"x" * 9)
    attachment = {"msgtype": "video", "video": {"media": kept["media"]}}
    status, told = await caller.call(
        "POST", "/welcome-rules", {**DEFAULT, "content": {"text": "a", "attachments": [attachment]}}
    )
    assert status == 422
    assert paths(told) == ["content.attachments[0].video.media"]
    attachment = {"msgtype": "image", "image": {"media": kept["media"]}}
    status, _ = await caller.call(
        "POST", "/welcome-rules", {**DEFAULT, "content": {"text": "a", "attachments": [attachment]}}
    )
    assert status == 201


async def test_a_rule_that_has_become_unusable_can_be_switched_off_but_not_on(caller: Caller) -> None:
    await caller.read_directory()
    _, tags = await caller.call("GET", "/tags")
    tag = tags["items"][0]
    _, rule = await caller.call("POST", "/tag-rules", {"name": "门店", "put_on": [tag["tag_id"]]})
    caller.sandbox.machine.people.delete_tags([tag["tag_id"]], [])
    await caller.settle()
    assert (await caller.call("PATCH", f"/tag-rules/{rule['id']}", {"enabled": False}))[0] == 200
    status, told = await caller.call("PATCH", f"/tag-rules/{rule['id']}", {"enabled": True})
    assert status == 422
    assert paths(told) == ["put_on"]

    old = WelcomeRule.model_validate({"name": "旧的", "content": {"text": "{{ variable_of_another_version }}"}})
    saved = await caller.bot.db.write(rule_rows.save_welcome_rule, old, caller.bot.clock.now())
    assert (await caller.call("PATCH", f"/welcome-rules/{saved.id}", {"enabled": False}))[0] == 200
    assert (await caller.call("PATCH", f"/welcome-rules/{saved.id}", {"enabled": True}))[0] == 422


async def test_tag_rules_are_made_tried_and_removed(caller: Caller) -> None:
    await caller.read_directory()
    _, tags = await caller.call("GET", "/tags")
    first, second = (tag["tag_id"] for tag in tags["items"][:2])
    status, told = await caller.call("POST", "/tag-rules", {"name": "x", "put_on": ["ghost"], "take_off": [first]})
    assert status == 422
    assert paths(told) == ["put_on"]
    source = {"name": "门店", "put_on": [first], "take_off": [second], "conditions": {"state_prefixes": ["store"]}}
    _, rule = await caller.call("POST", "/tag-rules", source)
    _, tried = await caller.call("POST", "/tag-rules/try", {"userid": "anyone", "state": "store_1"})
    assert (tried["add"], tried["remove"], tried["rules"][0]["outcome"]) == ([first], [second], "matched")
    _, tried = await caller.call("POST", "/tag-rules/try", {"userid": "anyone", "state": "web"})
    assert tried["add"] == []
    assert tried["rules"][0]["failed"][0]["condition"] == "state"
    path = f"/tag-rules/{rule['id']}"
    assert (await caller.call("PUT", path, {**rule, "name": "改名"}))[1]["name"] == "改名"
    assert (await caller.call("DELETE", path))[0] == 200
    assert (await caller.call("GET", path))[0] == 404


async def test_trying_says_which_rule_its_words_and_why_not_the_others(caller: Caller) -> None:
    await caller.read_directory()
    staff = (await caller.call("GET", "/staff"))[1]["items"][0]
    _, default = await caller.call("POST", "/welcome-rules", DEFAULT)
    _, morning = await caller.call(
        "POST",
        "/welcome-rules",
        {
            "name": "早上",
            "conditions": {"windows": [{"start": "06:00", "end": "11:00"}], "customer": "new"},
            "content": {"text": "{{ time_of_day }}，{{ customer_name }}，欢迎来到{{ company_name }}"},
        },
    )
    asked = {"userid": staff["userid"], "at": "2026-03-04T10:00:00+08:00", "customer_name": "小鱼"}
    _, told = await caller.call("POST", "/welcome-rules/try", asked)
    assert told["rule_id"] == morning["id"]
    assert told["words"] == "早上好，小鱼，欢迎来到云杉生活"
    assert [rule["outcome"] for rule in told["rules"]] == ["matched", "outranked"]

    _, told = await caller.call("POST", "/welcome-rules/try", {**asked, "customer": "followed"})
    assert told["rule_id"] == default["id"]
    assert told["words"] == f"您好，我是{staff['name']}"
    assert told["rules"][1]["failed"] == [{"condition": "customer", "wanted": "new", "got": "followed"}]

    draft = {"name": "草稿", "priority": 9, "conditions": {"customer": "new"}, "content": {"text": "草稿"}}
    _, told = await caller.call("POST", "/welcome-rules/try", {**asked, "rule": draft})
    assert told["words"] == "草稿"
    _, rules = await caller.call("GET", "/welcome-rules")
    assert len(rules["items"]) == 2, "a draft is not kept"
    _, told = await caller.call("POST", "/welcome-rules/try", {**asked, "rule": {**draft, "content": {"text": "{{"}}})
    assert told["error"]["code"] == "invalid"


async def test_editing_a_rule_leaves_what_was_sent_as_it_was(caller: Caller) -> None:
    _, rule = await caller.call("POST", "/welcome-rules", {**DEFAULT, "content": {"text": "旧的话"}})
    caller.sandbox.machine.people.scan(state="store_poster")
    await caller.settle()
    await caller.call("PATCH", f"/welcome-rules/{rule['id']}", {"content": {"text": "新的话"}})
    _, welcomes = await caller.call("GET", "/welcomes")
    assert [(each["status"], each["words"]) for each in welcomes["items"]] == [("sent", "旧的话")]


async def test_a_body_that_is_no_object_is_refused(caller: Caller) -> None:
    bodies = [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"name": NaN}',
        b"[" * 100_000,
        b'{"name": "\\u0000"}',
        b'"x"',
        b'{"\\u0000": 1}',
    ]
    for body in bodies:
        status, told = await caller.call("POST", "/welcome-rules", data=body)
        assert status in (400, 422), body[:20]
        assert told["error"]["message"]


async def test_a_lone_surrogate_is_refused(caller: Caller) -> None:
    body = b'{"name": "\\ud800", "content": {"text": "\\udfff"}}'
    assert (await caller.call("POST", "/welcome-rules", data=body))[0] == 422
    assert (await caller.call("POST", "/tag-rules/try", data=b'{"userid": "\\ud800"}'))[0] == 422


async def test_a_body_that_is_too_large_is_refused(caller: Caller) -> None:
    large = {**DEFAULT, "fallback_text": "x" * 400_000}
    status, told = await caller.call("POST", "/welcome-rules", large)
    assert (status, told["error"]["code"]) == (413, "too_large")


async def test_instants_at_the_ends_of_the_calendar_are_refused(caller: Caller) -> None:
    for at in ("0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59-08:00", "2026-01-01T00:00:00"):
        status, told = await caller.call("POST", "/welcome-rules/try", {"userid": "a", "at": at})
        assert status == 422, at
        assert paths(told) == ["at"]


async def test_connection_errors_of_a_caller_do_no_harm(caller: Caller) -> None:
    with pytest.raises(aiohttp.ClientError):
        await caller.call("POST", "/welcome-rules", data=_broken())
    assert (await caller.call("GET", "/welcome-rules"))[0] == 200


async def _broken() -> Any:
    yield b'{"name":'
    raise aiohttp.ClientPayloadError("gone")
