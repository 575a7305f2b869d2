"""The control API: reading, faults, clock, stream of changes; and for this machine only."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import timedelta

import aiohttp
import pytest

from bot.clock import FrozenClock
from bot.sandbox.control import is_loopback
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.sandbox.conftest import START, Client, Receiver


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:8081", True),
        ("127.9.8.7", True),
        ("localhost:1", True),
        ("[::1]:8081", True),
        ("evil.example:8081", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("192.168.1.5", False),
        ("", False),
        ("[", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


async def test_a_foreign_host_or_origin_is_refused(client: Client) -> None:
    for headers in ({"Host": "rebound.example:8081"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        for path in ("world", "events"):
            async with client.http.get(f"{client.sandbox.url}/sandbox/{path}", headers=headers) as response:
                assert response.status == 403
                assert (await response.json())["error"]["code"] == "forbidden"
    async with client.http.get(client.sandbox.url + "/sandbox/world", headers={"Origin": "http://127.0.0.1:9"}) as ok:
        assert ok.status == 200


async def test_errors_have_one_shape(client: Client) -> None:
    url = client.sandbox.url + "/sandbox/"
    for body, status, code in (
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b'{"unknown": 1}', 400, "bad_request"),
        (b'{"state": "nowhere"}', 404, "not_found"),
        (b"{}", 409, "not_possible"),
    ):
        async with client.http.post(url + "scan", data=body) as response:
            assert response.status == status, body
            error = (await response.json())["error"]
            assert error["code"] == code
            assert error["message"]
    pair = {"userid": "nobody", "external_userid": "wm"}
    assert (await client.control("delete_by_staff", 404, **pair))["error"]["code"] == "not_found"


async def test_people_cannot_do_the_impossible(client: Client) -> None:
    added = await client.control("scan", state="website", flow="half")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    await client.control("edit", 409, remark="x", **pair)
    await client.control("confirm", **pair)
    await client.control("confirm", 409, **pair)
    await client.control("delete_by_staff", **pair)
    await client.control("delete_by_customer", 409, **pair)
    await client.control("write", 409, sender="staff", text="x", **pair)
    await client.control("tags/add", 409, group_name="客户等级", names=["核心"])
    group = (await client.read("groups"))["groups"][0]
    await client.control("groups/leave", 409, chat_id=group["chat_id"], people=[group["owner"]])


async def test_the_calls_are_listed_with_their_outcome(client: Client) -> None:
    await client.get_token()
    before = (await client.read("calls"))["last"]
    await client.code("externalcontact/get", external_userid="wm-unknown")
    await client.code("externalcontact/mark_tag", {"userid": "u", "external_userid": "e"})
    await client.code("externalcontact/mark_tag", {"userid": "u", "external_userid": "e"})
    answer = await client.read("calls", since=before)
    assert [(call["path"], call["errcode"]) for call in answer["calls"]] == [
        ("externalcontact/get", 40096),
        ("externalcontact/mark_tag", 40003),
        ("externalcontact/mark_tag", 40003),
    ]
    assert answer["calls"][1]["params_digest"] == answer["calls"][2]["params_digest"]
    assert answer["calls"][1]["external_userid"] == "e"
    assert {"path": "externalcontact/mark_tag", "errcode": 40003, "calls": 2} in answer["counts"]
    assert [c["path"] for c in (await client.read("calls", path="gettoken"))["calls"]] == ["gettoken"]
    token = client.token
    assert token is not None
    assert token not in json.dumps(answer)


async def test_faults_of_the_api(client: Client) -> None:
    path = "externalcontact/get_follow_user_list"
    await client.get_token()
    await client.control("faults", kind="errcode", errcode=-1, on=path, count=2)
    assert [await client.code(path) for _ in range(3)] == [-1, -1, 0]
    await client.control("faults", kind="expire_token", count=1)
    assert await client.code(path) == 42001
    await client.get_token()
    await client.control("faults", kind="http", status=503, count=1)
    url, params = client.sandbox.api_base_url + path, {"access_token": client.token or ""}
    async with client.http.get(url, params=params) as response:
        assert response.status == 503
    await client.control("faults", kind="drop", count=1)
    with pytest.raises(aiohttp.ClientError):  # a POST, because aiohttp's client itself repeats a GET
        await client.code("externalcontact/get_corp_tag_list", {})
    assert await client.code(path) == 0
    await client.control("faults", kind="throttle", on=path, count=1, seconds=60)
    assert [await client.code(path) for _ in range(3)] == [45009] * 3
    await client.control("clock", advance_seconds=60)
    assert await client.code(path) == 0
    await client.control("faults", kind="latency", seconds=0.05, count=1)
    started = asyncio.get_running_loop().time()
    assert await client.code(path) == 0
    assert asyncio.get_running_loop().time() - started >= 0.05
    assert (await client.read("faults")) == {"faults": []}


async def test_an_answer_lost_after_the_effect(client: Client) -> None:
    added = await client.control("scan", state="website")
    body = {"welcome_code": added["welcome_codes"][0], "text": {"content": "你好"}}
    await client.get_token()
    await client.control("faults", kind="lose_answer", on="externalcontact/send_welcome_msg", count=1)
    with pytest.raises(aiohttp.ClientError):
        await client.code("externalcontact/send_welcome_msg", body)
    assert await client.code("externalcontact/send_welcome_msg", body) == 41051
    chat = await client.read(f"chats/{added['userid']}/{added['external_userid']}")
    assert [message["origin"] for message in chat["messages"]].count("welcome") == 1


async def test_a_lost_answer_with_an_error_is_lost_too(client: Client) -> None:
    await client.get_token()
    await client.control("faults", kind="lose_answer", count=1)
    with pytest.raises(aiohttp.ClientError):
        await client.code("externalcontact/mark_tag", {"userid": "nobody"})


async def test_faults_are_the_same_for_the_same_seed(clock: FrozenClock) -> None:
    async def run(seed: int) -> list[int]:
        async with Sandbox(World(seed=seed, clock=clock)) as sandbox, aiohttp.ClientSession() as http:
            client = Client(sandbox, http)
            await client.get_token()
            await client.control("faults", kind="errcode", errcode=-1, probability=0.5)
            return [await client.code("department/list") for _ in range(20)]

    assert await run(5) == await run(5)
    assert await run(5) != await run(6)


async def test_faults_can_be_cleared_and_must_make_sense(client: Client) -> None:
    one = await client.control("faults", kind="errcode")
    await client.control("faults", kind="errcode")
    async with client.http.delete(f"{client.sandbox.url}/sandbox/faults/{one['id']}") as response:
        assert await response.json() == {"cleared": 1}
    async with client.http.delete(f"{client.sandbox.url}/sandbox/faults") as response:
        assert await response.json() == {"cleared": 1}
    await client.control("faults", 409, kind="nonsense")
    await client.control("faults", 409, kind="errcode", probability=2)
    await client.control("faults", 400, kind="http", status=200)


async def test_the_clock_moves_everything(client: Client, clock: FrozenClock) -> None:
    answer = await client.control("clock", advance_seconds=3600)
    assert answer["timestamp"] == (START + timedelta(hours=1)).timestamp()
    await client.control("clock", at="2026-04-01T00:00:00+08:00")
    assert clock.now().isoformat() == "2026-03-31T16:00:00+00:00"
    added = await client.control("scan", state="website")
    assert added["follow"]["createtime"] == int(clock.timestamp())
    await client.control("clock", 409)


async def test_the_stream_tells_what_happens(client: Client) -> None:
    async with client.http.get(client.sandbox.url + "/sandbox/events") as stream:
        assert stream.content_type == "text/event-stream"
        await stream.content.readline()
        await stream.content.readline()
        added = await client.control("scan", state="website")
        first = await stream.content.readline()
        second = json.loads((await stream.content.readline()).removeprefix(b"data: "))
        assert first == b"id: 1\n"
        assert second["kind"] == "follow.changed"
        assert second["external_userid"] == added["external_userid"]
    async with client.http.get(client.sandbox.url + "/sandbox/events", headers={"Last-Event-ID": "0"}) as stream:
        await stream.content.readline()
        await stream.content.readline()
        assert await stream.content.readline() == b"id: 1\n"


async def test_stopping_ends_the_streams(client: Client) -> None:
    assert client.sandbox._runner is not None
    client.sandbox._runner._shutdown_timeout = 60.0  # so long it would wait for one that goes on
    async with client.http.get(client.sandbox.url + "/sandbox/events") as stream:
        await stream.content.readline()
        async with asyncio.timeout(30):
            await client.sandbox.stop()
            await stream.content.read()


async def test_a_slow_watcher_is_let_go(sandbox: Sandbox) -> None:
    watcher = sandbox.world.changes.watch()
    first = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    for number in range(2100):
        sandbox.world.changes.note("x", number=number)
    with pytest.raises(StopAsyncIteration):
        await first


async def test_raw_callbacks(client: Client, receiver: Receiver) -> None:
    await client.control("callbacks/raw", plaintext="<xml>anything</xml>")
    await client.control(
        "callbacks/raw",
        fixture="change_external_contact__add_external_contact",
        values={"UserID": "SomeOne", "Extra": "1"},
    )
    await client.control("callbacks/wait")
    assert receiver.plaintexts[0] == "<xml>anything</xml>"
    assert "<UserID><![CDATA[SomeOne]]></UserID>" in receiver.plaintexts[1]
    assert "<Extra>1</Extra></xml>" in receiver.plaintexts[1]
    assert receiver.named("ToUserName")[1] == client.sandbox.world.company.corpid
    assert receiver.named("CreateTime")[1] == str(client.sandbox.world.now)
    await client.control("callbacks/raw", 409)
    await client.control("callbacks/raw", 404, fixture="nothing")
    await client.control("apps", callback_url="")
    await client.control("callbacks/raw", 409, plaintext="<xml/>")


async def test_a_reset_forgets(client: Client) -> None:
    added = await client.control("scan", state="website")
    await client.control("faults", kind="latency")
    await client.control("reset")
    await client.read(f"customers/{added['external_userid']}", 404)
    assert (await client.read("faults")) == {"faults": []}
    client.token = None
    assert await client.code("externalcontact/get_follow_user_list") == 0


async def test_a_body_that_is_too_large(client: Client) -> None:
    answer = await client.call("POST", "externalcontact/mark_tag", io.BytesIO(bytes(5 * 1024 * 1024)))
    assert answer["errcode"] == 40206


async def test_every_reading_route_answers(client: Client) -> None:
    for path in (
        "world", "staff", "departments", "customers", "tags", "groups", "channels", "transfers", "fixtures", "apps",
        "calls", "clock", "settings", "limits", "faults", "callbacks",
    ):  # fmt: skip
        assert await client.read(path)
    userid = (await client.read("staff"))["staff"][0]["userid"]
    listed = (await client.read(f"staff/{userid}/customers", limit=3))["customers"]
    assert len(listed) == 3
    external_userid = listed[0]["customer"]["external_userid"]
    found = await client.read(f"customers/{external_userid}")
    assert found["follows"][0]["friendship"] == "mutual"
    chat_id = (await client.read("groups"))["groups"][0]["chat_id"]
    assert (await client.read(f"groups/{chat_id}"))["group"]["members"]
    await client.read("groups/wr-unknown", 404)
    await client.read("media/unknown", 404)


async def test_acquisition_events(client: Client, receiver: Receiver) -> None:
    await client.control("acquisition", change_type="friend_request", link_id="ca1", state="ad")
    await client.control("callbacks/wait")
    assert receiver.named("Event") == ["customer_acquisition"]
    assert receiver.named("ChangeType") == ["friend_request"]
    assert receiver.named("State") == ["ad"]


async def test_staff_join_move_and_change(client: Client) -> None:
    await client.control("staff/join", name="新同事", userid="XinTongShi", department=[3])
    assert (await client.get("user/get", userid="XinTongShi"))["department"] == [3]
    await client.control("staff/join", 409, name="又一位", userid="xintongshi")
    made = await client.control("departments", name="华北销售组", parentid=2)
    await client.control("staff/change", userid="XinTongShi", department=[made["id"]])
    members = (await client.get("user/simplelist", department_id=made["id"]))["userlist"]
    assert [member["userid"] for member in members] == ["XinTongShi"]
    await client.control("departments", 409, id=2, name="销售部", parentid=made["id"])
    await client.control("staff/change", 404, userid="XinTongShi", department=[99])
