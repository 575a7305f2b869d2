"""The customer groups: whose they are, who is in them, what was sent to them, and how many came and went."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.campaign_words import RECIPIENTS
from bot.console.painting import N_
from bot.refresh import refresh_group
from data.queries import group_figures as figures
from data.queries import group_pages as rows
from data.queries.customer_pages import map_names
from data.rules.schedule import local_datetime

PATH = "/console/groups"
ROWS, MEMBERS_SHOWN = 50, 100
#: How somebody came in.
SCENES = {1: N_("被邀请"), 2: N_("邀请链接"), 3: N_("扫码")}
#: How many came and went is shown of so many days, WeCom's figures of one of these numbers.
DAYS, PERIODS = 30, (30, 90, 365)
FIGURES = {
    "chats_total": N_("群总数"), "chats_new": N_("新增群"), "members_total": N_("群总人数"),
    "members_new": N_("新增人数"), "chats_active": N_("有消息的群"), "members_active": N_("发言人数"),
    "messages": N_("消息数"),
}  # fmt: skip


async def show_list(ask: Ask) -> web.Response:
    """Groups, the newest first: of the owners whose customers one sees."""
    text, dismissed = ask.request.query.get("q", "").strip()[:64], ask.request.query.get("state") == "dismissed"

    def read(session: Session) -> list[rows.GroupShown]:
        return rows.list_page(
            session, ask.visible(session), text=text, dismissed=dismissed, limit=ROWS + 1,
            before=rows.read_place(ask.request.query.get("before", "")),
        )  # fmt: skip

    found = await ask.db.read(read)
    older = found[ROWS - 1].place if len(found) > ROWS else None
    return ask.show("groups", groups=found[:ROWS], older=older, text=text, dismissed=dismissed)


async def show_one(ask: Ask) -> web.Response:
    """One group."""
    chat_id, gone = ask.request.match_info["chat_id"], ask.request.query.get("members") == "gone"

    def read(session: Session) -> dict[str, Any]:
        visible = ask.visible(session)
        group = rows.get_shown(session, chat_id, visible)
        after = ask.request.query.get("after", "")[:64]
        members = rows.list_members(session, chat_id, visible, gone=gone, after=after, limit=MEMBERS_SHOWN + 1)
        return {
            "group": group,
            "members": members[:MEMBERS_SHOWN],
            "after": members[MEMBERS_SHOWN - 1].userid if len(members) > MEMBERS_SHOWN else None,
            "days": rows.list_days(session, chat_id, ask.now, ask.zone, DAYS),
            "sendings": rows.list_sendings(session, chat_id) if ask.may("manager") else [],
        }

    return ask.show("group", gone=gone, scenes=SCENES, texts=RECIPIENTS, **await ask.db.read(read))


async def fetch(ask: Ask) -> web.Response:
    """Read one from WeCom again: what missed events left wrong is mended."""
    chat_id = ask.request.match_info["chat_id"]
    await ask.db.read(lambda session: rows.get_shown(session, chat_id, ask.visible(session)))
    await refresh_group(ask.ctx, chat_id)
    return ask.go(f"{PATH}/{chat_id}", "saved")


async def show_statistics(ask: Ask) -> web.Response:
    """WeCom's own figures as they were read every morning: by day, and by owner, of all whose customers one sees."""
    days = next((each for each in PERIODS if str(each) == ask.request.query.get("days")), PERIODS[0])
    until = local_datetime(ask.now, ask.zone).date() - timedelta(days=1)
    since, chosen = until - timedelta(days=days - 1), ask.request.query.get("owner", "")[:64]

    def read(session: Session) -> dict[str, Any]:
        visible = ask.visible(session)
        owners = figures.list_owners(session, since, until, visible)
        wanted = [chosen] if chosen in owners else visible
        return {
            "owners": owners,
            "names": map_names(session, set(owners)),
            "items": figures.list_days(session, since, until, wanted),
            "by_owner": figures.list_by_owner(session, since, until, wanted),
        }

    return ask.show(
        "group_statistics", chosen=chosen, days=days, periods=PERIODS, columns=FIGURES, **await ask.db.read(read)
    )
