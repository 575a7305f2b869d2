"""WeChat customer service: accounts, sessions, the stream of messages and events, what may be sent and when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import FrozenClock
from bot.sandbox.errors import ApiError, WorldError
from bot.sandbox.kf import BOT, CUSTOMER, ENDED, HUMAN, NEW, OWN, POOL, WINDOW_SECONDS, Kf
from bot.sandbox.machine import Machine
from bot.sandbox.world import World
from tests.sandbox.conftest import START, Client, Receiver
from tests.sandbox.test_media import PNG, upload

HELLO = {"msgtype": "text", "text": {"content": "你好"}}
STATE, SEND, SYNC, ON_EVENT = "kf/service_state/trans", "kf/send_msg", "kf/sync_msg", "kf/send_msg_on_event"


def account(client: Client) -> str:
    return client.sandbox.world.kf.accounts()[0].open_kfid


async def read_all(client: Client, token: str = "", cursor: str = "", limit: int = 1000) -> tuple[list[Any], str]:
    """Everything after a cursor, page by page, and the cursor at the end."""
    found: list[Any] = []
    while True:
        body = {"open_kfid": account(client), "token": token, "cursor": cursor, "limit": limit}
        answer = await client.post(SYNC, body)
        assert answer["errcode"] == 0, answer
        found += answer["msg_list"]
        cursor = answer["next_cursor"]
        assert len(cursor) <= 64
        if not answer["has_more"]:
            return found, cursor


async def test_accounts_links_and_servicers(client: Client) -> None:
    media_id = (await upload(client, "image", "a.png", PNG))["media_id"]
    made = await client.post("kf/account/add", {"name": "售后", "media_id": media_id})
    open_kfid = made["open_kfid"]
    for path, body, errcode in [
        ("kf/account/add", {"name": "", "media_id": media_id}, 95006),
        ("kf/account/add", {"name": "长" * 17, "media_id": media_id}, 95006),
        ("kf/account/add", {"name": "长" * 16, "media_id": "unknown"}, 40007),
        ("kf/account/add", {"name": "好"}, 41006),
        ("kf/account/update", {"open_kfid": open_kfid, "name": "新名"}, 0),
        ("kf/account/update", {"open_kfid": open_kfid, "media_id": "unknown"}, 40007),
        ("kf/account/update", {"open_kfid": "wkunknown", "name": "新名"}, 95004),
        ("kf/account/update", {"open_kfid": "xx", "name": "新名"}, 95000),
        ("kf/account/update", {"name": "新名"}, 40058),
        ("kf/add_contact_way", {"open_kfid": open_kfid, "scene": "中"}, 40058),
        ("kf/add_contact_way", {"open_kfid": open_kfid, "scene": "a" * 33}, 40058),
        ("kf/servicer/add", {"open_kfid": open_kfid}, 40058),
        ("kf/servicer/add", {"open_kfid": open_kfid, "department_id_list": list(range(21))}, 40058),
    ]:
        assert await client.code(path, body) == errcode, (path, body)
    listed = (await client.post("kf/account/list", {"offset": 1, "limit": 1}))["account_list"]
    assert [(one["name"], one["manage_privilege"]) for one in listed] == [("新名", True)]
    url = (await client.post("kf/add_contact_way", {"open_kfid": open_kfid, "scene": "shop_1"}))["url"]
    entered = await client.control("kf/enter", url=f"{url}&scene_param=a%26b", name="小鹿")
    assert (entered["open_kfid"], entered["scene"], entered["scene_param"]) == (open_kfid, "shop_1", "a&b")
    await client.control("kf/enter", 404, url="https://work.weixin.qq.com/kf/kfcunknown?enc_scene=ENC")
    member = client.sandbox.world.population.service[0].userid
    people = {"open_kfid": open_kfid, "userid_list": [member, "nobody", member], "department_id_list": [2, 99]}
    result = (await client.post("kf/servicer/add", people))["result_list"]
    assert [(one["errcode"], one["errmsg"] == "ignored") for one in result] == [
        (0, False), (40003, False), (0, True), (0, False), (60003, False),
    ]  # fmt: skip
    assert (await client.get("kf/servicer/list", open_kfid=open_kfid))["servicer_list"] == [
        {"userid": member, "status": 0}, {"department_id": 2},
    ]  # fmt: skip
    result = (await client.post("kf/servicer/del", people))["result_list"]
    assert [one["errmsg"] for one in result] == ["success", "ignored", "ignored", "success", "ignored"]
    await client.control("kf/grant", open_kfid=open_kfid, granted=False)
    assert await client.code(SYNC, {"open_kfid": open_kfid}) == 48007
    await client.control("kf/grant", open_kfid=open_kfid, granted=True)
    assert await client.code("kf/account/del", {"open_kfid": open_kfid}) == 0
    assert await client.code("kf/account/del", {"open_kfid": open_kfid}) == 95004
    await client.control("apps", kf=False)
    assert await client.code("kf/account/list", {}) == 48002


async def test_a_conversation_from_the_welcome_to_the_end(
    client: Client, receiver: Receiver, clock: FrozenClock
) -> None:
    open_kfid = account(client)
    servicer, other = list(client.sandbox.world.kf.accounts()[0].servicers)[:2]
    entered = await client.control("kf/enter", name="小鹿", scene="door")
    customer = entered["external_userid"]
    chat = {"open_kfid": open_kfid, "external_userid": customer}
    await client.sandbox.machine.callbacks.idle()
    assert "<FromUserName>" not in receiver.plaintexts[0]
    assert (receiver.named("Event"), receiver.named("OpenKfId")) == (["kf_msg_or_event"], [open_kfid])
    token = receiver.named("Token")[0]
    ((event,), cursor) = await read_all(client, token)
    assert (event["origin"], event["msgtype"], "external_userid" in event) == (4, "event", False)
    assert event["event"] == {
        "event_type": "enter_session", **chat, "scene": "door", "scene_param": "",
        "welcome_code": entered["welcome_code"],
    }  # fmt: skip
    menu = {
        "msgtype": "msgmenu",
        "msgmenu": {"head_content": "想问什么", "list": [{"type": "click", "click": {"id": "1", "content": "发货"}}]},
    }
    code = event["event"]["welcome_code"]
    assert await client.code(ON_EVENT, {"code": code, "msgtype": "image", "image": {"media_id": "x"}}) == 40008
    welcomed = await client.post(ON_EVENT, {"code": code, "msgid": "hello-1", **menu})
    assert welcomed["msgid"] == "hello-1"
    assert await client.code(ON_EVENT, {"code": code, **HELLO}) == 40029
    assert (await client.control("kf/enter", external_userid=customer))["welcome_code"] == ""
    assert await client.code(SEND, {"touser": customer, "open_kfid": open_kfid, **HELLO}) == 95018
    await client.control("kf/click", 409, msgid="hello-1", id="2", **chat)
    await client.control("kf/click", msgid="hello-1", id="1", **chat)
    messages, cursor = await read_all(client, token, cursor)
    assert [one["msgtype"] for one in messages] == ["event", "text"]
    assert messages[1]["text"] == {"content": "发货", "menu_id": "1"}
    assert messages[1]["external_userid"] == customer
    assert (await client.post("kf/service_state/get", chat))["service_state"] == NEW
    pooled = await client.post(STATE, {**chat, "service_state": POOL})
    assert await client.code(ON_EVENT, {"code": pooled["msg_code"], **menu}) == 40008
    assert await client.code(ON_EVENT, {"code": pooled["msg_code"], **HELLO}) == 0
    assert await client.code(SEND, {"touser": customer, "open_kfid": open_kfid, **HELLO}) == 95018
    stranger = client.sandbox.world.population.service[-1].userid
    await client.control("kf/pick_up", 409, userid=stranger, **chat)
    await client.control("kf/pick_up", userid=servicer, **chat)
    assert (await client.post("kf/service_state/get", chat))["servicer_userid"] == servicer
    reply = await client.control("kf/reply", userid=servicer, text="在的", **chat)
    await client.control("kf/reply", 409, userid=other, text="我也在", **chat)
    await client.control("kf/recall", userid=servicer, msgid=reply["msgid"], **chat)
    await client.control("kf/transfer", userid=servicer, to=other, **chat)
    await client.control("kf/receiving", userid=servicer, receiving=False)
    assert await client.code(STATE, {**chat, "service_state": HUMAN, "servicer_userid": servicer}) == 95019
    assert await client.code(STATE, {**chat, "service_state": HUMAN, "servicer_userid": stranger}) == 95014
    assert await client.code(STATE, {**chat, "service_state": HUMAN, "servicer_userid": other}) == 95016
    await client.control("kf/end", userid=other, **chat)
    assert await client.code(STATE, {**chat, "service_state": BOT}) == 95016
    await client.control("kf/reply", userid=other, text="还有一句", **chat)
    messages, cursor = await read_all(client, token, cursor)
    assert [(one["origin"], one.get("event", {}).get("event_type", "")) for one in messages] == [
        (4, "session_status_change"), (5, ""), (4, "servicer_recall_msg"), (4, "session_status_change"),
        (4, "servicer_status_change"), (4, "session_status_change"), (4, "session_status_change"), (5, ""),
    ]  # fmt: skip
    changes = [one["event"] for one in messages if one.get("event", {}).get("change_type")]
    assert [one["change_type"] for one in changes] == [1, 2, 3, 4]
    assert [one.get("old_servicer_userid", "") for one in changes] == ["", servicer, other, ""]
    assert messages[4]["event"]["status"] == 2
    assert (await client.get("kf/servicer/list", open_kfid=open_kfid))["servicer_list"][0]["status"] == 1
    # the code of the end: 20 seconds, and only while the session is ended
    assert await client.code(ON_EVENT, {"code": changes[2]["msg_code"], **HELLO}) == 95018
    await client.control("kf/end", userid=other, **chat)
    (event,), cursor = await read_all(client, token, cursor)
    clock.advance(timedelta(seconds=20))
    assert await client.code(ON_EVENT, {"code": event["event"]["msg_code"], **HELLO}) == 40029
    clock.advance(timedelta(minutes=10))
    assert await client.code(SYNC, {"open_kfid": open_kfid, "token": token}) == 95007
    sessions = (await client.read("kf/sessions"))["sessions"]
    assert [(one["external_userid"], one["state"]) for one in sessions] == [(customer, ENDED)]
    found = await client.post(
        "kf/customer/batchget", {"external_userid_list": [customer, "wmx"], "need_enter_session_context": 1}
    )
    assert found["invalid_external_userid"] == ["wmx"]
    assert found["customer_list"][0]["enter_session_context"] == {"scene": "", "scene_param": ""}
    clock.advance(timedelta(hours=48))
    await client.get_token()
    found = await client.post("kf/customer/batchget", {"external_userid_list": [customer]})
    assert found["invalid_external_userid"] == [customer]
    assert (await client.control("kf/enter", external_userid=customer))["welcome_code"]


async def test_what_may_be_sent(client: Client, clock: FrozenClock) -> None:
    open_kfid, media_id = account(client), (await upload(client, "image", "a.png", PNG))["media_id"]
    customer = (await client.control("kf/enter", name="橙子"))["external_userid"]
    body = {"touser": customer, "open_kfid": open_kfid}
    await client.control("kf/write", external_userid=customer, msgtype="image")
    ((_, picture), _) = await read_all(client)
    assert (await client.http.get(f"{client.sandbox.url}/sandbox/media/{picture['image']['media_id']}")).status == 200
    click = {"type": "click", "click": {"content": "好"}}
    link = {"title": "标" * 60, "desc": "", "url": "https://example.com/", "thumb_media_id": media_id}
    mini = {"appid": "wx1", "title": "小程序", "thumb_media_id": media_id, "pagepath": "a.html?x=1"}
    place = {"latitude": 23.1, "longitude": 113.3}
    cases: list[tuple[int, dict[str, Any]]] = [
        (40008, {"msgtype": "news", "news": {}}),
        (40058, {"msgtype": "text"}),
        (40058, {"msgtype": "text", "text": {"content": "长" * 683}}),
        (40058, {**HELLO, "msgid": "含中文"}),
        (40058, {**HELLO, "msgid": "x" * 33}),
        (40007, {"msgtype": "image", "image": {"media_id": "unknown"}}),
        (40058, {"msgtype": "link", "link": {**link, "url": ""}}),
        (40007, {"msgtype": "link", "link": {**link, "thumb_media_id": "unknown"}}),
        (40058, {"msgtype": "miniprogram", "miniprogram": {**mini, "pagepath": "a"}}),
        (95022, {"msgtype": "location", "location": {"latitude": 91, "longitude": 1}}),
        (95008, {"msgtype": "msgmenu", "msgmenu": {"list": [click] * 11}}),
        (95009, {"msgtype": "msgmenu", "msgmenu": {"list": [{"type": "other"}]}}),
        (0, {"msgtype": "msgmenu", "msgmenu": {"list": [click] * 10 + [{"type": "text", "text": {"content": "x"}}]}}),
        (0, {"msgtype": "link", "link": link, "msgid": "once"}),
        (95033, {"msgtype": "link", "link": link, "msgid": "once"}),
        (0, {"msgtype": "miniprogram", "miniprogram": mini}),
        (0, {"msgtype": "location", "location": place}),
        (0, HELLO),
        (95001, HELLO),
    ]
    for errcode, message in cases:
        answer = await client.post(SEND, {**body, **message})
        assert answer["errcode"] == errcode, (str(message)[:100], answer)
    sent = [one for one in (await client.read("kf/messages"))["messages"] if one["origin"] == OWN]
    assert [one["msgtype"] for one in sent] == ["msgmenu", "link", "miniprogram", "location", "text"]
    assert len(sent[1]["content"]["title"].encode()) == 126
    # what the bot sent is passed over: pages may be empty and have more behind them
    cursor = (await client.post(SYNC, {"open_kfid": open_kfid, "limit": 2}))["next_cursor"]
    answer = await client.post(SYNC, {"open_kfid": open_kfid, "limit": 2, "cursor": cursor})
    assert (answer["msg_list"], answer["has_more"]) == ([], 1)
    await client.control("kf/write", external_userid=customer, text="再问一句")
    await client.control("kf/fail_next", external_userid=customer, fail_type=10)
    assert (await client.post(SEND, {**body, **HELLO, "msgid": "lost"}))["msgid"] == "lost"
    assert await client.code(SEND, {**body, **HELLO, "msgid": "lost"}) == 95033
    last = (await read_all(client, cursor=cursor))[0][-1]
    assert (last["event"]["event_type"], last["event"]["fail_msgid"], last["event"]["fail_type"]) == (
        "msg_send_fail", "lost", 10,
    )  # fmt: skip
    # an answer that is lost after its effect: the same msgid tells
    await client.control("faults", kind="lose_answer", on=SEND, count=1)
    with pytest.raises(Exception, match=r"[Dd]isconnected|[Cc]losed|reset"):
        await client.post(SEND, {**body, **HELLO, "msgid": "twice"})
    assert await client.code(SEND, {**body, **HELLO, "msgid": "twice"}) == 95033
    clock.advance(timedelta(hours=48))
    await client.get_token()
    assert await client.code(SEND, {**body, **HELLO}) == 95002
    assert await client.code(SEND, {**body, "touser": "wmunknown", **HELLO}) == 40096
    clock.advance(timedelta(hours=24))
    await client.get_token()
    assert await read_all(client, cursor="") == ([], (await read_all(client))[1])
    assert await client.code(SYNC, {"open_kfid": open_kfid, "cursor": "made up"}) == 50100
    assert await client.code(SYNC, {"open_kfid": open_kfid, "limit": 1001}) == 40058
    answers = [await client.code(SYNC, {"open_kfid": open_kfid}) for _ in range(61)]
    assert (answers[0], answers[-1]) == (0, 45009)


async def test_a_burst_comes_with_one_event_each_or_one_for_all(client: Client, receiver: Receiver) -> None:
    await client.control("faults", target="callback", kind="duplicate", on="kf_msg_or_event", count=1)
    made = await client.control("kf/burst", messages=30, customers=7)
    again = await client.control("kf/burst", messages=5, external_userids=made["external_userids"], one_callback=True)
    await client.sandbox.machine.callbacks.idle()
    assert len(receiver.plaintexts) == 30 + 1 + 1
    found, _ = await read_all(client, receiver.named("Token")[-1], limit=4)
    assert [one["msgid"] for one in found] == made["msgids"] + again["msgids"]
    assert len({one["external_userid"] for one in found}) == 7


def test_sessions_and_messages_outlive_a_restart(tmp_path: Path) -> None:
    world = World.open(tmp_path / "world.db", clock=FrozenClock(START))
    machine = Machine.build(world)
    session, _ = machine.kf_acts.enter("", "", name="小鹿")
    machine.kf_acts.write("", session.external_userid, "text", {"content": "在吗"})
    world.close()
    world = World.open(tmp_path / "world.db", clock=FrozenClock(START))
    (kept,) = world.kf.sessions()
    assert (kept.external_userid, world.kf.state_of(kept, world.now)) == (session.external_userid, NEW)
    (account,) = world.kf.accounts()
    messages, cursor, more = world.kf.page(account.open_kfid, "", 1, world.now)
    assert (len(messages), more) == (1, True)
    messages, _, more = world.kf.page(account.open_kfid, cursor, 1000, world.now)
    assert ([one.content for one in messages], more) == ([{"content": "在吗"}], False)
    world.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((OWN, CUSTOMER)), st.integers(0, 30_000)), max_size=40), st.integers(1, 7))
def test_pages_tell_all_of_three_days_once_and_in_order(lines: list[tuple[int, int]], limit: int) -> None:
    world = World(clock=FrozenClock(START), customers=1)
    kf: Kf = world.kf
    open_kfid = kf.accounts()[0].open_kfid
    now = float(world.now)
    at = now - 5 * 86_400
    wanted: list[int] = []
    for origin, pause in lines:
        at = min(at + pause, now)
        message = kf.write(open_kfid, "wm", origin, "text", {}, at)
        if origin == CUSTOMER and now - at < 3 * 86_400:
            wanted.append(message.seq)
    found: list[int] = []
    cursor, more = "", True
    while more:
        page, cursor, more = kf.page(open_kfid, cursor, limit, now)
        assert len(page) <= limit
        found += [message.seq for message in page]
    assert found == wanted


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(("write", "send", "pool", "bot", "pick", "end", "reply", "wait")), max_size=25))
def test_a_session_is_always_in_a_state_that_its_history_allows(acts: list[str]) -> None:
    clock = FrozenClock(START)
    machine = Machine.build(World(clock=clock, customers=1))
    kf, open_kfid = machine.world.kf, machine.world.kf.accounts()[0].open_kfid
    servicer = next(iter(kf.accounts()[0].servicers))
    customer = machine.kf_acts.enter("", "", name="某人")[0].external_userid
    state, asked_at, active_at = ENDED, 0.0, 0.0
    for act in acts:
        now = clock.timestamp()
        if state != ENDED and now - active_at >= WINDOW_SECONDS:
            state = ENDED
        session = kf.session(open_kfid, customer)
        assert kf.state_of(session, now) == state
        try:
            if act == "write":
                machine.kf_acts.write("", customer, "text", {"content": "x"})
                state, asked_at, active_at = (NEW if state == ENDED else state), now, now
            elif act == "pick":
                machine.kf_acts.pick_up(servicer, "", customer)
                assert state == POOL
                state, active_at = HUMAN, now
            elif act == "reply":
                machine.kf_acts.reply(servicer, "", customer, "x")
                assert state == HUMAN or (state == ENDED and asked_at and now - asked_at < WINDOW_SECONDS)
                state, active_at = HUMAN, now
            elif act == "end":
                machine.kf_acts.end(servicer, "", customer)
                assert state == HUMAN
                state = ENDED
            elif act in ("pool", "bot") and state == NEW:
                state, active_at = (POOL if act == "pool" else BOT), now
                machine.kf_acts.trans(session, state)
        except WorldError:
            assert (act, state) not in {("pick", POOL), ("reply", HUMAN), ("end", HUMAN)}
        if act == "wait":
            clock.advance(timedelta(hours=13))


def test_a_cursor_belongs_to_its_account() -> None:
    world = World(clock=FrozenClock(START), customers=1)
    first, second = world.kf.accounts()[0], world.kf.add_account("另一个", "")
    world.kf.write(first.open_kfid, "wm", CUSTOMER, "text", {}, world.now)
    _, cursor, _ = world.kf.page(first.open_kfid, "", 10, world.now)
    with pytest.raises(ApiError) as refused:
        world.kf.page(second.open_kfid, cursor, 10, world.now)
    assert refused.value.errcode == 50100
