"""Markings: what may be asked for, what it changes for one follow, and what becomes of a call that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import Field

from bot.phrases import Phrase
from data.models.markings import MarkingStatus
from data.rules.conditions import UserID
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.segments import BySegment
from data.rules.tagging import TagID
from data.rules.tags import Id

#: A customer has at most 3,000 tags of one member; WeCom names no limit for one call.
TAGS_PER_MARKING = 100
#: Pairs in one request: what fits into its body.
PAIRS_PER_REQUEST = 5000


class Pair(RuleModel):
    """A staff member and a customer."""

    userid: UserID
    external_userid: Id


class Audience(BySegment):
    """Whom a marking is about, of those who are contacts.

    Either the `pairs`, or `everyone`, or a `segment` (or the saved one with `segment_id`, as it is then), or the
    contacts of any of `userids` that wear any of `tag_ids` (what is empty asks for nothing).
    """

    pairs: tuple[Pair, ...] | None = Field(default=None, max_length=PAIRS_PER_REQUEST)
    everyone: bool = False
    userids: SortedSet[UserID] = frozenset()
    tag_ids: SortedSet[TagID] = frozenset()


class MarkingDraft(RuleModel):
    """A marking to be made: put these tags on and take those off, for an audience."""

    audience: Audience
    put_on: SortedSet[TagID] = Field(default=frozenset(), max_length=TAGS_PER_MARKING)
    take_off: SortedSet[TagID] = Field(default=frozenset(), max_length=TAGS_PER_MARKING)


class RulesDraft(RuleModel):
    """Auto-tagging rules to be applied to those who came before them: the named ones, or all that are switched on."""

    audience: Audience = Audience(everyone=True)
    rule_ids: SortedSet[Annotated[int, Field(ge=1, le=2**62)]] | None = None


def problems(draft: MarkingDraft, live_tags: frozenset[str]) -> list[Problem]:
    """What is wrong with a draft; empty: it can be made."""
    found = audience_problems(draft.audience)
    if not draft.put_on and not draft.take_off:
        found.append(Problem("put_on", Phrase("至少选一个要打上或去掉的标签")))
    if both := draft.put_on & draft.take_off:
        found.append(Problem("take_off", Phrase("同一个标签不能既打上又去掉：%(both)s", both=sorted(both))))
    for path, tag_ids in (("put_on", draft.put_on), ("take_off", draft.take_off)):
        found += [
            Problem(path, Phrase("企业标签里没有 %(tag_id)s", tag_id=tag_id)) for tag_id in sorted(tag_ids - live_tags)
        ]
    found += [
        Problem("audience.tag_ids", Phrase("企业标签里没有 %(tag_id)s", tag_id=tag_id))
        for tag_id in sorted(draft.audience.tag_ids - live_tags)
    ]
    return found


def audience_problems(audience: Audience) -> list[Problem]:
    """What is wrong with an audience."""
    ways = [
        audience.pairs is not None, audience.everyone, audience.segment is not None, audience.segment_id is not None,
        bool(audience.userids or audience.tag_ids),
    ]  # fmt: skip
    if sum(ways) != 1:
        return [
            Problem("audience", Phrase("请选择其中一种：pairs、everyone、segment、segment_id，或 userids 和 tag_ids"))
        ]
    if audience.pairs is not None and not audience.pairs:
        return [Problem("audience.pairs", Phrase("名单是空的"))]
    return []


class Change(NamedTuple):
    """Tags to put on and to take off, sorted."""

    put_on: tuple[str, ...]
    take_off: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.put_on and not self.take_off


def effect(change: Change, has: frozenset[str]) -> Change:
    """As much of a change as is not so already for a follow that wears `has`."""
    return Change(
        tuple(tag_id for tag_id in change.put_on if tag_id not in has),
        tuple(tag_id for tag_id in change.take_off if tag_id in has),
    )


def without(change: Change, gone: Iterable[str]) -> Change:
    """A change without the tags that exist no more."""
    dropped = set(gone)
    return Change(
        tuple(tag_id for tag_id in change.put_on if tag_id not in dropped),
        tuple(tag_id for tag_id in change.take_off if tag_id not in dropped),
    )


@dataclass(slots=True)
class Tally:
    """What a marking finds out on the way: follows looked at, those that are as wanted, and what the others get.

    Of rules: whom each matched, and for whom it decided something that is not so already.
    """

    examined: int = 0
    already: int = 0
    items: int = 0
    gains: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    matched: Counter[int] = field(default_factory=Counter)
    decided: Counter[int] = field(default_factory=Counter)

    def note(self, change: Change, has: frozenset[str]) -> bool:
        """Count one follow. Whether it needs the change."""
        self.examined += 1
        needed = effect(change, has)
        if needed.is_empty:
            self.already += 1
            return False
        self.items += 1
        self.gains.update(needed.put_on)
        self.losses.update(needed.take_off)
        return True

    def add(self, other: Tally) -> None:
        """Count what another tally counted."""
        self.examined += other.examined
        self.already += other.already
        self.items += other.items
        self.gains.update(other.gains)
        self.losses.update(other.losses)
        self.matched.update(other.matched)
        self.decided.update(other.decided)


class Act(StrEnum):
    """What a person may do with a marking."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"


ACTS: dict[Act, tuple[frozenset[MarkingStatus], MarkingStatus]] = {
    Act.PAUSE: (frozenset({MarkingStatus.RUNNING}), MarkingStatus.PAUSED),
    Act.RESUME: (frozenset({MarkingStatus.PAUSED}), MarkingStatus.RUNNING),
    Act.CANCEL: (
        frozenset({MarkingStatus.PREPARING, MarkingStatus.RUNNING, MarkingStatus.PAUSED}),
        MarkingStatus.CANCELLED,
    ),
    Act.RETRY: (frozenset({MarkingStatus.DONE, MarkingStatus.PAUSED}), MarkingStatus.RUNNING),
}


def seconds_left(waiting: int, per_minute: float, hour_left: int, calls_per_hour: int) -> float | None:
    """How long `waiting` calls take at the present pace, within what is left of the hour's budget and the next ones."""
    if not waiting or per_minute <= 0:
        return None if waiting else 0.0
    per_second = per_minute / 60
    fast = min(waiting, max(hour_left, 0))
    slow = waiting - fast
    return fast / per_second + slow / min(per_second, calls_per_hour / 3600)


#: WeCom's refusals that are not about one follow: of the app, its secret, its address, the company.
_OF_ALL = frozenset({45036, 48001, 48002, 48005, 48006, 48010, 60020, 60031, 301002, 301007, 50003})


def ends_all(errcode: int | None) -> bool:
    """Whether WeCom would refuse every call of a marking in the same way, until a person mends something."""
    return errcode in _OF_ALL
