"""One company's budgets in several processes, under the local WeCom's limits: scaled down, counted as WeCom counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.clock import Clock, FrozenClock
from bot.sandbox.server import Sandbox
from bot.shared_budgets import SharedBudgets
from bot.wecom.client import WeComClient
from bot.wecom.codes import RATE_LIMIT
from bot.wecom.errors import RateLimitedError
from bot.wecom.limits import Limits
from data.db import Database
from tests.scenarios.conftest import Company, Start

PATH = "externalcontact/list"
LIMIT = 200
RESERVE = 10  # five percent


@dataclass
class Process:
    """One of several that call for the company."""

    wecom: WeComClient
    shared: SharedBudgets
    userid: str

    async def call(self, times: int, *, urgent: bool = False) -> int:
        """How many of some calls are made now."""
        for made in range(times):
            if self.wecom.limits.delay(PATH, urgent=urgent) > 0:
                return made
            try:
                await self.wecom.within(10, urgent=urgent).external_contact.list(self.userid)
            except RateLimitedError:
                return made
        return times


Processes = Callable[[], Awaitable[Process]]


@pytest.fixture
def frozen() -> FrozenClock:
    return FrozenClock(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))


@pytest.fixture
def clock(request: pytest.FixtureRequest, frozen: FrozenClock) -> Clock:
    """Frozen for those who make their own processes: only then is it they who say what happens within a second."""
    return frozen if "process" in request.fixturenames else Clock()


@pytest.fixture
async def process(sandbox: Sandbox, db: Database, clock: Clock) -> AsyncIterator[Processes]:
    """Start a process that shares its budgets; it exchanges when the test says so."""
    sandbox.machine.limits.default = {"minute": LIMIT, "hour": 150_000}
    app, company = sandbox.world.app, sandbox.world.company
    async with AsyncExitStack() as stack:

        async def begin() -> Process:
            limits = Limits(clock, calls_per_minute=LIMIT)
            wecom = WeComClient(company.corpid, app.secret, base_url=sandbox.api_base_url, clock=clock, limits=limits)
            await stack.enter_async_context(wecom)
            return Process(wecom, SharedBudgets(db, limits, clock), sandbox.world.population.service[0].userid)

        yield begin


def refused(sandbox: Sandbox) -> int:
    """How many calls WeCom refused."""
    return sandbox.machine.calls.counts[PATH, RATE_LIMIT]


async def test_wecom_refuses_none_while_others_do_less_than_the_reserve_between_two_exchanges(
    sandbox: Sandbox, process: Processes, clock: FrozenClock
) -> None:
    one, two = await process(), await process()
    seconds, made = 150, 0
    for _ in range(seconds):
        for each in (one, two):
            await each.shared.exchange()
            made += await each.call(RESERVE // 2)
        clock.advance(timedelta(seconds=1))
    assert refused(sandbox) == 0
    # Two whole minutes and the burst at the beginning of the third.
    assert made >= 0.9 * 3 * (LIMIT - RESERVE)
    assert await one.call(1, urgent=True) + await two.call(1, urgent=True) == 2, "urgent ones have the rest"
    assert refused(sandbox) == 0


async def test_those_who_did_not_hear_of_each_other_are_refused_once_and_all_rest(
    sandbox: Sandbox, process: Processes, clock: FrozenClock
) -> None:
    one, two = await process(), await process()
    made = await one.call(LIMIT)
    assert made == LIMIT - RESERVE
    assert await two.call(LIMIT) == RESERVE, "it has not heard of the other, and WeCom refuses the next"
    assert refused(sandbox) == 1
    await two.shared.exchange()
    await one.shared.exchange()
    clock.advance(timedelta(seconds=50))
    assert await one.call(1, urgent=True) == 0
    assert refused(sandbox) == 1, "it did not even ask"
    clock.advance(timedelta(seconds=15))
    assert await one.call(1) + await two.call(1) == 2


async def heard(company: Company) -> None:
    """Wait until a bot knows that the minute's budget for what can wait is used."""
    async with asyncio.timeout(60):
        while company.bot.wecom.limits.delay(PATH) == 0:
            # A bot that calls nothing asks nobody: this is what a call of its own would have it do.
            company.bot.wecom.limits.has_news.set()
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_replicas_share_the_budget_and_a_new_one_knows_what_was_used(start: Start) -> None:
    wecom = {"calls_per_minute": 40}
    one = await start(wecom=wecom)
    two = await start(wecom=wecom, reads=False)
    userid = one.followers[0]
    async with asyncio.timeout(60):
        await asyncio.gather(*(two.bot.wecom.external_contact.list(userid) for _ in range(38)))
    await heard(one)
    with pytest.raises(RateLimitedError, match="our own limit"):
        await one.bot.wecom.within(0.5).external_contact.list(userid)
    await one.bot.wecom.within(0.5, urgent=True).external_contact.list(userid)
    three = await start(wecom=wecom, reads=False)
    assert three.bot.wecom.limits.delay(PATH) > 0, "at once"
    assert three.bot.wecom.limits.delay(PATH, urgent=True) == 0
    assert one.calls(PATH) == 39
