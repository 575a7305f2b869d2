"""Budgets per API: how often and how many at once, so that WeCom never has to refuse us (WeCom doc 90312).

Callers of one API wait in the order in which they came. Urgent ones (welcomes) use a reserved share and never stand
behind bulk ones. After WeCom's own refusals the API pauses (45009) or is called less at a time (45033, 45035, 6000).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from bot.clock import Clock
from bot.wecom.errors import rate_limited
from bot.wecom.windows import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS, WECOM_LIMITS, SlidingWindow, Usage, Window

_CHINA_OFFSET_SECONDS: Final = 8 * HOUR_SECONDS  # WeCom's days begin at midnight there
_SLEEP_MAX_SECONDS: Final = 1.0  # a clock that is moved forward is noticed within this
_FULL: Final = 0.8  # a window this full is taken for the one that a 45009 is about
_PAUSE_MAX_SECONDS: Final = DAY_SECONDS + 1


@dataclass(frozen=True, slots=True)
class Pause:
    """WeCom refused an API (45009): until when it rests, in epoch seconds, and how often it was refused in a row."""

    path: str
    until: float
    refusals: int


@dataclass(frozen=True, slots=True)
class News:
    """What one process has to tell the others: all it counted of the APIs it called lately, and their pauses."""

    paths: Sequence[str]
    usages: Sequence[Usage]
    pauses: Sequence[Pause]


@dataclass(slots=True)
class _Gate:
    """What is known about one API."""

    path: str
    windows: list[SlidingWindow]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # bulk callers, in the order in which they came
    paused_until: float = 0.0
    pauses: int = 0
    in_flight: int = 0
    allowed: float | None = None  # at once; None: not limited

    def delay(self, now: float, reserve: float, urgent: bool) -> float:
        """Seconds until a call may be made (0: now)."""
        delay = max(0.0, self.paused_until - now)
        for window in self.windows:
            calls = window.window.calls
            ceiling = calls if urgent or calls == 1 else calls - max(1, int(calls * reserve))
            delay = max(delay, window.delay(now, ceiling))
        return delay

    def count(self, now: float) -> None:
        for window in self.windows:
            window.count(now)

    def usages(self, now: float) -> list[Usage]:
        """What this process counted, by the windows' lengths."""
        own = {window.window.seconds: window.own(now) for window in self.windows}
        return [Usage(self.path, seconds, buckets) for seconds, buckets in own.items() if buckets]

    def pause(self, now: float) -> float:
        """Begin the pause that follows a 45009, unless one is under way; seconds until it ends."""
        if now < self.paused_until:
            return self.paused_until - now
        level = 0
        for position, window in enumerate(self.windows):
            if window.used(now) >= window.window.calls * _FULL:
                level = position
        # Refused again right after a pause: it was a longer window than we thought.
        level = min(max(level, self.pauses), len(self.windows) - 1)
        self.pauses += 1
        seconds = float(self.windows[level].window.seconds)
        if seconds >= DAY_SECONDS:
            seconds = DAY_SECONDS - (now + _CHINA_OFFSET_SECONDS) % DAY_SECONDS + 1
        self.paused_until = now + seconds
        return seconds


