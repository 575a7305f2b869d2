"""Customer-acquisition links: made within WeCom's limits, opened by customers, and what WeCom tells of that."""

from __future__ import annotations

from datetime import timedelta

from bot.sandbox.statistics import midnight_of
from tests.sandbox.conftest import Client, Receiver

PATH = "externalcontact/customer_acquisition"


async def test_links_are_made_within_limits(client: Client) -> None:
    first, second = (member.userid for member in client.sandbox.world.population.service[:2])
    for body, code in (
        ({"range": {"user_list": [first]}}, 40058),
        ({"link_name": "广告"}, 40058),
        ({"link_name": "长" * 31, "range": {"user_list": [first]}}, 40058),
        ({"link_name": "广告", "range": {}}, 40058),
        ({"link_name": "广告", "range": {"user_list": ["nobody"]}}, 40003),
        ({"link_name": "广告", "range": {"department_list": [99]}}, 60003),
        ({"link_name": "广告", "range": {"user_list": [first]}, "priority_option": {"priority_type": 3}}, 40058),
    ):
        assert await client.code(f"{PATH}/create_link", body) == code, body
    made = (await client.post(f"{PATH}/create_link", {"link_name": "广告", "range": {"user_list": [first]}}))["link"]
    shown = await client.post(f"{PATH}/get", {"link_id": made["link_id"]})
    assert (shown["link"]["skip_verify"], shown["range"]["user_list"]) == (True, [first])
    update = {"link_id": made["link_id"], "range": {"user_list": [second]}, "skip_verify": False}
    assert await client.code(f"{PATH}/update_link", update) == 0
    shown = await client.post(f"{PATH}/get", {"link_id": made["link_id"]})
    assert (shown["link"]["link_name"], shown["link"]["skip_verify"], shown["range"]["user_list"]) == (
        "广告",
        False,
        [second],
    )
    assert (await client.post(f"{PATH}/list_link", {"limit": 100}))["link_id_list"] == [made["link_id"]]
    assert await client.code(f"{PATH}/list_link", {"limit": 101}) == 40058
    assert await client.code(f"{PATH}/delete_link", {"link_id": made["link_id"]}) == 0
    for name in ("get", "update_link", "delete_link", "customer", "statistic"):
        assert await client.code(f"{PATH}/{name}", {"link_id": made["link_id"]}) == 40058, name
    assert await client.code(f"{PATH}/get_chat_info", {"chat_key": "x"}) == 41201


async def test_links_are_opened_counted_and_end(client: Client, receiver: Receiver) -> None:
    world, userid = client.sandbox.world, client.sandbox.world.population.service[0].userid
    body = {"link_name": "广告", "range": {"user_list": [userid]}}
    link_id = (await client.post(f"{PATH}/create_link", body))["link"]["link_id"]
    await client.control("links/quota", total=500, balance=21)
    added = await client.control("links/open", link_id=link_id, customer_channel="ads" * 40, name="小鱼")
    assert (added["follow"]["add_way"], added["follow"]["state"]) == (16, ("ads" * 40)[:64])
    await client.control("links/open", link_id=link_id, adds=False)
    again = {"link_id": link_id, "external_userid": added["external_userid"]}
    assert (await client.control("links/open", **again))["outcome"] == "already"
    await client.control("links/open", link_id=link_id, name="大山")
    for _ in range(3):
        await client.control(
            "write", userid=userid, external_userid=added["external_userid"], sender="customer", text="在吗"
        )
    await client.control("callbacks/wait")
    told = [each for each in receiver.named("ChangeType") if not each.endswith("external_contact")]
    assert sorted(told) == [
        "balance_low", "customer_start_chat", "friend_request", "friend_request", "message_from_customer",
    ]  # fmt: skip
    (chat_key,) = [each for each in receiver.named("ChatKey") if each]
    info = await client.post(f"{PATH}/get_chat_info", {"chat_key": chat_key})
    assert (info["external_userid"], info["chat_info"]["recv_msg_cnt"]) == (added["external_userid"], 3)
    listed = await client.post(f"{PATH}/customer", {"link_id": link_id, "limit": 1})
    assert (listed["customer_list"][0]["chat_status"], listed["next_cursor"] != "") == (1, True)
    quota = await client.get("externalcontact/customer_acquisition_quota")
    assert (quota["total"], quota["balance"], quota["quota_list"][0]["balance"]) == (500, 19, 19)
    day = midnight_of(world.now)
    span = {"link_id": link_id, "start_time": day, "end_time": day}
    assert await client.code(f"{PATH}/statistic", span) == 600018, "not before the day is over"
    world.clock.advance(timedelta(days=1))
    await client.get_token()
    assert await client.code(f"{PATH}/get_chat_info", {"chat_key": chat_key}) == 41201
    counted = await client.post(f"{PATH}/statistic", span)
    assert (counted["click_link_customer_cnt"], counted["new_customer_cnt"]) == (4, 2)
    await client.control("links/quota", total=500, balance=0)
    await client.control("links/open", 409, link_id=link_id, name="来晚了")
    await client.control("links/delete", link_id=link_id)
    await client.control("links/open", 404, link_id=link_id)
    await client.control("callbacks/wait")
    assert {"balance_exhausted", "delete_link"} <= set(receiver.named("ChangeType"))
