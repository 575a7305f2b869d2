"""`siyu orders` and `siyu fields`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from data.db import Database
from data.models import Customer
from data.queries import orders as rows
from data.rules.orders import OrderGiven
from tests.cli.conftest import Ended, Siyu

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


async def furnish(db: Database) -> None:
    await db.write(lambda session: session.add(Customer(external_userid="wm1", first_seen_at=AT)))
    given = [
        OrderGiven.model_validate(
            {"source": "shop", "number": number, "status": "paid", "amount_fen": 990_050, "placed_at": AT, **clues}
        )
        for number, clues in (("A1", {"external_userid": "wm1"}), ("A2", {"mobile": "138"}), ("A3", {}))
    ]
    await db.write(rows.save_orders, given, AT)


async def test_orders_are_listed_claimed_and_set_free(siyu: Siyu, config: Path, db: Database) -> None:
    await furnish(db)

    async def run(*words: str) -> Ended:
        return await asyncio.to_thread(siyu, "orders", *words, config=config)

    told = await run("list", "--customer", "wm1")
    assert "A1" in told.out
    assert "9,900.50" in told.out
    waiting = await run("unmatched")
    assert "nobody known has this unionid, number or telephone" in waiting.out
    assert "1 because the shop tells nothing of the buyer" in waiting.out
    assert [each["number"] for each in (await run("unmatched", "--json")).json] == ["A3", "A2"]
    assert (await run("claim", "3", "wm1")).out == "Order 3 is wm1's.\n"
    assert (await run("show", "3")).json["matched_by"] == "claim"
    assert (await run("unclaim", "3")).out == "Order 3 waits: the shop tells nothing of the buyer.\n"
    for wrong in (("claim", "3", "nobody"), ("unclaim", "3"), ("show", "99"), ("show", "0")):
        assert (await run(*wrong)).code == 2
    assert (await run("list", "--source", "other")).out == "There is no such order.\n"


async def test_fields_are_defined_set_and_removed(siyu: Siyu, config: Path, db: Database) -> None:
    await furnish(db)

    async def run(*words: str) -> Ended:
        return await asyncio.to_thread(siyu, "fields", *words, config=config)

    assert "siyu fields define" in (await run("list")).out
    for name, kind in (("level", "text"), ("points", "number"), ("vip", "flag")):
        assert (await run("define", name, "--kind", kind, "--title", "级别")).code == 0
    assert [each["name"] for each in (await run("list", "--json")).json] == ["level", "points", "vip"]
    told = await run("set", "wm1", "level=12", "points=3.5", "vip=true", "birthday=1990-08-15")
    assert told.json["level"] == "12"
    assert told.json["points"] == 3.5
    assert told.json["vip"] is True
    lunar = await run("set", "wm1", 'birthday={"calendar":"lunar","month":8,"day":15}', "level=")
    assert lunar.json["birthday"]["calendar"] == "lunar"
    assert "level" not in (await run("show", "wm1")).json
    assert (await run("delete", "points")).out == "Field points is removed, with 1 values.\n"
    wrong = [
        ("set", "wm1", "points=1"), ("set", "wm1", "vip=perhaps"), ("set", "wm1", "vip"), ("show", "nobody"),
        ("define", "Level", "--kind", "text"), ("define", "x", "--kind", "colour"), ("delete", "points"),
    ]  # fmt: skip
    for words in wrong:
        assert (await run(*words)).code == 2, words
