"""Customer-acquisition links (获客链接): what WeCom tells of links, of the quota, and of customers who write."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from bot.acquisition import refresh_quota, tell_of_link
from bot.context import Context, Receipt
from bot.refresh import refresh_directory
from bot.router import Outcome, Router, done, skipped
from bot.wecom.errors import WeComError
from bot.wecom.events import CustomerAcquisition
from data.queries import acquisition as rows
from data.queries import channel_plans as plan_rows
from data.queries import channels as channel_rows

router = Router("acquisition")

#: WeCom knows what a ChatKey stands for within 30 minutes.
CHAT_KEY_INVALID = 41201
_QUOTA = ("balance_low", "balance_exhausted", "balance_increased", "quota_expire_soon")
_COUNTED = ("open_profile", "friend_request")


@router.on(CustomerAcquisition)
async def on_customer_acquisition(event: CustomerAcquisition, ctx: Context, receipt: Receipt) -> Outcome:
    """Look at what has changed; managers are told of what stops customers from coming."""
    at = event.created_at or receipt.received_at
    change = event.change_type
    if change in _QUOTA:
        quota = await refresh_quota(ctx)
        return done(f"{change}: the quota was read", balance=quota.balance)
    if change == "delete_link":
        told = await ctx.db.write(_deleted, ctx, event.link_id, at)
        return done("a link was deleted in WeCom; managers are told") if told else skipped("it was not made here")
    if change == "link_unavailable":
        told = await ctx.db.write(tell_of_link, ctx, event.link_id, "unavailable", at)
        # Somebody has left or lost the feature: the next look at who is on duty gives the link to others.
        await refresh_directory(ctx)
        return done("managers are told, and the company was read again") if told else skipped("it was not made here")
    if change in _COUNTED:
        return skipped("WeCom's daily figures count it")
    return await _wrote(event, ctx, at)


def _deleted(session: Session, ctx: Context, link_id: str, at: datetime) -> bool:
    plan = rows.find_plan(session, link_id)
    channel_rows.mark_deleted(session, link_id, at)
    if plan is None or plan.id is None:
        return False
    plan_rows.note_gone(session, plan.id, link_id, ctx.clock.now())
    return tell_of_link(session, ctx, link_id, "deleted", at)


async def _wrote(event: CustomerAcquisition, ctx: Context, at: datetime) -> Outcome:
    """A customer who came by a link has written for the first time, or a third, fifth or tenth."""
    userid, external_userid, messages = event.userid, event.external_userid, 1
    if event.chat_key:
        try:
            told = await ctx.wecom.external_contact.link_chat_info(event.chat_key)
        except WeComError as error:
            if error.errcode == CHAT_KEY_INVALID:
                return skipped("WeCom does not know any more who wrote")
            raise
        userid, external_userid = str(told.get("userid") or ""), str(told.get("external_userid") or "")
        messages = int((told.get("chat_info") or {}).get("recv_msg_cnt") or 1)
    if not userid or not external_userid or not event.link_id:
        return skipped("it does not say who wrote")
    kept = await ctx.db.write(rows.note_chat, event.link_id, userid, external_userid, at, messages)
    return (
        done("noted that the customer has written", messages=messages) if kept else skipped("nothing is kept of them")
    )
