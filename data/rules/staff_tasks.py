"""Staff tasks (待办): how many a day's list holds, who may answer one, and until when it is put off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem
from data.rules.schedule import day_began, local_datetime

WHY_MAX_LENGTH = 200
#: "Later today" is so much later.
LATER_TODAY = timedelta(hours=2)


class Later(StrEnum):
    """Until when a task may be put off."""

    TODAY = "today"
    TOMORROW = "tomorrow"


class LapseReason(StrEnum):
    """Why a task's time was over: its list never had room for it, or nobody did it."""

    NEVER_LISTED = "never_listed"
    NOT_DONE = "not_done"


class MoveReason(StrEnum):
    """Why a task went to another member's list: the customer was handed over (继承), its member has left or may not
    reach customers any more, or the customer is no contact of theirs any more."""

    HANDED_OVER = "handed_over"
    UNABLE = "unable"
    NOT_CONTACT = "not_contact"


#: Why a task was withdrawn whose words could not be made for the member who was to have it.
NO_WORDS = "no_words"


def room(per_day: int, done: int) -> int | None:
    """How many tasks a member's list holds who has done some today; None: any number (`per_day` 0)."""
    return max(per_day - done, 0) if per_day else None


def owners_of(userid: str, substitutes: Mapping[str, str]) -> list[str]:
    """Whose tasks are on a member's list: their own, and those of whom they stand in for. `substitutes`: for whom who
    stands in today."""
    return sorted({userid, *(owner for owner, substitute in substitutes.items() if substitute == userid)})


def may_answer(owner: str, userid: str, substitutes: Mapping[str, str]) -> bool:
    """Whether a member may answer a task of `owner`."""
    return userid == owner or substitutes.get(owner) == userid


def check_why(why: str) -> str:
    """Why a task is not to be done, as it is kept. Raises InvalidRuleError where nothing is said, or too much."""
    words = " ".join("".join(each if each.isprintable() else " " for each in why).split())
    if not words:
        raise InvalidRuleError([Problem("why", Phrase("请写明原因"))])
    if len(words) > WHY_MAX_LENGTH:
        raise InvalidRuleError([Problem("why", Phrase("最多 %(most)s 个字", most=WHY_MAX_LENGTH))])
    return words


def later_until(later: Later, now: datetime, zone: tzinfo) -> datetime:
    """The instant until which a task is put off."""
    if later is Later.TODAY:
        return now + LATER_TODAY
    return day_began(local_datetime(now, zone).date() + timedelta(days=1), zone)
