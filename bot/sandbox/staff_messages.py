"""What decides whether a message of an app reaches a member of staff: repetition and frequency."""

from __future__ import annotations

import random
from collections import OrderedDict, deque

from bot.sandbox.settings import Settings

_KEPT = 20_000


class StaffMessages:
    """Remembers recent messages of the apps."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._recent: OrderedDict[tuple[int, str], float] = OrderedDict()
        self._received: dict[tuple[int, str], deque[float]] = {}

    def new_msgid(self) -> str:
        return self._rng.randbytes(28).hex()

    def repeated(self, agentid: int, digest: str, now: float, interval_seconds: int) -> bool:
        """Whether the same message went out within the interval; if not, note it."""
        last = self._recent.get((agentid, digest))
        if last is not None and now - last < interval_seconds:
            return True
        self._recent[agentid, digest] = now
        self._recent.move_to_end((agentid, digest))
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)
        return False

    def may_receive(self, agentid: int, userid: str, now: float, settings: Settings) -> bool:
        """Whether one more message to the member stays within what WeCom delivers; if so, count it."""
        received = self._received.setdefault((agentid, userid), deque())
        while received and now - received[0] >= 3600:
            received.popleft()
        in_minute = sum(1 for at in reversed(received) if now - at < 60)
        if in_minute >= settings.staff_messages_per_minute or len(received) >= settings.staff_messages_per_hour:
            return False
        received.append(now)
        return True
