"""Custom fields and birthdays through the API."""

from __future__ import annotations

from sqlmodel import Session

from data.models import Customer, CustomerField
from data.queries import fields as rows
from tests.api.conftest import Caller


async def furnish(caller: Caller, *customers: str) -> None:
    def add(session: Session) -> None:
        for external_userid in customers:
            session.add(Customer(external_userid=external_userid, first_seen_at=caller.bot.clock.now()))

    await caller.bot.db.write(add)


async def test_fields_are_defined_filled_and_removed(caller: Caller) -> None:
    await furnish(caller, "wm1")
    path = "/customers/wm1/fields"
    for name, kind in (("level", "text"), ("points", "number"), ("joined", "date"), ("vip", "flag")):
        assert (await caller.call("POST", "/fields", {"name": name, "kind": kind, "title": "级别"}))[0] == 201
    assert [each["name"] for each in (await caller.call("GET", "/fields"))[1]["items"]] == [
        "joined", "level", "points", "vip",
    ]  # fmt: skip
    assert await caller.call("GET", path) == (200, {})
    values = {"level": "金卡", "points": 12.5, "joined": "2026-03-04", "vip": True, "birthday": "1990-08-15"}
    born = {"calendar": "solar", "month": 8, "day": 15, "leap_month": False, "year": 1990}
    assert await caller.call("PUT", path, values) == (200, {**values, "birthday": born})
    lunar = {"calendar": "lunar", "month": 8, "day": 15}
    changed = {"level": None, "points": 3, "birthday": lunar}
    _, told = await caller.call("PATCH", path, changed)
    assert told == {
        "points": 3, "joined": "2026-03-04", "vip": True, "birthday": {**lunar, "leap_month": False, "year": None},
    }  # fmt: skip
    assert await caller.call("PUT", path, told) == (200, told)
    assert await caller.call("PUT", path, {"vip": False}) == (200, {"vip": False})
    assert (await caller.call("DELETE", "/fields/vip"))[0] == 200
    assert await caller.call("GET", path) == (200, {})
    assert (await caller.call("DELETE", "/fields/vip"))[0] == 404


async def test_a_customer_who_is_not_known_has_no_fields(caller: Caller) -> None:
    for method, body in (("GET", None), ("PUT", {}), ("PATCH", {"birthday": "1990-08-15"})):
        assert (await caller.call(method, "/customers/nobody/fields", body))[0] == 404
    assert (await caller.call("GET", "/customers/nobody"))[0] == 404


async def test_a_field_keeps_its_kind(caller: Caller) -> None:
    await caller.call("POST", "/fields", {"name": "level", "kind": "text"})
    assert (await caller.call("POST", "/fields", {"name": "level", "kind": "number"}))[0] == 409
    status, told = await caller.call("POST", "/fields", {"name": "level", "kind": "text", "title": "级别"})
    assert (status, told["title"]) == (201, "级别")
    assert (await caller.call("POST", "/fields", {"name": "birthday", "kind": "text"}))[0] == 422


async def test_faults_are_named_and_nothing_is_written(caller: Caller) -> None:
    await furnish(caller, "wm1")
    await caller.call("POST", "/fields", {"name": "level", "kind": "text"})
    status, told = await caller.call("PATCH", "/customers/wm1/fields", {"level": "金卡", "colour": 1, "birthday": {}})
    assert status == 422
    assert {each["path"] for each in told["error"]["problems"]} == {"colour", "birthday.month", "birthday.day"}
    assert await caller.call("GET", "/customers/wm1/fields") == (200, {})


async def test_a_field_of_many_customers_is_removed_in_parts(caller: Caller) -> None:
    await caller.call("POST", "/fields", {"name": "level", "kind": "text"})

    def fill(session: Session) -> None:
        now = caller.bot.clock.now()
        session.add_all(
            CustomerField(external_userid=f"wm{n}", name="level", text="x", changed_at=now) for n in range(2_500)
        )

    await caller.bot.db.write(fill)
    assert (await caller.call("DELETE", "/fields/level"))[0] == 200
    assert await caller.bot.db.read(rows.list_values, ["wm1", "wm2499"]) == {}
