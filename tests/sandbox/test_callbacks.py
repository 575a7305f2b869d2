"""Callbacks: as WeCom encrypts, retries and orders them; and none for what the API changes."""

from __future__ import annotations

import asyncio
import random
import re

from aiohttp import web

from bot.sandbox.callbacks import CallbackCipher
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client, Receiver


async def test_a_scan_is_called_back_and_decrypted_by_wechatpy(client: Client, receiver: Receiver) -> None:
    added = await client.control("scan", state="website", name="新人 <&]]>")
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["add_external_contact"]
    assert receiver.named("ExternalUserID") == [added["external_userid"]]
    assert receiver.named("UserID") == [added["userid"]]
    assert receiver.named("State") == ["website"]
    assert receiver.named("WelcomeCode") == added["welcome_codes"]
    assert len(added["welcome_codes"][0]) == 43


async def test_the_envelope_has_an_empty_agentid_after_encrypt(client: Client, receiver: Receiver) -> None:
    await client.control("scan", state="website")
    await client.control("callbacks/wait")
    corpid = client.sandbox.world.company.corpid
    assert re.fullmatch(
        rf"<xml><ToUserName><!\[CDATA\[{corpid}\]\]></ToUserName><Encrypt><!\[CDATA\[[A-Za-z0-9+/=]+\]\]></Encrypt>"
        r"<AgentID><!\[CDATA\[\]\]></AgentID></xml>",
        receiver.bodies[0],
    )


async def test_a_failing_endpoint_gets_three_more_tries_with_the_same_plaintext(
    client: Client, receiver: Receiver
) -> None:
    async def refuse() -> web.Response:
        return web.Response(status=500)

    receiver.answer = refuse
    await client.control("callbacks/settings", retry_pauses_seconds=[0.01, 0.01, 0.01])
    await client.control("scan", state="website")
    await client.control("callbacks/wait")
    assert len(receiver.plaintexts) == 4
    assert len(set(receiver.plaintexts)) == 1
    assert len({query["nonce"] for query in receiver.queries}) == 4
    delivery = (await client.read("callbacks"))["deliveries"][0]
    assert delivery["state"] == "failed"
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500] * 4


async def test_the_envelope_can_stay_the_same_over_retries(client: Client, receiver: Receiver) -> None:
    async def refuse_first() -> web.Response:
        return web.Response(status=500 if len(receiver.bodies) == 1 else 200)

    receiver.answer = refuse_first
    await client.control("callbacks/settings", retry_pauses_seconds=[0.01], fresh_envelope=False)
    await client.control("scan", state="website")
    await client.control("callbacks/wait")
    assert len(receiver.bodies) == 2
    assert receiver.bodies[0] == receiver.bodies[1]
    assert receiver.queries[0] == receiver.queries[1]


async def test_no_answer_within_the_deadline_is_tried_again(client: Client, receiver: Receiver) -> None:
    never = asyncio.Event()

    async def hang_first() -> web.Response:
        if len(receiver.bodies) == 1:
            client.sandbox.machine.callbacks.settings.deadline_seconds = 60  # of the next try
            await never.wait()
        return web.Response()

    receiver.answer = hang_first
    await client.control("callbacks/settings", retry_pauses_seconds=[0.01], deadline_seconds=0.1)
    await client.control("scan", state="website")
    await client.control("callbacks/wait")
    delivery = (await client.read("callbacks"))["deliveries"][0]
    assert [(attempt["status"], attempt["error"]) for attempt in delivery["attempts"]] == [
        (0, "no answer in time"),
        (200, ""),
    ]
    never.set()


async def test_a_refused_connection_is_tried_again_and_then_given_up(client: Client, receiver: Receiver) -> None:
    await client.control("apps", callback_url="http://127.0.0.1:9/callback")
    await client.control("callbacks/settings", retry_pauses_seconds=[0.01, 0.01, 0.01])
    await client.control("scan", state="website")
    await client.control("callbacks/wait")
    answer = await client.read("callbacks")
    assert answer["failed"] == 1
    assert [attempt["status"] for attempt in answer["deliveries"][0]["attempts"]] == [0, 0, 0, 0]


async def test_one_customers_events_come_in_order_even_when_one_is_retried(client: Client, receiver: Receiver) -> None:
    async def refuse_first() -> web.Response:
        return web.Response(status=500 if len(receiver.bodies) == 1 else 200)

    receiver.answer = refuse_first
    await client.control("callbacks/settings", retry_pauses_seconds=[0.05])
    added = await client.control("scan", state="website", flow="half_then_add")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    await client.control("edit", remark="新备注", **pair)
    await client.control("delete_by_customer", **pair)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == [
        "add_half_external_contact",
        "add_half_external_contact",
        "add_external_contact",
        "edit_external_contact",
        "del_follow_user",
    ]


