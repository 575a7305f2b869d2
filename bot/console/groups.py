"""The customer groups: whose they are, who is in them, what was sent to them, and how many came and went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.campaign_words import RECIPIENTS
from bot.console.painting import N_
from bot.refresh import refresh_group
from data.queries import group_pages as rows
from data.queries.accounts import list_visible
from data.queries.customer_pages import map_names
from data.queries.staff import list_followers
from data.rules.schedule import day_began, local_datetime

PATH = "/console/groups"
ROWS, MEMBERS_SHOWN = 50, 100
#: How somebody came in.
SCENES = {1: N_("被邀请"), 2: N_("邀请链接"), 3: N_("扫码")}
#: WeCom's figures go back so far, and are asked for so many owners at once.
DAYS, OWNERS_AT_ONCE = 30, 100


async def show_list(ask: Ask) -> web.Response:
    """Groups, the newest first: of the owners whose customers one sees."""
    text, dismissed = ask.request.query.get("q", "").strip()[:64], ask.request.query.get("state") == "dismissed"

    def read(session: Session) -> list[rows.GroupShown]:
        return rows.list_page(
            session, list_visible(session, ask.account), text=text, dismissed=dismissed, limit=ROWS + 1,
            before=rows.read_place(ask.request.query.get("before", "")),
        )  # fmt: skip

    found = await ask.db.read(read)
    older = found[ROWS - 1].place if len(found) > ROWS else None
    return ask.show("groups", groups=found[:ROWS], older=older, text=text, dismissed=dismissed)


async def show_one(ask: Ask) -> web.Response:
    """One group."""
    chat_id, gone = ask.request.match_info["chat_id"], ask.request.query.get("members") == "gone"

    def read(session: Session) -> dict[str, Any]:
        visible = list_visible(session, ask.account)
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
    await ask.db.read(lambda session: rows.get_shown(session, chat_id, list_visible(session, ask.account)))
    await refresh_group(ask.ctx, chat_id)
    return ask.go(f"{PATH}/{chat_id}", "saved")


async def show_statistics(ask: Ask) -> web.Response:
    """WeCom's own figures of each day, of the groups of one owner or of all whom one sees."""

    def read(session: Session) -> tuple[list[str], dict[str, str]]:
        visible = list_visible(session, ask.account)
        found = [each for each in list_followers(session) if visible is None or each in visible]
        return found, map_names(session, set(found))

    owners, names = await ask.db.read(read)
    chosen = ask.request.query.get("owner", "")
    wanted = [chosen] if chosen in owners else owners[:OWNERS_AT_ONCE]
    items: list[dict[str, Any]] = []
    if wanted:
        today = local_datetime(ask.now, ask.zone).date()
        begin, end = today - timedelta(days=DAYS), today - timedelta(days=1)
        answer = await ask.ctx.wecom.external_contact_group_chat.statistic_group_by_day(
            int(day_began(begin, ask.zone).timestamp()), int(day_began(end, ask.zone).timestamp()), wanted
        )
        items = sorted(answer.get("items") or [], key=lambda each: int(each["stat_time"]))

    def day_of(at: object) -> str:
        return f"{local_datetime(datetime.fromtimestamp(int(str(at)), UTC), ask.zone):%Y-%m-%d}"

    return ask.show(
        "group_statistics", owners=owners, names=names, chosen=chosen, items=items, all_of=len(owners),
        asked_of=len(wanted), stat_day=day_of,
    )  # fmt: skip
