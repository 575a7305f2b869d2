"""What every type of callback event is made of: elements of its XML, looked up when they are asked for.

Most of the events that a bot receives are only stored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

Fields = dict[str, Any]


def text_of(fields: Fields, name: str) -> str:
    """An element's text without the blanks around it; of repeated elements the first; "" where there is no text."""
    value = fields.get(name, "")
    if isinstance(value, list):
        value = value[0]
    return value.strip() if isinstance(value, str) else ""


class Text:
    """An attribute that is an element's text."""

    __slots__ = ("element",)

    def __init__(self, element: str) -> None:
        self.element = element

    def __get__(self, event: Event, _type: type[Event]) -> str:
        return text_of(event.fields, self.element)


class Number:
    """An attribute that is a whole number of up to nine digits; None where the event has none."""

    __slots__ = ("element",)

    def __init__(self, element: str) -> None:
        self.element = element

    def __get__(self, event: Event, _type: type[Event]) -> int | None:
        text = text_of(event.fields, self.element)
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


class Event:
    """What every callback carries. `fields` holds all elements: text, nested dicts, or lists of repeated elements.

    `kind` is `change_external_contact.add_external_contact`, `message.text`, `enter_agent` …
    """

    __slots__ = ("fields", "kind")

    #: (Event, ChangeType) values this type stands for.
    KINDS: ClassVar[tuple[tuple[str, str], ...]] = ()
    #: The event only says that something changed: to handle it is to look again, so a repeat is worth handling.
    SAYS_ONLY_CHANGED: ClassVar[bool] = False
    #: WeCom takes an answer to the member in the response to the callback (passive reply).
    TAKES_REPLY: ClassVar[bool] = False

    to_user = Text("ToUserName")
    from_user = Text("FromUserName")
    event = Text("Event")
    change_type = Text("ChangeType")
    agentid = Text("AgentID")

    def __init__(self, fields: Fields, kind: str) -> None:
        self.fields = fields
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind}>"  # without what a customer wrote and without codes

    @property
    def created_seconds(self) -> int | None:
        """The instant that WeCom gave the event, in epoch seconds."""
        text = text_of(self.fields, "CreateTime")
        # A year beyond 9999 cannot be a datetime; neither is it a time that WeCom sends.
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 11 else None

    @property
    def created_at(self) -> datetime | None:
        """The same as an aware instant."""
        seconds = self.created_seconds
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    @property
    def is_complete(self) -> bool:
        """Whether it has what its type cannot do without; else it is kept as an UnknownEvent."""
        return True

    @property
    def subject(self) -> str:
        """What the event is about; events of one subject are handled in order. Empty: independent of all others."""
        return ""

    @property
    def collapse_key(self) -> str:
        """Waiting events with the same key are answered by one look at the present state. Empty: each counts."""
        return ""
