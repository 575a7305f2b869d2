"""Who needs a marking, found out span by span of our own rows, off the event loop and in constant memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlmodel import Session

from bot.context import Context
from data.queries import customers as customer_rows
from data.queries import markings as rows
from data.queries import occasions as occasion_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.queries.occasions import Span
from data.queries.segment_sql import Plan
from data.rules.conditions import Outcome
from data.rules.markings import Audience, Change, Tally, effect
from data.rules.occasions import occasions_of
from data.rules.tagging import TagRule, match_occasions

#: Follows that are looked at in one go, by the span of their numbers.
SPAN = 4000
_NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Piece:
    """What a span of follows needs: (follow, number of its change), and the changes that were not there before."""

    upto: int
    items: list[tuple[int, int]] = field(default_factory=list)
    changes: dict[int, Change] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)


class Source(Protocol):
    """What a marking wants. `prepare` reads what is the same for all, `read` a span of follows, `decide` judges it."""

    async def prepare(self, ctx: Context) -> None: ...

    def read(self, session: Session, after: int, upto: int) -> Any: ...

    def decide(self, upto: int, read: Any) -> Piece: ...


async def pieces(ctx: Context, source: Source, after: int) -> AsyncIterator[Piece]:
    """All follows behind number `after`, judged piece by piece."""
    last = await ctx.db.read(customer_rows.find_last_follow_id)
    await source.prepare(ctx)
    while after < last:
        upto = min(after + SPAN, last)
        read = await ctx.db.read(source.read, after, upto)
        yield await asyncio.to_thread(source.decide, upto, read)
        after = upto


class Numbers:
    """The different changes of a marking, by number."""

    def __init__(self, known: Mapping[int, Change]) -> None:
        self._numbers = {change: change_no for change_no, change in known.items()}

    def of(self, change: Change, piece: Piece) -> int:
        """The number of a change; one that is new is noted in the piece."""
        change_no = self._numbers.get(change)
        if change_no is None:
            change_no = self._numbers[change] = len(self._numbers)
            piece.changes[change_no] = change
        return change_no


class Wanted:
    """The same change for everybody in an audience, as it is at `asked_at`."""

    def __init__(self, audience: Audience, change: Change, known: Mapping[int, Change], asked_at: datetime) -> None:
        self.audience = audience
        self.asked_at = asked_at
        self._segment: Plan | None = None
        self.change = change
        self.tag_nos: dict[int, str] = {}
        self._numbers = Numbers(known)

    async def prepare(self, ctx: Context) -> None:
        self.tag_nos = await ctx.db.read(rows.map_tag_nos, {tag_id for side in self.change for tag_id in side})
        self._segment = await ctx.db.read(rows.plan_audience, self.audience, self.asked_at, ctx.settings.zone)

    def read(self, session: Session, after: int, upto: int) -> list[tuple[int, frozenset[str]]]:
        return rows.list_worn(session, self.audience, self._segment, after, upto, self.tag_nos)

    def decide(self, upto: int, read: Iterable[tuple[int, frozenset[str]]]) -> Piece:
        piece = Piece(upto)
        for follow_id, has in read:
            if piece.tally.note(self.change, has):
                piece.items.append((follow_id, self._numbers.of(self.change, piece)))
        return piece


class ByRules:
    """What auto-tagging rules would have given each follow, on all occasions that are known of it.

    `asked_at` is the instant at which edits count as made.
    """

    def __init__(
        self, audience: Audience, rules: Sequence[TagRule], known: Mapping[int, Change], asked_at: datetime
    ) -> None:
        self.audience = audience
        #: Who names a rule means it, switched on or not.
        self.rules = sorted(
            (rule.model_copy(update={"enabled": True}) for rule in rules), key=lambda rule: (-rule.priority, rule.id)
        )
        self.triggers = frozenset(trigger for rule in rules for trigger in rule.triggers)
        self._numbers = Numbers(known)
        self._asked_at = asked_at

    async def prepare(self, ctx: Context) -> None:
        named = {tag_id for rule in self.rules for tag_id in rule.put_on | rule.take_off}
        self._live = named & set(await ctx.db.read(tag_rows.list_live_ids))
        self._tag_nos = await ctx.db.read(rows.map_tag_nos, self._live)
        self._departments = await ctx.db.read(staff_rows.map_departments)
        self._zone = ctx.settings.zone
        self._segment = await ctx.db.read(rows.plan_audience, self.audience, self._asked_at, self._zone)

    def read(self, session: Session, after: int, upto: int) -> Span:
        return occasion_rows.read_span(session, self.audience, self._segment, after, upto, self._tag_nos, self.triggers)

    def decide(self, upto: int, read: Span) -> Piece:
        piece = Piece(upto)
        for follow in read.follows:
            has = read.worn.get(follow.follow_id, _NOTHING)
            decision = match_occasions(
                self.rules,
                occasions_of(
                    follow,
                    tag_ids=has,
                    department_ids=self._departments.get(follow.userid, frozenset()),
                    joins=read.joins.get(follow.external_userid, ()),
                    orders=read.orders.get(follow.external_userid, ()),
                    triggers=self.triggers,
                    zone=self._zone,
                    now=self._asked_at,
                ),
            )
            wanted = {tag_id: by for tag_id, by in decision.wanted.items() if tag_id in self._live}
            # With what is so already: follows then share a few changes, and to say it again changes nothing.
            change = Change(
                tuple(sorted(tag_id for tag_id, (on, _) in wanted.items() if on)),
                tuple(sorted(tag_id for tag_id, (on, _) in wanted.items() if not on)),
            )
            tally = piece.tally
            tally.matched.update(each.rule_id for each in decision.verdicts if each.outcome is Outcome.MATCHED)
            if tally.note(change, has):
                piece.items.append((follow.follow_id, self._numbers.of(change, piece)))
                tally.decided.update({wanted[tag_id][1] for side in effect(change, has) for tag_id in side})
        return piece
