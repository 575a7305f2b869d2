"""The one clock. Everything that asks for the time gets a `Clock` passed in; nothing else reads the system's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Wall time, movable: the local WeCom moves it so that a person can watch a month pass in a minute."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        return datetime.now(UTC) + self.offset

    def timestamp(self) -> float:
        """The present instant in epoch seconds."""
        return time.time() + self.offset.total_seconds()

    def advance(self, by: timedelta) -> None:
        """Move the clock forward; a negative `by` moves it back."""
        self.offset += by


class FrozenClock(Clock):
    """A clock that stands still until it is advanced: for tests whose outcome depends on an instant."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._start = at

    def now(self) -> datetime:
        return self._start + self.offset

    def timestamp(self) -> float:
        return self.now().timestamp()
