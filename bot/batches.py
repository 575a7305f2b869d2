"""Batches whose answer never came: what a person says of them is held against what WeCom says."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from bot.context import Context
from bot.phrases import Phrase
from bot.wecom.errors import AlreadyDoneError, GoneError, InvalidRequestError
from data.models import Batch
from data.queries import batch_lookups as rows
from data.rules.problems import InvalidRuleError, Problem
from data.rules.waves import GROUPS, MOMENTS


async def adopt(ctx: Context, batch_id: int, msgid: str) -> Batch:
    """A batch whose answer never came is this group-send, or this post, as somebody has found it in WeCom.

    Raises NotFoundError, ConflictError when it is not to be looked up or another batch is this one, InvalidRuleError
    for one that WeCom does not know or that is for others, and WeComError where WeCom cannot be asked now.
    """
    batch, whom = await ctx.db.read(rows.read_adoptable, batch_id, msgid)
    try:
        made = await (_read_post(ctx, msgid) if batch.kind == MOMENTS else _read_group_send(ctx, batch, msgid))
    except (GoneError, InvalidRequestError) as error:
        raise InvalidRuleError([Problem("msgid", Phrase("企业微信没有 %(msgid)s", msgid=msgid))]) from error
    if (problem := _problem(batch, whom, made)) is not None:
        raise InvalidRuleError([problem])
    return await ctx.db.write(rows.adopt, batch_id, msgid, ctx.clock.now())


class Made(NamedTuple):
    """What WeCom tells of a group-send or of a post: its members, and who it is for through the batch's own.

    None: WeCom does not tell them. Of groups only those are told that were sent to.
    """

    members: Collection[str] | None
    recipients: AbstractSet[str] | None


async def _read_group_send(ctx: Context, batch: Batch, msgid: str) -> Made:
    wecom = ctx.wecom.external_contact
    members: list[str] | None = None
    with contextlib.suppress(AlreadyDoneError):  # it was withdrawn: only its recipients are told
        members = [str(each["userid"]) async for each in wecom.gen_groupmsg_tasks(msgid)]
    if members is not None and batch.userid not in members:
        return Made(members, None)
    results = [each async for each in wecom.gen_groupmsg_send_results(msgid, batch.userid)]
    key = "chat_id" if batch.kind == GROUPS else "external_userid"
    recipients = frozenset(str(each.get(key) or "") for each in results)
    return Made(members, None if batch.kind == GROUPS and not recipients else recipients)


async def _read_post(ctx: Context, moment_id: str) -> Made:
    return Made([str(each["userid"]) async for each in ctx.wecom.external_contact.gen_moment_tasks(moment_id)], None)


def _problem(batch: Batch, whom: AbstractSet[str], made: Made) -> Problem | None:
    """What keeps it from being that batch, which is for `whom`: of a post these are the members who publish it."""
    wanted = whom if batch.kind == MOMENTS else {batch.userid}
    if made.members is not None and wanted.isdisjoint(made.members):
        names = sorted(made.members)[:3] or Phrase("没有成员")
        asked = sorted(wanted)[:3]
        return Problem("msgid", Phrase("它的成员是 %(names)s，这个批次的成员是 %(asked)s", names=names, asked=asked))
    if made.recipients is not None and whom.isdisjoint(made.recipients):
        return Problem("msgid", Phrase("%(userid)s 在它里面没有这个批次的接收人", userid=batch.userid))
    return None
