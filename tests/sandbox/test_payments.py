"""Payments in chats: what the local WeCom tells of them, and to whom."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import Client

BILLS = "externalpay/get_bill_list"


async def pay(client: Client, **more: Any) -> dict[str, Any]:
    userid = client.sandbox.world.population.service[0].userid
    return await client.control("payments/pay", **{"userid": userid, "amount_fen": 9900, **more})


def span(client: Client, **more: Any) -> dict[str, Any]:
    now = client.sandbox.world.now
    return {"begin_time": now - 86_400, "end_time": now, **more}


async def test_payments_are_paged_and_the_last_page_has_no_cursor(client: Client) -> None:
    for _ in range(5):
        await pay(client)
    seen, cursor = [], ""
    while True:
        answer = await client.post(BILLS, span(client, limit=2, cursor=cursor))
        seen += [bill["transaction_id"] for bill in answer["bill_list"]]
        if "next_cursor" not in answer:
            break
        cursor = answer["next_cursor"]
    assert len(seen) == len(set(seen)) == 5
    assert await client.code(BILLS, span(client, cursor="nonsense")) == 50100


async def test_a_refund_is_a_record_of_its_own_and_changes_the_payment(client: Client) -> None:
    payment = await pay(client)
    await client.control("payments/refund", transaction_id=payment["transaction_id"], amount_fen=900)
    income, refund = (await client.post(BILLS, span(client)))["bill_list"]
    assert (income["trade_state"], income["total_refund_fee"]) == (3, 900)
    assert (refund["bill_type"], refund["total_refund_fee"]) == (1, 900)
    await client.control("payments/refund", 409, transaction_id=payment["transaction_id"], amount_fen=9001)
    await client.control("payments/refund", transaction_id=payment["transaction_id"])
    assert (await client.read("payments"))["items"][0]["refunds"][1]["refund_fee"] == 9000


async def test_what_wecom_refuses_is_refused(client: Client) -> None:
    now = client.sandbox.world.now
    wrong = [
        {}, {"begin_time": now}, {"begin_time": now, "end_time": now - 1},
        {"begin_time": now - 40 * 86_400, "end_time": now}, span(client, limit=1001), span(client, limit=0),
    ]  # fmt: skip
    for body in wrong:
        assert await client.code(BILLS, body) == 40058, body
    app = client.sandbox.world.app
    app.external_pay = False
    client.sandbox.world.put_app(app)
    assert await client.code(BILLS, span(client)) == 48002


async def test_records_of_payees_out_of_range_leave_a_short_page(client: Client) -> None:
    one, two = client.sandbox.world.population.service[:2]
    await pay(client, userid=one.userid)
    await pay(client, userid=two.userid)
    app = client.sandbox.world.app
    app.visible_userids, app.visible_parties = [two.userid], []
    client.sandbox.world.put_app(app)
    first = await client.post(BILLS, span(client, limit=1))
    assert first["bill_list"] == []
    second = await client.post(BILLS, span(client, limit=1, cursor=first["next_cursor"]))
    assert [bill["payee_userid"] for bill in second["bill_list"]] == [two.userid]


async def test_nobody_made_up_pays(client: Client) -> None:
    await client.control("payments/pay", 404, userid="nobody", amount_fen=1)
    userid = client.sandbox.world.population.service[0].userid
    await client.control("payments/pay", 404, userid=userid, external_userid="nobody", amount_fen=1)
    await client.control("payments/refund", 404, transaction_id="1")
