"""Budgets that several processes share: what each knows of the others, and what they exceed at most together."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import FrozenClock
from bot.wecom.errors import RateLimitedError
from bot.wecom.limits import Limits, Pause
from bot.wecom.windows import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, SlidingWindow, Usage, Window

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
PATH = "externalcontact/get"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


async def use(limits: Limits, calls: int, path: str = PATH) -> int:
    """How many of some urgent calls pass now."""
    passed = 0
    for _ in range(calls):
        try:
            async with limits.slot(path, urgent=True, max_wait_seconds=0):
                passed += 1
        except RateLimitedError:
            break
    return passed


async def test_calls_of_others_use_up_the_budget_until_their_window_is_over(clock: FrozenClock) -> None:
    one, two = Limits(clock, calls_per_minute=100), Limits(clock, calls_per_minute=100)
    assert await use(one, 60) == 60
    two.learn(one.take_news().usages, ())
    assert await use(two, 100) == 40
    clock.advance(timedelta(seconds=61))
    assert await use(two, 100) == 100


async def test_what_was_learned_takes_the_place_of_what_was_known(clock: FrozenClock) -> None:
    one, two = Limits(clock, calls_per_minute=100), Limits(clock, calls_per_minute=100)
    for _ in range(5):
        await use(one, 10)
        two.learn(one.take_news().usages, ())
    assert await use(two, 100) == 50
    two.learn((), ())
    assert await use(two, 100) == 50, "its own calls stay counted"


async def test_only_own_calls_are_told(clock: FrozenClock) -> None:
    one, two = Limits(clock), Limits(clock)
    await use(one, 7)
    two.learn(one.take_news().usages, ())
    assert not two.has_news.is_set()
    await use(two, 2)
    news = two.take_news()
    assert {usage.seconds: sum(calls for _, calls in usage.buckets) for usage in news.usages} == {60: 2, 3600: 2}
    assert not two.has_news.is_set()
    assert two.take_news().paths == []


async def test_what_nobody_could_be_told_is_news_again(clock: FrozenClock) -> None:
    limits = Limits(clock)
    await use(limits, 3)
    news = limits.take_news()
    await use(limits, 1, "externalcontact/list")
    limits.give_back(news)
    again = limits.take_news()
    assert again.paths == [PATH, "externalcontact/list"]
    assert set(news.usages) < set(again.usages)


async def test_hour_and_single_apis_count_together_too(clock: FrozenClock) -> None:
    path = "externalcontact/add_moment_task"
    one, two = Limits(clock), Limits(clock)
    await use(one, 6, path)
    news = one.take_news()
    assert {usage.seconds for usage in news.usages} == {MINUTE_SECONDS, HOUR_SECONDS, 30 * DAY_SECONDS}
    two.learn(news.usages, ())
    assert await use(two, 10, path) == 4


async def test_other_clocks_may_be_ahead(clock: FrozenClock) -> None:
    index = int(clock.timestamp())
    limits = Limits(clock, calls_per_minute=100)
    limits.learn([Usage(PATH, 60, [(index + 3, 30)])], ())
    assert await use(limits, 100) == 70
    moved = Limits(clock, calls_per_minute=100)
    moved.learn([Usage(PATH, 60, [(index + 30 * DAY_SECONDS, 30)])], [Pause(PATH, index + 3e6, 1)])
    assert await use(moved, 100) == 100, "that clock was moved, and moved back since"


async def test_pause_is_everybodys(clock: FrozenClock) -> None:
    one, two = Limits(clock), Limits(clock)
    one.paused(PATH)
    two.learn((), one.take_news().pauses)
    assert await use(two, 1) == 0
    assert two.delay(PATH, urgent=True) == 60
    clock.advance(timedelta(seconds=61))
    assert two.paused(PATH) == HOUR_SECONDS, "refused again, whoever it was the first time"
    one.learn((), two.take_news().pauses)
    assert one.delay(PATH, urgent=True) == HOUR_SECONDS


async def test_pause_that_others_know_of_does_not_end_a_longer_one(clock: FrozenClock) -> None:
    limits = Limits(clock)
    limits.paused(PATH)
    limits.learn((), [Pause(PATH, clock.timestamp() + 5, 1)])
    assert limits.delay(PATH) == 60


async def test_waiting_call_passes_when_it_hears_that_there_is_room(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100)
    limits.learn([Usage(PATH, 60, [(int(clock.timestamp()), 100)])], ())

    async def call() -> None:
        async with limits.slot(PATH, urgent=True, max_wait_seconds=90):
            pass

    waiting = asyncio.create_task(call())
    await asyncio.sleep(0)
    assert not waiting.done()
    limits.learn((), ())
    async with asyncio.timeout(60):
        await waiting


class Simulated:
    """A process: its window, the instants of its calls, of those it told, and of those that it heard of."""

    def __init__(self, limit: int) -> None:
        self.window = SlidingWindow(Window(60, limit))
        self.made: list[float] = []
        self.told: list[float] = []
        self.heard: list[float] = []
        self.buckets: dict[int, int] = {}

    def exchange(self, everybody: list[Simulated], now: float) -> None:
        """Tell all, and learn what the others told."""
        self.told, self.buckets = list(self.made), dict(self.window.own(now))
        others = [each for each in everybody if each is not self]
        self.heard = [at for each in others for at in each.told]
        calls: Counter[int] = Counter()
        for each in others:
            calls.update(each.buckets)
        self.window.learn(calls, now)


PROCESSES = st.integers(0, 2)
STEPS = st.lists(
    st.tuples(st.just("wait"), st.floats(0, 40, allow_nan=False))
    | st.tuples(st.just("call"), PROCESSES)
    | st.tuples(st.just("tell"), PROCESSES)
    | st.tuples(st.just("restart"), PROCESSES),
    max_size=150,
)


@given(limit=st.integers(1, 12), steps=STEPS)
def test_limit_is_exceeded_by_no_more_than_what_was_not_heard_of(limit: int, steps: list[tuple[str, float]]) -> None:
    """Whatever the order: when a call passes, the minute holds no more than the limit and the calls unknown to it."""
    now = 1_700_000_000.0
    running = [Simulated(limit) for _ in range(3)]
    all_of_them = list(running)
    for step, value in steps:
        if step == "wait":
            now += value
            continue
        number = int(value)
        if step == "restart":
            running[number] = Simulated(limit)
            all_of_them.append(running[number])
        process = running[number]
        if step != "call":
            process.exchange(all_of_them, now)
        elif process.window.delay(now, limit) == 0:
            process.window.count(now)
            process.made.append(now)
            within = [at for each in all_of_them for at in each.made if at > now - 60]
            known = [at for at in (*process.made, *process.heard) if at > now - 60]
            unheard = len(within) - len(known)
            assert len(within) <= limit + unheard
