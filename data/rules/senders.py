"""Senders: which staff member reaches a customer whom several follow, and who of the staff never does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import Field

from bot.phrases import Phrase
from data.models.campaigns import RecipientState
from data.models.customers import FollowStatus
from data.rules.conditions import UserID
from data.rules.problems import Problem, RuleModel, SortedSet
from data.rules.tagging import TagID

SENDER_TAGS_MAX = 20
EXCLUDED_MAX = 5000


class SenderPolicy(StrEnum):
    """Who reaches a customer whom several staff members of the audience follow."""

    FIRST_ADDED = "first_added"
    LAST_ADDED = "last_added"
    TAG_OWNER = "tag_owner"
    ALL = "all"


class SenderChoice(RuleModel):
    """Who reaches a customer whom several staff members of the audience follow, and who of them never does.

    `tag_owner`: whose own follow wears the first of `sender_tag_ids` that any of them wears; where several do, or none
    does, `sender_fallback` decides.
    """

    sender_policy: SenderPolicy = SenderPolicy.FIRST_ADDED
    sender_tag_ids: tuple[TagID, ...] = Field(default=(), max_length=SENDER_TAGS_MAX)
    sender_fallback: Literal["first_added", "last_added"] = "first_added"
    excluded_userids: SortedSet[UserID] = Field(default=frozenset(), max_length=EXCLUDED_MAX)


def choice_problems(choice: SenderChoice, live_tags: AbstractSet[str], staff: AbstractSet[str]) -> list[Problem]:
    """What is wrong with a choice of senders; `live_tags` and `staff`: those whom it names as far as there are any."""
    found: list[Problem] = []
    if choice.sender_policy is SenderPolicy.TAG_OWNER and not choice.sender_tag_ids:
        found.append(Problem("sender_tag_ids", Phrase("按标签选发送人时，至少要有一个标签")))
    if choice.sender_policy is not SenderPolicy.TAG_OWNER and choice.sender_tag_ids:
        found.append(Problem("sender_tag_ids", Phrase("只有 sender_policy 为 tag_owner 时才用标签选发送人")))
    for number, tag_id in enumerate(choice.sender_tag_ids):
        if tag_id not in live_tags:
            found.append(Problem(f"sender_tag_ids[{number}]", Phrase("企业标签里没有 %(tag_id)s", tag_id=tag_id)))
        elif tag_id in choice.sender_tag_ids[:number]:
            found.append(Problem(f"sender_tag_ids[{number}]", Phrase("%(tag_id)s 写了两次", tag_id=tag_id)))
    found += [
        Problem("excluded_userids", Phrase("没有成员 %(userid)s（或还没有从企业微信读到）", userid=userid))
        for userid in sorted(choice.excluded_userids - staff)
    ]
    return found


@dataclass(frozen=True)
class Senders:
    """A wave's choice of senders with what is known of the staff on `day`.

    `tag_nos` in the order in which their wearers are preferred. `unable`: who cannot send at all. `on_leave`: each with
    who stands in for them, or nobody. `only`: through whom alone customers are reached, where not through everybody.
    """

    day: date
    policy: SenderPolicy = SenderPolicy.FIRST_ADDED
    tag_nos: tuple[int, ...] = ()
    fallback: SenderPolicy = SenderPolicy.FIRST_ADDED
    unable: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    on_leave: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] | None = None

    @cached_property
    def substitutes(self) -> Mapping[str, str]:
        """Who stands in for whom today: of a substitute who is on leave too, theirs, and so on to one who can send."""
        found = {userid: self._last_substitute(userid) for userid in self.on_leave}
        return {userid: substitute for userid, substitute in found.items() if substitute is not None}

    def _last_substitute(self, userid: str) -> str | None:
        seen = set[str]()
        while self.refusal_of(userid) is RecipientState.SENDER_ON_LEAVE and userid not in seen:
            seen.add(userid)
            userid = self.on_leave[userid]
        return userid if seen and userid and self.refusal_of(userid) is None else None

    def refusal_of(self, userid: str) -> RecipientState | None:
        """Why a staff member does not send; None: they may."""
        if userid in self.unable:
            return RecipientState.SENDER_UNABLE
        if userid in self.excluded:
            return RecipientState.SENDER_EXCLUDED
        return RecipientState.SENDER_ON_LEAVE if userid in self.on_leave else None


class Candidate(NamedTuple):
    """A follow of the audience. `refusal`: why nothing is sent to the customer now, if so.

    `tag_place`: the place in the wave's list of the first of its tags that the follow wears, or how many they are.
    `stands_in`: it is not of the audience, but of somebody who stands in for one on leave. `room`: how many more
    messages caps let reach the customer, where several may be sent; None: any number.
    """

    follow_id: int
    userid: str
    external_userid: str
    added_at: datetime | None
    refusal: RecipientState | None
    tag_place: int = 0
    stands_in: bool = False
    room: int | None = None


class Decision(NamedTuple):
    """What is to become of a follow: WAITING, with the variant it gets if there are several, or why nothing is sent."""

    follow_id: int
    userid: str
    state: RecipientState
    variant: str = ""


def list_stand_ins(
    senders: Senders, shared: Sequence[Candidate], follows: Sequence[tuple[int, str, str, str]]
) -> list[Candidate]:
    """Of all `follows` (id, userid, customer, status) of the customers of `shared` those of who stands in for somebody,
    where they are not of the audience."""
    wanted = {(each.external_userid, senders.substitutes.get(each.userid)) for each in shared}
    known = {each.follow_id for each in shared}
    return [
        Candidate(follow_id, userid, whom, None, None, stands_in=True)
        for follow_id, userid, whom, status in follows
        if (whom, userid) in wanted and status == FollowStatus.PRESENT and follow_id not in known
    ]


def decide(
    senders: Senders,
    follows: Iterable[Candidate],
    *,
    decided: AbstractSet[int] = frozenset(),
    reached: Mapping[str, int] | None = None,
) -> list[Decision]:
    """Who reaches whom, for `follows` with all others of the audience that follow the same customers.

    `decided` follows have been decided before and are left out; customers `reached` by so many of them are not reached
    again, or, by all, only as far as there is room. Each customer is decided as a whole, so that however follows are
    told apart into pieces, nobody is reached twice. Who stands in for somebody is decided only where they reach the
    customer.
    """
    by_customer: dict[str, list[Candidate]] = {}
    for each in follows:
        if each.follow_id not in decided:
            by_customer.setdefault(each.external_userid, []).append(each)
    found: list[Decision] = []
    for external_userid, mine in by_customer.items():
        found += _decide_one(senders, mine, (reached or {}).get(external_userid, 0))
    return found


def state_alone(userid: str, refusal: RecipientState | None, senders: Senders) -> RecipientState:
    """What becomes of a staff member's follow whose customer nobody else follows."""
    return refusal or senders.refusal_of(userid) or RecipientState.WAITING


