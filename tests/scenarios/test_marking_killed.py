"""A marking is killed with SIGKILL at random moments and goes on: in the end all is as asked, in WeCom and our rows."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path

import pytest
from sqlmodel import Session, col, delete, select

from bot.clock import Clock
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.models import Follow, FollowStatus, FollowTag, Lease, Marking, MarkingItem, Tag
from tests.cli.conftest import siyu_beside, write_config
from tests.conftest import Urls
from tests.forks import Fork, siyu
from tests.scenarios.conftest import read_company

#: `SIYU_KILLS=50` makes it as long as one likes; `SIYU_KILL_SEED` repeats a run.
KILLS = int(os.environ.get("SIYU_KILLS", "2"))
SEED = int(os.environ.get("SIYU_KILL_SEED", "1"))


def let_leases_run_out(session: Session) -> None:
    """As their minute would."""
    session.execute(delete(Lease))


def wearers(session: Session, tag_id: str) -> set[tuple[str, str]]:
    """Who wears a tag, by our rows."""
    rows = (
        select(Follow.userid, Follow.external_userid)
        .join(FollowTag, col(FollowTag.follow_id) == col(Follow.id))
        .join(Tag, col(Tag.tag_no) == col(FollowTag.tag_no))
        .where(col(Tag.tag_id) == tag_id, col(Follow.status) == FollowStatus.PRESENT)
    )
    return {(userid, external_userid) for userid, external_userid in session.execute(rows)}


def rest(session: Session) -> tuple[Marking, int]:
    """The marking, and how many items it has left."""
    marking = session.execute(select(Marking)).scalar_one()
    return marking, len(session.execute(select(MarkingItem)).all())


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)  # both databases are interrupted in test_markings
@pytest.mark.slow
async def test_killed_at_random_moments_everybody_is_marked_in_the_end(urls: Urls, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with Sandbox(World(clock=Clock())) as sandbox:
        app, company = sandbox.world.app, sandbox.world.company
        config = write_config(
            tmp_path / "config.toml", urls,
            company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"',
        )  # fmt: skip
        await read_company(sandbox, urls)
        put, off = [tag.id for tag in sandbox.world.tags][:2]
        options = ("--put-on", put, "--take-off", off, "--everyone", "--config", config)
        counted = (await siyu_beside("tags", "mark", "--dry-run", *options)).json
        made = (await siyu_beside("tags", "mark", "--no-wait", *options)).json
        follow = ("tags", "markings", "follow", str(made["marking"]), "--config", str(config))
        db = open_database(urls.main, pool_size=2)

        sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on="externalcontact/mark_tag", probability=0.02))
        sandbox.machine.faults.add(Fault(0, "api", "latency", on="externalcontact/mark_tag", seconds=0.1))
        killed = 0
        for _ in range(KILLS):
            calls = sandbox.machine.calls.seq
            stop_at = calls + rng.randrange(1, max(counted["items"] // KILLS, 2))
            process = await Fork.start(siyu, *follow)
            ended = asyncio.create_task(process.wait())
            while sandbox.machine.calls.seq < stop_at and not ended.done():
                await asyncio.sleep(0.005)
            process.kill()
            killed += await ended != 0
            await db.write(let_leases_run_out)
        assert killed, "it was always done before it was killed"

        sandbox.machine.faults.clear()
        process = await Fork.start(siyu, *follow, output=tmp_path / "out")
        assert await process.wait() == 0
        last = json.loads((tmp_path / "out").read_text().splitlines()[-1])
        assert (last["status"], last["failed"], last["done"]) == ("done", 0, counted["items"])
        marking, left = await db.read(rest)
        assert (marking.items, marking.done, left) == (counted["items"], counted["items"], 0)
        everybody = {
            (member.userid, whom)
            for member in sandbox.world.population.service
            for whom in sandbox.world.customers.listed_by(member.userid)
        }
        found = {pair: sandbox.world.customers.find_follow(*pair) for pair in everybody}
        worn = {pair: each.tag_ids for pair, each in found.items() if each}
        assert all(put in tag_ids and off not in tag_ids for tag_ids in worn.values())
        assert await db.read(wearers, put) == everybody
        assert await db.read(wearers, off) == set()
        await db.close()
