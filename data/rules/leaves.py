"""Leaves (请假): what may be written down, and which day it is for the company."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date

from pydantic import Field

from bot.phrases import Phrase
from data.rules.conditions import UserID
from data.rules.problems import Problem, RuleModel

#: Longer ones are rather a year that was mistyped.
LEAVE_DAYS_MAX = 2 * 366


class LeaveDraft(RuleModel):
    """A staff member is on leave from `first_day` to `last_day`, both included; `substitute` stands in for them."""

    userid: UserID
    first_day: date = Field(ge=date(2000, 1, 1), lt=date(2100, 1, 1))
    last_day: date = Field(ge=date(2000, 1, 1), lt=date(2100, 1, 1))
    substitute: UserID | None = None


def problems(draft: LeaveDraft, staff: AbstractSet[str]) -> list[Problem]:
    """What is wrong with a leave; `staff`: those of the two who are known."""
    found: list[Problem] = []
    if draft.last_day < draft.first_day:
        found.append(Problem("last_day", Phrase("最后一天不能早于第一天")))
    elif (draft.last_day - draft.first_day).days >= LEAVE_DAYS_MAX:
        found.append(Problem("last_day", Phrase("最多 %(most)s 天", most=LEAVE_DAYS_MAX)))
    for path, userid in (("userid", draft.userid), ("substitute", draft.substitute)):
        if userid is not None and userid not in staff:
            found.append(Problem(path, Phrase("没有成员 %(userid)s（或还没有从企业微信读到）", userid=userid)))
    if draft.substitute == draft.userid:
        found.append(Problem("substitute", Phrase("不能由本人代替")))
    return found
