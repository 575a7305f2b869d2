"""Windows: how many calls were made within the last minute, hour or day, by this process and by others."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86_400
BUCKETS: Final = 60


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` calls within any `seconds`."""

    seconds: int
    calls: int


#: Tighter limits that WeCom gives for single APIs; they stand beside the general ones.
WECOM_LIMITS: Final[Mapping[str, Sequence[Window]]] = MappingProxyType(
    {
        "externalcontact/add_moment_task": (Window(MINUTE_SECONDS, 10), Window(30 * DAY_SECONDS, 100_000)),
        "media/uploadimg": (Window(DAY_SECONDS, 1000), Window(30 * DAY_SECONDS, 3000)),
        "appchat/create": (Window(DAY_SECONDS, 1000),),
        "appchat/update": (Window(HOUR_SECONDS, 1000),),
        "get_jsapi_ticket": (Window(HOUR_SECONDS, 400),),
        "ticket/get": (Window(HOUR_SECONDS, 100),),
    }
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls that one process made of one API within a window of `seconds`.

    `buckets`: pairs of a sixtieth's number since the epoch and the calls in it; those without calls are left out.
    """

    path: str
    seconds: int
    buckets: Sequence[Sequence[int]]

    @property
    def ends_at(self) -> float:
        """Epoch seconds from which on none of it counts."""
        return (max(index for index, _ in self.buckets) + BUCKETS + 1) * self.seconds / BUCKETS


class SlidingWindow:
    """Counts calls in sixtieths of its length: up to one sixtieth too careful, never too generous.

    Counted here, and by other processes as far as they were made known.
    """

    def __init__(self, window: Window) -> None:
        self.window = window
        self._width = window.seconds / BUCKETS
        self._buckets: deque[list[int]] = deque()  # [index, calls, those of this process], oldest first
        self._total = 0

    def used(self, now: float) -> int:
        """Calls counted within the window that ends now."""
        index = math.floor(now / self._width)
        if self._buckets and self._buckets[-1][0] > index + BUCKETS:  # the clock was moved back
            self._buckets.clear()
            self._total = 0
        while self._buckets and self._buckets[0][0] < index - BUCKETS:
            self._total -= self._buckets.popleft()[1]
        return self._total

    def delay(self, now: float, ceiling: int) -> float:
        """Seconds until one more call keeps within `ceiling` (0: now)."""
        over = self.used(now) - ceiling + 1
        if over <= 0:
            return 0.0
        for index, calls, _ in self._buckets:
            over -= calls
            if over <= 0:
                return max(0.0, (index + BUCKETS + 1) * self._width - now)
        return float(self.window.seconds)

    def count(self, now: float) -> None:
        """One call is made now."""
        index = math.floor(now / self._width)
        if self._buckets and self._buckets[-1][0] >= index:
            self._buckets[-1][1] += 1
            self._buckets[-1][2] += 1
        else:
            self._buckets.append([index, 1, 1])
        self._total += 1

    def own(self, now: float) -> tuple[tuple[int, int], ...]:
        """Bucket and calls of this process within the window that ends now."""
        self.used(now)
        return tuple((index, own) for index, _, own in self._buckets if own)

    def learn(self, others: Mapping[int, int], now: float) -> None:
        """All calls of other processes, by bucket, in place of what was known of them."""
        own = self.own(now)
        present = math.floor(now / self._width)
        buckets: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
        for index, calls in own:
            buckets[index][0] += calls
            buckets[index][1] += calls
        for index, calls in others.items():
            # A clock that is ahead of ours brings buckets that have not begun here; far ahead, it was moved.
            if present - BUCKETS <= index <= present + BUCKETS:
                buckets[min(index, present)][0] += calls
        self._buckets = deque([index, *buckets[index]] for index in sorted(buckets))
        self._total = sum(calls for _, calls, _ in self._buckets)