def _decide_one(senders: Senders, follows: Sequence[Candidate], reached: int) -> list[Decision]:
    """The same for all undecided follows of one customer, whom `reached` others reach."""
    through = _through(senders, follows)
    sending = _sending(senders, follows, through, reached)
    found: list[Decision] = []
    for each in follows:
        if each.follow_id in sending:
            found.append(Decision(each.follow_id, each.userid, RecipientState.WAITING))
        elif not each.stands_in:
            found.append(_left_out(senders, each, through.get(each.follow_id), sending, reached))
    return found


def _sending(
    senders: Senders, follows: Sequence[Candidate], through: Mapping[int, int], reached: int
) -> AbstractSet[int]:
    """The follows through which a customer is reached. Of all as many as there is room for, the oldest rows first."""
    if senders.policy is SenderPolicy.ALL:
        room = next((each.room for each in follows if each.room is not None), None)
        return set(sorted(set(through.values()))[: None if room is None else max(room - reached, 0)])
    first = None if reached else choose(senders, [each for each in follows if each.follow_id in through])
    return frozenset() if first is None else {through[first.follow_id]}


def _left_out(
    senders: Senders, follow: Candidate, through: int | None, sending: AbstractSet[int], reached: int
) -> Decision:
    """Why nothing is sent through a follow of the audience; `through` which one its customer could be reached."""
    if senders.policy is SenderPolicy.ALL:
        if through is not None:
            state = RecipientState.DUPLICATE if through in sending else RecipientState.CAPPED
            return Decision(follow.follow_id, follow.userid, state)
    elif (reached or sending) and follow.refusal is None:
        return Decision(follow.follow_id, follow.userid, RecipientState.DUPLICATE)
    return Decision(follow.follow_id, follow.userid, state_alone(follow.userid, follow.refusal, senders))


def _through(senders: Senders, follows: Sequence[Candidate]) -> dict[int, int]:
    """By follow of the audience the one through which its customer can be reached: itself, or a substitute's."""
    by_userid = {each.userid: each for each in follows}
    found: dict[int, int] = {}
    for each in follows:
        if each.stands_in or each.refusal is not None:
            continue
        if senders.refusal_of(each.userid) is None:
            found[each.follow_id] = each.follow_id
        elif (substitute := by_userid.get(senders.substitutes.get(each.userid, ""))) is not None:
            found[each.follow_id] = substitute.follow_id
    return found


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def choose(senders: Senders, follows: Sequence[Candidate]) -> Candidate | None:
    """Of several follows of one customer the one that reaches them; unknown days count as after all known ones when
    the first is asked for, and as before them when the last is."""
    if not follows:
        return None
    policy = senders.policy
    if policy is SenderPolicy.TAG_OWNER:
        policy, first = senders.fallback, min(each.tag_place for each in follows)
        follows = [each for each in follows if each.tag_place == first]
    if policy is SenderPolicy.FIRST_ADDED:
        return min(follows, key=lambda each: (each.added_at is None, each.added_at or _LONG_AGO, each.follow_id))
    return max(follows, key=lambda each: (each.added_at or _LONG_AGO, each.follow_id))
