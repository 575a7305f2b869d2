"""Hand-overs (继承): what may be asked for, who gets which customer, and what WeCom's answers mean.

WeCom's rules (docs 92125, 94081): 100 customers a call; in effect a day later unless the customer refuses; of a member
who is still there a customer is handed over at most twice in 90 days, of one who left within a year.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bot.phrases import Phrase
from data.models import FollowStatus, HandoverStatus, TransferStatus
from data.rules.conditions import UserID
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.segment_leaves import ChatID
from data.rules.segments import BySegment, Node
from data.rules.tagging import TagID
from data.rules.tags import Id

#: Customers, and groups, of one call.
PER_CALL = 100
#: One member takes over so many groups a day.
GROUPS_A_DAY = 300
#: Of a member who is still there: so often in so many days.
TIMES, PERIOD = 2, timedelta(days=90)
#: WeCom carries it out so long after it was asked.
TAKES = timedelta(days=1)
#: A call of which nothing was heard is looked for again so long after it, before WeCom is taken at its word that it
#: knows nothing of it.
SETTLES = timedelta(seconds=60)
#: Results are asked for so often, and given up on so long after they should be there.
LOOKS_EVERY, GIVES_UP = timedelta(hours=1), timedelta(days=3)
#: So many take over at most, and a list of customers is so long at most.
TAKEOVERS_MAX, LISTED_MAX = 100, 5000
MESSAGE_MAX = 200

#: What WeCom's results say.
RESULTS = {
    1: TransferStatus.DONE,
    2: TransferStatus.WAITING,
    3: TransferStatus.REFUSED,
    4: TransferStatus.LIMIT,
    5: TransferStatus.UNKNOWN,
}
#: The customer is being handed over already, perhaps by a call of ours that was not heard.
ALREADY = frozenset({40100, 40129})
#: Of one customer, and true of all: a person has to choose somebody else, or mend something, before it goes on.
OF_ALL = frozenset({40097, 40098, 40099, 40130, 40143, 40205})
#: Whom a member has whose customers can be handed over.
OF_ACTIVE = frozenset({FollowStatus.PRESENT})
OF_LEAVER = frozenset({FollowStatus.PRESENT, FollowStatus.OUT_OF_SIGHT, FollowStatus.DELETED_BY_CUSTOMER})


class Takeover(RuleModel):
    """Who takes over: `count` customers, or without it an even share of those who are left."""

    userid: UserID
    count: int | None = Field(default=None, ge=1, le=1_000_000)


class HandoverAudience(BySegment):
    """Which of the member's customers: `everyone`, or who wear any of `tag_ids`, or of a segment, or those listed."""

    everyone: bool = False
    tag_ids: SortedSet[TagID] = Field(default=frozenset(), max_length=100)
    external_userids: tuple[Id, ...] = Field(default=(), max_length=LISTED_MAX)


class HandoverDraft(RuleModel):
    """A hand-over to be made. `groups`: all of the member's groups too, or those of `chat_ids`."""

    userid: UserID
    takeovers: tuple[Takeover, ...] = Field(min_length=1, max_length=TAKEOVERS_MAX)
    customers: HandoverAudience = HandoverAudience()
    groups: bool = False
    chat_ids: SortedSet[ChatID] = Field(default=frozenset(), max_length=LISTED_MAX)
    message: Annotated[str, Field(max_length=MESSAGE_MAX)] = ""

    @property
    def wants_customers(self) -> bool:
        """Whether it is about customers at all."""
        return bool(_ways(self.customers))

    @property
    def wants_groups(self) -> bool:
        """Whether it is about groups too."""
        return self.groups or bool(self.chat_ids)


class LeftOut(StrEnum):
    """Why a customer is not handed over now."""

    TWICE = "twice"  # handed over twice within 90 days
    UNDER_WAY = "under_way"  # is being handed over
    DONE = "done"  # was handed over, by a member who left
    NO_SHARE = "no_share"  # the numbers given are used up
    NOT_THEIRS = "not_theirs"  # listed, and not a customer of the member


class Act(StrEnum):
    """What a person may do with a hand-over."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


ACTS: dict[Act, tuple[frozenset[HandoverStatus], HandoverStatus]] = {
    Act.PAUSE: (frozenset({HandoverStatus.RUNNING}), HandoverStatus.PAUSED),
    Act.RESUME: (frozenset({HandoverStatus.PAUSED}), HandoverStatus.RUNNING),
    Act.CANCEL: (
        frozenset({HandoverStatus.PLANNING, HandoverStatus.RUNNING, HandoverStatus.PAUSED}),
        HandoverStatus.CANCELLED,
    ),
}


def problems(draft: HandoverDraft) -> list[Problem]:
    """What is wrong with a draft by itself; empty: it can be looked at."""
    found = []
    if len(_ways(draft.customers)) > 1:
        found.append(
            Problem("customers", Phrase("请只选一种：everyone、tag_ids、segment、segment_id，或 external_userids"))
        )
    if not draft.wants_customers and not draft.wants_groups:
        found.append(Problem("customers", Phrase("请选择要交接的客户或客户群")))
    userids = [each.userid for each in draft.takeovers]
    for place, userid in enumerate(userids):
        if userid == draft.userid:
            found.append(Problem(f"takeovers[{place}].userid", Phrase("不能交接给自己")))
        elif userid in userids[:place]:
            found.append(Problem(f"takeovers[{place}].userid", Phrase("同一位成员写了两次")))
    if any(not character.isprintable() and character != "\n" for character in draft.message):
        found.append(Problem("message", Phrase("有不能显示的字符")))
    return found


def share(takeovers: Sequence[Takeover], place: int) -> str | None:
    """Who gets the customer at a place of the list, counted from 0; None: nobody, the numbers are used up.

    First those who get a number of customers, in order; then the others, one each in turn.
    """
    for each in takeovers:
        if each.count is not None:
            if place < each.count:
                return each.userid
            place -= each.count
    even = [each.userid for each in takeovers if each.count is None]
    return even[place % len(even)] if even else None


def tree_of(audience: HandoverAudience, *, resigned: bool) -> Node:
    """Which of a member's customers are meant, in whatever state the member's leaving has left them."""
    parts: list[object] = [{"status": {"statuses": sorted(OF_LEAVER if resigned else OF_ACTIVE)}}]
    if audience.tag_ids:
        parts.append({"tags": {"tag_ids": sorted(audience.tag_ids)}})
    if audience.segment is not None:
        parts.append(audience.segment)
    return Node.model_validate({"all": parts})


def status_of(result: int) -> TransferStatus:
    """What WeCom's number in a result means."""
    return RESULTS.get(result, TransferStatus.UNKNOWN)


def look_again(now: datetime, next_due: datetime | None) -> datetime:
    """When to ask for results next: within the hour, and right after the next should be there."""
    soon = now + LOOKS_EVERY
    return soon if next_due is None or next_due <= now else min(soon, next_due + SETTLES)


def _ways(audience: HandoverAudience) -> list[bool]:
    ways = (
        audience.everyone, bool(audience.tag_ids), audience.segment is not None, audience.segment_id is not None,
        bool(audience.external_userids),
    )  # fmt: skip
    return [way for way in ways if way]
