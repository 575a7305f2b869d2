"""What follows from something that a customer did on a page of ours: tags, and a word to the staff member.

It waits in a row until both are done. A process that dies leaves its rows claimed; they are due again when the lease
ends. To do it twice changes nothing: tags are found on, and the alert is known by its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlmodel import Session

from bot.context import Context
from bot.delivery import queue_alert
from bot.errors import RetryLaterError, SiyuError
from bot.logs import get_logger
from bot.staff_words import Value
from bot.tagging import put_right
from bot.wecom.errors import NotAFollowerError
from data.errors import ErasedError, StorageError
from data.models import FollowStatus
from data.queries import customers as customer_rows
from data.rules.retry import pause_seconds

log = get_logger("follow_ups")

LEASE_SECONDS = 120.0
#: So many are worked on at the same time.
AT_ONCE = 8
MAX_ATTEMPTS = 20


class Due(Protocol):
    """A row that is claimed."""

    @property
    def id(self) -> int: ...
    @property
    def attempts(self) -> int: ...


D = TypeVar("D", bound=Due)


class Word(NamedTuple):
    """What staff are told, apart from the customer's name; the same key is told once."""

    slug: str
    values: Mapping[str, Value]
    key: str


class Wanted(NamedTuple):
    """What is to be done about a customer. `userid`: who had to do with it, if that is known, or else everybody has who
    follows them."""

    external_userid: str
    userid: str
    put_on: Collection[str] = ()
    take_off: Collection[str] = ()
    word: Word | None = None


class Rows(NamedTuple):
    """How rows of a kind are claimed, finished with what was done, and put off."""

    claim: Callable[[Session, datetime, float], Sequence[Any]]
    finish: Callable[[Session, Any, dict[str, Any]], None]
    put_off: Callable[[Session, Any, datetime], None]


async def work_off(ctx: Context, rows: Rows, wanted_of: Callable[[Any], Awaitable[Wanted]]) -> int:
    """Do what is due; how many rows."""
    worked_on = 0
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(due: Due) -> None:
        async with limit:
            await _follow_up(ctx, rows, due, await wanted_of(due))

    while found := await ctx.db.write(rows.claim, ctx.clock.now(), LEASE_SECONDS):
        await asyncio.gather(*(one(due) for due in found))
        worked_on += len(found)
    return worked_on


async def _follow_up(ctx: Context, rows: Rows, due: Due, wanted: Wanted) -> None:
    outcome, error = await _tag_and_tell(ctx, wanted)
    if error is not None:
        asked_seconds = error.after_seconds if isinstance(error, RetryLaterError) else None
        pause = pause_seconds(due.attempts + 1, MAX_ATTEMPTS, asked_seconds, ctx.random.random())
        if pause is not None:
            log.warning("put_off", row=due.id, tries=due.attempts + 1, cause=str(error))
            await ctx.db.write(rows.put_off, due, ctx.clock.now() + timedelta(seconds=pause))
            return
        log.error("given_up", row=due.id, tries=due.attempts + 1, cause=str(error))
        outcome["error"] = str(error)
    await ctx.db.write(rows.finish, due, outcome)


async def _tag_and_tell(ctx: Context, wanted: Wanted) -> tuple[dict[str, Any], SiyuError | None]:
    """What was done: the tags that are on, and were taken off, by follow, and who was told; and the first thing that
    went wrong."""
    followers, name = await ctx.db.read(_load, wanted)
    outcome: dict[str, Any] = {"put_on": {}, "told": [], "error": ""}
    if wanted.take_off:
        outcome["taken_off"] = {}
    failure: SiyuError | None = None
    whom = wanted.external_userid
    for userid in followers:
        try:
            if wanted.word is not None:
                told: dict[str, Value] = {"customer_name": name, **wanted.word.values}
                key = wanted.word.key
                await queue_alert(ctx, wanted.word.slug, userid, told, dedupe_key=key, external_userid=whom)
                outcome["told"].append(userid)
            if (wanted.put_on or wanted.take_off) and not ctx.observes:
                on, off = await put_right(ctx, userid, whom, wanted.put_on, wanted.take_off)
                outcome["put_on"][userid] = on
                if wanted.take_off:
                    outcome["taken_off"][userid] = off
        except NotAFollowerError:
            continue
        except ErasedError:
            break
        except StorageError:
            raise
        except SiyuError as error:
            # The others have theirs first; what is done is found done when all are tried again.
            failure = failure or error
    return outcome, failure


def _load(session: Session, wanted: Wanted) -> tuple[list[str], str]:
    """Who of the staff it concerns, and the customer's name."""
    follows = customer_rows.list_follows(session, wanted.external_userid)
    present = [each.userid for each in follows if each.status == FollowStatus.PRESENT]
    customer = customer_rows.find_customer(session, wanted.external_userid)
    return [wanted.userid] if wanted.userid in present else present, customer.name if customer else ""
