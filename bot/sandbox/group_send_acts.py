"""What members do with group-sends on their phones: no app ever hears of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.group_send_caps import Received, period_of
from bot.sandbox.group_sends import AT_CAP, ID_CHARS, NO_FRIEND, NOT_SENT, SENT, GroupSend, SendTask
from bot.sandbox.records import Message
from bot.sandbox.settings import Settings
from bot.sandbox.world import World


class GroupSendActs:
    """Acts on the tasks of one world. Raises WorldError for what cannot be done."""

    def __init__(self, world: World, settings: Settings) -> None:
        self.world, self.settings = world, settings
        self._received = Received(world.population, world.group_sends)

    def confirm(
        self, userid: str, msgid: str, *, only: Collection[str] | None = None, at: float | None = None
    ) -> SendTask:
        """The member confirms a task, for all of its recipients or (where they may be chosen) for those of `only`.

        `at` is when, epoch seconds; by default now. Who is no friend any more, or has received as many group-sends as
        one may, receives nothing: that shows only now.
        """
        now = self.world.clock.timestamp() if at is None else at
        send, task = self.find_task(userid, msgid)
        self._check(send, task, now)
        chosen = None if only is None else self._chosen(send, task, only)
        period = period_of(self.settings.group_send_cap, now)
        results: list[str] = []
        for place in range(len(task)):
            id_ = task.recipients[place * ID_CHARS : (place + 1) * ID_CHARS]
            if chosen is not None and id_ not in chosen:
                results.append(NOT_SENT)
            elif not self._reaches(send, task.userid, id_):
                results.append(NO_FRIEND)
            else:
                results.append(SENT if self._received.take(id_, period) else AT_CAP)
        task.results, task.send_time = "".join(results), int(now)
        task.seq = self.world.chats.reserve(len(send.content))
        self.world.group_sends.put_task(task)
        self.world.changes.note(
            "group_send.confirmed", msgid=msgid, userid=task.userid, sent=task.results.count(SENT), seq=task.seq
        )
        return task

    def send_own(self, userid: str, text: str, ids: list[str] | None = None, *, to_groups: bool = False) -> GroupSend:
        """A member makes a group-send of their own and sends it at once, to all of their customers (or groups) or some.

        It uses up what the customers may receive, and apps find it in the list of group-sends (create_type 1).
        """
        member = self.world.directory.get(userid)
        if member.status != 1 or not member.customer_contact:
            raise WorldError(f"{userid} does not serve customers.")
        if to_groups:
            known = [
                group.chat_id for group in self.world.groups if group.owner == member.userid and not group.dismissed
            ]
        else:
            known = list(self.world.customers.listed_by(member.userid))
        wanted = known if ids is None else list(dict.fromkeys(ids))
        strange = set(wanted) - set(known)
        if strange or not wanted:
            raise WorldError(f"{userid} cannot send to {', '.join(sorted(strange)[:3]) or 'nobody'}.")
        send = self.world.group_sends.create(
            "group" if to_groups else "single",
            [("text", {"content": text})],
            {member.userid: wanted},
            now=self.world.clock.timestamp(),
            creator=member.userid,
        )
        self.confirm(member.userid, send.msgid)
        return send

    # -- what members see

    def tasks_of(self, userid: str, *, waiting: bool = False) -> Iterator[tuple[GroupSend, SendTask]]:
        """A member's tasks as the phone shows them, the newest first; only those to confirm, if `waiting`."""
        now = self.world.clock.timestamp()
        for task in reversed(self.world.group_sends.tasks_of(userid)):
            send = self.world.group_sends.find(task.msgid)
            if send is None or not send.settled(now, self.settings.group_send_settle_seconds):
                continue
            if not (waiting and (task.send_time or send.cancelled_at is not None)):
                yield send, task

    def messages_in(self, chat_id: str) -> list[Message]:
        """What group-sends and welcomes brought into a customer group, whoever owned it then."""
        group = self.world.groups.get(chat_id)
        userids = [member.userid for member in group.members if member.type == 1]
        found = [message for userid in userids for message in self.world.chats.of(userid, chat_id)]
        return sorted(found, key=lambda message: message.seq)

    def find_task(self, userid: str, msgid: str) -> tuple[GroupSend, SendTask]:
        """A member's task and the group-send it belongs to. Raises NotFoundError."""
        member = self.world.directory.get(userid)
        send = self.world.group_sends.find(msgid)
        task = self.world.group_sends.tasks(msgid).get(member.userid)
        if send is None or task is None:
            raise NotFoundError(
                f"{userid} has no task of group-send {msgid!r}.", "GET /sandbox/staff/{userid}/group_sends lists them."
            )
        return send, task

    def _check(self, send: GroupSend, task: SendTask, now: float) -> None:
        if task.send_time:
            raise WorldError(f"{task.userid} has confirmed this group-send already.")
        if send.cancelled_at is not None:
            raise WorldError("This group-send was cancelled.")
        if not send.settled(now, self.settings.group_send_settle_seconds):
            raise WorldError("This group-send is still being handed out.", "Wait for group_send_settle_seconds.")
        if self.world.directory.get(task.userid).status != 1:
            raise WorldError(f"{task.userid} is not an active member.")

    def _chosen(self, send: GroupSend, task: SendTask, only: Collection[str]) -> set[str]:
        chosen = set(only)
        if send.chat_type == "single" and not send.allow_select:
            raise WorldError("The recipients of this group-send cannot be chosen.", "It was made without allow_select.")
        strange = [id_ for id_ in chosen if task.result_of(id_) is None]
        if strange or not chosen:
            raise WorldError(f"{', '.join(sorted(strange)[:3]) or 'Nobody'} is no recipient of this task.")
        return chosen

    def _reaches(self, send: GroupSend, userid: str, id_: str) -> bool:
        if send.chat_type == "single":
            return self.world.customers.changed_friendship(userid, id_) in (None, "mutual")
        group = self.world.groups.find(id_)
        return group is not None and not group.dismissed and group.owner == userid
