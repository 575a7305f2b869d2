"""Customer-acquisition links (获客链接): what WeCom is told of one, what it tells, and when managers are warned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from data.rules.behaviour import BACK_DAYS, CHINA

#: Of WeCom (doc 97297): a link's name. A daily figure is read again for so many days.
NAME_MAX_LENGTH, CORRECTED_DAYS = 30, 3
#: Of a quota; WeCom tells the first one itself, and of parts that end within the other.
LOW_BALANCE, EXPIRES_SOON_DAYS = 20, 14
#: How somebody came who was added by a link.
ADD_WAY = 16
_PARAMETER = "customer_channel"


def mark_of(state: str) -> str:
    """What a link's name ends with: WeCom keeps nothing else of a link by which it could be found again."""
    return f"#{hashlib.sha256(state.encode()).hexdigest()[:8]}"


def link_body(wanted: Mapping[str, Any], state: str) -> dict[str, Any]:
    """A link as WeCom takes it. `wanted` is what is wanted of every channel (`data.rules.channels.wecom_body`)."""
    mark = mark_of(state)
    name = str(wanted.get("remark") or "")[: NAME_MAX_LENGTH - len(mark) - 1].rstrip()
    return {
        "link_name": f"{name} {mark}",
        "range": {"user_list": list(wanted.get("user") or ()), "department_list": []},
        "skip_verify": bool(wanted.get("skip_verify", True)),
    }


def read_link(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What `get` tells of a link, with a contact way's words."""
    link, range_ = answer.get("link") or {}, answer.get("range") or {}
    return {
        "name": str(link.get("link_name") or ""),
        "url": str(link.get("url") or ""),
        "made_at": int(link.get("create_time") or 0),
        "skip_verify": bool(link.get("skip_verify", True)),
        "user": [str(each) for each in range_.get("user_list") or []],
        "party": [int(each) for each in range_.get("department_list") or []],
    }


def address_of(url: str, state: str) -> str:
    """What is given to customers: WeCom brings the parameter back as their state."""
    if not url:
        return ""
    return f"{url}{'&' if '?' in url else '?'}{urlencode({_PARAMETER: state})}"


def scheme_of(url: str, state: str) -> str:
    """The same for buttons that open WeChat itself."""
    return f"weixin://biz/ww/profile/{quote(address_of(url, state), safe='')}" if url else ""


# -- figures


def due_days(pulled: Mapping[date, date], made_on: date, today: date) -> list[date]:
    """The days whose figures are read today, the oldest first: those that never were since the link was made, and
    those of which WeCom may have told too little. `pulled`: when each was read last."""
    first = max(made_on, today - timedelta(days=BACK_DAYS - 1))
    days = [first + timedelta(days=number) for number in range((today - first).days)]
    return [
        day
        for day in days
        if day not in pulled or (pulled[day] < today and pulled[day] <= day + timedelta(days=CORRECTED_DAYS))
    ]


class Part(NamedTuple):
    """A part of the quota: until when, and how many are left of it."""

    day: date
    balance: int


class Quota(NamedTuple):
    """How many customers may still be added by links."""

    total: int
    balance: int
    parts: tuple[Part, ...]

    @property
    def next_end(self) -> Part | None:
        """The part that ends first of those of which anything is left."""
        return min((each for each in self.parts if each.balance > 0), default=None)


def read_quota(answer: Mapping[str, Any]) -> Quota:
    """What WeCom answers about the quota."""
    parts = [
        Part(datetime.fromtimestamp(int(each["expire_date"]), UTC).astimezone(CHINA).date(), int(each["balance"]))
        for each in answer.get("quota_list") or ()
        if isinstance(each, Mapping) and each.get("expire_date")
    ]
    return Quota(int(answer.get("total") or 0), int(answer.get("balance") or 0), tuple(sorted(parts)))


def quota_of(total: int, balance: int, parts: Iterable[Sequence[Any]]) -> Quota:
    """The same as it is kept."""
    return Quota(total, balance, tuple(Part(date.fromisoformat(str(day)), int(left)) for day, left in parts))


def warning_of(quota: Quota, today: date) -> str:
    """What managers are to know of a quota: `exhausted`, `low`, `expires:DAY:DAYS`, or nothing.

    A company that never bought any (a total of 0) is told nothing.
    """
    if not quota.total:
        return ""
    if quota.balance <= 0:
        return "exhausted"
    if quota.balance < LOW_BALANCE:
        return "low"
    part = quota.next_end
    if part is not None and 0 <= (part.day - today).days <= EXPIRES_SOON_DAYS:
        left = next(each for each in (1, 3, 7, EXPIRES_SOON_DAYS) if (part.day - today).days <= each)
        return f"expires:{part.day}:{left}"
    return ""
