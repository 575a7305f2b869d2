"""Moments posts are killed with SIGKILL at random moments of asking, following and reading, while WeCom misbehaves.

In the end each run has made exactly one post in the local WeCom's world, and the ledger says what the world says.
`SIYU_KILLS=50` makes it as long as one likes (WeCom allows ten posts a minute); `SIYU_KILL_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.clock import Clock
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import open_database
from data.queries import batch_results
from data.queries import campaigns as rows
from data.rules.campaigns import CampaignDraft
from tests.conftest import Urls, killed_on
from tests.scenarios import campaign_worker
from tests.scenarios.campaign_ledger import ALWAYS, is_ended, runs_and_batches
from tests.scenarios.conftest import read_company
from tests.scenarios.moment_ledger import ADD, JOB, compare, ledger_rows, post, publish, react
from tests.scenarios.test_campaign_killed import KILLS, SEED, config_for, let_leases_run_out, start

#: A campaign is killed so often; then another begins.
KILLS_PER_CAMPAIGN = 6
POSTS = 3
FAULTS = (
    {"kind": "lose_answer", "on": ADD, "probability": 0.2},
    {"kind": "errcode", "errcode": -1, "on": ADD, "probability": 0.1},
    {"kind": "errcode", "errcode": -1, "on": JOB, "probability": 0.1},
    {"kind": "expire_token", "probability": 0.01},
    {"kind": "latency", "seconds": 0.05, "probability": 0.5},
)


@killed_on("sqlite")
@pytest.mark.slow
async def test_killed_at_random_moments_each_run_has_one_post(urls: Urls, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with Sandbox(World(clock=Clock())) as sandbox:
        sandbox.machine.settings.moment_job_seconds = 0.3
        config = config_for(sandbox, tmp_path / "config.toml", urls)
        await read_company(sandbox, urls)
        db = open_database(urls.main, pool_size=2)
        killed = 0
        for number in range(-(-KILLS // KILLS_PER_CAMPAIGN)):
            draft = CampaignDraft.model_validate({"name": f"第{number}次", "waves": waves_of(sandbox.world)})
            made = await db.write(rows.add_campaign, draft, "test", sandbox.world.clock.now())
            assert made.id is not None
            await db.write(rows.start_campaign, made.id, sandbox.world.clock.now(), ALWAYS)
            for fault in FAULTS:
                sandbox.machine.faults.add(Fault(id=0, target="api", **fault))  # type: ignore[arg-type]
            for _ in range(min(KILLS_PER_CAMPAIGN, KILLS - number * KILLS_PER_CAMPAIGN)):
                process = await start(config)
                ended = asyncio.create_task(process.wait())
                stop_at = sandbox.machine.calls.seq + rng.randrange(1, 15)
                deadline = asyncio.get_running_loop().time() + rng.uniform(2.0, 5.0)
                while not ended.done() and sandbox.machine.calls.seq < stop_at:
                    if asyncio.get_running_loop().time() > deadline:
                        break
                    await asyncio.sleep(0.01)
                process.kill()
                killed += await ended != 0
                publish(sandbox.world, sandbox.machine, share=3)
                react(sandbox.world, sandbox.machine)
                await db.write(let_leases_run_out)
            sandbox.machine.faults.clear()
            process = await start(config)
            ended = asyncio.create_task(process.wait())
            async with asyncio.timeout(150):
                while not (await db.read(are_made, made.id)):
                    await asyncio.sleep(0.1)
                publish(sandbox.world, sandbox.machine)
                react(sandbox.world, sandbox.machine)
                await db.write(end_time, made.id, sandbox.world.clock.now())
                await ended
            assert ended.result() == 0
            assert is_ended(*await db.read(runs_and_batches, made.id))
            assert len(list(sandbox.world.moments)) == POSTS * (number + 1)
        assert killed, "it was always done before it was killed"
        assert set(compare(sandbox.world, await db.read(ledger_rows))) == {"published"}
        await db.close()


def waves_of(world: World) -> list[dict[str, Any]]:
    """Posts with the same words, by members of their own each."""
    members = [member.userid for member in world.population.service]
    return [post(visible={"userids": members[number::POSTS]}) for number in range(POSTS)]


def are_made(session: Any, campaign_id: int) -> bool:
    """Every run has its post."""
    runs, batches = runs_and_batches(session, campaign_id)
    return len(batches) == len(runs) and all(each.msgid for each in batches)


def end_time(session: Any, campaign_id: int, now: Any) -> None:
    """The time in which members may publish is over."""
    for run in rows.list_runs(session, [campaign_id]):
        run.valid_until = now


@pytest.mark.parametrize("name", campaign_worker.PAUSES)
def test_the_worker_hastens_what_it_means_to(name: str) -> None:
    """Names that it changes are where they are used: else the test above would wait for minutes."""
    assert any(hasattr(sys.modules[each], name) for each in campaign_worker.PAUSING)
    assert hasattr(batch_results, campaign_worker.LAST_LOOK)
