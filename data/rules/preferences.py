"""How much a customer wants to hear, and whether one more message may go to them.

Holds for every message to one customer. Groups and Moments reach whom WeCom lets them reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Self

from pydantic import Field, model_validator

from bot.phrases import Phrase
from data.rules.problems import RuleModel
from data.rules.schedule import Instant, day_words, local_datetime

CAP_COUNT_MAX = 1000
CAP_DAYS_MAX = 365
REASON_MAX_LENGTH = 200


class TouchKind(StrEnum):
    """The ways in which something reaches one customer."""

    WELCOME = "welcome"
    BROADCAST = "broadcast"
    #: A broadcast to a test customer, before the others get it.
    TEST = "test"
    #: A staff member's own, made on the phone.
    OWN_SEND = "own_send"
    MOMENT = "moment"
    KF = "kf"
    TASK = "task"


#: Answers to an act of the customer's own: they added a staff member.
ANSWERS = frozenset({TouchKind.WELCOME})
#: What counts for WeCom's own cap on group-sends.
GROUP_SENDS = frozenset({TouchKind.BROADCAST, TouchKind.OWN_SEND, TouchKind.TEST})
#: Not written to one customer, or to one who has asked for it: no cap counts it.
NOT_COUNTED = frozenset({TouchKind.MOMENT, TouchKind.TEST})


class Preference(RuleModel):
    """What a customer wants; without any of it everything may be sent.

    `cap_count` messages within any `cap_days` days of the company's calendar, today included.
    """

    opted_out: bool = False
    paused_until: Instant | None = None
    cap_count: Annotated[int, Field(strict=True, ge=1, le=CAP_COUNT_MAX)] | None = None
    cap_days: Annotated[int, Field(strict=True, ge=1, le=CAP_DAYS_MAX)] | None = None
    reason: str = Field(default="", max_length=REASON_MAX_LENGTH)

    @model_validator(mode="after")
    def _whole_cap(self) -> Self:
        if (self.cap_count is None) != (self.cap_days is None):
            raise ValueError(Phrase("cap_count 和 cap_days 要一起填写"))
        return self

    @property
    def is_empty(self) -> bool:
        """Whether it forbids nothing."""
        return not self.opted_out and self.paused_until is None and self.cap_count is None


class RefusalReason(StrEnum):
    """Why a message may not go to a customer; the first that holds is told."""

    OPTED_OUT = "opted_out"
    PAUSED = "paused"
    CAPPED = "capped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a message may be sent. `until`: when it may, where that is a matter of time."""

    allowed: bool
    reason: RefusalReason | None = None
    sentence: str = ""
    until: datetime | None = None


ALLOWED = Verdict(allowed=True)


def may_touch(
    preference: Preference | None,
    touched: Sequence[datetime],
    now: datetime,
    zone: tzinfo,
    kind: TouchKind,
    *,
    answers: bool = True,
) -> Verdict:
    """Whether a message of this kind may go to a customer now.

    `touched`: when messages that count reached them, as far back as the cap asks (`window_start`), in any order. A
    message that answers an act of the customer's own always may; with `answers` false it is one like any other.
    """
    if preference is None or (answers and kind in ANSWERS):
        return ALLOWED
    if preference.opted_out:
        return Verdict(False, RefusalReason.OPTED_OUT, Phrase("客户不希望再收到消息"))
    pause = preference.paused_until
    if pause is not None and now < pause:
        day = day_words(local_datetime(pause, zone).date())
        return Verdict(False, RefusalReason.PAUSED, Phrase("客户希望 %(day)s 之前不收到消息", day=day), pause)
    if preference.cap_count is None or preference.cap_days is None:
        return ALLOWED
    since = window_start(now, zone, preference.cap_days)
    counted = sorted(at for at in touched if at >= since)
    if len(counted) < preference.cap_count:
        return ALLOWED
    # Once the touch that is the cap's own number from the end is out of the window there is room for one more.
    leaving = counted[-preference.cap_count]
    return Verdict(
        False,
        RefusalReason.CAPPED,
        Phrase(
            "客户希望 %(cap_days)s 天内最多 %(cap_count)s 条消息，已有 %(count)s 条",
            cap_days=preference.cap_days,
            cap_count=preference.cap_count,
            count=len(counted),
        ),
        _midnight(leaving, zone, preference.cap_days),
    )


def room(preference: Preference | None, touched: Sequence[datetime], now: datetime, zone: tzinfo) -> int | None:
    """How many more messages a customer wants within the days of their cap; None: they have none."""
    if preference is None or preference.cap_count is None or preference.cap_days is None:
        return None
    since = window_start(now, zone, preference.cap_days)
    return max(preference.cap_count - sum(at >= since for at in touched), 0)


@lru_cache(maxsize=1024)
def window_start(now: datetime, zone: tzinfo, days: int) -> datetime:
    """Where the `days` calendar days that end with today begin: what was sent from then on counts."""
    return _midnight(now, zone, 1 - days)


def _midnight(at: datetime, zone: tzinfo, days_later: int) -> datetime:
    day = local_datetime(at, zone).date() + timedelta(days=days_later)
    return datetime.combine(day, time(), zone).astimezone(UTC)
