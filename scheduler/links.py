"""What follows from a customer's first click on a tracked link: its tags, and a word to the staff member.

A click waits in its row until both are done. A process that dies leaves its clicks claimed; they are due again when
the lease ends. To do it twice changes nothing: tags are found on, and the alert is known by its key.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.delivery import queue_alert
from bot.errors import RetryLaterError, SiyuError
from bot.logs import get_logger
from bot.tagging import put_on
from bot.wecom.errors import NotAFollowerError
from data.errors import ErasedError, StorageError
from data.models import FollowStatus
from data.queries import customers as customer_rows
from data.queries import link_follow_ups as rows
from data.queries.link_follow_ups import DueClick
from data.rules.retry import pause_seconds
from data.rules.schedule import moment_words

log = get_logger("links")

LEASE_SECONDS = 120.0
#: Clicks that are followed up at the same time.
AT_ONCE = 8
MAX_ATTEMPTS = 20


async def follow_up_clicks(ctx: Context) -> int:
    """Do what is due; how many clicks."""
    worked_on = 0
    while due := await ctx.db.write(rows.claim_due, ctx.clock.now(), LEASE_SECONDS):
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(click: DueClick, limit: asyncio.Semaphore = limit) -> None:
            async with limit:
                await _follow_up(ctx, click)

        await asyncio.gather(*(one(click) for click in due))
        worked_on += len(due)
    return worked_on


async def _follow_up(ctx: Context, click: DueClick) -> None:
    outcome, error = await _tag_and_tell(ctx, click)
    if error is not None:
        asked_seconds = error.after_seconds if isinstance(error, RetryLaterError) else None
        pause = pause_seconds(click.attempts + 1, MAX_ATTEMPTS, asked_seconds, ctx.random.random())
        if pause is not None:
            log.warning("put_off", click=click.id, tries=click.attempts + 1, cause=str(error))
            await ctx.db.write(rows.put_off, click, ctx.clock.now() + timedelta(seconds=pause))
            return
        log.error("given_up", click=click.id, tries=click.attempts + 1, cause=str(error))
        outcome["error"] = str(error)
    await ctx.db.write(rows.finish, click, outcome)


async def _tag_and_tell(ctx: Context, click: DueClick) -> tuple[dict[str, Any], SiyuError | None]:
    """What was done: the tags that are on, by follow, and who was told; and the first thing that went wrong."""
    followers, name = await ctx.db.read(_load, click)
    tags: dict[str, list[str]] = {}
    told: list[str] = []
    failure: SiyuError | None = None
    for userid in followers:
        try:
            if click.tells_staff:
                await _tell(ctx, click, userid, name)
                told.append(userid)
            if click.tag_ids and not ctx.observes:
                tags[userid] = await put_on(ctx, userid, click.external_userid, click.tag_ids)
        except NotAFollowerError:
            continue
        except ErasedError:
            break
        except StorageError:
            raise
        except SiyuError as error:
            # The others have theirs first; what is done is found done when all are tried again.
            failure = failure or error
    return {"put_on": tags, "told": told, "error": ""}, failure


async def _tell(ctx: Context, click: DueClick, userid: str, name: str) -> None:
    values = {
        "customer_name": name,
        "link_name": click.link,
        "happened_at": moment_words(click.clicked_at, ctx.settings.zone),
    }
    key = f"link:{click.link_id}:{click.external_userid}"
    await queue_alert(
        ctx, "link_clicked", userid, values, dedupe_key=key, external_userid=click.external_userid
    )  # fmt: skip


def _load(session: Session, click: DueClick) -> tuple[list[str], str]:
    """The staff member who sent the link, or else everybody who follows the customer; and the customer's name."""
    follows = customer_rows.list_follows(session, click.external_userid)
    present = [each.userid for each in follows if each.status == FollowStatus.PRESENT]
    customer = customer_rows.find_customer(session, click.external_userid)
    return [click.userid] if click.userid in present else present, customer.name if customer else ""
