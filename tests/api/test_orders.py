"""Orders through the API: kept once, matched, claimed, and safe to send again."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from io import BytesIO
from typing import Any

from data.queries import repeated_requests as repeat_rows
from data.rules.orders import BATCH_MAX
from scheduler.orders import purge_repeats
from tests.api.conftest import Caller

ORDER = {
    "source": "shop", "number": "A1", "status": "paid", "amount_fen": 9900, "placed_at": "2026-03-04T10:00:00+08:00",
}  # fmt: skip


def keyed(caller: Caller, key: str) -> dict[str, Any]:
    return {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": key}


async def send(caller: Caller, body: Any, key: str) -> tuple[int, Any, Any]:
    url = f"{caller.bot.url}/api/v1/orders"
    async with caller.http.post(url, json=body, headers=keyed(caller, key)) as response:
        return response.status, await response.json(), response.headers.get("Idempotency-Replayed")


async def customer(caller: Caller) -> str:
    added = caller.sandbox.machine.people.scan(state="store_poster")
    await caller.settle()
    return added.follow.external_userid


async def test_an_order_is_sent_looked_at_claimed_and_unclaimed(caller: Caller) -> None:
    whom = await customer(caller)
    order = ORDER | {"mobile": "+86 138 0013 8000", "items": [{"name": "茶"}]}
    status, told = await caller.call("POST", "/orders", order)
    assert status == 200
    (result,) = told["items"]
    assert (result["result"], result["external_userid"], result["waits_because"]) == ("created", None, "nobody_known")
    status, waiting = await caller.call("GET", "/orders?unmatched=true")
    assert [each["id"] for each in waiting["items"]] == [result["id"]]
    _, order = await caller.call("GET", f"/orders/{result['id']}")
    assert order["told"] == {"external_userid": "", "unionid": "", "mobile": "13800138000", "trade_number": ""}
    assert order["items"] == [{"sku": "", "name": "茶", "count": 1, "amount_fen": 0}]
    assert order["placed_at"] == "2026-03-04T02:00:00Z"
    assert (await caller.call("POST", f"/orders/{result['id']}/claim", {"external_userid": "nobody"}))[0] == 404
    assert (await caller.call("POST", f"/orders/{result['id']}/claim", {}))[0] == 422
    status, claimed = await caller.call("POST", f"/orders/{result['id']}/claim", {"external_userid": whom})
    assert (status, claimed["external_userid"], claimed["matched_by"]) == (200, whom, "claim")
    _, mine = await caller.call("GET", f"/orders?external_userid={whom}&status=paid&source=shop&number=A1")
    assert len(mine["items"]) == 1
    status, free = await caller.call("DELETE", f"/orders/{result['id']}/claim")
    assert (status, free["external_userid"]) == (200, None)
    assert (await caller.call("DELETE", f"/orders/{result['id']}/claim"))[0] == 409
    assert (await caller.call("GET", "/orders/999"))[0] == 404


async def test_a_customer_who_turns_up_finds_their_order(caller: Caller) -> None:
    whom = await customer(caller)
    await caller.call("POST", "/orders", ORDER | {"external_userid": whom})
    await caller.call("POST", "/orders", ORDER | {"number": "A2", "external_userid": "wmLater"})
    _, told = await caller.call("GET", "/orders")
    assert [(each["external_userid"], each["waits_because"]) for each in told["items"]] == [
        (None, "customer_unknown"),
        (whom, None),
    ]


async def test_a_batch_is_kept_as_a_whole_or_not_at_all(caller: Caller) -> None:
    batch = [ORDER | {"number": f"B{n}", "items": [{"name": "茶" * 50}] * 7} for n in range(BATCH_MAX)]
    status, told = await caller.call("POST", "/orders", {"orders": batch})
    assert status == 200
    assert [each["number"] for each in told["items"]] == [each["number"] for each in batch]
    status, told = await caller.call("POST", "/orders", {"orders": [ORDER, ORDER | {"amount_fen": "1"}]})
    assert status == 422
    assert [each["path"] for each in told["error"]["problems"]] == ["orders[1].amount_fen"]
    assert (await caller.call("GET", "/orders?number=A1"))[1]["items"] == []
    many = BytesIO(json.dumps({"orders": [ORDER] * 10_000}).encode())
    assert (await caller.call("POST", "/orders", data=many))[0] == 422
    assert (await caller.call("POST", "/orders", {"orders": []}))[0] == 422
    assert (await caller.call("POST", "/orders", {"orders": [ORDER], "status": "paid"}))[0] == 422
    assert (await caller.call("POST", "/orders", data=BytesIO(b" " * 2_000_001)))[0] == 413


async def test_the_source_of_payments_is_not_for_shops(caller: Caller) -> None:
    status, told = await caller.call("POST", "/orders", ORDER | {"source": "wecom_pay"})
    assert (status, told["error"]["problems"][0]["path"]) == (422, "source")


async def test_orders_are_paged(caller: Caller) -> None:
    await caller.call("POST", "/orders", {"orders": [ORDER | {"number": f"P{n}"} for n in range(5)]})
    _, first = await caller.call("GET", "/orders?limit=3")
    _, second = await caller.call("GET", f"/orders?limit=3&before_id={first['next_before_id']}")
    assert [each["number"] for each in first["items"] + second["items"]] == ["P4", "P3", "P2", "P1", "P0"]
    assert second["next_before_id"] is None


async def test_the_same_key_is_answered_alike_and_done_once(caller: Caller) -> None:
    first = await send(caller, ORDER, "k1")
    assert first[1]["items"][0]["result"] == "created"
    assert await send(caller, ORDER, "k1") == (first[0], first[1], "true")
    status, told, _ = await send(caller, ORDER | {"amount_fen": 1}, "k1")
    assert (status, told["error"]["code"]) == (422, "key_reused")
    assert (await send(caller, ORDER, "k2"))[1]["items"][0]["result"] == "unchanged"


async def test_another_caller_may_use_the_same_key(caller: Caller) -> None:
    await send(caller, ORDER, "k1")
    caller.token = await caller.make_token("orders:write")
    assert (await send(caller, ORDER | {"amount_fen": 1}, "k1"))[1]["items"][0]["result"] == "updated"


async def test_a_request_that_is_refused_leaves_its_key_free(caller: Caller) -> None:
    assert (await send(caller, ORDER | {"amount_fen": -1}, "k1"))[0] == 422
    assert (await send(caller, ORDER, "k1"))[1]["items"][0]["result"] == "created"


async def test_twins_with_one_key_do_the_work_once(caller: Caller) -> None:
    answers = await asyncio.gather(*(send(caller, ORDER, "k1") for _ in range(12)))
    assert [status for status, _, _ in answers] == [200] * 12
    assert {str(told) for _, told, _ in answers} == {str(answers[0][1])}
    assert answers[0][1]["items"][0]["result"] == "created"
    assert sorted(replayed or "" for _, _, replayed in answers) == ["", *["true"] * 11]


async def test_a_key_that_is_none_is_refused(caller: Caller) -> None:
    for key in ("", " ", "x" * 201, "钥"):
        status, told, _ = await send(caller, ORDER, key)
        assert (status, told["error"]["code"]) == (400, "bad_request"), key


async def test_a_key_is_forgotten_after_a_week(caller: Caller) -> None:
    await send(caller, ORDER, "k1")
    assert await purge_repeats(caller.bot.context) == 0
    caller.bot.clock.advance(timedelta(days=8))
    assert await purge_repeats(caller.bot.context) == 1
    assert await caller.bot.db.write(repeat_rows.purge, caller.bot.clock.now()) == 0
    assert (await send(caller, ORDER, "k1"))[1]["items"][0]["result"] == "unchanged"
