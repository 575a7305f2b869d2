"""A sync that is killed at random, and one beside people who go on living: afterwards our rows are the world's.

`SIYU_KILLS=50` makes the first as long as one likes.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, delete

from bot.clock import Clock
from bot.sandbox.errors import WorldError
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import Database
from data.models import FollowStatus, Lease, SyncStatus
from data.queries import sync_runs as run_rows
from tests.cli.conftest import write_config
from tests.conftest import Urls, killed_on
from tests.forks import Fork, siyu
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_sync import BATCH, Pair, our_rows, sync, world_rows

KILLS = int(os.environ.get("SIYU_KILLS", "2"))
STAFF, CUSTOMERS = 8, 1_000


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    """A company whose customers take dozens of calls to read, each at WeCom's usual speed."""
    async with Sandbox(World(clock=clock, staff=STAFF, customers=CUSTOMERS)) as running:
        running.machine.faults.add(Fault(id=0, target="api", kind="latency", on=BATCH, seconds=0.1))
        yield running


@killed_on("postgresql")
@pytest.mark.slow
async def test_a_sync_killed_at_random_goes_on_and_counts_nothing_twice(
    sandbox: Sandbox, urls: Urls, db: Database, tmp_path: Path
) -> None:
    app, company = sandbox.world.app, sandbox.world.company
    config = write_config(
        tmp_path / "config.toml",
        urls,
        company=f'corpid = "{company.corpid}"',
        app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
        wecom=f'api_base_url = "{sandbox.api_base_url}"',
    )
    rng, read = random.Random(1), Company(sandbox, None)  # type: ignore[arg-type]
    killed = 0
    for _ in range(KILLS):
        stop_at = read.calls(BATCH) + rng.randrange(1, 12)
        process = await Fork.start(siyu, "sync", "--config", str(config))
        ended = asyncio.create_task(process.wait())
        while read.calls(BATCH) < stop_at and not ended.done():
            await asyncio.sleep(0.005)
        process.kill()
        killed += await ended != 0
        await db.write(let_its_lease_run_out)
    assert killed, "it was always done before it was killed"

    process = await Fork.start(siyu, "sync", "--config", str(config), output=tmp_path / "out")
    # A guard against hanging: the command lets every other process go first.
    assert await asyncio.wait_for(process.wait(), 240) == 0
    assert await db.read(our_rows) == world_rows(read)
    runs = await db.read(run_rows.list_runs)
    new = 0
    for run in runs:
        assert run.status == SyncStatus.DONE
        assert run.id is not None
        counts, problems = await db.read(run_rows.sum_report, run.id)
        assert problems == []
        new += counts.get("follows_new", 0)
    assert new == len(world_rows(read)), "each follow is counted with its row or not at all"
    assert json.loads((tmp_path / "out").read_text().splitlines()[-1])


def let_its_lease_run_out(session: Session) -> None:
    """As its minute would."""
    session.exec(delete(Lease))


@pytest.mark.slow
async def test_events_and_a_sync_race_for_the_same_customers(start: Start) -> None:
    company = await start()
    rng, pairs = random.Random(2), [*world_rows(company)]
    work = asyncio.create_task(sync(company))
    left: set[Pair] = set()
    acts = 0
    while not work.done() and acts < 100:
        acts += 1
        userid, external_userid = rng.choice(pairs)
        with suppress(WorldError):  # what cannot be done now, such as leaving twice
            match rng.randrange(4):
                case 0:
                    pairs.append((company.scan().follow.userid, external_userid))
                case 1:
                    company.people.edit(userid, external_userid, add_tags=[rng.choice(company.tag_ids)])
                case 2:
                    company.people.delete_by_customer(userid, external_userid)
                    left.add((userid, external_userid))
                case 3:
                    company.people.delete_by_staff(userid, external_userid)
        await asyncio.sleep(0.05)
    await work
    await company.settle_with_retries()
    assert left, "nobody left"
    company.bot.clock.advance(timedelta(minutes=5))
    await sync(company)

    ours, world = await company.read(our_rows), world_rows(company)
    for pair, row in world.items():
        follow = company.world.customers.find_follow(*pair)
        assert follow is not None
        expected = FollowStatus.DELETED_BY_CUSTOMER if follow.friendship == "left" else FollowStatus.PRESENT
        assert ours.pop(pair) == (expected, *row[1:]), pair
    assert {row[0] for row in ours.values()} <= {FollowStatus.DELETED_BY_STAFF, FollowStatus.DELETED_BY_CUSTOMER}
