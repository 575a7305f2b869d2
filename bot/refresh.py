"""Looking again: read from WeCom what an event only hints at, and write down what is true.

Every function is one unit that handlers and jobs share; each notes when it asked, so that what changed meanwhile
is not overwritten by an older answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.context import Context
from bot.wecom.errors import GoneError, NotAFollowerError
from data.queries import channels as channel_rows
from data.queries import customers as customer_rows
from data.queries import groups as group_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.queries.customers import FetchResult
from data.queries.erasures import refuse_erased
from data.queries.groups import GroupChanges
from data.queries.staff import DirectoryChange
from data.queries.tags import TagChanges

#: A follow that we write each time while its customer is fetched stays as we wrote it.
FETCHES = 3


async def refresh_customer(ctx: Context, external_userid: str) -> FetchResult:
    """Fetch a customer with all follows (500 a page) and write them.

    A follow that was written meanwhile keeps what it has; the customer is then fetched again, so that nothing of the
    answer is lost. Raises NotAFollowerError when WeCom shows nobody in sight as following; the follows that we thought
    present have then been ended. Raises ErasedError, and WeComError otherwise.
    """
    await ctx.db.read(refuse_erased, external_userid)
    for _ in range(FETCHES - 1):
        result = await _fetch_customer(ctx, external_userid)
        if not result.kept:
            return result
    return await _fetch_customer(ctx, external_userid)


async def _fetch_customer(ctx: Context, external_userid: str) -> FetchResult:
    asked_at = ctx.clock.now()
    contact: dict[str, Any] = {}
    follows: list[dict[str, Any]] = []
    cursor = ""
    try:
        while True:
            page = await ctx.wecom.external_contact.get(external_userid, cursor)
            contact = page["external_contact"]
            follows += page.get("follow_user") or []
            cursor = page.get("next_cursor") or ""
            if not cursor:
                break
    except NotAFollowerError:
        await ctx.db.write(customer_rows.record_nobody_follows, external_userid, asked_at=asked_at, now=ctx.clock.now())
        raise
    return await ctx.db.write(customer_rows.apply_fetched, contact, follows, asked_at=asked_at, now=ctx.clock.now())


async def refresh_group(ctx: Context, chat_id: str) -> bool:
    """Fetch a customer group with its members and write them. False: WeCom does not know it any more."""
    return await read_group(ctx, chat_id) is not None


async def read_group(ctx: Context, chat_id: str) -> GroupChanges | None:
    """The same; what it changed, or None when WeCom does not know the group any more."""
    asked_at = ctx.clock.now()
    try:
        answer = await ctx.wecom.external_contact_group_chat.get(chat_id)
    except GoneError:
        now = ctx.clock.now()
        await ctx.db.write(group_rows.mark_dismissed, chat_id, now, now)
        return None
    return await ctx.db.write(group_rows.apply_fetched, answer["group_chat"], asked_at=asked_at, now=ctx.clock.now())


@dataclass(frozen=True, slots=True)
class TagReading:
    """A reading of the company's tags: how many there are, and what it changed of our rows."""

    tags: int
    changes: TagChanges


async def refresh_tags(ctx: Context) -> TagReading:
    """Read all tags and groups of the company; tags that exist no more come off the customers."""
    asked_at = ctx.clock.now()
    answer = await ctx.wecom.external_contact.get_corp_tag_list()
    groups = answer.get("tag_group") or []
    changes = await ctx.db.write(tag_rows.replace_tags, groups, ctx.clock.now(), asked_at=asked_at)
    while await ctx.db.write(tag_rows.take_off_deleted):
        pass
    return TagReading(sum(len(group.get("tag") or []) for group in groups), changes)


async def refresh_directory(ctx: Context) -> DirectoryChange:
    """Read departments, members and who has the customer-contact feature, as far as the app may see."""
    departments = await ctx.wecom.department.list()
    members: dict[str, dict[str, Any]] = {}
    for department in departments:
        for member in await ctx.wecom.user.list(int(department["id"])):
            members.setdefault(str(member["userid"]), member)
    followers = await ctx.wecom.external_contact.get_follow_user_list()
    return await ctx.db.write(
        staff_rows.replace_directory,
        departments,
        list(members.values()),
        [str(userid) for userid in followers.get("follow_user") or []],
        ctx.clock.now(),
    )


async def refresh_channel(ctx: Context, config_id: str) -> bool:
    """Read one contact way. False: WeCom does not know it any more."""
    try:
        answer = await ctx.wecom.external_contact.get_contact_way(config_id)
    except GoneError:
        await ctx.db.write(channel_rows.mark_deleted, config_id, ctx.clock.now())
        return False
    await ctx.db.write(channel_rows.apply_fetched, answer["contact_way"], ctx.clock.now())
    return True


async def refresh_channels(ctx: Context) -> int:
    """Read every contact way that the API lists, and those known that it lists no more; the number that exist."""
    known = {channel.config_id for channel in await ctx.db.read(channel_rows.list_channels, "code")}
    listed = {str(row["config_id"]) async for row in ctx.wecom.external_contact.gen_contact_ways()}
    count = 0
    # WeCom lists those of the last 90 days: only reading one tells whether it exists.
    for config_id in sorted(listed | known):
        count += await refresh_channel(ctx, config_id)
    return count
