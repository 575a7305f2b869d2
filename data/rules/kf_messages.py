"""What `kf/sync_msg` hands out, read into values of ours: every field may be missing, strange or hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from data.models.kf import KfOrigin

WORDS_MAX = 4_000
CONTENT_MAX_CHARACTERS = 16_000
ID_MAX = 64
MSGID_MAX = 128
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Pulled:
    """A message or an event. `event`: its `event_type`, empty for a message; `told`: what the event says."""

    msgid: str
    open_kfid: str
    external_userid: str
    sent_at: datetime
    origin: int
    msgtype: str
    content: Mapping[str, Any]
    words: str = ""
    menu_id: str = ""
    servicer_userid: str = ""
    event: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


def read_item(item: Any, now: datetime) -> Pulled | None:
    """One item of `msg_list`; None where nobody can say which message it is."""
    if not isinstance(item, Mapping):
        return None
    msgid, msgtype = _text(item, "msgid", MSGID_MAX), _text(item, "msgtype", 32)
    body = item.get(msgtype)
    body = storable(body) if isinstance(body, Mapping) else {}
    event = _text(body, "event_type", 64) if msgtype == "event" else ""
    ids = body if event else item
    external_userid = _text(ids, "external_userid", ID_MAX) or _text(item, "external_userid", ID_MAX)
    if not msgid or not msgtype or not (external_userid or event):
        return None
    origin = item.get("origin")
    return Pulled(
        msgid,
        _text(ids, "open_kfid", ID_MAX) or _text(item, "open_kfid", ID_MAX),
        external_userid,
        _instant(item.get("send_time"), now),
        KfOrigin.EVENT if event else origin if origin in (KfOrigin.CUSTOMER, KfOrigin.SERVICER) else KfOrigin.CUSTOMER,
        msgtype,
        # What an event says is kept without its codes: they open what they were made for to whoever reads them.
        _bounded({name: value for name, value in body.items() if name not in ("welcome_code", "msg_code")}),
        words_of(msgtype, body),
        _text(body, "menu_id", 128) if msgtype == "text" else "",
        _text(item, "servicer_userid", ID_MAX),
        event,
        body if event else {},
    )


def words_of(msgtype: str, body: Mapping[str, Any]) -> str:
    """What a person reads of a message; empty where there is nothing to read."""
    match msgtype:
        case "text":
            return _text(body, "content", WORDS_MAX)
        case "link" | "miniprogram" | "merged_msg":
            return _text(body, "title", WORDS_MAX)
        case "location":
            return " ".join(each for each in (_text(body, "name", 200), _text(body, "address", 400)) if each)
        case "channels":
            return _text(body, "title", WORDS_MAX) or _text(body, "nickname", 200)
        case _:
            return ""


def told_text(told: Mapping[str, Any], name: str, most: int = ID_MAX) -> str:
    """A text of an event."""
    return _text(told, name, most)


def told_number(told: Mapping[str, Any], name: str) -> int:
    """A number of an event; 0 where it has none."""
    value = told.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1_000_000 else 0


def storable(value: Any) -> Any:
    """A value of JSON without what a database cannot keep: zero characters and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {storable(str(name)): storable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    return value


def _text(fields: Mapping[str, Any], name: str, most: int) -> str:
    value = fields.get(name)
    return storable(value)[:most] if isinstance(value, str) else ""


def _instant(seconds: Any, now: datetime) -> datetime:
    """When it was sent; what cannot be a time was sent now."""
    if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < _LATEST.timestamp():
        return datetime.fromtimestamp(seconds, UTC)
    return now


def _bounded(content: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        size = len(json.dumps(content, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return {}
    return content if size <= CONTENT_MAX_CHARACTERS else {"cut": True}
