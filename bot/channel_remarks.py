"""What a customer is called by the member whom they came to, as the channel says."""

from __future__ import annotations

from sqlmodel import Session

from bot.context import Context
from bot.refresh import refresh_customer
from bot.remarks import change_remark
from bot.wecom.errors import NotAFollowerError
from data.models import Customer, Follow, FollowStatus
from data.queries import channel_plans as rows
from data.queries import customers as customer_rows
from data.rules.channels import ChannelPlanned, remark_for
from data.rules.problems import parse
from data.rules.remarks import Remark


async def write_remark(ctx: Context, userid: str, external_userid: str, state: str, *, patient: bool) -> bool:
    """Write the remark of the channel, unless the member has written one already; whether it was written.

    `patient`: right after an add WeCom may not know it yet, which is then raised (NotAFollowerError).

    Raises WeComError.
    """
    template = await ctx.db.read_here(_read_template, state)
    if not template:
        return False
    follow, customer = await ctx.db.read(_read_contact, userid, external_userid)
    if follow is None or customer is None or customer.fetched_at is None:
        try:
            await refresh_customer(ctx, external_userid)
        except NotAFollowerError:
            if patient:
                raise
            return False
        follow, customer = await ctx.db.read(_read_contact, userid, external_userid)
    if follow is None or customer is None or follow.status != FollowStatus.PRESENT or ctx.observes:
        return False
    remark = remark_for(template, customer.name)
    if follow.remark not in ("", customer.name) or follow.remark == remark or not remark:
        return False
    wanted = Remark(remark=remark, description=follow.description, remark_mobiles=tuple(follow.remark_mobiles))
    await change_remark(ctx, userid, external_userid, wanted)
    return True


def _read_template(session: Session, state: str) -> str:
    row = rows.find_plan_by_state(session, state)
    return parse(ChannelPlanned, row.definition).remark if row is not None else ""


def _read_contact(session: Session, userid: str, external_userid: str) -> tuple[Follow | None, Customer | None]:
    return (
        customer_rows.find_follow(session, userid, external_userid),
        customer_rows.find_customer(session, external_userid),
    )
