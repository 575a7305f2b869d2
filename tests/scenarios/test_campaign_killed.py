"""A campaign is killed with SIGKILL at random moments of planning, sending and reading, while WeCom misbehaves.

In the end each recipient has exactly one task in the local WeCom's world, and the ledger says of each what the world
says. `SIYU_KILLS=200` makes it as long as one likes; `SIYU_KILL_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, delete

from bot.clock import Clock
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.models import Lease
from data.queries import campaigns as rows
from data.rules.campaigns import CampaignDraft
from tests.cli.conftest import write_config
from tests.conftest import Urls, killed_on
from tests.forks import Fork
from tests.scenarios import campaign_worker
from tests.scenarios.campaign_ledger import ADD, ALWAYS, compare, confirm, is_ended, ledger_rows, runs_and_batches
from tests.scenarios.conftest import read_company
from tests.scenarios.test_variants import contents_agree, placed_rows

KILLS = int(os.environ.get("SIYU_KILLS", "2"))
SEED = int(os.environ.get("SIYU_KILL_SEED", "1"))
#: A run of a campaign is killed so often; then another begins.
KILLS_PER_CAMPAIGN = 8
FAULTS = (
    {"kind": "lose_answer", "on": ADD, "probability": 0.15},
    {"kind": "errcode", "errcode": -1, "on": ADD, "probability": 0.05},
    {"kind": "drop", "on": ADD, "probability": 0.05},
    {"kind": "errcode", "errcode": 45033, "on": "externalcontact/get_groupmsg_task", "probability": 0.05},
    {"kind": "expire_token", "probability": 0.01},
    {"kind": "latency", "seconds": 0.05, "probability": 0.5},
)


def let_leases_run_out(session: Session) -> None:
    """As their minute would."""
    session.execute(delete(Lease))


def config_for(sandbox: Sandbox, path: Path, urls: Urls) -> Path:
    """What a process needs to work on the local WeCom's company."""
    app, company = sandbox.world.app, sandbox.world.company
    return write_config(
        path, urls, company=f'corpid = "{company.corpid}"', app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
        wecom=f'api_base_url = "{sandbox.api_base_url}"',
    )  # fmt: skip


@killed_on("postgresql")
@pytest.mark.slow
async def test_killed_at_random_moments_each_recipient_has_one_task(urls: Urls, tmp_path: Path) -> None:
    rng, rounds = random.Random(SEED), -(-KILLS // KILLS_PER_CAMPAIGN)
    # Each round has members of its own.
    world = World(staff=max(8, rounds * 5 // 4 + 2), customers=max(300, 40 * rounds), clock=Clock())
    async with Sandbox(world) as sandbox:
        assert len(world.population.service) >= rounds
        sandbox.machine.settings.group_send_settle_seconds = 0.2
        config = config_for(sandbox, tmp_path / "config.toml", urls)
        for number, member in enumerate(sandbox.world.population.service):
            sandbox.machine.group_acts.create(member.userid, f"茶友{number}群", [])
        await read_company(sandbox, urls)
        db = open_database(urls.main, pool_size=2)
        killed = 0
        for number in range(rounds):
            waves = [part_of(world, number, rounds), groups_of(world, number, rounds)]
            draft = CampaignDraft.model_validate({"name": "x", "waves": waves})
            made = await db.write(rows.add_campaign, draft, "test", sandbox.world.clock.now())
            assert made.id is not None
            await db.write(rows.start_campaign, made.id, sandbox.world.clock.now(), ALWAYS)
            for fault in FAULTS:
                sandbox.machine.faults.add(Fault(id=0, target="api", **fault))  # type: ignore[arg-type]
            kills = min(KILLS_PER_CAMPAIGN, KILLS - number * KILLS_PER_CAMPAIGN)
            while kills and not is_ended(*await db.read(runs_and_batches, made.id)):
                process = await start(config)
                ended = asyncio.create_task(process.wait())
                stop_at = sandbox.machine.calls.seq + rng.randrange(1, 40)
                deadline = asyncio.get_running_loop().time() + rng.uniform(2.0, 6.0)
                while not ended.done() and sandbox.machine.calls.seq < stop_at:
                    if asyncio.get_running_loop().time() > deadline:
                        break
                    if rng.random() < 0.02:
                        confirm(sandbox.world, sandbox.machine, share=3)
                    await asyncio.sleep(0.01)
                process.kill()
                killed += await ended != 0
                kills -= 1
                await db.write(let_leases_run_out)
            sandbox.machine.faults.clear()
            process = await start(config)
            ended = asyncio.create_task(process.wait())
            async with asyncio.timeout(120):
                while not ended.done():
                    confirm(sandbox.world, sandbox.machine)
                    await asyncio.sleep(0.1)
            assert ended.result() == 0
            assert is_ended(*await db.read(runs_and_batches, made.id))
        assert killed, "it was always done before it was killed"
        states = compare(sandbox.world, await db.read(ledger_rows))
        assert set(states) == {"sent"}
        contents_agree(sandbox.world, await db.read(placed_rows), "甲", "乙")
        await db.close()


def part_of(world: World, number: int, rounds: int) -> dict[str, Any]:
    """A wave to the customers of some of the staff: over all rounds everybody is meant once by each.

    Two contents, and some who get nothing.
    """
    pairs = [
        {"userid": member.userid, "external_userid": whom}
        for at, member in enumerate(world.population.service)
        if at % rounds == number
        for whom in world.customers.listed_by(member.userid)
    ]
    contents = [{"name": name, "content": {"text": f"{name}，第{number}次，{{{{ staff_name }}}}"}} for name in "甲乙"]
    split = {"variants": contents, "hold_out_percent": 10}
    return {**split, "audience": {"pairs": pairs}, "sender_policy": "all"}


def groups_of(world: World, number: int, rounds: int) -> dict[str, Any]:
    """A wave to the groups of the same staff."""
    owners = [member.userid for at, member in enumerate(world.population.service) if at % rounds == number]
    content = {"text": f"第{number}次，{{{{ staff_name }}}}"}
    return {"kind": "groups", "content": content, "audience": {"owners": owners}, "valid_hours": 72}


async def start(config: Path) -> Fork:
    """The worker, in a process of its own."""
    return await Fork.start(campaign_worker.main, config)


def test_the_worker_hastens_what_it_means_to() -> None:
    """Names that it changes are there: else the test above would wait for minutes, or interrupt nothing."""
    from bot import campaign_plans
    from data.queries import batches as batch_rows
    from data.rules import batches, campaigns
    from scheduler import campaign_results

    for module, names in (
        (campaign_plans, ("SPAN",)),
        (campaigns, ("BATCH_RECIPIENTS",)),
        (batches, ("SETTLE_SECONDS", "look_pause", "rest_pause", "pull_pause")),
        (batch_rows, ("look_pause", "rest_pause", "pull_pause")),
        (campaign_results, ("pull_pause",)),
    ):
        assert all(hasattr(module, name) for name in names)
