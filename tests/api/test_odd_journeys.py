"""Whatever a journey's definition says, the answer is a journey or says where the fault is."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Caller
from tests.api.test_odd_requests import ODD

TEXT = {"text": "您好"}
TREE = {"all": [{"gender": {"genders": ["female"]}}, {"not": {"preference": {"wishes": ["paused"]}}}]}
STEPS: list[dict[str, Any]] = [
    {"key": "ask", "when": {"days": 1, "at": "10:00", "only": "workdays", "since": "start"}, "only_if": TREE,
     "action": {"do": "task", "content": TEXT, "hint": "先看订单", "worth": 80, "valid_hours": 24},
     "late": {"within_hours": 3, "then": "do"}, "hold_days": 1},
    {"key": "news", "when": {"minutes": 5}, "action": {"do": "broadcast", "content": TEXT, "valid_hours": 24}},
    {"key": "mark", "action": {"do": "tags", "put_on": ["et1"], "take_off": ["et2"]}},
    {"key": "level", "action": {"do": "field", "field": "level", "value": 1}},
    {"key": "tell", "action": {"do": "webhook", "url": "https://shop.example.com/"}},
    {"key": "which", "action": {"do": "branch", "cases": [{"segment": TREE, "go": "over"}], "otherwise": "rest"}},
    {"key": "rest", "action": {"do": "wait"}},
    {"key": "over", "action": {"do": "end"}},
]  # fmt: skip
TRIGGERS: list[dict[str, Any]] = [
    {"on": "added", "who": "new", "states": ["a"], "state_prefixes": ["b"], "userids": ["ann"], "department_ids": [1]},
    {"on": "tagged", "tag_id": "et1", "put": "off"},
    {"on": "group", "did": "left", "chat_ids": ["wr1"]},
    {"on": "ordered", "nth": 1, "min_fen": 5, "sources": ["shop"], "product": "茶"},
    {"on": "clicked", "link": "menu"},
    {"on": "form", "form": "about"},
    {"on": "event", "name": "signed"},
    {"on": "segment", "segment": TREE},
    {"on": "birthday", "days_before": 3},
    {"on": "date_field", "field": "due", "days": -3, "yearly": True},
    {"on": "silent", "days": 30},
    {"on": "calendar", "cron": "0 10 18 * *", "skip_holidays": True},
]
ODDER: list[Any] = [
    *ODD, float("nan"), float("inf"), 1e308, -(2**63), [[[[]]]], {"all": []}, {"not": {"not": {}}}, "0 0 30 2 *",
    "* * * * *",
    "00:00", "24:00", "http://[", "http://１２７.0.0.1/", {"text": "\u0000"}, {"text": "{{ customer_name|x }}"}, "a\nb",
]  # fmt: skip
#: More than a usual run has time for.
ROUNDS = int(os.environ.get("SIYU_ODD", "50"))


def whole(chance: random.Random) -> dict[str, Any]:
    """A journey that says something in every field."""
    return {
        "name": "新客", "trigger": chance.choice(TRIGGERS), "audience": TREE, "again": {"after_days": 3},
        "steps": STEPS, "goal": chance.choice(TRIGGERS[:7]), "goal_days": 3,
        "stops": chance.sample(TRIGGERS[:7], 2), "priority": 7,
        "hold_out_percent": 10, "sender_policy": "tag_owner", "sender_tag_ids": ["et1"], "sender_fallback": "recent",
        "excluded_userids": ["bo"], "owner": "ann",
    }  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in it."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """The same with something odd at a place."""
    if not path:
        return odd
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], odd)
    return copy


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)  # which takes less than SQLite
async def test_no_definition_makes_the_program_fail(caller: Caller) -> None:
    chance = random.Random(11)
    for name, kind in (("level", "number"), ("due", "date")):
        assert (await caller.call("POST", "/fields", {"name": name, "kind": kind}))[0] in (200, 201)
    good = {"name": "x", "trigger": {"on": "event", "name": "a"}, "steps": [STEPS[3]]}
    _, made = await caller.call("POST", "/journeys", good)
    kept = set[int]()
    for _ in range(ROUNDS):
        said = whole(chance) if chance.random() < 0.7 else good
        odd = changed(said, chance.choice([*places(said)][1:]), chance.choice(ODDER))
        asks = [("POST", "/journeys", odd), ("PUT", f"/journeys/{made['id']}", {**odd, "version": 1})]
        method, path, body = chance.choice([*asks, ("POST", "/journeys/simulate", {"definition": odd, "days": 3})])
        status, told = await caller.call(method, path, data=json.dumps(body).encode())
        assert status in (200, 201, 409, 422, 400), (path, body, told)
        if status == 422:
            assert all(each["path"] and each["message"] for each in told["error"]["problems"]), told
        if status == 201:
            kept.add(told["id"])
    # What was kept can be started, asked for and explained, or says why not.
    for journey_id in kept:
        for path in ("start", "existing", "stop"):
            assert (await caller.call("POST", f"/journeys/{journey_id}/{path}"))[0] < 500, path
        assert (await caller.call("GET", f"/journeys/{journey_id}"))[0] == 200
