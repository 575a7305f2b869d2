"""WeCom's figures of members and of groups' owners: which days are read when, and what an answer says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, NamedTuple

#: WeCom's days begin at midnight in China.
CHINA = timezone(timedelta(hours=8))
#: The figures of yesterday are read from this time on; before it WeCom may still count.
READY = time(5, 30)
#: WeCom keeps so many days, and tells at most so many at once.
BACK_DAYS, SPAN_DAYS = 180, 30
#: Of groups one day is a call of its own: it is read again until it is so old.
CORRECTED_DAYS = 3
#: So many owners of groups are asked for at once.
OWNERS = 100
#: Columns of `BehaviourDay` and of `OwnerDay`, and what WeCom calls them.
MEMBER_COUNTS = {
    "chats": "chat_cnt", "messages": "message_cnt", "deletions": "negative_feedback_cnt", "applies": "new_apply_cnt",
    "contacts": "new_contact_cnt",
}  # fmt: skip
MEMBER_RATES = {"reply_percent": "reply_percentage", "reply_minutes": "avg_reply_time"}
OWNER_COUNTS = {
    "chats_new": "new_chat_cnt", "chats_total": "chat_total", "chats_active": "chat_has_msg",
    "members_new": "new_member_cnt", "members_total": "member_total", "members_active": "member_has_msg",
    "messages": "msg_total",
}  # fmt: skip


class Days(NamedTuple):
    """From one day to another, which belongs to them; `begin` and `end` as WeCom wants them."""

    first: date
    last: date

    @property
    def begin(self) -> int:
        """Epoch seconds of the first midnight."""
        return int(datetime.combine(self.first, time(), CHINA).timestamp())

    @property
    def end(self) -> int:
        """Epoch seconds of the last day's midnight."""
        return int(datetime.combine(self.last, time(), CHINA).timestamp())


def reading_day(now: datetime) -> date | None:
    """The day in China, once yesterday's figures can be read on it."""
    local = now.astimezone(CHINA)
    return local.date() if local.time() >= READY else None


def member_spans(pulled_on: date | None, today: date, days_back: int) -> list[Days]:
    """What is read of a member, the oldest first: always the last month, so that whatever WeCom corrected or told late
    is right, and what came after the last reading."""
    oldest = today - timedelta(days=BACK_DAYS)
    first = today - timedelta(days=SPAN_DAYS)
    first = min(first, today - timedelta(days=days_back) if pulled_on is None else pulled_on - timedelta(days=1))
    first = max(first, oldest)
    found = []
    while first < today:
        last = min(first + timedelta(days=SPAN_DAYS - 1), today - timedelta(days=1))
        found.append(Days(first, last))
        first = last + timedelta(days=1)
    return found


def owner_days(pulled: Mapping[date, date], today: date, days_back: int) -> list[date]:
    """The days of which the figures of groups are read, the oldest first. `pulled`: when each was read last.

    A day that was never read is, as far back as WeCom keeps it once anything was read, else `days_back`.
    """
    back = BACK_DAYS if pulled else days_back
    first = max(today - timedelta(days=back), min(pulled, default=today - timedelta(days=back)))
    wanted = [first + timedelta(days=number) for number in range((today - first).days)]
    return [day for day in wanted if day not in pulled or _is_corrected(day, pulled[day], today)]


def _is_corrected(day: date, pulled_on: date, today: date) -> bool:
    return pulled_on < today and pulled_on <= day + timedelta(days=CORRECTED_DAYS)


def read_member(answer: Mapping[str, Any], days: Days) -> list[dict[str, Any]]:
    """The rows of an answer about one member. A day that cannot be read is left out: it is asked for again."""
    found: dict[date, dict[str, Any]] = {}
    for told in _objects(answer.get("behavior_data")):
        at = told.get("stat_time")
        if isinstance(at, int | float) and days.begin <= at <= days.end + 86_399:
            day = datetime.fromtimestamp(at, UTC).astimezone(CHINA).date()
            rates = {name: _rate(told.get(theirs)) for name, theirs in MEMBER_RATES.items()}
            found[day] = {"day": day, **_counts(told, MEMBER_COUNTS), **rates}
    return list(found.values())


def read_owners(answer: Mapping[str, Any], asked: Collection[str]) -> dict[str, dict[str, Any]]:
    """What an answer tells of a day's owners, by userid."""
    return {
        str(told.get("owner")): _counts(data, OWNER_COUNTS)
        for told in _objects(answer.get("items"))
        if told.get("owner") in asked and isinstance(data := told.get("data"), Mapping)
    }


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _counts(told: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, int]:
    return {name: _count(told.get(theirs)) for name, theirs in names.items()}


def _count(value: Any) -> int:
    return min(max(int(value), 0), 2**31 - 1) if isinstance(value, int | float) else 0


def _rate(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value <= 10**6 else None
