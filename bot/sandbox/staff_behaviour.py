"""Members who confirm group-sends by themselves, as statistics say: how many of them, and after how long."""

from __future__ import annotations

import heapq
import math
import random
import re
from dataclasses import dataclass

from bot.sandbox.errors import WorldError
from bot.sandbox.group_send_acts import GroupSendActs
from bot.sandbox.group_sends import GroupSend
from bot.sandbox.settings import Settings
from bot.sandbox.world import World

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WRITTEN = re.compile(r"\s*(\d{1,3})\s*%\s*[,/ ]\s*(\d{1,6}(?:\.\d{1,3})?)\s*([smhd])\s*")


@dataclass(slots=True, frozen=True)
class Behaviour:
    """`share` of the members confirm a task (0 to 1); half of these have done so after `half_seconds`."""

    share: float
    half_seconds: float


def parse_behaviour(text: str) -> Behaviour:
    """The behaviour that words like `80%,4h` mean (units s, m, h, d). Raises WorldError."""
    found = _WRITTEN.fullmatch(text)
    if found is None or int(found[1]) > 100:
        raise WorldError(
            f"{text!r} is no behaviour of staff.",
            "Write share and time, as 80%,4h: half of the 80 % within 4 hours.",
        )
    return Behaviour(int(found[1]) / 100, float(found[2]) * _UNITS[found[3]])


class StaffBehaviour:
    """Confirms tasks when their time has come. The same seed and the same group-sends give the same confirmations.

    Every call to confirm is a chance of its own: the making of the group-send, and each reminder.
    """

    def __init__(self, world: World, acts: GroupSendActs, settings: Settings) -> None:
        self._world, self._acts, self._settings = world, acts, settings
        #: (when, number of the group-send, userid; none: it is handed out).
        self._plan: list[tuple[float, int, str, str]] = []
        self.plan_anew()

    @property
    def due_at(self) -> float:
        """When something is to happen next, epoch seconds."""
        return self._plan[0][0] if self._plan else math.inf

    def plan_anew(self, not_before: float = 0.0) -> None:
        """Forget what was planned and plan again: after a start, or when the statistics were changed."""
        self._plan = []
        for send in self._world.group_sends:
            self.plan(send, not_before)

    def plan(self, send: GroupSend, not_before: float = 0.0) -> None:
        """Plan what comes of a new group-send, or of a reminder of one."""
        handed_out_at = send.created_at + self._settings.group_send_settle_seconds
        if handed_out_at > self._world.clock.timestamp():
            heapq.heappush(self._plan, (handed_out_at, send.number, send.msgid, ""))
        if self._settings.staff_confirm_share <= 0 or send.cancelled_at is not None:
            return
        for task in self._world.group_sends.tasks(send.msgid).values():
            if not task.send_time:
                at = self._confirms_at(send, task.userid, handed_out_at)
                if at < math.inf:
                    heapq.heappush(self._plan, (max(at, not_before), send.number, send.msgid, task.userid))

    def settle(self) -> None:
        """Carry out what is due, each at its own time."""
        now = self._world.clock.timestamp()
        while self._plan and self._plan[0][0] <= now:
            at, _, msgid, userid = heapq.heappop(self._plan)
            if not userid:
                self._world.changes.note("group_send.handed_out", msgid=msgid)
                continue
            send, task = self._acts.find_task(userid, msgid)
            member = self._world.directory.find(userid)
            if not task.send_time and send.cancelled_at is None and member is not None and member.status == 1:
                self._acts.confirm(userid, msgid, at=at)

    def _confirms_at(self, send: GroupSend, userid: str, handed_out_at: float) -> float:
        """When the member confirms; never is infinite."""
        found = math.inf
        for turn, asked_at in enumerate((handed_out_at, *send.reminded_at)):
            rng = random.Random(f"{self._world.seed}:confirm:{send.number}:{userid}:{turn}")
            if rng.random() < self._settings.staff_confirm_share:
                delay = -math.log2(1 - rng.random()) * self._settings.staff_confirm_half_seconds
                found = min(found, max(handed_out_at, asked_at) + delay)
        return found
