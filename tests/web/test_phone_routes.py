"""What the phone page is served from and what it reads, without a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import aiohttp
import pytest
from yarl import URL

from bot.sandbox.phone import CONTENT_SECURITY_POLICY, page_files
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client, Receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def fetch(client: Client, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
    async with client.http.get(URL(client.sandbox.url + path, encoded=True), headers=headers) as response:
        return response.status, await response.text(), response.headers


@pytest.mark.parametrize("path", ["/", "/phone"])
async def test_the_page_and_all_that_it_names_is_there(client: Client, path: str) -> None:
    status, page, headers = await fetch(client, path)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'self'; img-src 'self' data:;")
    assert headers["X-Content-Type-Options"] == "nosniff"
    named = re.findall(r'(?:href|src)="(/[^"]+)"', page)
    assert "/phone/app.js" in named
    for name in named:
        found, _, kind = await fetch(client, name)
        assert (found, name) == (200, name)
        assert "charset=utf-8" in kind["Content-Type"]
        assert kind["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


async def test_every_module_is_asked_for_at_once(client: Client) -> None:
    """A module that is not preloaded is found only after the one that imports it: a slower first paint."""
    _, page, _ = await fetch(client, "/")
    preloaded = set(re.findall(r'modulepreload" href="/phone/([^"]+)"', page))
    assert preloaded == {path.name for path in page_files().glob("*.js")}


async def test_an_unchanged_file_is_not_sent_again(client: Client) -> None:
    _, _, headers = await fetch(client, "/phone/app.js")
    status, body, _ = await fetch(client, "/phone/app.js", **{"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, "")


@pytest.mark.parametrize(
    "path", ["/phone/nothing.js", "/phone/..%2f..%2fpyproject.toml", "/phone/%2e%2e", "/phone/.", "/phone/messages"]
)
async def test_nothing_but_the_pages_files_is_served(client: Client, path: str) -> None:
    status, _, _ = await fetch(client, path)
    assert status == 404


@pytest.mark.parametrize(
    "path", ["/", "/phone", "/phone/app.js", "/phone/nothing", "/sandbox/phone/state", "/sandbox/phone/qr/x"]
)
async def test_only_this_machine_may_look(client: Client, path: str) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "127.0.0.1.evil.example"}):
        status, _, _ = await fetch(client, path, **headers)
        assert status == 403
    status, _, _ = await fetch(client, path, Host="localhost")
    assert status != 403


async def test_a_channel_has_a_qr_code(client: Client, sandbox: Sandbox) -> None:
    config_id = next(iter(sandbox.world.ways.contact))
    status, body, headers = await fetch(client, f"/sandbox/phone/qr/{config_id}")
    assert (status, headers["Content-Type"]) == (200, "image/svg+xml")
    assert ET.fromstring(body).tag.endswith("svg")
    status, _, _ = await fetch(client, "/sandbox/phone/qr/none")
    assert status == 404


async def test_reads_refuse_what_they_do_not_know(client: Client) -> None:
    for path, status in (
        ("phone/staff?limit=0", 400),
        ("phone/staff?limit=1000", 400),
        ("phone/channels?nonsense=1", 400),
        ("phone/staff/nobody/customers", 404),
        ("phone/staff/nobody/messages", 404),
        ("phone/customers/nobody", 404),
        ("phone/chats/nobody/nobody", 404),
    ):
        answer = await client.read(path, status)
        assert answer["error"]["message"]


async def test_the_timeline_tells_both_directions_newest_first(client: Client, receiver: Receiver) -> None:
    added = await client.control("scan", state="website", name="小鹿")
    await client.sandbox.machine.callbacks.idle()
    await client.post("externalcontact/send_welcome_msg", {"welcome_code": "nonsense", "text": {"content": "hi"}})
    await client.get("externalcontact/get", external_userid=added["external_userid"])
    entries = (await client.read("phone/timeline"))["entries"]
    assert [entry.get("path") or entry["change_type"] for entry in entries] == [
        "externalcontact/get",
        "externalcontact/send_welcome_msg",
        "gettoken",
        "add_external_contact",
    ]
    assert [entry["at"] for entry in entries] == sorted((entry["at"] for entry in entries), reverse=True)
    assert entries[0]["customer"] == "小鹿"
    assert entries[1]["errcode"] == 41050
    assert (entries[3]["state"], entries[3]["welcome_code"]) == ("delivered", True)


async def test_the_state_counts_what_was_delivered_and_what_failed(client: Client, receiver: Receiver) -> None:
    await client.control("scan", state="website", name="一")
    await client.control("callbacks/settings", retry_pauses_seconds=[])
    await client.sandbox.machine.callbacks.idle()
    client.sandbox.world.app.callback_url = "http://127.0.0.1:9/"
    await client.control("scan", state="website", name="二")
    await client.sandbox.machine.callbacks.idle()
    bot = (await client.read("phone/state"))["bot"]
    assert bot == {"connected": True, "delivered": 1, "failed": 1, "waiting": 0, "last": "failed"}


async def test_a_customer_sees_chats_and_groups(client: Client, sandbox: Sandbox) -> None:
    added = await client.control("scan", state="website", name="小鹿")
    external_userid = added["external_userid"]
    group = next(iter(sandbox.world.groups))
    await client.control("groups/join", chat_id=group.chat_id, people=[external_userid])
    phone = await client.read(f"phone/customers/{external_userid}")
    assert [chat["staff"]["userid"] for chat in phone["chats"]] == [added["userid"]]
    assert [one["chat_id"] for one in phone["groups"]] == [group.chat_id]


async def test_older_messages_come_a_page_at_a_time(client: Client) -> None:
    added = await client.control("scan", state="website", name="小鹿")
    pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
    for number in range(7):
        await client.control("write", **pair, sender="customer", text=str(number))
    path = f"phone/chats/{pair['userid']}/{pair['external_userid']}"
    latest = await client.read(path, limit=5)
    assert [message["content"]["content"] for message in latest["messages"]] == ["2", "3", "4", "5", "6"]
    assert latest["more"]
    older = await client.read(path, limit=5, before=latest["messages"][0]["seq"])
    assert [message["content"]["content"] for message in older["messages"]][1:] == ["0", "1"]
    assert not older["more"]


async def test_the_stream_reaches_a_page_that_came_later(client: Client, sandbox: Sandbox) -> None:
    async with client.http.get(f"{sandbox.url}/sandbox/events", timeout=aiohttp.ClientTimeout(total=20)) as stream:
        await stream.content.readline()
        added = sandbox.machine.people.scan(userid=sandbox.world.population.service[0].userid, name="小鹿")
        while added.follow.external_userid not in (await stream.content.readline()).decode():
            pass
