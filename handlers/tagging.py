"""Automatic tags: on which events the rules are asked. What they make of a follow is in `bot/tagging.py`."""

from __future__ import annotations

from bot.channel_remarks import write_remark
from bot.context import Context, Receipt
from bot.refresh import refresh_tags
from bot.router import Outcome, Router, done, skipped
from bot.tagging import ask_rules
from bot.wecom.errors import WeComError
from bot.wecom.events import (
    AddedEvent,
    AddExternalContact,
    AddHalfExternalContact,
    ChangeExternalTag,
    ChatUpdate,
    EditExternalContact,
)
from data.models import FollowStatus
from data.queries import customers as customer_rows
from data.queries import rules as rule_rows
from data.rules.tagging import Trigger

router = Router("tagging")


@router.on(AddExternalContact, AddHalfExternalContact)
async def on_added(event: AddedEvent, ctx: Context, receipt: Receipt) -> Outcome:
    """Tags of the channel, the staff member, the way of adding; and the channel's remark."""
    if isinstance(event, AddHalfExternalContact):
        return skipped("half added: WeCom takes tags only after the staff member confirms")
    # Right after an add WeCom may not know it yet.
    patient = receipt.attempts < 3
    outcome = await ask_rules(
        ctx, event.userid, event.external_userid, Trigger.ADD, event.created_at or receipt.received_at, event.state,
        patient=patient,
    )  # fmt: skip
    if not event.state or not await write_remark(
        ctx, event.userid, event.external_userid, event.state, patient=patient
    ):
        return outcome
    return done(f"{outcome.reason}; the channel's remark was written", **outcome.detail)


@router.on(EditExternalContact)
async def on_edited(event: EditExternalContact, ctx: Context, receipt: Receipt) -> Outcome:
    """Tags by words in the remark, once somebody wrote them."""
    return await ask_rules(
        ctx, event.userid, event.external_userid, Trigger.EDIT, event.created_at or receipt.received_at,
        seen_since=receipt.received_at,
    )  # fmt: skip


@router.on(ChatUpdate)
async def on_group_joined(event: ChatUpdate, ctx: Context, receipt: Receipt) -> Outcome:
    """Tags for customers who joined a group, on each of their follows."""
    if event.update_detail != "add_member" or not event.members:
        return skipped("nobody joined")
    rules = await ctx.db.read(rule_rows.list_tag_rules)
    if not any(rule.enabled and Trigger.GROUP_JOIN in rule.triggers for rule in rules):
        # Hundreds may join at once: not one reading each for nothing.
        return skipped("no rule asks who joined a group", members=len(event.members))
    changed, at = 0, event.created_at or receipt.received_at
    failure: WeComError | None = None
    for external_userid in event.members:
        for follow in await ctx.db.read(customer_rows.list_follows, external_userid):
            if follow.status != FollowStatus.PRESENT:
                continue
            who = (follow.userid, external_userid)
            try:
                outcome = await ask_rules(ctx, *who, Trigger.GROUP_JOIN, at, chat_id=event.chat_id)
            except WeComError as error:
                # The others have theirs first; what is done is found done when all are asked again.
                failure = failure or error
            else:
                changed += bool(outcome.detail.get("changed"))
    if failure is not None:
        raise failure
    return done("group-join rules asked", members=len(event.members), changed=changed)


@router.on(ChangeExternalTag)
async def on_change_external_tag(event: ChangeExternalTag, ctx: Context, receipt: Receipt) -> Outcome:
    """The company's tags changed: read them again. Changes that waited together are answered by this one look."""
    read = await refresh_tags(ctx)
    return done("tags read again", tags=read.tags, change=event.change_type, collapsed=receipt.collapsed)
