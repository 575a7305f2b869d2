"""From the XML of a decrypted callback to an event of a type.

Parsing accepts what WeCom's pushes really look like: elements in any order, with or without CDATA, absent or empty
optional elements, unknown extra ones. An event that we have no type for is an `UnknownEvent`, never an error.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from bot.errors import SiyuError
from bot.wecom.events import (
    MESSAGE_TYPES,
    TYPES,
    AppMessage,
    ChatEvent,
    ContactEvent,
    Event,
    Fields,
    UnknownEvent,
)

#: Deepest nesting in any published event is six (approval details); more is not from WeCom.
MAX_DEPTH = 12


class MalformedEventError(SiyuError):
    """The text is not an event: not XML, or XML with a document type (entities are refused)."""


def parse_event(xml: bytes) -> Event:
    """The event in a decrypted callback. Raises MalformedEventError for what is not XML or carries a DTD."""
    fields = _elements(xml)
    head: dict[str, Any] = {
        "to_user": _text(fields, "ToUserName"),
        "from_user": _text(fields, "FromUserName"),
        "created_at": _instant(_text(fields, "CreateTime")),
        "msg_type": _text(fields, "MsgType") or "event",
        "event": _text(fields, "Event"),
        "change_type": _text(fields, "ChangeType"),
        "agentid": _text(fields, "AgentID"),
        "fields": fields,
    }
    if head["msg_type"] != "event":
        if head["msg_type"] not in MESSAGE_TYPES:
            return UnknownEvent(**head)
        return AppMessage(**head, msg_id=_text(fields, "MsgId"), content=_text(fields, "Content"))
    cls = TYPES.get((head["event"], head["change_type"])) or TYPES.get((head["event"], ""))
    if cls is None:
        return UnknownEvent(**head)
    event = cls(**head, **{name: read(fields) for name, read in _READERS[cls]})
    if isinstance(event, ContactEvent) and not (event.userid and event.external_userid):
        return UnknownEvent(**head)
    if isinstance(event, ChatEvent) and not event.chat_id:
        return UnknownEvent(**head)
    return event


class _Builder(ET.TreeBuilder):
    """Builds in C what expat reads (lxml takes twice as long); without a document type there are no entities."""

    def doctype(self, *_: object) -> None:
        raise MalformedEventError("The event has a document type; entities are refused.")


#: One element that holds a text. What XML treats in a special way (references, line ends, "]]>", control characters)
#: does not match.
_TEXT_ELEMENT = re.compile(
    r"<([A-Za-z]\w{0,63})>(?:<!\[CDATA\[([^\]\x00-\x08\x0b-\x1f\ufffe\uffff]*)\]\]>"
    r"|([^<>&\x00-\x08\x0b-\x1f\ufffe\uffff]*))</\1>[ \t\n]*",
    re.ASCII,
)


def _flat_elements(text: str) -> Fields | None:
    """The fields of an event that is nothing but texts below its root, as nearly all are: several times faster than a
    parser. None: it takes the parser to say what this is."""
    found: Fields = {}
    at, end = len("<xml>"), len(text) - len("</xml>")
    if not (text.startswith("<xml>") and text.endswith("</xml>")):
        return None
    while at < end:
        element = _TEXT_ELEMENT.match(text, at)
        if element is None or element[1] in found:
            return None
        found[element[1]] = element[2] or element[3] or ""
        at = element.end()
    return found or None


def _elements(xml: bytes) -> Fields:
    with contextlib.suppress(UnicodeDecodeError):
        flat = _flat_elements(xml.decode())
        if flat is not None:
            return flat
    # What is stored is UTF-8: a declaration in the text must not choose another codec.
    parser = ET.XMLParser(target=_Builder(), encoding="utf-8")  # noqa: S314 - see _Builder
    try:
        parser.feed(xml)
        root = parser.close()
    except ET.ParseError as error:
        raise MalformedEventError(f"The event is not well-formed XML (expat's code {error.code}).") from None
    if not len(root):
        raise MalformedEventError("The event has no elements.")
    return _fields(root, 0)


def _fields(element: ET.Element, depth: int) -> Fields:
    if depth > MAX_DEPTH:
        raise MalformedEventError(f"The event is nested deeper than {MAX_DEPTH} elements.")
    found: Fields = {}
    for child in element:
        name = child.tag
        value: str | Fields = _fields(child, depth + 1) if len(child) else child.text or ""
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if isinstance(value, list):
        value = value[0]
    return value.strip() if isinstance(value, str) else ""


def _instant(text: str) -> datetime | None:
    # A year beyond 9999 cannot be a datetime; neither is it a time that WeCom sends.
    if not text.isascii() or not text.isdigit() or len(text) > 11:
        return None
    return datetime.fromtimestamp(int(text), UTC)


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _members(fields: Fields) -> tuple[str, ...]:
    items = fields.get("MemChangeList")
    found = items.get("Item", []) if isinstance(items, dict) else []
    found = found if isinstance(found, list) else [found]
    return tuple(item.strip() for item in found if isinstance(item, str) and item.strip())


_FIELDS: dict[str, Any] = {
    "userid": lambda fields: _text(fields, "UserID"),
    "external_userid": lambda fields: _text(fields, "ExternalUserID"),
    "state": lambda fields: _text(fields, "State"),
    "welcome_code": lambda fields: _text(fields, "WelcomeCode"),
    "source": lambda fields: _text(fields, "Source"),
    "fail_reason": lambda fields: _text(fields, "FailReason"),
    "chat_id": lambda fields: _text(fields, "ChatId"),
    "update_detail": lambda fields: _text(fields, "UpdateDetail"),
    "join_scene": lambda fields: _whole_number(_text(fields, "JoinScene")),
    "quit_scene": lambda fields: _whole_number(_text(fields, "QuitScene")),
    "member_change_count": lambda fields: _whole_number(_text(fields, "MemChangeCnt")) or 0,
    "members": _members,
    "last_member_version": lambda fields: _text(fields, "LastMemVer"),
    "current_member_version": lambda fields: _text(fields, "CurMemVer"),
    "id": lambda fields: _text(fields, "Id"),
    "tag_type": lambda fields: _text(fields, "TagType"),
    "link_id": lambda fields: _text(fields, "LinkId"),
    "token": lambda fields: _text(fields, "Token"),
    "open_kfid": lambda fields: _text(fields, "OpenKfId"),
    "event_key": lambda fields: _text(fields, "EventKey"),
}
_READERS = {
    cls: [(name, read) for name, read in _FIELDS.items() if name in cls.__dataclass_fields__]
    for cls in set(TYPES.values())
}