async def test_url_verification(client: Client, receiver: Receiver) -> None:
    client.sandbox.machine.callbacks.settings.verify_deadline_seconds = 60
    assert await client.control("callbacks/verify") == {"accepted": True, "why": ""}
    await client.control("apps", callback_token="another")
    assert (await client.control("callbacks/verify"))["accepted"] is False


async def test_what_the_api_changes_is_not_called_back(client: Client, receiver: Receiver) -> None:
    follow_users = (await client.get("externalcontact/get_follow_user_list"))["follow_user"]
    external_userid = (await client.get("externalcontact/list", userid=follow_users[0]))["external_userid"][0]
    pair = {"userid": follow_users[0], "external_userid": external_userid}
    made = await client.post("externalcontact/add_corp_tag", {"group_name": "新组", "tag": [{"name": "甲"}]})
    tag_id = made["tag_group"]["tag"][0]["id"]
    assert await client.code("externalcontact/mark_tag", {**pair, "add_tag": [tag_id]}) == 0
    assert await client.code("externalcontact/remark", {**pair, "remark": "新备注"}) == 0
    assert await client.code("externalcontact/edit_corp_tag", {"id": tag_id, "name": "乙"}) == 0
    assert await client.code("externalcontact/del_corp_tag", {"tag_id": [tag_id]}) == 0
    await client.control("callbacks/wait")
    assert receiver.plaintexts == []


async def test_an_app_out_of_range_or_unticked_hears_nothing(client: Client, receiver: Receiver) -> None:
    added = await client.control("scan", state="website")
    await client.control("callbacks/wait")
    heard = len(receiver.plaintexts)
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    await client.control("apps", change_callback=False)
    await client.control("edit", remark="甲", **pair)
    await client.control("apps", change_callback=True, visible_userids=["somebody"])
    await client.control("edit", remark="乙", **pair)
    await client.control("callbacks/wait")
    assert len(receiver.plaintexts) == heard


async def test_callback_faults(client: Client, receiver: Receiver) -> None:
    added = await client.control("scan", state="website")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    await client.control("callbacks/wait")
    receiver.plaintexts.clear()
    await client.control("faults", target="callback", kind="duplicate", on="edit_external_contact", count=1)
    await client.control("edit", remark="甲", **pair)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["edit_external_contact"] * 2
    assert len(set(receiver.plaintexts)) == 1
    receiver.plaintexts.clear()
    await client.control("faults", target="callback", kind="drop", on="edit_external_contact", count=1)
    await client.control("edit", remark="乙", **pair)
    await client.control("callbacks/wait")
    assert receiver.plaintexts == []
    await client.control("faults", target="callback", kind="reorder", count=1, seconds=30)
    await client.control("edit", remark="丙", **pair)
    await client.control("delete_by_customer", **pair)
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["del_follow_user", "edit_external_contact"]


async def test_a_held_event_goes_alone_when_none_follows(client: Client, receiver: Receiver) -> None:
    await client.control("faults", target="callback", kind="reorder", count=1, seconds=0.05)
    await client.control("scan", state="website")
    await client.control("callbacks/wait")
    assert receiver.named("ChangeType") == ["add_external_contact"]


def test_the_cipher_agrees_with_a_published_vector() -> None:
    """The vector of wechatpy's own tests: token, key and random bytes are given there."""

    class Fixed(random.Random):
        def randbytes(self, n: int) -> bytes:
            return b"1234567890123456"[:n]

    cipher = CallbackCipher("123456", "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "wx49f0ab532d5d035a", Fixed())
    plaintext = (
        "<xml>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[test]]></Content>\n"
        "<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>\n<ToUserName><![CDATA[messense]]></ToUserName>\n"
        "<AgentID>1</AgentID>\n<CreateTime>1411525903</CreateTime>\n</xml>"
    )
    encrypted = cipher.encrypt(plaintext)
    assert encrypted == (
        "9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8GqxlhZgURn"
        "AtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qvSUCUld+/WIXrx0oy"
        "KQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkd"
        "Q39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3"
    )
    assert cipher.sign("1411525903", "461056294", encrypted) == "407518b7649e86ef23978113f92d27afa9296533"
    assert cipher.decrypt(encrypted) == plaintext


async def test_stopping_leaves_no_task_behind(sandbox: Sandbox, client: Client, receiver: Receiver) -> None:
    await client.control("faults", target="callback", kind="delay", seconds=60)
    await client.control("scan", state="website")
    await sandbox.stop()
    assert sandbox.machine.callbacks.waiting == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("callbacks-")]
