"""The menu of the company's app: what the program would have there, what is there, and how it is put there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.phrases import Bilingual
from bot.staff_words import EN
from bot.wecom.errors import WeComError

log = get_logger("staff")

#: WeCom says so where an app has no menu.
NO_MENU = 46003
TODAY_PATH = "/staff/today"
#: The entries below each button, by their keys (`data.rules.assistant.KEYS`).
MENU: tuple[tuple[Bilingual, tuple[tuple[Bilingual, str], ...]], ...] = (
    (Bilingual("今天", "Today"), (
        (Bilingual("今日清单", "My day"), "siyu.today"),
        (Bilingual("群发待办", "To confirm"), "siyu.tasks"),
        (Bilingual("朋友圈", "Moments"), "siyu.posts"),
    )),
    (Bilingual("客户", "Customers"), (
        (Bilingual("找客户", "Find a customer"), "siyu.find"),
        (Bilingual("话术", "Scripts"), "siyu.scripts"),
        (Bilingual("我的收藏", "Favourites"), "siyu.favourites"),
    )),
    (Bilingual("我的", "Mine"), (
        (Bilingual("我的数据", "My numbers"), "siyu.numbers"),
        (Bilingual("团队数据", "Team"), "siyu.team"),
        (Bilingual("计划进度", "Campaigns"), "siyu.progress"),
        (Bilingual("早报时间", "Morning digest"), "siyu.digest"),
        (Bilingual("帮助", "Help"), "siyu.help"),
    )),
)  # fmt: skip


def wanted_menu(language: str, public_url: str = "") -> dict[str, Any]:
    """The menu in WeCom's words. With the bot's public address it leads to the member's list of the day, too."""
    buttons = []
    for name, below in MENU:
        entries: list[dict[str, Any]] = [
            {"type": "click", "name": _said(each, language), "key": key} for each, key in below
        ]
        if public_url and below[0][1] == "siyu.today":
            page = _said(Bilingual("打开清单", "Open the list"), language)
            entries.append({"type": "view", "name": page, "url": f"{public_url}{TODAY_PATH}"})
        buttons.append({"name": _said(name, language), "sub_button": entries})
    return {"button": buttons}


def _said(name: Bilingual, language: str) -> str:
    return name.en if language == EN else str(name)


async def read_menu(ctx: Context) -> Mapping[str, Any]:
    """The app's menu as WeCom has it; empty: none. Raises WeComError."""
    try:
        found = await ctx.wecom.menu.get(ctx.settings.app.agentid)
    except WeComError as error:
        if error.errcode == NO_MENU:
            return {}
        raise
    return {"button": found.get("button") or []}


async def create_menu(ctx: Context) -> Mapping[str, Any]:
    """Put our menu in the place of whatever is there; what it is now. Raises WeComError."""
    menu = wanted_menu(ctx.settings.app.language, ctx.settings.server.public_url)
    await ctx.wecom.menu.create(ctx.settings.app.agentid, menu)
    return menu


async def delete_menu(ctx: Context) -> None:
    """From now on the app has no menu. Raises WeComError."""
    await ctx.wecom.menu.delete(ctx.settings.app.agentid)


def same_menu(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two menus show and do the same: WeCom adds empty lists and its own words to what it was given."""
    return _plain(one) == _plain(other)


def _plain(menu: Mapping[str, Any]) -> list[Any]:
    return [
        [
            button.get("name"), button.get("type") if not button.get("sub_button") else None, button.get("key"),
            button.get("url"), _plain({"button": button.get("sub_button") or []}),
        ]
        for button in menu.get("button") or []
    ]  # fmt: skip


async def ensure_menu(ctx: Context) -> bool:
    """Create our menu where the app has another one, when the setting says so; whether it was. Never raises: staff can
    write what the menu would ask."""
    if not ctx.settings.app.menu or ctx.observes:
        return False
    try:
        if same_menu(await read_menu(ctx), wanted_menu(ctx.settings.app.language, ctx.settings.server.public_url)):
            return False
        await create_menu(ctx)
    except WeComError as error:
        log.warning("menu_not_created", cause=str(error), remedy="siyu menu create, once mended")
        return False
    log.info("menu_created")
    return True
