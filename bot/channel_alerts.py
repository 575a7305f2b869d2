"""Who made a channel, and the managers, are told once when nobody stands behind its code any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session

from bot.channels import Turn, write_turns
from bot.context import Context
from bot.delivery import add_alert
from bot.logs import get_logger
from bot.staff_words import Value
from data.models import ChannelKind, ChannelPlan
from data.queries.accounts import is_member
from data.rules.channels import Because, read_duty

log = get_logger("channels")

#: Channels that a message names; it counts the rest.
NAMED = 5


def write_and_tell(session: Session, ctx: Context, turns: Iterable[Turn], now: datetime) -> None:
    """`bot.channels.write_turns`, and word to people of those that this strands: those that were stranded before are
    not told of again. A crash leaves both or neither."""
    some = list(turns)
    write_turns(session, some, now)
    told: dict[tuple[str, Because], list[ChannelPlan]] = {}
    for turn in some:
        before = read_duty(turn.standing.duty)
        if not turn.duty.is_stranded or (before is not None and before.is_stranded):
            continue
        plan = session.get(ChannelPlan, turn.standing.id)
        # One that somebody changed meanwhile shows them what came of it. Of a link WeCom itself says so, and they are
        # told then (`bot/acquisition.py`).
        if plan is not None and plan.kind == ChannelKind.CODE and plan.duty == turn.duty.to_json():
            log.warning("channel_stranded", channel=plan.id, because=turn.duty.because.value)
            maker = {plan.made_by} if is_member(session, plan.made_by) else set[str]()
            for userid in {*ctx.settings.campaigns.managers, *maker}:
                told.setdefault((userid, turn.duty.because), []).append(plan)
    for (userid, because), plans in sorted(told.items()):
        values: dict[str, Value] = {
            "channel_names": " / ".join(each.name for each in plans[:NAMED]),
            "count": len(plans),
            "outcome": because.value,
            "happened_at": now,
        }
        key = f"stranded:{because.value}:{now.isoformat()}:{plans[0].id}"
        add_alert(session, ctx, "channel_stranded", userid, values, dedupe_key=key)
