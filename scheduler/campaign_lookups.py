"""Batches whose answer never came: looked up in WeCom's records, and asked for again only where it has made nothing.

`get_groupmsg_list_v2` lists what was made meanwhile, `get_groupmsg_task` whose task it is, and
`get_groupmsg_send_result` for whom; `data/rules/batches.py` says which is which. Nothing is concluded from a list that
is not complete, or from one that was read before WeCom must have settled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import AlreadyDoneError, WeComError
from data.models import Batch
from data.queries import batch_lookups as lookup_rows
from data.queries.erasures import list_erased
from data.rules import batches as rules
from data.rules.batches import Asked, Found, content_of, match
from data.rules.waves import GROUPS
from scheduler.leases import LeaseHeldError, alone
from scheduler.unknown_batches import leave_forgotten, put_off, read_all, settle

log = get_logger("campaigns")

LEASE = "campaign_lookups"
#: Batches that are looked up with one list.
TOGETHER = 50
#: Calls that lie so far apart are looked up with lists of their own.
APART = timedelta(hours=1)


async def look_up_unknown(ctx: Context) -> int:
    """Look up what is due; how many batches. 0 as well where another process does it."""
    if ctx.observes or not await ctx.db.read(lookup_rows.list_unknown, ctx.clock.now(), 1):
        return 0
    with contextlib.suppress(LeaseHeldError):
        return await alone(ctx, LEASE, lambda: _look_up_all(ctx))
    return 0


async def _look_up_all(ctx: Context) -> int:
    looked = 0
    while due := await ctx.db.read(lookup_rows.list_unknown, ctx.clock.now(), TOGETHER):
        first = due[0].first_called_at
        assert first is not None
        kind = due[0].kind
        together = [
            each
            for each in due
            if each.kind == kind and each.first_called_at is not None and each.first_called_at - first <= APART
        ]
        looked += len(together)
        there = [each for each in together if not await leave_forgotten(ctx, each)]
        if not there:
            continue
        try:
            await _look_up(ctx, there)
        except WeComError as error:
            for each in there:
                await put_off(ctx, each, str(error), error.after_seconds)
    return looked


async def _look_up(ctx: Context, due: Sequence[Batch]) -> None:
    began = ctx.clock.now()
    unanswered = await ctx.db.read(lookup_rows.list_unanswered, {each.userid for each in due}, due[0].kind)
    asked = [_asked(batch, whom) for batch, whom in unanswered if batch.called_at is not None]
    wanted = {each.id for each in due}
    mine = [each for each in asked if each.batch_id in wanted]
    if not mine:  # they were answered since
        return
    verdicts = match(asked, await _read_found(ctx, mine, {each.userid for each in asked}, began))
    by_id = {each.id: each for each in due}
    for each in mine:
        await settle(ctx, by_id[each.batch_id], verdicts[each.batch_id], began, rules.SETTLE_SECONDS)


def _asked(batch: Batch, whom: frozenset[str]) -> Asked:
    assert batch.id is not None
    assert batch.called_at is not None
    since = batch.first_called_at or batch.called_at
    return Asked(
        batch.id, batch.userid, content_of(batch.body or {}), whom, since.timestamp(), batch.called_at.timestamp(),
        to_groups=batch.kind == GROUPS,
    )  # fmt: skip


async def _read_found(ctx: Context, asked: Sequence[Asked], userids: set[str], now: datetime) -> list[Found]:
    """What WeCom has made in the time of these calls and no row of ours owns. Raises WeComError where it cannot all be
    read."""
    wecom = ctx.wecom.external_contact
    start = int(min(each.since for each in asked) - rules.STRAY_SECONDS)
    # What WeCom dates into our future shows in a later list: none is believed before it must.
    end = min(int(now.timestamp()) + 1, start + 31 * 86_400)
    listed = await read_all(
        lambda cursor: wecom.get_groupmsg_list_v2(
            "group" if asked[0].to_groups else "single", start, end, filter_type=0, cursor=cursor
        ),
        "group_msg_list",
    )
    made = {str(each["msgid"]): each for each in listed if not each.get("creator")}
    owned = await ctx.db.read(lookup_rows.list_owned, list(made))
    found: list[Found] = []
    for msgid, row in made.items():
        at, content = float(row.get("create_time") or 0), content_of(row)
        if msgid not in owned and any(rules.may_be(each, at, content) for each in asked):
            tasks = await _read_tasks(ctx, msgid, userids, to_groups=asked[0].to_groups)
            found.append(Found(msgid, at, content, tasks))
    # What was answered while we read has an owner now.
    owned = await ctx.db.read(lookup_rows.list_owned, [each.msgid for each in found])
    # Our rows do not name who was erased since.
    erased = await ctx.db.read(list_erased, set[str]().union(*(each.recipients for each in found)))
    return [each.without(erased) for each in found if each.msgid not in owned]


async def _read_tasks(ctx: Context, msgid: str, userids: set[str], *, to_groups: bool) -> dict[str, frozenset[str]]:
    """The recipients of a group-send by member. Of a withdrawn one WeCom tells no members: the senders are tried.

    Of groups only those are told that were sent to.
    """
    wecom = ctx.wecom.external_contact
    try:
        tasks = await read_all(lambda cursor: wecom.get_groupmsg_task(msgid, cursor), "task_list")
        members = {str(each["userid"]) for each in tasks}
    except AlreadyDoneError:
        members = userids
    found: dict[str, frozenset[str]] = {}
    for userid in sorted(members):
        results = await read_all(
            lambda cursor, userid=userid: wecom.get_groupmsg_send_result(msgid, userid, cursor),  # type: ignore[misc]
            "send_list",
        )
        if results or to_groups:
            found[userid] = frozenset(id_of(each) for each in results)
    return found


def id_of(result: Mapping[str, Any]) -> str:
    """The customer or the group that a row of results is about."""
    return str(result.get("external_userid") or result.get("chat_id") or "")
