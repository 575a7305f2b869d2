"""What people see on their phones: the chat of a member and a customer, and the messages of an app to staff."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

from bot.sandbox.group_sends import GroupSends
from bot.sandbox.journal import Journal
from bot.sandbox.records import AppMessage, Message

#: Messages kept per member and app; a phone scrolls back no further.
APP_MESSAGES_KEPT = 500


class Chats:
    """Messages in the order in which they were delivered; `seq` grows over all of them."""

    def __init__(self, journal: Journal, group_sends: GroupSends) -> None:
        self._journal, self._group_sends = journal, group_sends
        self._chats: dict[tuple[str, str], list[Message]] = {}
        #: What members and customers wrote themselves, by member.
        self._talks: dict[str, list[Message]] = {}
        self._staff: dict[tuple[int, str], deque[AppMessage]] = {}
        self._seq = group_sends.highest_seq()
        for _, message in journal.load("message", Message):
            self._keep(message)
            self._seq = max(self._seq, message.seq)
        for _, app_message in journal.load("app_message", AppMessage):
            self._inbox(app_message.agentid, app_message.userid).append(app_message)
            self._seq = max(self._seq, app_message.seq)

    def write(
        self,
        userid: str,
        external_userid: str,
        sender: Literal["staff", "customer", "system"],
        origin: str,
        msgtype: str,
        content: dict[str, Any],
        at: float,
    ) -> Message:
        """Put one message into the chat of a member and a customer."""
        self._seq += 1
        message = Message(self._seq, userid, external_userid, sender, origin, msgtype, content, at)
        self._keep(message)
        self._journal.put("message", str(message.seq), message)
        return message

    def _keep(self, message: Message) -> None:
        self._chats.setdefault((message.userid, message.external_userid), []).append(message)
        if message.origin == "chat":
            self._talks.setdefault(message.userid, []).append(message)

    def talks_of(self, userid: str) -> list[Message]:
        """What the member and customers wrote to each other themselves, in order."""
        return self._talks.get(userid, [])

    def of(self, userid: str, external_userid: str) -> list[Message]:
        """The whole chat of the two, group-sends among the rest."""
        written = self.written(userid, external_userid)
        delivered = self._group_sends.delivered(userid, external_userid)
        return sorted(written + delivered, key=lambda message: message.seq) if delivered else written

    def written(self, userid: str, external_userid: str) -> list[Message]:
        """The chat of the two without group-sends."""
        return self._chats.get((userid, external_userid), [])

    def reserve(self, count: int) -> int:
        """The first of `count` numbers for messages that are kept elsewhere."""
        first = self._seq + 1
        self._seq += count
        return first

    def all(self) -> Iterator[Message]:
        """Every message of chats; group-sends are not among them."""
        for messages in self._chats.values():
            yield from messages

    def write_app(
        self, agentid: int, userid: str, incoming: bool, msgid: str, msgtype: str, content: dict[str, Any], at: float,
        response_code: str = "",
    ) -> AppMessage:  # fmt: skip
        """Put one message into the chat of a member with an app."""
        self._seq += 1
        message = AppMessage(self._seq, agentid, userid, incoming, msgid, msgtype, content, at, response_code)
        inbox = self._inbox(agentid, userid)
        if len(inbox) == inbox.maxlen:
            self._journal.drop("app_message", str(inbox[0].seq))
        inbox.append(message)
        self._journal.put("app_message", str(message.seq), message)
        return message

    def change_app(self, agentid: int, userid: str, msgid: str, content: dict[str, Any]) -> AppMessage | None:
        """Put other content in the place of a message's; None when the member has no such message."""
        for message in reversed(self._staff.get((agentid, userid), ())):
            if message.msgid == msgid:
                message.content = content
                self._journal.put("app_message", str(message.seq), message)
                return message
        return None

    def of_app(self, agentid: int, userid: str) -> list[AppMessage]:
        return list(self._staff.get((agentid, userid), ()))

    def staff(self) -> Iterator[tuple[tuple[int, str], deque[AppMessage]]]:
        """((agentid, userid), messages) of everyone who has any."""
        return iter(self._staff.items())

    def _inbox(self, agentid: int, userid: str) -> deque[AppMessage]:
        return self._staff.setdefault((agentid, userid), deque(maxlen=APP_MESSAGES_KEPT))
