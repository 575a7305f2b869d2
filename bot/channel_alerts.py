"""Who made a channel, and whoever is in charge, are told once when nobody stands behind its code any more."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.logs import get_logger
from bot.staff_words import Value
from data.models import ChannelPlan
from data.queries.accounts import is_member, list_in_charge
from data.queries.channels import list_untold

log = get_logger("channels")

#: Channels that a message names; it counts the rest.
NAMED = 5


async def tell_stranded(ctx: Context) -> None:
    """One message for all codes that nobody stands behind, or in another way than was told, whatever made them so:
    somebody's change, a seat that was lost, or a program that did not tell yet. A crash tells once or later."""
    if await ctx.db.read(list_untold):
        await ctx.db.write(_tell, ctx, ctx.clock.now())


def _tell(session: Session, ctx: Context, now: datetime) -> None:
    told: dict[tuple[str, str], list[ChannelPlan]] = {}
    for plan, because in list_untold(session, lock=True):
        plan.stranded_as = because
        if not because:
            continue
        log.warning("channel_stranded", channel=plan.id, because=because)
        maker = {plan.made_by} if is_member(session, plan.made_by) else set[str]()
        in_charge = list_in_charge(session, ctx.settings.campaigns.managers, plan.named)
        for userid in {*in_charge, *maker}:
            told.setdefault((userid, because), []).append(plan)
    for (userid, because), plans in sorted(told.items()):
        values: dict[str, Value] = {
            "channel_names": " / ".join(each.name for each in plans[:NAMED]),
            "count": len(plans),
            "outcome": because,
            "happened_at": now,
        }
        key = f"stranded:{because}:{now.isoformat()}:{plans[0].id}"
        add_alert(session, ctx, "channel_stranded", userid, values, dedupe_key=key)
