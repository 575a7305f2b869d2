"""The sample company is the same for the same seed, costs no memory, and keeps what changed."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import FrozenClock
from bot.sandbox.api_customers import contact_json, follow_info_json
from bot.sandbox.errors import WorldError
from bot.sandbox.journal import SqliteJournal
from bot.sandbox.population import Population
from bot.sandbox.records import Customer
from bot.sandbox.server import Sandbox, run_sandbox
from bot.sandbox.world import World
from tests.sandbox.conftest import START, Client

REFERENCE = 1_772_380_800
MILLION = Population(staff=1000, customers=1_000_000, seed=7, reference=REFERENCE)


def test_the_same_seed_makes_the_same_company() -> None:
    one = Population(staff=20, customers=500, seed=3, reference=REFERENCE)
    two = Population(staff=20, customers=500, seed=3, reference=REFERENCE)
    other = Population(staff=20, customers=500, seed=4, reference=REFERENCE)
    assert one.company == two.company
    assert one.app() == two.app()
    assert one.members == two.members
    assert one.tag_groups == two.tag_groups
    assert one.groups() == two.groups()
    assert [one.customer(index) for index in range(500)] == [two.customer(index) for index in range(500)]
    assert one.company.corpid != other.company.corpid
    assert one.app().secret != other.app().secret


def test_identifiers_have_wecoms_shapes() -> None:
    assert MILLION.company.corpid.startswith("ww")
    assert len(MILLION.company.corpid) == 18
    app = MILLION.app()
    assert len(app.encoding_aes_key) == 43
    assert len(app.callback_token) <= 32
    assert app.agentid == 1000002
    for index in (0, 39, 999_999, 5_000_000):
        external_userid = MILLION.external_userid(index)
        assert len(external_userid) == 32
        assert external_userid[:2] == ("wo" if index == 39 or index == 999_999 else "wm")


@given(st.integers(0, 10**12))
def test_an_id_leads_back_to_its_customer(index: int) -> None:
    assert MILLION.index_of(MILLION.external_userid(index)) == index


@given(st.text(max_size=40))
def test_what_is_no_id_leads_nowhere(text: str) -> None:
    assert MILLION.index_of(text) is None


@settings(max_examples=300)
@given(st.integers(0, len(MILLION.service) - 1), st.data())
def test_a_row_written_as_text_says_the_same_as_the_records(number: int, data: st.DataObject) -> None:
    userid = MILLION.service[number].userid
    row = data.draw(st.integers(0, MILLION.rows(userid) - 1))
    tag_sets = [json.dumps(tags) for tags in MILLION.tag_sets]
    external_userid, text = MILLION.row_json(userid, row, tag_sets)
    index = MILLION.row(userid, row)
    follow = MILLION.follow(index, userid)
    assert follow is not None
    customer = MILLION.customer(index)
    assert external_userid == customer.external_userid
    assert json.loads(text) == {"external_contact": contact_json(customer), "follow_info": follow_info_json(follow)}


@given(st.integers(1, 40), st.integers(0, 400), st.integers(0, 50))
def test_every_customer_stands_in_the_lists_of_its_followers(staff: int, customers: int, seed: int) -> None:
    population = Population(staff=staff, customers=customers, seed=seed, reference=REFERENCE)
    listed: dict[int, list[str]] = {}
    for member in population.service:
        for row in range(population.rows(member.userid)):
            listed.setdefault(population.row(member.userid, row), []).append(member.userid)
    assert {index: sorted(userids) for index, userids in listed.items()} == {
        index: sorted(population.followers(index)) for index in range(customers)
    }


def test_a_million_customers_cost_no_memory() -> None:
    tracemalloc.start()
    world = World(staff=1000, customers=1_000_000, clock=FrozenClock(START))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert world.customers.count() == 1_000_000
    assert size < 32 * 1024 * 1024


async def test_what_changed_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    seen: dict[str, Any] = {}
    async with Sandbox(World.open(path, clock=FrozenClock(START))) as sandbox, aiohttp.ClientSession() as http:
        client = Client(sandbox, http)
        first_token = await client.get_token()
        added = await client.control("scan", state="website", name="新人")
        pair = {"userid": added["userid"], "external_userid": added["external_userid"]}
        tag_id = (await client.post("externalcontact/get_corp_tag_list"))["tag_group"][0]["tag"][0]["id"]
        await client.control("edit", remark="老朋友", add_tags=[tag_id], **pair)
        await client.control("write", sender="customer", text="你好", **pair)
        await client.post("externalcontact/add_corp_tag", {"group_name": "新组", "tag": [{"name": "甲"}]})
        await client.control("apps", callback_url="http://127.0.0.1:9/callback")
        await client.control("groups/create", owner=pair["userid"], name="新群")
        base = (await client.get("externalcontact/list", userid=pair["userid"]))["external_userid"][0]
        await client.control("delete_by_staff", userid=pair["userid"], external_userid=base)
        await client.control("clock", advance_seconds=86_400)
        await client.control("staff/change", userid=pair["userid"], admin_welcome=True)
        for name in ("tags", "groups", f"chats/{pair['userid']}/{pair['external_userid']}", "staff", "apps"):
            seen[name] = await client.read(name)
    clock = FrozenClock(START)
    async with Sandbox(World.open(path, clock=clock)) as sandbox, aiohttp.ClientSession() as http:
        client = Client(sandbox, http)
        assert clock.now() == START + timedelta(days=1)
        for name, before in seen.items():
            assert await client.read(name) == before, name
        client_list = (await client.get("externalcontact/list", userid=pair["userid"]))["external_userid"]
        assert base not in client_list
        assert client_list[-1] == pair["external_userid"]
        again = await client.control("scan", state="website", name="第二位")
        assert again["external_userid"] != pair["external_userid"]
        assert again["welcome_codes"] != added["welcome_codes"]
        assert client.token != first_token
        await client.control("reset")
    async with Sandbox(World.open(path, clock=FrozenClock(START))) as sandbox, aiohttp.ClientSession() as http:
        await Client(sandbox, http).read(f"customers/{pair['external_userid']}", 404)


async def test_a_kill_loses_at_most_what_was_not_yet_flushed(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    world = World.open(path, clock=FrozenClock(START))
    customer = world.customers.create("新人")
    world.journal.flush()
    world.customers.create("后来的人")  # never flushed: the process dies here
    again = World.open(path, clock=FrozenClock(START))
    assert again.customers.find(customer.external_userid) == customer
    assert again.customers.count() == 301
    world.close()
    again.close()


def test_a_batch_from_before_a_reset_is_void(tmp_path: Path) -> None:
    world = World.open(tmp_path / "world.db", clock=FrozenClock(START))
    assert isinstance(world.journal, SqliteJournal)
    world.customers.create("新人")
    late = world.journal.take()
    world.reset()
    world.journal.write(late)
    assert list(world.journal.load("customer", Customer)) == []
    again = world.customers.create("第二位")
    unwritten = world.journal.take()
    world.journal.give_back(unwritten)
    world.close()
    reopened = World.open(tmp_path / "world.db", clock=FrozenClock(START))
    assert reopened.customers.find(again.external_userid) == again
    reopened.close()


def test_a_file_of_another_company_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    World.open(path, seed=1, clock=FrozenClock(START)).close()
    with pytest.raises(WorldError, match="its seed is 1, not 2"):
        World.open(path, seed=2, clock=FrozenClock(START))
    with pytest.raises(WorldError, match="its customers is 300, not 10"):
        World.open(path, seed=1, customers=10, clock=FrozenClock(START))


def test_a_world_of_a_later_day_keeps_its_reference(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    first = World.open(path, clock=FrozenClock(START))
    second = World.open(path, clock=FrozenClock(START + timedelta(days=40)))
    assert first.reference == second.reference
    first.close()
    second.close()


async def test_run_sandbox_serves_until_cancelled(tmp_path: Path) -> None:
    started: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_sandbox(port=0, path=tmp_path / "w.db", callback_url="http://127.0.0.1:9/cb", started=started)
    )
    sandbox = await started
    async with aiohttp.ClientSession() as http:
        assert (await Client(sandbox, http).read("apps"))["apps"][0]["callback_url"] == "http://127.0.0.1:9/cb"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.done()
