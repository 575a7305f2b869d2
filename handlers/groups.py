"""Customer groups: made, joined, left, renamed, handed on, dismissed."""

from __future__ import annotations

from bot.context import Context, Receipt
from bot.delivery import queue_alert
from bot.refresh import refresh_group
from bot.router import Outcome, Router, done, skipped
from bot.wecom.events import ChatCreate, ChatDismiss, ChatUpdate
from data.queries import groups as group_rows
from data.queries import join_ways as join_rows
from data.queries import staff as staff_rows

router = Router("groups")


@router.on(ChatCreate)
async def on_create(event: ChatCreate, ctx: Context, _receipt: Receipt) -> Outcome:
    """A new group: fetch it."""
    if await refresh_group(ctx, event.chat_id):
        return done("fetched")
    return skipped("WeCom does not know this group any more")


@router.on(ChatUpdate)
async def on_update(event: ChatUpdate, ctx: Context, receipt: Receipt) -> Outcome:
    """Members, owner, name or notice changed. A change of members that continues our version needs no fetch."""
    complete = 0 < len(event.members) == event.member_change_count
    if event.update_detail in ("add_member", "del_member") and complete:
        joined = event.members if event.update_detail == "add_member" else ()
        left = event.members if event.update_detail == "del_member" else ()
        applied = await ctx.db.write(
            group_rows.apply_member_change,
            event.chat_id,
            joined=joined,
            left=left,
            # The event says 0 for invited where groupchat/get says 1 or 2; 3 is a scanned code in both.
            join_scene=3 if event.join_scene == 3 else 1,
            quit_scene=event.quit_scene,
            last_version=event.last_member_version,
            current_version=event.current_member_version,
            at=event.created_at or receipt.received_at,
            now=ctx.clock.now(),
        )
        # Of whom a scanned code brought the event does not say which code: the group does.
        scanned = event.update_detail == "add_member" and event.join_scene == 3
        if applied and scanned and await ctx.db.read(join_rows.has_made):
            await refresh_group(ctx, event.chat_id)
            return done("add_member applied; fetched for its code", members=len(event.members), by="version")
        if applied:
            return done(f"{event.update_detail} applied", members=len(event.members), by="version")
    if await refresh_group(ctx, event.chat_id):
        return done(f"{event.update_detail}: fetched", by="fetch")
    return skipped("WeCom does not know this group any more")


@router.on(ChatDismiss)
async def on_dismiss(event: ChatDismiss, ctx: Context, receipt: Receipt) -> Outcome:
    """The group is no more: its owner's record shows it, and the owner is told."""
    group = await ctx.db.read(group_rows.find_group, event.chat_id)
    members = await ctx.db.read(group_rows.count_members, event.chat_id)
    at = event.created_at or receipt.received_at
    # A fetch may have found out before: the owner is told all the same, once.
    await ctx.db.write(group_rows.mark_dismissed, event.chat_id, at, ctx.clock.now())
    if group is None or not group.owner:
        return done("dismissed; its owner is not known")
    owner = await ctx.db.read(staff_rows.get_card, group.owner)
    new = await queue_alert(
        ctx,
        "group_dismissed",
        group.owner,
        {
            "group_name": group.name,
            "owner_name": owner.name,
            "happened_at": at,
            "member_count": members,
        },
        dedupe_key=f"dismissed:{event.chat_id}",
    )
    return done("dismissed; the owner is told") if new else skipped("known already")
