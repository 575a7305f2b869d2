"""Payments in chats (对外收款), read from WeCom as orders: span after span, resumed at the page it stopped at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import InvalidRequestError
from data.queries import payments as rows
from data.rules.payments import Bill, read_bill
from data.rules.problems import InvalidRuleError

log = get_logger("payments")

PAGE_ROWS = 200
#: Answers to a cursor that WeCom takes no more.
CURSOR_REFUSED = (50100, 60268)


async def pull_payments(ctx: Context) -> int:
    """Read what was paid and given back since the last time; how many payments were new or changed.

    Raises NotPermittedError (48002) while the app is not among those that 对外收款 lets call.
    """
    if not ctx.settings.payments.pull:
        return 0
    begun_at = ctx.clock.now()
    changed = 0
    while True:
        span = await ctx.db.write(rows.begin_span, begun_at, ctx.settings.payments.days_back)
        try:
            answer = await ctx.wecom.externalpay.get_bill_list(
                int(span.begin_at.timestamp()), int(span.end_at.timestamp()), cursor=span.cursor, limit=PAGE_ROWS
            )
        except InvalidRequestError as error:
            if error.errcode not in CURSOR_REFUSED or not span.cursor:
                raise
            await ctx.db.write(rows.restart_span)
            continue
        bills = _read(answer.get("bill_list") or ())
        following = str(answer.get("next_cursor") or "")
        if following == span.cursor:
            following = ""
        saved = await ctx.db.write(rows.save_page, bills, span, following, ctx.clock.now())
        changed += sum(each.result in ("created", "updated") for each in saved)
        if not following and span.end_at >= begun_at:
            break
    if changed:
        log.info("pulled", payments=changed)
    return changed


def _read(told: Iterable[Mapping[str, Any]]) -> list[Bill]:
    """The records that can be used; of the others it is said how many there are."""
    bills, unusable = [], 0
    for each in told:
        try:
            bills.append(read_bill(each))
        except (InvalidRuleError, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError):
            unusable += 1
    if unusable:
        log.warning("unusable", records=unusable)
    return bills
