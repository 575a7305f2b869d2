"""Group-sends (群发): what was asked for, each member's task, and what became of each recipient.

A task keeps its recipients as one string and their results as one digit each, so that a million recipients take some
tens of megabytes; what a customer sees of them is put together when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.sandbox.journal import Journal
from bot.sandbox.population import token_of
from bot.sandbox.records import Message

#: WeCom's external_userids and chat_ids have this many characters, and so have all that are made here.
ID_CHARS = 32
ChatType = Literal["single", "group"]
#: What became of a recipient, as get_groupmsg_send_result counts it, one character each.
NOT_SENT, SENT, NO_FRIEND, AT_CAP = "0", "1", "2", "3"


def place_in(ids: str, id_: str) -> int | None:
    """Which of the ids that stand one after the other is this one; None when none is."""
    if len(id_) != ID_CHARS:
        return None
    at = ids.find(id_)
    while at % ID_CHARS and at >= 0:
        at = ids.find(id_, at + 1)
    return None if at < 0 else at // ID_CHARS


@dataclass(slots=True)
class GroupSend:
    """One group-send. `creator` is empty for one made through the API."""

    number: int
    msgid: str
    chat_type: ChatType
    agentid: int
    created_at: float
    #: (msgtype, content) each, in the order in which a customer receives them.
    content: list[tuple[str, dict[str, Any]]]
    creator: str = ""
    allow_select: bool = False
    cancelled_at: float | None = None
    reminded_at: list[float] = field(default_factory=list)

    def settled(self, now: float, settle_seconds: float) -> bool:
        """Whether it has been handed out; what a member made is at once."""
        return bool(self.creator) or now >= self.created_at + settle_seconds


@dataclass(slots=True)
class SendTask:
    """What one member has to confirm. `send_time` is 0 until then."""

    msgid: str
    userid: str
    #: The ids of the recipients, one after the other.
    recipients: str
    #: One character per recipient; empty as long as nothing was confirmed.
    results: str = ""
    send_time: int = 0
    #: The number of the first message that was delivered; the others follow.
    seq: int = 0

    def __len__(self) -> int:
        return len(self.recipients) // ID_CHARS

    def slice(self, start: int, stop: int) -> list[tuple[str, str]]:
        """(id, result) of the recipients from place `start` up to `stop`."""
        ids, results = self.recipients, self.results
        return [
            (ids[place * ID_CHARS : (place + 1) * ID_CHARS], results[place] if results else NOT_SENT)
            for place in range(start, min(stop, len(self)))
        ]

    def result_of(self, id_: str) -> str | None:
        """What became of one recipient; None when the task does not hold it."""
        place = place_in(self.recipients, id_)
        if place is None:
            return None
        return self.results[place] if self.results else NOT_SENT


class GroupSends:
    """Every group-send in the order of making, and the tasks by member."""

    def __init__(self, journal: Journal, seed: str) -> None:
        self._journal, self._seed = journal, seed
        self._all: list[GroupSend] = []
        self._by_msgid: dict[str, GroupSend] = {}
        self._tasks: dict[str, dict[str, SendTask]] = {}
        self._of: dict[str, list[SendTask]] = {}
        for _, send in journal.load("group_send", GroupSend):
            self._keep(send)
        for _, task in journal.load("group_send_task", SendTask):
            self._keep_task(task)

    def __iter__(self) -> Iterator[GroupSend]:
        return iter(self._all)

    def since(self, place: int) -> Iterator[tuple[int, GroupSend]]:
        """(place, group-send) from a place in the order of making on."""
        for at in range(place, len(self._all)):
            yield at, self._all[at]

    def find(self, msgid: str) -> GroupSend | None:
        return self._by_msgid.get(msgid)

    def tasks(self, msgid: str) -> Mapping[str, SendTask]:
        """The tasks of a group-send by userid, in the order in which they were handed out."""
        return self._tasks.get(msgid, {})

    def tasks_of(self, userid: str) -> Sequence[SendTask]:
        """A member's tasks, the oldest first."""
        return self._of.get(userid, [])

    def highest_seq(self) -> int:
        """The highest number of a delivered message."""
        sent = (task for tasks in self._of.values() for task in tasks if task.send_time)
        return max((task.seq + len(self._by_msgid[task.msgid].content) for task in sent), default=0)

    def create(
        self,
        chat_type: ChatType,
        content: list[tuple[str, dict[str, Any]]],
        recipients: Mapping[str, Iterable[str]],
        *,
        now: float,
        agentid: int = 0,
        creator: str = "",
        allow_select: bool = False,
    ) -> GroupSend:
        """A new group-send with one task for each member of `recipients` (userid → ids)."""
        number = len(self._all) + 1
        token = token_of(self._seed, "groupmsg", number, int(now))
        msgid = f"msgGCAAA{token[:16]}AAAA"
        send = GroupSend(number, msgid, chat_type, agentid, now, content, creator, allow_select)
        self._keep(send)
        self.put(send)
        for userid, ids in recipients.items():
            task = SendTask(msgid, userid, "".join(ids))
            self._keep_task(task)
            self.put_task(task)
        return send

    def put(self, send: GroupSend) -> None:
        """Keep a group-send that was changed."""
        self._journal.put("group_send", send.msgid, send)

    def put_task(self, task: SendTask) -> None:
        """Keep a task that was changed."""
        self._journal.put("group_send_task", f"{task.msgid}|{task.userid}", task)

    # -- what people see of it

    def delivered(self, userid: str, id_: str) -> list[Message]:
        """What a member's group-sends brought to a customer (or into a group), the oldest first."""
        found: list[Message] = []
        for task in self._of.get(userid, ()):
            if task.send_time and task.result_of(id_) == SENT:
                for place, (msgtype, content) in enumerate(self._by_msgid[task.msgid].content):
                    seq = task.seq + place
                    found.append(Message(seq, userid, id_, "staff", "group_send", msgtype, content, task.send_time))
        found.sort(key=lambda message: message.seq)
        return found

    def _keep(self, send: GroupSend) -> None:
        self._all.append(send)
        self._by_msgid[send.msgid] = send

    def _keep_task(self, task: SendTask) -> None:
        self._tasks.setdefault(task.msgid, {})[task.userid] = task
        self._of.setdefault(task.userid, []).append(task)
