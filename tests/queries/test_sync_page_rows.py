"""Pages of a sync beside somebody who writes the same customers in the same moment."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from sqlmodel import Session, col, select

from data.db import Database
from data.models import Customer, Follow
from data.queries import sync_pages as rows
from data.queries.sync_pages import PageChanges
from tests.conftest import Urls

PAGE: list[dict[str, Any]] = [
    {
        "external_contact": {"external_userid": external_userid, "name": "王", "type": 1, "gender": 2},
        "follow_info": {"userid": "lin", "createtime": 1_700_000_000, "tag_id": []},
    }
    for external_userid in ("wm1", "wm2")
]


def apply(session: Session, now: datetime) -> PageChanges:
    listed, problems = rows.read_page("lin", PAGE, now)
    assert problems == []
    return rows.apply_listed(session, listed, {}, now)["lin"]


async def test_a_customer_whom_an_event_makes_in_the_same_moment_is_no_new_one(
    urls: Urls, db: Database, now: datetime
) -> None:
    if db.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    other, watch = await asyncpg.connect(urls.main), await asyncpg.connect(urls.main)
    async with other.transaction():
        await other.execute(
            "INSERT INTO customers (external_userid, name, avatar, type, gender, unionid, corp_name, position,"
            " first_seen_at) VALUES ('wm1', '', '', 0, 0, '', '', '', now())"
        )
        page = asyncio.create_task(db.write(apply, now))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not await watch.fetchval(waits):  # not in the transaction, which would see the first answer for ever
            await asyncio.sleep(0.01)
            assert not page.done()
    changes = await page
    await other.close()
    await watch.close()
    assert (changes.customers_new, changes.customers_changed, changes.follows_new) == (1, 1, 2)

    def read(session: Session) -> tuple[set[str], set[tuple[str, int]]]:
        names = set(session.exec(select(Customer.name)))
        return names, set(session.exec(select(col(Follow.external_userid), col(Follow.gender))))

    assert await db.read(read) == ({"王"}, {("wm1", 2), ("wm2", 2)})


async def test_a_deadlock_while_rows_are_copied_in_is_tried_again(urls: Urls, db: Database, now: datetime) -> None:
    if db.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    add = (
        "INSERT INTO customers (external_userid, name, avatar, type, gender, unionid, corp_name, position,"
        " first_seen_at) VALUES ($1, '', '', 0, 0, '', '', '', now())"
    )
    other, watch = await asyncpg.connect(urls.main), await asyncpg.connect(urls.main)
    await watch.execute(add, "wm1")
    async with other.transaction():
        await other.execute("SET LOCAL deadlock_timeout = '1min'")  # the page is to be the one that gives way
        await other.execute(add, "wm2")
        page = asyncio.create_task(db.write(apply, now))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not await watch.fetchval(waits):
            await asyncio.sleep(0.01)
            assert not page.done()
        await other.execute("UPDATE customers SET name = 'x' WHERE external_userid = 'wm1'")
    changes = await page
    await other.close()
    await watch.close()
    assert (changes.customers_changed, changes.follows_new) == (2, 2)
