"""Budgets: what they let through, whom they make wait, and how WeCom's refusals change them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import FrozenClock
from bot.wecom.errors import RateLimitedError
from bot.wecom.limits import Limits
from bot.wecom.windows import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, SlidingWindow, Window

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
PATH = "externalcontact/get"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START)


async def use(limits: Limits, path: str = PATH, *, urgent: bool = False, wait: float = 0.0) -> None:
    async with limits.slot(path, urgent=urgent, max_wait_seconds=wait):
        pass


async def used_up(limits: Limits, *, urgent: bool = False) -> int:
    """How many calls pass now without waiting."""
    passed = 0
    while True:
        try:
            await use(limits, urgent=urgent)
        except RateLimitedError:
            return passed
        passed += 1


async def test_budget_is_spent_and_comes_back(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100, reserve=0)
    assert await used_up(limits, urgent=True) == 100
    clock.advance(timedelta(seconds=59))
    assert await used_up(limits, urgent=True) == 0
    clock.advance(timedelta(seconds=2.1))

    assert await used_up(limits, urgent=True) == 100


async def test_refusal_says_when_to_come_again(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=10)
    await used_up(limits, urgent=True)

    with pytest.raises(RateLimitedError) as refused:
        await use(limits, urgent=True, wait=5)

    assert refused.value.after_seconds == pytest.approx(61, abs=1)
    assert refused.value.errcode is None
    clock.advance(timedelta(seconds=refused.value.after_seconds or 0))
    await use(limits, urgent=True)


async def test_hour_counts_beside_the_minute(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100, calls_per_hour=250)
    passed = 0
    for _ in range(5):
        passed += await used_up(limits, urgent=True)
        clock.advance(timedelta(seconds=62))

    assert passed == 250


async def test_each_api_has_its_own_budget(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=10)
    await used_up(limits)

    await use(limits, "externalcontact/list")


async def test_tighter_limits_of_single_apis_hold(clock: FrozenClock) -> None:
    limits = Limits(clock)
    for _ in range(10):
        await use(limits, "externalcontact/add_moment_task", urgent=True)

    with pytest.raises(RateLimitedError):
        await use(limits, "externalcontact/add_moment_task", urgent=True)


@given(
    calls=st.integers(1, 20),
    steps=st.lists(st.floats(0, 90, allow_nan=False), max_size=60),
)
def test_no_minute_ever_holds_more_than_its_calls(calls: int, steps: list[float]) -> None:
    window = SlidingWindow(Window(60, calls))
    now, passed = 1_700_000_000.0, list[float]()
    for step in steps:
        now += step
        if window.delay(now, calls) == 0:
            window.count(now)
            passed.append(now)

    for at in passed:
        assert sum(at - 60 < other <= at for other in passed) <= calls


@given(calls=st.integers(1, 20), counted=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60))
def test_delay_is_long_enough_and_no_longer_than_a_window(calls: int, counted: list[float]) -> None:
    window = SlidingWindow(Window(60, calls))
    now = 1_700_000_000.0
    for step in counted:
        now += step / 10
        window.count(now)

    delay = window.delay(now, calls)

    assert 0 <= delay <= 61.1
    assert window.delay(now + delay, calls) == 0


async def test_clock_that_is_moved_back_does_not_block(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=10)
    await used_up(limits)
    clock.advance(timedelta(days=-30))

    await use(limits)


# Who waits.


async def test_bulk_leaves_a_share_to_urgent_calls(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100, reserve=0.1)

    assert await used_up(limits) == 90
    assert await used_up(limits, urgent=True) == 10


async def test_urgent_call_passes_a_queue_of_bulk_calls(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100)
    await used_up(limits)
    queue = [asyncio.create_task(use(limits, wait=120)) for _ in range(20)]
    await asyncio.sleep(0)

    await use(limits, urgent=True)

    assert not any(task.done() for task in queue)
    for task in queue:
        task.cancel()
    await asyncio.gather(*queue, return_exceptions=True)


async def test_bulk_calls_pass_in_the_order_in_which_they_came(clock: FrozenClock) -> None:
    limits = Limits(clock, max_concurrent=2)
    order: list[int] = []
    may_end = asyncio.Event()

    async def call(number: int) -> None:
        async with limits.slot(PATH, max_wait_seconds=30):
            order.append(number)
            await may_end.wait()

    tasks = [asyncio.create_task(call(number)) for number in range(10)]
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.gather(*tasks)

    assert order == list(range(10))


async def test_bulk_calls_leave_connections_to_urgent_ones(clock: FrozenClock) -> None:
    limits = Limits(clock, max_concurrent=10, reserve=0.2)
    may_end = asyncio.Event()
    inside = 0

    async def call(urgent: bool) -> None:
        nonlocal inside
        async with limits.slot(PATH, urgent=urgent, max_wait_seconds=30):
            inside += 1
            await may_end.wait()
            inside -= 1

    tasks = [asyncio.create_task(call(False)) for _ in range(30)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert inside == 8
    tasks.append(asyncio.create_task(call(True)))
    for _ in range(5):
        await asyncio.sleep(0)

    assert inside == 9
    may_end.set()
    await asyncio.gather(*tasks)


async def test_waiting_call_is_refused_when_its_time_is_over(clock: FrozenClock) -> None:
    limits = Limits(clock, max_concurrent=2)
    may_end = asyncio.Event()

    async def hold() -> None:
        async with limits.slot(PATH):
            await may_end.wait()

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    with pytest.raises(RateLimitedError):
        await use(limits, wait=0.05)
    may_end.set()
    await holding

    await use(limits)


async def test_cancelled_waiter_leaves_nothing_behind(clock: FrozenClock) -> None:
    limits = Limits(clock, max_concurrent=2)
    may_end = asyncio.Event()

    async def hold() -> None:
        async with limits.slot(PATH, max_wait_seconds=30):
            await may_end.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    await use(limits)


async def test_waiting_call_passes_when_the_clock_moves(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=1)
    await use(limits)
    waiting = asyncio.create_task(use(limits, wait=90))
    await asyncio.sleep(0)
    clock.advance(timedelta(seconds=62))

    async with asyncio.timeout(60):
        await waiting


# What WeCom's refusals change.


async def test_rate_limit_pauses_the_api_for_a_minute(clock: FrozenClock) -> None:
    limits = Limits(clock)

    assert limits.paused(PATH) == MINUTE_SECONDS
    with pytest.raises(RateLimitedError) as refused:
        await use(limits, urgent=True, wait=5)
    assert refused.value.after_seconds == pytest.approx(60)
    clock.advance(timedelta(seconds=60))
    await use(limits)


async def test_many_refusals_at_once_are_one_pause(clock: FrozenClock) -> None:
    limits = Limits(clock)

    assert [limits.paused(PATH) for _ in range(50)] == [60.0] * 50


async def test_refusal_after_the_pause_means_the_hour(clock: FrozenClock) -> None:
    limits = Limits(clock)
    limits.paused(PATH)
    clock.advance(timedelta(seconds=61))

    assert limits.paused(PATH) == HOUR_SECONDS


async def test_success_between_makes_it_a_minute_again(clock: FrozenClock) -> None:
    limits = Limits(clock)
    limits.paused(PATH)
    clock.advance(timedelta(seconds=61))
    limits.succeeded(PATH)

    assert limits.paused(PATH) == MINUTE_SECONDS


async def test_nearly_used_hour_is_taken_for_the_cause(clock: FrozenClock) -> None:
    limits = Limits(clock, calls_per_minute=100, calls_per_hour=100)
    for _ in range(85):
        await use(limits)
    clock.advance(timedelta(seconds=90))

    assert limits.paused(PATH) == HOUR_SECONDS


async def test_daily_limit_ends_at_midnight_in_china(clock: FrozenClock) -> None:
    limits = Limits(clock, overrides={PATH: (Window(DAY_SECONDS, 10),)})
    for _ in range(9):
        await use(limits, urgent=True)

    assert limits.paused(PATH) == 8 * HOUR_SECONDS + 1  # it is four in the afternoon there


async def test_conflict_halves_what_is_called_at_once_and_success_restores_it(clock: FrozenClock) -> None:
    limits = Limits(clock, max_concurrent=20)
    may_end = asyncio.Event()
    inside = 0

    async def call() -> None:
        nonlocal inside
        async with limits.slot(PATH, max_wait_seconds=30):
            inside += 1
            await may_end.wait()
            inside -= 1

    async def settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(call()) for _ in range(8)]
    await settle()
    limits.conflicted(PATH)
    may_end.set()
    await asyncio.gather(*tasks)
    may_end.clear()

    tasks = [asyncio.create_task(call()) for _ in range(8)]
    await settle()
    assert inside == 4
    for _ in range(500):
        limits.succeeded(PATH)
    await settle()
    assert inside == 8
    may_end.set()
    await asyncio.gather(*tasks)


async def test_conflict_never_stops_everything(clock: FrozenClock) -> None:
    limits = Limits(clock)
    for _ in range(5):
        limits.conflicted(PATH)

    await use(limits)
