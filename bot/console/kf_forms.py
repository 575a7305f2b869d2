"""Forms of customer service: what they offer, and what was typed, as the JSON of a rule or of an account's choices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bot.console.asks import Ask
from bot.console.painting import N_
from bot.console.rule_forms import chosen, lines, whole
from data.rules.kf_answers import ANSWERS_MAX

ON = {"message": N_("客户发来消息"), "enter": N_("客户进入会话（欢迎语）")}
HOW = {"contains": N_("包含任意一个"), "exact": N_("完全等于任意一个"), "pattern": N_("符合任意一个正则表达式")}
HOURS = {"any": N_("任何时间"), "open": N_("营业时间内"), "closed": N_("营业时间外")}
MSGTYPES = {
    "text": N_("文字"), "image": N_("图片"), "voice": N_("语音"), "video": N_("视频"), "file": N_("文件"),
    "location": N_("位置"), "link": N_("链接"), "miniprogram": N_("小程序"), "business_card": N_("名片"),
    "channels": N_("视频号"), "channels_shop_product": N_("视频号商品"), "channels_shop_order": N_("视频号订单"),
    "merged_msg": N_("聊天记录"), "meeting": N_("会议"), "calendar": N_("日程"), "note": N_("笔记"),
}  # fmt: skip
ANSWER_TYPES = {
    "text": N_("文字"), "image": N_("图片"), "link": N_("链接"), "miniprogram": N_("小程序"), "msgmenu": N_("菜单"),
}  # fmt: skip
#: By the stable name of a condition.
CONDITION_WORDS = {
    "menu": N_("菜单"), "words": N_("关键词"), "msgtype": N_("消息类型"), "first": N_("第一次咨询"),
    "hours": N_("营业时间"), "scene": N_("进入场景"), "again_minutes": N_("间隔（分钟）"),
    "knowledge": N_("知识库里有答案"),
}  # fmt: skip
VALUE_WORDS = {
    "none": N_("没有"), "not_found": N_("没有找到"), "open": N_("营业时间内"), "closed": N_("营业时间外"),
    "an answer": N_("有答案"),
}  # fmt: skip
_FIELDS = {
    "text": ("text",), "image": ("media",), "link": ("title", "desc", "url", "media"),
    "miniprogram": ("title", "appid", "page", "media"), "msgmenu": (),
}  # fmt: skip


def read_conditions(ask: Ask) -> dict[str, Any]:
    """The conditions of a rule."""
    return {
        "words": lines(ask, "conditions.words"),
        "how": ask.text("conditions.how", 20) or "contains",
        "menu_ids": lines(ask, "conditions.menu_ids"),
        "msgtypes": ask.texts("conditions.msgtypes"),
        "first": ask.text("conditions.first") == "yes",
        "hours": ask.text("conditions.hours", 20) or "any",
        "scenes": lines(ask, "conditions.scenes"),
    }


def read_answers(ask: Ask) -> list[dict[str, Any]]:
    """The answers; those without a type are none."""
    found = []
    for number in range(ANSWERS_MAX + 1):
        path = f"answers[{number}]"
        kind = ask.text(f"{path}.msgtype", 20)
        if not kind:
            continue
        answer: dict[str, Any] = {"msgtype": kind}
        for name in _FIELDS.get(kind, ()):
            answer[name] = ask.text(f"{path}.{name}", 4000)
        if kind == "msgmenu":
            answer |= {"head": ask.text(f"{path}.text", 2000), "tail": ask.text(f"{path}.tail", 2000),
                       "items": read_menu(ask.text(f"{path}.items", 20_000))}  # fmt: skip
        found.append(answer)
    return found


def read_menu(text: str) -> list[dict[str, Any]]:
    """A line each: `words | #id` is tapped, `words | https://…` opens a page, `words | appid page.html` opens a
    mini-program, and words alone cannot be tapped."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        words, bar, target = (part.strip() for part in line.rpartition("|"))
        if not bar:
            words, target = target, ""
        if not words and not target:
            continue
        if target.startswith("#"):
            found.append({"kind": "click", "words": words, "id": target[1:].strip()})
        elif re.match(r"https?://", target):
            found.append({"kind": "view", "words": words, "url": target})
        elif target:
            appid, _, page = target.partition(" ")
            found.append({"kind": "miniprogram", "words": words, "appid": appid, "page": page.strip()})
        else:
            found.append({"kind": "text", "words": words})
    return found


def menu_lines(items: Iterable[Mapping[str, Any]]) -> str:
    """The same back."""
    told = []
    for item in items:
        target = {
            "click": f"#{item.get('id', '')}", "view": item.get("url", ""),
            "miniprogram": f"{item.get('appid', '')} {item.get('page', '')}".strip(),
        }.get(item.get("kind", "text"), "")  # fmt: skip
        told.append(f"{item['words']} | {target}" if target else item["words"])
    return "\n".join(told)


def read_choices(ask: Ask) -> dict[str, Any]:
    """What is chosen of an account."""
    windows = []
    for number in range(20):
        path = f"conditions.windows[{number}]"
        days, start, end = ask.texts(f"{path}.weekdays"), ask.text(f"{path}.start"), ask.text(f"{path}.end")
        if days or start or end:
            windows.append({
                "weekdays": [whole(day) for day in days], "start": start[:5] or "00:00", "end": end[:5] or "00:00"
            })  # fmt: skip
    return {
        "answers": ask.text("answers") == "yes",
        "hours": windows,
        "by_holidays": ask.text("by_holidays") == "yes",
        "picked_text": ask.text("picked_text", 700),
        "ended_text": ask.text("ended_text", 700),
        "told": chosen(ask, "told"),
    }