class Limits:
    """The budgets of one app's calls.

    `calls_per_minute` and `calls_per_hour` hold for each API; `overrides` adds windows to single ones (default: WeCom's
    own). `max_concurrent` calls are made at once over all APIs. `reserve` is the share of each that only urgent callers
    may use.

    WeCom counts a company's calls, whichever process makes them: `take_news` and `learn` are for who carries the counts
    to and fro. Calls are decided by what is known here, so together the processes may exceed a limit by as many calls
    as the others made since they were last heard of. The reserve is there for that too.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        calls_per_minute: int = 10_000,
        calls_per_hour: int = 150_000,
        overrides: Mapping[str, Sequence[Window]] = WECOM_LIMITS,
        max_concurrent: int = 64,
        reserve: float = 0.05,
    ) -> None:
        self._clock = clock
        self._general = (Window(MINUTE_SECONDS, calls_per_minute), Window(HOUR_SECONDS, calls_per_hour))
        self._overrides = overrides
        self._reserve = reserve
        self._max_concurrent = max_concurrent
        self._bulk_concurrent = max(1, max_concurrent - max(1, int(max_concurrent * reserve)))
        self._in_flight = 0
        self._gates: dict[str, _Gate] = {}
        self._room: set[asyncio.Future[None]] = set()
        self._news: set[str] = set()  # APIs of which there is something to tell
        self._others: set[str] = set()  # those that others were last said to call
        self.has_news = asyncio.Event()

    @asynccontextmanager
    async def slot(self, path: str, *, urgent: bool = False, max_wait_seconds: float = 30.0) -> AsyncIterator[None]:
        """Hold one call's place: counted when entered, its concurrency given back when left.

        Raises RateLimitedError with `after_seconds` as soon as it is clear that `max_wait_seconds` are not enough.
        """
        gate = self._gate(path)
        await self._enter(path, gate, urgent, max_wait_seconds)
        try:
            yield
        finally:
            gate.in_flight -= 1
            self._in_flight -= 1
            self._wake()

    def delay(self, path: str, *, urgent: bool = False) -> float:
        """Seconds until a call of `path` would be within its budget (0: now)."""
        return self._gate(path).delay(self._clock.timestamp(), self._reserve, urgent)

    def paused(self, path: str) -> float:
        """WeCom answered 45009: the API pauses as long as the window takes. Returns the seconds left."""
        seconds = self._gate(path).pause(self._clock.timestamp())
        self._has_news_of(path)
        return seconds

    def conflicted(self, path: str) -> None:
        """WeCom answered that too much happens at once: half as many of these calls at a time from now on."""
        gate = self._gate(path)
        now_allowed = gate.in_flight if gate.allowed is None else min(gate.allowed, gate.in_flight)
        gate.allowed = max(1.0, now_allowed // 2)

    def succeeded(self, path: str) -> None:
        """WeCom answered: concurrency recovers by about one for every full round of successes."""
        gate = self._gate(path)
        gate.pauses = 0
        if gate.allowed is not None:
            gate.allowed += 1 / gate.allowed
            if gate.allowed >= self._max_concurrent:
                gate.allowed = None
            self._wake()

    def take_news(self) -> News:
        """What this process did since the last time, which is then taken for told."""
        now, paths, self._news = self._clock.timestamp(), sorted(self._news), set()
        self.has_news.clear()
        gates = [self._gates[path] for path in paths]
        usages = [usage for gate in gates for usage in gate.usages(now)]
        pauses = [Pause(gate.path, gate.paused_until, gate.pauses) for gate in gates if gate.paused_until > now]
        return News(paths, usages, pauses)

    def give_back(self, news: News) -> None:
        """Nobody could be told; it is news again."""
        for path in news.paths:
            self._has_news_of(path)

    def learn(self, others: Iterable[Usage], pauses: Iterable[Pause]) -> None:
        """All that other processes counted, in place of what was known of them, and every API's pause."""
        now = self._clock.timestamp()
        calls: dict[str, dict[int, dict[int, int]]] = {}
        for usage in others:
            buckets = calls.setdefault(usage.path, {}).setdefault(usage.seconds, defaultdict(int))
            for index, number in usage.buckets:
                buckets[index] += number
        for path in calls.keys() | self._others:
            for window in self._gate(path).windows:
                window.learn(calls.get(path, {}).get(window.window.seconds, {}), now)
        self._others = set(calls)
        for pause in pauses:
            if now < pause.until <= now + _PAUSE_MAX_SECONDS:  # beyond: the clock was moved
                gate = self._gate(pause.path)
                gate.paused_until = max(gate.paused_until, pause.until)
                gate.pauses = max(gate.pauses, pause.refusals)
        self._wake()

    def _has_news_of(self, path: str) -> None:
        self._news.add(path)
        self.has_news.set()

    def _gate(self, path: str) -> _Gate:
        gate = self._gates.get(path)
        if gate is None:
            windows = sorted((*self._general, *self._overrides.get(path, ())), key=lambda window: window.seconds)
            gate = self._gates[path] = _Gate(path, [SlidingWindow(window) for window in windows])
        return gate

    async def _enter(self, path: str, gate: _Gate, urgent: bool, max_wait_seconds: float) -> None:
        if (not urgent and gate.turn.locked()) or not self._try(gate, urgent):
            self._refuse_if_hopeless(path, gate, urgent, max_wait_seconds)
            deadline = asyncio.get_running_loop().time() + max_wait_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    if urgent:
                        await self._wait(path, gate, urgent, deadline)
                    else:
                        async with gate.turn:
                            await self._wait(path, gate, urgent, deadline)
            except TimeoutError:
                after = max(1.0, self.delay(path, urgent=urgent))
                raise rate_limited(path, after, "too many callers wait for it") from None

    def _try(self, gate: _Gate, urgent: bool) -> bool:
        now = self._clock.timestamp()
        if gate.delay(now, self._reserve, urgent) > 0 or not self._has_room(gate, urgent):
            return False
        gate.count(now)
        self._has_news_of(gate.path)
        gate.in_flight += 1
        self._in_flight += 1
        return True

    async def _wait(self, path: str, gate: _Gate, urgent: bool, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while not self._try(gate, urgent):
            delay = self._refuse_if_hopeless(path, gate, urgent, deadline - loop.time())
            if delay > 0:
                await asyncio.sleep(min(delay, _SLEEP_MAX_SECONDS))
            else:
                await self._room_changes()

    def _refuse_if_hopeless(self, path: str, gate: _Gate, urgent: bool, left_seconds: float) -> float:
        now = self._clock.timestamp()
        delay = gate.delay(now, self._reserve, urgent)
        if delay > left_seconds:
            why = "WeCom asked for a pause" if gate.paused_until > now else "our own limit is reached"
            raise rate_limited(path, delay, why)
        return delay

    def _has_room(self, gate: _Gate, urgent: bool) -> bool:
        if urgent:
            return True
        return self._in_flight < self._bulk_concurrent and (gate.allowed is None or gate.in_flight < int(gate.allowed))

    async def _room_changes(self) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room.add(changed)
        try:
            await changed
        finally:
            self._room.discard(changed)

    def _wake(self) -> None:
        for changed in self._room:
            if not changed.done():
                changed.set_result(None)
