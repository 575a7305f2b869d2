"""`/imports`: a table of another tool by a program."""

from __future__ import annotations

import asyncio

from sqlmodel import Session

from data.models import Customer, FieldDefinition
from data.queries import fields
from scheduler.imports import run_import
from tests.api.conftest import Caller

TABLE = "客户ID,城市,x\nwm1,上海,1\nwm2,,2\nwm9,北京,3\n"


async def work(caller: Caller, number: int) -> None:
    """Have an import worked on until it rests."""
    async with asyncio.timeout(30):
        while (await caller.call("GET", f"/imports/{number}"))[1]["status"] in ("reading", "checking", "running"):
            await run_import(caller.bot.context, number)


async def test_a_program_imports_a_file(caller: Caller) -> None:
    now = caller.bot.clock.now()

    def prepare(session: Session) -> None:
        session.add(FieldDefinition(name="city", title="城市", kind="text", created_at=now))
        session.add_all([Customer(external_userid=f"wm{number}", first_seen_at=now) for number in (1, 2)])

    await caller.bot.db.write(prepare)
    status, told = await caller.call("POST", "/imports?name=a.csv", data=b"%PDF\0\xff")
    assert (status, told["error"]["problems"][0]["path"]) == (422, "file")
    assert (await caller.call("POST", "/imports?order_source=wecom_pay", data=TABLE.encode()))[0] == 422
    status, told = await caller.call("POST", "/imports?name=a.csv", data=TABLE.encode())
    assert (status, told["status"], told["targets"]) == (201, "reading", ["external_userid", "field.city", ""])
    number = told["id"]
    await work(caller, number)
    _, told = await caller.call("GET", f"/imports/{number}")
    states = {state: count for state, count in told["states"].items() if count}
    assert (told["status"], states) == ("ready", {"ready": 1, "same": 1, "review": 1})
    assert told["tally"]["fields"] == {"city": 1}
    status, found = await caller.call("GET", f"/imports/{number}/rows?state=review")
    assert (status, found["items"][0]["line"], found["next_after"]) == (200, 4, None)
    wrong = await caller.call("PATCH", f"/imports/{number}", {"targets": ["name", "", ""]})
    assert (wrong[0], wrong[1]["error"]["problems"][0]["path"]) == (422, "targets")
    assert (await caller.call("POST", f"/imports/{number}/rows", {"line": 4, "external_userid": "wm9"}))[0] == 404
    await caller.bot.db.write(
        lambda session: session.add(Customer(external_userid="wm9", name="小鱼", first_seen_at=now))
    )
    _, found = await caller.call("GET", f"/imports/{number}/rows?after=3")
    assert found["items"][0]["people"] == [{"external_userid": "wm9", "name": "小鱼", "members": []}]
    assert (await caller.call("POST", f"/imports/{number}/rows", {"line": 4, "external_userid": "wm2"}))[0] == 200
    assert (await caller.call("PATCH", f"/imports/{number}", {"options": {"overwrite": True}}))[0] == 200
    await work(caller, number)
    assert (await caller.call("POST", f"/imports/{number}/start"))[0] == 200
    await work(caller, number)
    values = await caller.bot.db.read(fields.list_values, ["wm1", "wm2"])
    assert {whose: each["city"] for whose, each in values.items()} == {"wm1": "上海", "wm2": "北京"}
    assert (await caller.call("POST", f"/imports/{number}/cancel"))[0] == 409
    assert (await caller.call("GET", "/imports?limit=1"))[1]["items"][0]["status"] == "done"
    narrow = await caller.make_token("imports:read")
    assert (await caller.call("POST", f"/imports/{number}/start", token=narrow))[0] == 403
