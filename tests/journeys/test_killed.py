"""What begins and ends journeys, and what they tell other programs, by processes that die at random moments."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlmodel import Session, delete, select

from data.models import Enrolment, Happening, Lease, WebhookCall
from data.queries import journey_scans as scan_rows
from data.queries.happenings import note
from data.rules.happenings import Happened
from tests.cli.conftest import write_config
from tests.conftest import Urls, killed_on
from tests.forks import FORKS, Fork
from tests.journeys import worker
from tests.journeys.conftest import START, Company
from tests.journeys.test_once import SEED

KILLS = int(os.environ.get("SIYU_KILLS", "1"))
CUSTOMERS = [f"c{number:03}" for number in range(60)]
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
#: Nothing that a step does: only beginning and ending is looked at.
REST = {"key": "rest", "when": {"days": 300}, "action": {"do": "tags", "put_on": ["vip"]}}
JOBS = ("happenings", "days", "webhooks")
Row = tuple[str, datetime, str]


@asynccontextmanager
async def shop(heard: Counter[tuple[str, str]]) -> AsyncIterator[str]:
    """Another program, and its address; it counts what it takes by path and id."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        heard[request.path, request.headers["X-Siyu-Id"]] += 1
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def tell(draw: random.Random, session: Session) -> dict[str, list[tuple[str, datetime]]]:
    """Customers begin and buy in some order; what happened to each."""
    told: dict[str, list[tuple[str, datetime]]] = {name: [] for name in CUSTOMERS}
    for number in range(len(CUSTOMERS) * 8):
        name, what = draw.choice(CUSTOMERS), draw.choice(["begin", "bought"])
        told[name].append((what, START + number * SECOND))
        note(session, [Happened("event", name, START + number * SECOND, {"name": what})])
    return told


def reference(told: dict[str, list[tuple[str, datetime]]]) -> list[Row]:
    """Who should have begun when, and how it ended."""
    rows: list[Row] = []
    for name, happened in told.items():
        since: datetime | None = None
        for what, at in happened:
            if what == "begin" and since is None:
                since = at
            elif what == "bought" and since is not None:
                rows.append((name, since, "goal"))
                since = None
        if since is not None:
            rows.append((name, since, ""))
    return sorted(rows)


@killed_on("postgresql")
@pytest.mark.slow
async def test_killed_at_random_moments_everybody_begins_and_ends_once(
    open_company: Callable[..., Any], urls: Urls, tmp_path: Path
) -> None:
    company: Company = await open_company()
    draw, heard, killed, now = random.Random(SEED), Counter[tuple[str, str]](), 0, START + 3 * DAY
    for name in CUSTOMERS:
        await company.add_customer(name, "li")
    begins = {"again": {"after_days": 0}, "goal": {"on": "event", "name": "bought"}}
    events = await company.add_journey(REST, **begins)
    daily = await company.add_journey(
        REST, trigger={"on": "calendar", "cron": "0 10 * * *"}, again={"after_days": 1}, hold_out_percent=50
    )
    existing = await company.add_journey(REST, trigger={"on": "event", "name": "never"})
    async with shop(heard) as address:
        config = write_config(tmp_path / "config.toml", urls)
        journeys = f'[journeys]\nwebhook_private = true\nwebhook_secret = "{"s" * 32}"\n'
        config.write_text(config.read_text() + journeys)

        def fill(session: Session) -> dict[str, list[tuple[str, datetime]]]:
            scan_rows.ask_existing(session, existing, START)
            for number, name in enumerate(CUSTOMERS):
                session.add(
                    WebhookCall(enrolment_id=number, external_userid=name, url=f"{address}/{name}", body={},
                                made_at=now, next_at=now)
                )  # fmt: skip
            return tell(draw, session)

        told = await company.ctx.db.write(fill)
        is_over = False
        while not is_over:
            ready = FORKS.Event()
            process = await Fork.start(worker.main, config, now, JOBS, ready)
            assert await asyncio.to_thread(ready.wait, 60)
            if killed < KILLS:
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), draw.random() * 0.4)
                if process.returncode is None:
                    process.kill()
                    killed += 1
            is_over = await process.wait() == 0
            await company.ctx.db.write(lambda session: session.exec(delete(Lease)) and None)
            # What was claimed is due again.
            now += 200 * SECOND
    assert await company.all(Happening) == []
    found = await company.ctx.db.read(lambda session: list(session.exec(select(Enrolment)).all()))
    rows: dict[int, list[Row]] = {each: [] for each in (events, daily, existing)}
    for each in found:
        rows[each.journey_id].append((each.external_userid, each.started_at, each.end_reason))
    assert sorted(rows[events]) == reference(told)
    assert sorted(rows[daily]) == [(name, START + timedelta(hours=2), "") for name in CUSTOMERS]
    assert sorted(rows[existing]) == [(name, START, "") for name in CUSTOMERS]
    assert {path for path, _ in heard} == {f"/{name}" for name in CUSTOMERS}
    assert len(heard) == len(CUSTOMERS), "one that comes twice has the same id"
    assert all(each.taken_at is not None for each in await company.all(WebhookCall))
