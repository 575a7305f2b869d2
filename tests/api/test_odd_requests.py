"""Whatever is sent, the answer is never a 5xx and always has the one shape."""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any

import pytest

from bot.api.routes import ROUTES
from tests.api.conftest import Caller

ODD: list[Any] = [
    None, True, 0, -1, 2**31, 2**63, 2**64, 10**400, 1.5, "", " ", "a", "\ud800", "\u0000", "\u0007", "𝒳" * 300,
    "x" * 5000,
    "{{", "{% if %}", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", [], {}, [None],
    [[]],
    ["a", "a"], [2**70], {"a": 1}, {"msgtype": "image"}, [{"msgtype": "image", "image": {"media": "x", "pic_url": 3}}],
    [{"weekdays": [0, 9]}], [{"start": "25:00"}], ["add", "nothing"],
]  # fmt: skip
NAMES = (
    "id", "name", "priority", "enabled", "conditions", "content", "fallback_text", "text", "attachments", "states",
    "state_prefixes", "userids", "department_ids", "windows", "customer", "triggers", "put_on", "take_off", "words",
    "pattern", "search_in", "add_ways", "chat_ids", "userid", "state", "at", "customer_name", "rule", "trigger",
    "add_way",
    "remark", "chat_id", "tag_ids", "event_id", "dead", "since", "until",
    "source", "number", "status", "amount_fen", "placed_at", "changed_at", "external_userid", "unionid", "mobile",
    "trade_number", "items", "orders", "kind", "title", "birthday", "calendar", "month", "day", "leap_month", "year",
)  # fmt: skip
NESTED = ("conditions", "content", "rule")
#: More than a usual run has time for.
ROUNDS = int(os.environ.get("SIYU_ODD", "300"))
QUERIES = ("limit", "before_id", "status", "kind", "userid", "external_userid", "since", "until", "reason", "filename",
           "source", "number", "unmatched", "after", "tag_id", "changed_since")  # fmt: skip


def odd_object(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {"name": "规则", "content": {"text": "您好"}, "userid": "a"} if chance.random() < 0.5 else {}
    for name in chance.sample(NAMES, chance.randint(0, 5)):
        nest = name in NESTED and depth < 3 and chance.random() < 0.7
        made[name] = odd_object(chance, depth + 1) if nest else chance.choice(ODD)
    return made


@pytest.mark.slow
async def test_no_request_makes_the_program_fail(caller: Caller) -> None:
    chance = random.Random(7)
    await caller.call("POST", "/welcome-rules", {"name": "默认", "content": {"text": "您好"}})
    for _ in range(ROUNDS):
        route = chance.choice(ROUTES)
        path = route.path.replace("{id:[0-9]{1,18}}", chance.choice(["1", "0", "9" * 18]))
        path = re.sub(r"\{\w+(?::.*?\})?\}", "x1", path)
        query = {name: str(chance.choice(ODD))[:200] for name in chance.sample(QUERIES, chance.randint(0, 2))}
        query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        body = json.dumps(odd_object(chance)).encode() if route.method != "GET" else None
        status, told = await caller.call(route.method, path, data=body, params=query)
        assert status < 500, (route.method, path, query, body)
        if status >= 400:
            assert told["error"].keys() == {"code", "message", "remedy", "problems"}
    assert (await caller.call("GET", "/welcome-rules"))[0] == 200
