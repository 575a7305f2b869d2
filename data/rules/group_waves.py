"""Broadcasts to customer groups (客户群群发): which groups. Each group's owner sends to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from bot.phrases import Phrase
from data.models.campaigns import RecipientState
from data.rules.messages import MessageContent
from data.rules.problems import Problem, RuleModel
from data.rules.schedule import local_datetime
from data.rules.tags import Id
from data.rules.waves import WavePlan

#: Groups in one call of add_msg_template (WeCom doc 92135).
BATCH_GROUPS = 2000
LISTED_MAX = 5000
NAME_PART_MAX_LENGTH = 64
DAYS_AGO_MAX = 730
#: Groups of an age are looked for so many days back, where there was no sending meanwhile.
MADE_UP_DAYS = 31


class GroupAudience(RuleModel):
    """Which customer groups: `everyone` is all of them; of several conditions each must hold.

    `owners`: whose groups; `department_ids`: groups of these departments' members, with the departments below;
    `name_contains`: a part of the name; `chat_ids`: these groups; `created_days_ago`: those that were created so many
    days before the day of the sending. With a time that repeats each group is reached once: at that age, or at the
    first sending after it where there was none on the day.
    """

    everyone: bool = False
    owners: tuple[Id, ...] = Field(default=(), max_length=LISTED_MAX)
    department_ids: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(), max_length=1000)
    name_contains: str = Field(default="", max_length=NAME_PART_MAX_LENGTH)
    chat_ids: tuple[Id, ...] = Field(default=(), max_length=LISTED_MAX)
    created_days_ago: Annotated[int, Field(strict=True, ge=0, le=DAYS_AGO_MAX)] | None = None

    @property
    def has_conditions(self) -> bool:
        named = self.owners or self.department_ids or self.name_contains or self.chat_ids
        return bool(named) or self.created_days_ago is not None


class GroupWave(WavePlan):
    """One content to some customer groups. `content.text` is a template of the kind `broadcast`: its staff member is
    the group's owner."""

    kind: Literal["groups"] = "groups"
    content: MessageContent
    audience: GroupAudience


def audience_problems(audience: GroupAudience, unknown: Sequence[str]) -> list[Problem]:
    """What is wrong with an audience; `unknown` groups are none that we know."""
    if audience.everyone == audience.has_conditions:
        return [
            Problem(
                "audience",
                Phrase(
                    "请选择 everyone，或至少写一个条件：%(names)s",
                    names=["owners", "department_ids", "name_contains", "chat_ids", "created_days_ago"],
                ),
            )
        ]
    return [Problem("audience.chat_ids", Phrase("没有客户群 %(chat_id)s", chat_id=chat_id)) for chat_id in unknown]


def created_between(days_ago: int, as_of: datetime, last: datetime | None, zone: tzinfo) -> tuple[date, date]:
    """The days (from, and before) on which groups were created that have come to an age since the `last` sending; for a
    first one, on its very day."""
    today = local_datetime(as_of, zone).date()
    since = today - timedelta(days=1) if last is None else local_datetime(last, zone).date()
    # Whatever was missed for longer is not made up for.
    since = max(since, today - timedelta(days=MADE_UP_DAYS))
    return since + timedelta(days=1 - days_ago), today + timedelta(days=1 - days_ago)


class Group(NamedTuple):
    """A customer group and who owns it."""

    chat_id: str
    owner: str


class Assigned(NamedTuple):
    """(chat_id, number of its batch, state) of each group; by batch its owner and how many groups it has; and by owner
    on leave how many groups are held back."""

    rows: list[tuple[str, int | None, int]]
    batches: dict[int, tuple[str, int]]
    on_leave: dict[str, int]

    @property
    def reached(self) -> list[str]:
        """The groups that are in a batch."""
        return [chat_id for chat_id, number, _ in self.rows if number is not None]

    @property
    def left_out(self) -> dict[str, int]:
        """How many groups are in none, by why."""
        return dict(Counter(RecipientState(state).name.lower() for _, number, state in self.rows if number is None))


def assign(
    groups: Sequence[Group], unable: AbstractSet[str], on_leave: Collection[str] = (), most: int | None = None
) -> Assigned:
    """Give groups to batches, each owner's up to `most` a batch. Nobody but its owner can send to a group: those of
    owners who cannot send, or are on leave, are left out."""
    limit = most or BATCH_GROUPS
    away: Counter[str] = Counter()
    rows: list[tuple[str, int | None, int]] = []
    batches: dict[int, tuple[str, int]] = {}
    open_: dict[str, int] = {}
    for group in groups:
        if not group.owner or group.owner in unable:
            rows.append((group.chat_id, None, int(RecipientState.SENDER_UNABLE)))
            continue
        if group.owner in on_leave:
            away[group.owner] += 1
            rows.append((group.chat_id, None, int(RecipientState.SENDER_ON_LEAVE)))
            continue
        number = open_.get(group.owner)
        if number is None or batches[number][1] >= limit:
            number = open_[group.owner] = len(batches) + 1
            batches[number] = (group.owner, 0)
        batches[number] = (group.owner, batches[number][1] + 1)
        rows.append((group.chat_id, number, int(RecipientState.WAITING)))
    return Assigned(rows, batches, dict(away))
