"""The company's tags through the API."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.faults import Fault
from tests.api.conftest import Caller

NEW: dict[str, Any] = {"group_name": "活动", "tags": [{"name": "春季"}, {"name": "秋季", "order": 4}]}


async def test_tags_are_made_changed_and_deleted(caller: Caller) -> None:
    await caller.read_directory()
    status, made = await caller.call("POST", "/tags", NEW)
    spring, autumn = made["items"]
    assert (status, spring["name"], autumn["order"], spring["made_by_us"]) == (201, "春季", 4, True)
    status, changed = await caller.call("PATCH", f"/tags/{spring['tag_id']}", {"name": "立春", "order": 9})
    assert (status, changed) == (200, {**spring, "name": "立春", "order": 9})
    group = f"/tag-groups/{spring['group_id']}"
    status, renamed = await caller.call("PATCH", group, {"name": "节气"})
    assert (status, renamed["name"], renamed["tags"]) == (200, "节气", 2)
    assert await caller.call("DELETE", f"/tags/{autumn['tag_id']}") == (200, {"worn": 0, "rules": []})
    _, rule = await caller.call("POST", "/tag-rules", {"name": "全部", "put_on": [spring["tag_id"]]})
    assert await caller.call("DELETE", group) == (200, {"worn": 0, "rules": [{"id": rule["id"], "name": "全部"}]})
    _, groups = await caller.call("GET", "/tag-groups")
    assert spring["group_id"] not in [each["group_id"] for each in groups["items"]]
    assert {each["group_id"] for each in groups["items"]} == set(caller.sandbox.world.tags.groups)


async def test_what_cannot_be_done_is_told_in_the_shape_of_all_errors(caller: Caller) -> None:
    await caller.read_directory()
    _, tags = await caller.call("GET", "/tags")
    foreign = tags["items"][0]
    cases: list[tuple[str, str, Any, int, str]] = [
        ("POST", "/tags", {"tags": []}, 422, "invalid"),
        ("POST", "/tags", {**NEW, "group_order": 2**32}, 422, "invalid"),
        ("POST", "/tags", {"group_id": "etnone", "tags": [{"name": "甲"}]}, 404, "not_found"),
        ("POST", "/tags", {"group_id": foreign["group_id"], "tags": [{"name": foreign["name"]}]}, 409, "conflict"),
        ("PATCH", "/tags/etnone", {"name": "甲"}, 404, "not_found"),
        ("PATCH", f"/tags/{foreign['tag_id']}", {}, 422, "invalid"),
        ("PATCH", f"/tags/{foreign['tag_id']}", {"name": "甲"}, 409, "not_ours"),
        ("DELETE", f"/tag-groups/{foreign['group_id']}", None, 409, "not_ours"),
    ]
    for method, path, body, status, code in cases:
        got, told = await caller.call(method, path, body)
        assert (got, told["error"]["code"]) == (status, code), (method, path, body)
        assert told["error"]["remedy"]


@pytest.mark.drawn
@pytest.mark.parametrize(
    ("errcode", "status", "code"),
    [(40126, 409, "quota"), (48002, 502, "refused_by_wecom"), (40072, 502, "refused_by_wecom"), (-1, 502, "")],
)
async def test_wecoms_own_refusals_are_passed_on(caller: Caller, errcode: int, status: int, code: str) -> None:
    await caller.read_directory()
    fault = Fault(0, "api", "errcode", on="externalcontact/add_corp_tag", errcode=errcode)
    caller.sandbox.machine.faults.add(fault)
    got, told = await caller.call("POST", "/tags", NEW)
    if errcode == -1:  # it is not known whether WeCom made them: looked at, and they are not there
        assert (got, told["error"]["code"]) == (503, "unavailable")
    else:
        assert (got, told["error"]["code"]) == (status, code)
