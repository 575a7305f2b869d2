"""Customer-acquisition links (获客链接): what WeCom tells is read, and who is in charge is told what they must know."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.logs import get_logger
from bot.staff_words import Value
from bot.wecom.errors import GoneError, InvalidRequestError
from data.queries import acquisition as rows
from data.queries.accounts import list_in_charge
from data.queries.acquisition import OurLink
from data.rules.acquisition import Quota, read_quota, warning_of
from data.rules.behaviour import CHINA, Days

log = get_logger("acquisition")

#: WeCom is asked for the quota so often besides what its events tell.
QUOTA_EVERY = timedelta(hours=1)


async def refresh_quota(ctx: Context) -> Quota:
    """Ask WeCom what is left of the quota, keep it, and tell managers before it ends. Raises WeComError."""
    quota = read_quota(await ctx.wecom.external_contact.link_quota())
    await ctx.db.write(_keep_quota, ctx, quota)
    return quota


def _keep_quota(session: Session, ctx: Context, quota: Quota) -> None:
    now = ctx.clock.now()
    rows.save_quota(session, quota, now)
    warning = warning_of(quota, now.astimezone(CHINA).date())
    if not rows.claim_warning(session, warning):
        return
    part = quota.next_end
    values: dict[str, Value] = {
        "outcome": warning.partition(":")[0],
        "balance": quota.balance,
        "total": quota.total,
        "expiring": part.balance if part else None,
        "expires_on": f"{part.day}" if part else None,
    }
    for userid in list_in_charge(session, ctx.settings.campaigns.managers):
        add_alert(session, ctx, "acquisition_quota", userid, values, dedupe_key=f"quota:{warning}:{now.isoformat()}")
    log.warning("acquisition_quota", warning=warning, balance=quota.balance)


def tell_of_link(session: Session, ctx: Context, link_id: str, outcome: str, at: datetime) -> bool:
    """Tell who is in charge what became of a link of ours: `unavailable` or `deleted`. False: it is none of ours."""
    plan = rows.find_plan(session, link_id)
    if plan is None:
        return False
    values: dict[str, Value] = {
        "channel_name": plan.name,
        "channel_id": str(plan.id),
        "outcome": outcome,
        "happened_at": at,
    }
    for userid in list_in_charge(session, ctx.settings.campaigns.managers, plan.named):
        key = f"link:{link_id}:{outcome}:{at.isoformat()}"
        add_alert(session, ctx, "acquisition_link", userid, values, dedupe_key=key)
    return True


async def read_links(ctx: Context, today: date) -> int:
    """Read the figures and customers of links that were not read on this day (in China) yet; of how many links.

    One that WeCom refuses is tried again the next day: the others still count. Raises WeComError.
    """
    links = await ctx.db.read(rows.list_due_links, today)
    for link in links:
        try:
            await _read_days(ctx, link, today)
            await _read_customers(ctx, link)
        except (InvalidRequestError, GoneError) as error:
            log.warning("link_not_read", channel=link.plan_id, cause=str(error))
        await ctx.db.write(rows.note_read, link, today, ctx.clock.now())
    return len(links)


async def _read_days(ctx: Context, link: OurLink, today: date) -> None:
    for day in await ctx.db.read(rows.list_due_days, link, today):
        span = Days(day, day)
        answer = await ctx.wecom.external_contact.link_statistic(link.link_id, span.begin, span.end)
        counts = [max(0, int(answer.get(name) or 0)) for name in ("click_link_customer_cnt", "new_customer_cnt")]
        await ctx.db.write(rows.save_day, link.link_id, day, *counts, today)


async def _read_customers(ctx: Context, link: OurLink) -> None:
    cursor, attributed = "", 0
    while True:
        answer = await ctx.wecom.external_contact.link_customers(link.link_id, cursor or None)
        page = answer.get("customer_list") or []
        if page:
            attributed += await ctx.db.write(rows.save_customers, link, page, ctx.clock.now())
        following = str(answer.get("next_cursor") or "")
        if not following or following == cursor:
            break
        cursor = following
    if attributed:
        log.info("link_customers", channel=link.plan_id, attributed=attributed)


def quota_is_due(read_at: datetime | None, now: datetime) -> bool:
    """Whether WeCom is to be asked for the quota again."""
    return read_at is None or read_at <= now - QUOTA_EVERY
