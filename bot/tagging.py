"""What tag rules make of one follow: asked, put on and taken off through WeCom, written into our own rows.

Shared by events and by the job that asks about orders. Changes made through the API cause no event, so what WeCom
accepted is written here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import Session

from bot.context import Context
from bot.refresh import refresh_customer, refresh_tags
from bot.router import Outcome, done, skipped
from bot.wecom.errors import GoneError, NotAFollowerError
from data.models import FollowStatus
from data.queries import customers as customer_rows
from data.queries import follow_tags as mark_rows
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.rules.tagging import OrderFacts, TagDecision, TagFacts, TagRule, Trigger, match_tags, needs_fetch


@dataclass(frozen=True, slots=True)
class Known:
    """The rules, and what our tables say about a follow; `facts` None: the pair are not contacts."""

    rules: list[TagRule]
    facts: TagFacts | None
    live_tags: frozenset[str]
    half: bool = False


def load_known(
    session: Session,
    ctx: Context,
    userid: str,
    external_userid: str,
    trigger: Trigger,
    at: datetime,
    state: str = "",
    chat_id: str = "",
    order: OrderFacts | None = None,
    seen_since: datetime | None = None,
) -> Known:
    """Everything that tag rules ask about one follow; details fetched before `seen_since` count as not known."""
    follow = customer_rows.find_follow(session, userid, external_userid)
    rules = rule_rows.list_tag_rules(session, (follow.state if follow is not None else "") or state)
    live = frozenset(tag_rows.list_live_ids(session)) if rules else frozenset()
    if follow is None or follow.status not in customer_rows.CONTACTS:
        return Known(rules, None, live)
    customer = customer_rows.find_customer(session, external_userid)
    fetched = customer is not None and customer.fetched_at is not None
    if fetched and customer and customer.fetched_at and seen_since:
        fetched = customer.fetched_at >= seen_since
    facts = TagFacts(
        userid=userid,
        external_userid=external_userid,
        at=at,
        zone=ctx.settings.zone,
        state=follow.state or state,
        department_ids=staff_rows.get_card(session, userid).department_ids,
        trigger=trigger,
        add_way=follow.add_way,
        name=customer.name if fetched and customer else None,
        remark=follow.remark if fetched else None,
        chat_id=chat_id,
        order=order,
        tag_ids=frozenset(mark_rows.list_tag_ids(session, userid, external_userid)),
    )
    return Known(rules, facts, live, half=follow.status == FollowStatus.HALF)


async def ask_rules(
    ctx: Context,
    userid: str,
    external_userid: str,
    trigger: Trigger,
    at: datetime,
    state: str = "",
    chat_id: str = "",
    order: OrderFacts | None = None,
    seen_since: datetime | None = None,
    patient: bool = False,
) -> Outcome:
    """Ask the rules of a trigger about one follow, and have WeCom mark what they want.

    `patient`: right after an add WeCom may not know it yet, which is then raised (NotAFollowerError) instead of told.
    Raises WeComError.
    """
    asked = (ctx, userid, external_userid, trigger, at, state, chat_id, order)
    known = await ctx.db.read(load_known, *asked, seen_since)
    if known.facts is None:
        return skipped("not contacts any more")
    if known.half:
        return skipped("half added: WeCom takes tags only after the staff member confirms")
    if needs_fetch(known.rules, known.facts):
        try:
            await refresh_customer(ctx, external_userid)
        except NotAFollowerError:
            if patient:
                raise
            return skipped("WeCom shows nobody in sight as following this customer (84061)")
        known = await ctx.db.read(load_known, *asked)
    if known.facts is None:
        return skipped("not contacts any more")
    decision = match_tags(known.rules, known.facts)
    gone = [tag_id for tag_id in (*decision.add, *decision.remove) if tag_id not in known.live_tags]
    decision = replace(
        decision,
        add=tuple(tag_id for tag_id in decision.add if tag_id not in gone),
        remove=tuple(tag_id for tag_id in decision.remove if tag_id not in gone),
    )
    detail = {**decision.to_json(), "missing_tags": gone}
    if decision.is_empty:
        return skipped("no rule changes anything", changed=False, **detail)
    if ctx.observes:
        return skipped("observe mode: recorded, not sent", changed=False, **detail)
    return await _mark(ctx, userid, external_userid, decision, detail, patient=patient)


async def _mark(
    ctx: Context, userid: str, external_userid: str, decision: TagDecision, detail: dict[str, object], *, patient: bool
) -> Outcome:
    try:
        await _change(ctx, userid, external_userid, decision.add, decision.remove)
    except NotAFollowerError:
        if patient:
            raise
        return skipped("WeCom: not contacts any more (84061)", changed=False, **detail)
    return done("tags changed", changed=True, **detail)


async def _change(
    ctx: Context, userid: str, external_userid: str, add: Collection[str], remove: Collection[str]
) -> None:
    try:
        # A customer who came just now does not stand behind a marking of thousands.
        await ctx.wecom.within(urgent=True).external_contact.mark_tag(
            userid, external_userid, list(add) or None, list(remove) or None
        )
    except GoneError:
        # A tag was deleted under us: learn which exist, and let the retry leave it out.
        await refresh_tags(ctx)
        raise
    await ctx.db.write(
        mark_rows.change_tags, userid, external_userid, set(add), set(remove), ctx.clock.now()
    )  # fmt: skip


async def put_right(
    ctx: Context, userid: str, external_userid: str, put_on: Collection[str], take_off: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """See to it that tags are on one follow, and others are not; (those that are on: the others are gone, those that
    had to be taken off). Raises WeComError."""
    live, missing, wrong = await ctx.db.read(_find_wrong, userid, external_userid, put_on, take_off)
    if missing or wrong:
        await _change(ctx, userid, external_userid, missing, wrong)
    return live, wrong


def _find_wrong(
    session: Session, userid: str, external_userid: str, put_on: Collection[str], take_off: Collection[str]
) -> tuple[list[str], list[str], list[str]]:
    """Those of the tags that exist, which of these are not on the follow, and which others are that should not."""
    live = sorted(set(tag_rows.list_live_ids(session)) & set(put_on))
    on = set(mark_rows.list_tag_ids(session, userid, external_userid))
    return live, [each for each in live if each not in on], sorted(on & set(take_off))
