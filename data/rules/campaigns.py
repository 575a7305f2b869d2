"""Campaigns: what may be planned, and what is counted and called of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag

from bot.phrases import Phrase
from data.models.campaigns import RecipientState, RunStatus
from data.rules import messages
from data.rules.group_waves import GroupWave
from data.rules.markings import PAIRS_PER_REQUEST, Pair
from data.rules.messages import MessageContent
from data.rules.moments import MomentWave
from data.rules.problems import Problem, RuleModel
from data.rules.segments import BySegment
from data.rules.senders import Decision, SenderChoice
from data.rules.tags import Id
from data.rules.variants import HELD_OUT, HOLD_OUT_MAX, VARIANTS_MAX, Split, Variant, split_of
from data.rules.waves import WavePlan

#: Customers in one call of add_msg_template (WeCom doc 92135).
BATCH_RECIPIENTS = 10_000
NAME_MAX_LENGTH = 64
WAVES_MAX = 10
BOUGHT_HOURS_MAX = 90 * 24


class Audience(BySegment):
    """Whom a wave is for, of those who are contacts: one of these.

    `everyone`; a `segment`, or the saved one with `segment_id`, as it is when the campaign is made; a list of `pairs`,
    or of customers (`external_userids`).
    """

    everyone: bool = False
    pairs: tuple[Pair, ...] | None = Field(default=None, max_length=PAIRS_PER_REQUEST)
    external_userids: tuple[Id, ...] | None = Field(default=None, max_length=PAIRS_PER_REQUEST)

    @property
    def is_list(self) -> bool:
        return self.pairs is not None or self.external_userids is not None

    @property
    def listed(self) -> list[tuple[str, str]]:
        """(external_userid, userid or empty) of a list, each once."""
        pairs = [(pair.external_userid, pair.userid) for pair in self.pairs or ()]
        return list(dict.fromkeys([*pairs, *((whom, "") for whom in self.external_userids or ())]))


class CustomerWave(WavePlan, SenderChoice):
    """One content, or several `variants`, to one audience. `content.text` is a template of the kind `broadcast`.

    `hold_out_percent` of the customers get nothing, to compare the others with. `not_bought_hours`: who has bought
    within so many hours before it is sent is left out.
    """

    kind: Literal["customers"] = "customers"
    content: MessageContent = MessageContent()
    variants: tuple[Variant, ...] = Field(default=(), max_length=VARIANTS_MAX)
    hold_out_percent: int = Field(default=0, ge=0, le=HOLD_OUT_MAX)
    audience: Audience
    not_bought_hours: int | None = Field(default=None, ge=1, le=BOUGHT_HOURS_MAX)

    @property
    def split(self) -> Split | None:
        """How its customers are split as long as it is not kept."""
        return split_of("draft", [(each.name, each.weight) for each in self.variants], self.hold_out_percent)

    @property
    def contents(self) -> dict[str, MessageContent]:
        """What it says, by the path in it."""
        if not self.variants:
            return {"content": self.content}
        return {f"variants[{number}].content": each.content for number, each in enumerate(self.variants)}


def _kind_of(wave: Any) -> Any:
    """`customers` where nothing else is said."""
    return wave.get("kind", "customers") if isinstance(wave, Mapping) else getattr(wave, "kind", None)


#: A part of a campaign, of any kind.
WaveDraft = Annotated[
    Annotated[CustomerWave, Tag("customers")]
    | Annotated[GroupWave, Tag("groups")]
    | Annotated[MomentWave, Tag("moments")],
    Discriminator(_kind_of),
]


class CampaignDraft(RuleModel):
    """A campaign to be made. Nothing is sent before it is started.

    `owner`: the staff member who is told when it rests for a person, wants words, or has ended. `test_first`: what is
    due waits until a person has seen what the test customers received.
    """

    name: str = Field(min_length=1, max_length=NAME_MAX_LENGTH)
    owner: Id | None = None
    test_first: bool = False
    waves: tuple[WaveDraft, ...] = Field(min_length=1, max_length=WAVES_MAX)


def problems(content: MessageContent) -> list[Problem]:
    """What is wrong with what a broadcast says, apart from its template and media, which others check."""
    found = [Problem("content", Phrase("文字和附件不能都为空"))] if content.is_empty else []
    return found + [
        Problem(f"content.{each.path}", each.message) for each in messages.attachment_problems(content, tracked=True)
    ]


def audience_problems(audience: Audience) -> list[Problem]:
    """What is wrong with an audience, apart from its segment, which others check."""
    ways = [
        audience.everyone, audience.segment is not None, audience.segment_id is not None, audience.pairs is not None,
        audience.external_userids is not None,
    ]  # fmt: skip
    if sum(ways) != 1:
        return [Problem("audience", Phrase("请选择其中一种：everyone、segment、segment_id、pairs、external_userids"))]
    return [Problem("audience", Phrase("名单是空的"))] if audience.is_list and not audience.listed else []


# -- who receives it, and from whom


def split(decisions: Iterable[Decision], customers: Mapping[int, str], by: Split) -> list[Decision]:
    """The same with the variant of each who is to get one, and without those held out; `customers` by follow.

    Who gets nothing anyway is not held out, so that those who are have as much in common with the others as chance has.
    """
    return [
        placed(each, by, customers[each.follow_id]) if each.state is RecipientState.WAITING else each
        for each in decisions
    ]


def placed(decision: Decision, by: Split, external_userid: str) -> Decision:
    """The same of a customer who is to get something."""
    follow_id, userid, state, _ = decision
    place = by.place(external_userid)
    if place == HELD_OUT:
        return Decision(follow_id, userid, RecipientState.HOLD_OUT)
    return Decision(follow_id, userid, state, by.names[place])


class Group(NamedTuple):
    """Follows of one staff member about which the same was decided, and their `number`.

    `ids` are written one after the other, with commas between: most of them go from the database to the database, and
    nobody looks at a single one.
    """

    userid: str
    state: RecipientState
    variant: str
    number: int
    ids: str


def grouped(decisions: Iterable[Decision]) -> list[Group]:
    """Decisions by what was decided."""
    found: dict[tuple[str, RecipientState, str], list[int]] = {}
    for follow_id, userid, state, variant in decisions:
        found.setdefault((userid, state, variant), []).append(follow_id)
    return [Group(*alike, len(ids), ",".join(map(str, ids))) for alike, ids in found.items()]


@dataclass(slots=True)
class Tally:
    """What planning finds: follows that matched, why some are left out, how many each sender reaches.

    `likely_over_cap` of the recipients have had as many group-sends as WeCom allows, as far as we know. `by_variant`:
    by (sender, variant), where there are several.
    """

    matched: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    by_sender: Counter[str] = field(default_factory=Counter)
    by_variant: Counter[tuple[str, str]] = field(default_factory=Counter)
    likely_over_cap: int = 0

    @property
    def recipients(self) -> int:
        return self.by_sender.total()

    @property
    def calls(self) -> int:
        """Calls that make the tasks."""
        return sum(-(-number // BATCH_RECIPIENTS) for number in (self.by_variant or self.by_sender).values())

    @property
    def variants(self) -> dict[str, int]:
        """How many get each variant, where there are several."""
        found: Counter[str] = Counter()
        for (_, variant), number in self.by_variant.items():
            found[variant] += number
        return dict(found)

    def note(self, groups: Iterable[Group]) -> None:
        """Count what was decided."""
        for userid, state, variant, number, _ in groups:
            self.matched += number
            if state is RecipientState.WAITING:
                self.by_sender[userid] += number
                if variant:
                    self.by_variant[userid, variant] += number
            else:
                self.left_out[state.name.lower()] += number


class Filled(NamedTuple):
    """A batch as it is filled: one sender's, with one content."""

    userid: str
    variant: str
    recipients: int


