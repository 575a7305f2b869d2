"""Members who confirm group-sends and publish Moments by themselves, as statistics say: how many, after how long."""

from __future__ import annotations

import heapq
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.sandbox.errors import WorldError
from bot.sandbox.group_send_acts import GroupSendActs
from bot.sandbox.group_sends import GroupSend
from bot.sandbox.moment_acts import MomentActs
from bot.sandbox.moments import Moment
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
    """Confirms and publishes when the time has come. The same seed and the same tasks give the same confirmations.

    Every call to confirm is a chance of its own: the making of the group-send, and each reminder.
    """

    def __init__(self, world: World, acts: GroupSendActs, moment_acts: MomentActs, settings: Settings) -> None:
        self._world, self._acts, self._moment_acts, self._settings = world, acts, moment_acts, settings
        #: (when, number, msgid or moment_id, userid; none: it is handed out).
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
        for moment in self._world.moments:
            self.plan_post(moment, not_before)

    def plan(self, send: GroupSend, not_before: float = 0.0) -> None:
        """Plan what comes of a new group-send, or of a reminder of one."""
        handed_out_at = send.created_at + self._settings.group_send_settle_seconds
        if handed_out_at > self._world.clock.timestamp():
            heapq.heappush(self._plan, (handed_out_at, send.number, send.msgid, ""))
        if self._settings.staff_confirm_share <= 0 or send.cancelled_at is not None:
            return
        for task in self._world.group_sends.tasks(send.msgid).values():
            if not task.send_time:
                purpose = f"confirm:{send.number}:{task.userid}"
                at = self._acts_at(purpose, [handed_out_at, *send.reminded_at], handed_out_at)
                if at < math.inf:
                    heapq.heappush(self._plan, (max(at, not_before), send.number, send.msgid, task.userid))

    def settle(self) -> None:
        """Carry out what is due, each at its own time."""
        now = self._world.clock.timestamp()
        while self._plan and self._plan[0][0] <= now:
            at, _, msgid, userid = heapq.heappop(self._plan)
            if self._world.group_sends.find(msgid) is None:
                self._publish(msgid, userid, at)
                continue
            if not userid:
                self._world.changes.note("group_send.handed_out", msgid=msgid)
                continue
            send, task = self._acts.find_task(userid, msgid)
            member = self._world.directory.find(userid)
            if not task.send_time and send.cancelled_at is None and member is not None and member.status == 1:
                self._acts.confirm(userid, msgid, at=at)

    def plan_post(self, moment: Moment, not_before: float = 0.0) -> None:
        """Plan who publishes a post, and when."""
        if moment.errcode or moment.cancelled_at is not None:
            return
        if moment.ready_at > self._world.clock.timestamp():
            heapq.heappush(self._plan, (moment.ready_at, moment.number, moment.moment_id, ""))
        if self._settings.staff_confirm_share <= 0:
            return
        for task in self._world.moments.tasks(moment.moment_id).values():
            if not task.published_at:
                at = self._acts_at(f"publish:{moment.number}:{task.userid}", [moment.ready_at], moment.ready_at)
                if at < math.inf:
                    heapq.heappush(self._plan, (max(at, not_before), moment.number, moment.moment_id, task.userid))

    def _publish(self, moment_id: str, userid: str, at: float) -> None:
        if not userid:
            self._world.changes.note("moment.handed_out", moment_id=moment_id)
            return
        moment, task = self._moment_acts.find_task(userid, moment_id)
        member = self._world.directory.find(userid)
        if not task.published_at and moment.cancelled_at is None and member is not None and member.status == 1:
            self._moment_acts.publish(userid, moment_id, at)

    def _acts_at(self, purpose: str, asked_at: Sequence[float], possible_at: float) -> float:
        """When the member does what was asked for at these times; never is infinite."""
        found = math.inf
        for turn, asked in enumerate(asked_at):
            rng = random.Random(f"{self._world.seed}:{purpose}:{turn}")
            if rng.random() < self._settings.staff_confirm_share:
                delay = -math.log2(1 - rng.random()) * self._settings.staff_confirm_half_seconds
                found = min(found, max(possible_at, asked) + delay)
        return found
