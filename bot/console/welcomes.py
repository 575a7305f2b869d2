"""Which welcomes were sent, which were not, and why: those of the members whom somebody sees."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.painting import N_
from data.models import Welcome, WelcomeStatus
from data.queries import welcomes as rows
from data.queries.campaign_views import map_customer_names
from data.queries.customer_pages import map_names

PATH = "/console/welcomes"
ROWS = 50
STATUSES = {
    WelcomeStatus.MISSED.value: N_("没有发出"), WelcomeStatus.SENT.value: N_("已发出"),
    WelcomeStatus.SKIPPED.value: N_("不用发"), WelcomeStatus.OBSERVED.value: N_("观察模式，没有发"),
    WelcomeStatus.SENDING.value: N_("正在发"),
}  # fmt: skip
COLOURS = {WelcomeStatus.MISSED.value: "red", WelcomeStatus.SENT.value: "green"}


async def show_list(ask: Ask) -> web.Response:
    """The latest first."""
    asked = ask.request.query.get("status", "")
    status = asked if asked in STATUSES else ""

    def read(session: Session) -> tuple[list[Welcome], dict[str, str], dict[str, str]]:
        found = rows.list_welcomes(
            session, status=status or None, userids=ask.visible(session), limit=ROWS + 1,
            before_id=ask.asked_number("before"),
        )  # fmt: skip
        shown = found[:ROWS]
        customers = map_customer_names(session, {each.external_userid for each in shown})
        return found, customers, map_names(session, {each.userid for each in shown})

    found, customers, staff = await ask.db.read(read)
    older = found[ROWS - 1].id if len(found) > ROWS else None
    kept: dict[str, Any] = {"status": status} if status else {}
    return ask.show(
        "welcomes", welcomes=found[:ROWS], customers=customers, staff=staff, statuses=STATUSES, colours=COLOURS,
        state=status, older=older, further=urlencode(kept | {"before": older or ""}), took=_took,
    )  # fmt: skip


def _took(welcome: Welcome) -> str:
    """Seconds from WeCom's event to its answer."""
    if welcome.status != WelcomeStatus.SENT or welcome.sent_at is None:
        return ""
    return f"{max((welcome.sent_at - welcome.received_at).total_seconds(), 0.0):.1f}"