class Assigned(NamedTuple):
    """Follows (as a Group has them) that go into one batch, or into none."""

    batch_no: int | None
    state: RecipientState
    ids: str


class Batches:
    """Gives recipients to batches: each sender's with one content are filled one after the other, up to `most` each."""

    def __init__(self, open_: Mapping[int, Filled], last_no: int, most: int = BATCH_RECIPIENTS) -> None:
        """`open_`: batches that have room, by their number."""
        self._open = {(each.userid, each.variant): (number, each.recipients) for number, each in open_.items()}
        self._last_no = last_no
        self._most = most

    def assign(self, groups: Iterable[Group]) -> tuple[list[Assigned], dict[int, Filled]]:
        """Where each group goes, in parts where a batch has no room for all of it; the batches that grew, by number."""
        parts: list[Assigned] = []
        grown: dict[int, Filled] = {}
        for group in groups:
            if group.state is not RecipientState.WAITING:
                parts.append(Assigned(None, group.state, group.ids))
                continue
            whose, left, ids = (group.userid, group.variant), group.number, group.ids
            while left:
                batch_no, recipients = self._open.get(whose, (0, self._most))
                if recipients >= self._most:
                    self._last_no += 1
                    batch_no, recipients = self._last_no, 0
                taken = min(left, self._most - recipients)
                some, ids = (ids, "") if taken == left else _cut(ids, taken)
                left -= taken
                self._open[whose] = (batch_no, recipients + taken)
                grown[batch_no] = Filled(*whose, recipients + taken)
                parts.append(Assigned(batch_no, group.state, some))
        return parts, grown


def _cut(ids: str, number: int) -> tuple[str, str]:
    """The first of some ids, and the others."""
    each = ids.split(",")
    return ",".join(each[:number]), ",".join(each[number:])


# -- what a person may do with a run


class Act(StrEnum):
    """What a person may do with a campaign that was started."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


_WORKING = frozenset({RunStatus.WORDS_DUE, RunStatus.DUE, RunStatus.PLANNING, RunStatus.SENDING})
#: From which statuses, and to which: where a paused run goes on depends on how far it was planned.
ACTS: Mapping[Act, frozenset[RunStatus]] = {
    Act.PAUSE: _WORKING,
    Act.RESUME: frozenset({RunStatus.PAUSED}),
    Act.CANCEL: _WORKING | {RunStatus.PAUSED, RunStatus.AWAITING},
}


def who_words(by: str) -> str:
    """Who did something, in texts: a userid or a token's name as it is; whoever used a command has none."""
    return Phrase("命令行") if by == "command" else by


def after(act: Act, *, written: bool, started: bool, planned: bool) -> RunStatus:
    """Where an act takes a run: a paused one goes on as far as it had come."""
    if act is Act.RESUME:
        steps = ((planned, RunStatus.SENDING), (started, RunStatus.PLANNING), (written, RunStatus.DUE))
        return next((status for reached, status in steps if reached), RunStatus.WORDS_DUE)
    return RunStatus.PAUSED if act is Act.PAUSE else RunStatus.CANCELLED
