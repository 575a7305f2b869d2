"""Plaintexts of callbacks (WeCom doc 92130): XML as WeCom writes it, and the fixture files of every shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources

from bot.sandbox.errors import NotFoundError

#: int: bare; str: CDATA; a tuple: nested elements.
Value = int | str | tuple[tuple[str, "Value"], ...]
Field = tuple[str, Value]

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def event_xml(corpid: str, from_user: str, created_at: int, fields: Iterable[Field]) -> str:
    """The plaintext of one event or message; `from_user` is `sys` for what the system reports, "" to leave it out."""
    head: list[Field] = [("ToUserName", corpid)]
    if from_user:
        head.append(("FromUserName", from_user))
    head.append(("CreateTime", created_at))
    return "<xml>" + "".join(element(name, value) for name, value in (*head, *fields)) + "</xml>"


def element(name: str, value: Value) -> str:
    """One element."""
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    if isinstance(value, tuple):
        return f"<{name}>{''.join(element(*child) for child in value)}</{name}>"
    text = _NOT_XML.sub("", value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{text}]]></{name}>"


def contact_event(change_type: str, userid: str, external_userid: str, **optional: str) -> list[Field]:
    """change_external_contact; optional ones (State, WelcomeCode, Source, FailReason) stand only when not empty."""
    fields: list[Field] = [
        ("MsgType", "event"),
        ("Event", "change_external_contact"),
        ("ChangeType", change_type),
        ("UserID", userid),
        ("ExternalUserID", external_userid),
    ]
    return fields + [(name, value) for name, value in optional.items() if value]


def chat_event(change_type: str, chat_id: str, detail: str = "", more: Iterable[Field] = ()) -> list[Field]:
    """change_external_chat."""
    fields: list[Field] = [
        ("MsgType", "event"),
        ("Event", "change_external_chat"),
        ("ChatId", chat_id),
        ("ChangeType", change_type),
    ]
    if detail:
        fields.append(("UpdateDetail", detail))
    return [*fields, *more]


def tag_event(change_type: str, id_: str, tag_type: str) -> list[Field]:
    """change_external_tag; `tag_type` is tag, tag_group, or "" (shuffle)."""
    fields: list[Field] = [("MsgType", "event"), ("Event", "change_external_tag"), ("Id", id_)]
    if tag_type:
        fields.append(("TagType", tag_type))
    return [*fields, ("ChangeType", change_type)]


def list_fixtures() -> list[str]:
    """The names of all fixtures: `<event>__<change_type>[__case]`."""
    folder = resources.files("bot.sandbox").joinpath("fixtures")
    return sorted(entry.name.removesuffix(".xml") for entry in folder.iterdir() if entry.name.endswith(".xml"))


def load_fixture(name: str) -> str:
    """The plaintext of one fixture. Raises NotFoundError."""
    if name not in list_fixtures():
        raise NotFoundError(f"There is no fixture {name!r}.", "GET /sandbox/fixtures lists them.")
    text = resources.files("bot.sandbox").joinpath("fixtures").joinpath(f"{name}.xml").read_text("utf-8")
    return text.removesuffix("\n")


def with_values(plaintext: str, values: Mapping[str, str]) -> str:
    """The plaintext with the contents of elements replaced; an element that is not there is added at the end."""
    for name, value in values.items():
        pattern = re.compile(rf"<{re.escape(name)}>(?:<!\[CDATA\[.*?\]\]>|[^<]*)</{re.escape(name)}>", re.DOTALL)
        made = element(name, int(value) if value.isascii() and value.isdigit() else value)
        plaintext, found = pattern.subn(lambda _: made, plaintext, count=1)  # noqa: B023
        if not found:
            plaintext = plaintext.replace("</xml>", f"{made}</xml>")
    return plaintext


def value_of(plaintext: str, name: str) -> str:
    """What an element of a plaintext says ("" when it is not there): for logs and fault matching only."""
    found = re.search(rf"<{name}>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</{name}>", plaintext, re.DOTALL)
    return "" if found is None else found[1] or found[2] or ""
