"""From the XML of a decrypted callback to an event of a type.

Parsing accepts what WeCom's pushes really look like: elements in any order, with or without CDATA, absent or empty
optional elements, unknown extra ones. An event that we have no type for is an `UnknownEvent`, never an error.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from bot.errors import SiyuError
from bot.wecom.event_base import Event, Fields, text_of
from bot.wecom.events import MESSAGE_TYPES, TYPES, AppMessage, UnknownEvent

#: Deepest nesting in any published event is six (approval details); more is not from WeCom.
MAX_DEPTH = 12


class MalformedEventError(SiyuError):
    """The text is not an event: not XML, or XML with a document type (entities are refused)."""


def parse_event(xml: str) -> Event:
    """The event in a decrypted callback. Raises MalformedEventError for what is not XML or carries a DTD."""
    fields = _flat_elements(xml) or _elements(xml)
    name, change = text_of(fields, "Event"), text_of(fields, "ChangeType")
    msg_type = text_of(fields, "MsgType") or "event"
    found: type[Event] | None
    if msg_type == "event":
        found = TYPES.get((name, change)) or TYPES.get((name, ""))
    else:
        name, found = f"message.{msg_type}", AppMessage if msg_type in MESSAGE_TYPES else None
    kind = f"{name}.{change}" if change else name
    event = (found or UnknownEvent)(fields, kind)
    return event if event.is_complete else UnknownEvent(fields, kind)


class _Builder(ET.TreeBuilder):
    """Builds in C what expat reads (lxml takes twice as long); without a document type there are no entities."""

    def doctype(self, *_: object) -> None:
        raise MalformedEventError("The event has a document type; entities are refused.")


#: One element that holds a text: its name and, in one of two groups, the text. What XML treats in a special way
#: (references, line ends, "]]>", control characters) is no such element; from there on all is the fourth group.
_TEXT_ELEMENTS = re.compile(
    r"<([A-Za-z]\w{0,63})>(?:<!\[CDATA\[([^\]\x00-\x08\x0b-\x1f\ufffe\uffff]*)\]\]>"
    r"|([^<>&\x00-\x08\x0b-\x1f\ufffe\uffff]*))</\1>[ \t\n]*|((?s:.+))",
    re.ASCII,
)


def _flat_elements(text: str) -> Fields | None:
    """The fields of an event that is nothing but texts below its root, as nearly all are: several times faster than a
    parser. None: it takes the parser to say what this is."""
    if not (text.startswith("<xml>") and text.endswith("</xml>")):
        return None
    elements = _TEXT_ELEMENTS.findall(text, len("<xml>"), len(text) - len("</xml>"))
    if not elements or elements[-1][3]:
        return None
    found = {name: cdata or plain for name, cdata, plain, _ in elements}
    return found if len(found) == len(elements) else None


def _elements(xml: str) -> Fields:
    # What was decrypted is UTF-8: a declaration in the text must not choose another codec.
    parser = ET.XMLParser(target=_Builder(), encoding="utf-8")  # noqa: S314 - see _Builder
    try:
        parser.feed(xml.encode())
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
