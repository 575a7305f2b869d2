"""Tag rules asked about paid orders, in the background: an order waits in its row until they were.

A process that dies leaves its orders claimed; they are due again when the lease ends. To ask twice changes nothing:
what is on is found on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import Session

from bot.context import Context
from bot.errors import RetryLaterError, SiyuError
from bot.logs import get_logger
from bot.tagging import ask_rules
from data.errors import StorageError
from data.models import Follow, FollowStatus
from data.queries import customers as customer_rows
from data.queries import order_tags as rows
from data.queries import orders as order_rows
from data.queries import rules as rule_rows
from data.queries.order_tags import DueOrder
from data.rules.orders import PAID
from data.rules.retry import pause_seconds
from data.rules.tagging import OrderFacts, Trigger

log = get_logger("orders")

LEASE_SECONDS = 120.0
#: Orders asked about at the same time.
AT_ONCE = 8
MAX_ATTEMPTS = 20


async def tag_orders(ctx: Context) -> int:
    """Ask the tag rules about every order that is due; how many were asked about."""
    rules = await ctx.db.read(rule_rows.list_tag_rules)
    if not any(rule.enabled and Trigger.ORDER in rule.triggers for rule in rules):
        while await ctx.db.write(rows.drop_due, ctx.clock.now()):
            pass
        return 0
    asked = 0
    while due := await ctx.db.write(rows.claim_due, ctx.clock.now(), LEASE_SECONDS):
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(order: DueOrder, limit: asyncio.Semaphore = limit) -> None:
            async with limit:
                await _ask(ctx, order)

        await asyncio.gather(*(one(order) for order in due))
        asked += len(due)
    return asked


async def _ask(ctx: Context, order: DueOrder) -> None:
    """Ask about one order, on each of the customer's follows. What fails is put off, unless the database is away."""
    try:
        changed = await _ask_follows(ctx, order)
    except StorageError:
        raise
    except SiyuError as error:
        asked_seconds = error.after_seconds if isinstance(error, RetryLaterError) else None
        pause = pause_seconds(order.attempts + 1, MAX_ATTEMPTS, asked_seconds, ctx.random.random())
        until = None if pause is None else ctx.clock.now() + timedelta(seconds=pause)
        await ctx.db.write(rows.put_off, order, until)
        if until is None:
            log.error("given_up", order=order.id, tries=order.attempts + 1, cause=str(error))
        else:
            log.warning("put_off", order=order.id, tries=order.attempts + 1, cause=str(error))
        return
    await ctx.db.write(rows.finish, order)
    if changed:
        log.info("tagged", order=order.id, follows=changed)


async def _ask_follows(ctx: Context, order: DueOrder) -> int:
    asked = await ctx.db.read(load_asked, order)
    changed = 0
    failure: SiyuError | None = None
    for follow in asked.follows:
        try:
            outcome = await ask_rules(
                ctx, follow.userid, follow.external_userid, Trigger.ORDER, ctx.clock.now(), order=asked.facts
            )
        except StorageError:
            raise
        except SiyuError as error:
            # The others have theirs first; what is done is found done when all are asked again.
            failure = failure or error
        else:
            changed += bool(outcome.detail.get("changed"))
    if failure is not None:
        raise failure
    return changed


@dataclass(frozen=True, slots=True)
class Asked:
    """Which follows the rules are asked about, and what they are told of the order."""

    follows: list[Follow]
    facts: OrderFacts | None


def load_asked(session: Session, order: DueOrder) -> Asked:
    """The present follows of the customer; none when the order is not paid any more."""
    if order.external_userid is None or order.status not in PAID:
        return Asked([], None)
    whom = order.external_userid
    follows = [each for each in customer_rows.list_follows(session, whom) if each.status == FollowStatus.PRESENT]
    summary = order_rows.sum_orders(session, [whom]).get(whom)
    return Asked(follows, OrderFacts(order.source, order.amount_fen, summary.paid_orders if summary else 0))
