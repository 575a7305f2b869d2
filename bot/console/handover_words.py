"""What is said of hand-overs: how they stand, why some customers stay, and WeCom's refusals in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bot.console.painting import N_
from bot.wecom.codes import CODES

STATUSES = {
    "planning": N_("正在安排"), "running": N_("正在进行"), "paused": N_("已暂停"), "done": N_("已完成"),
    "cancelled": N_("已取消"),
}  # fmt: skip
#: Of a customer, or a group.
TRANSFERS = {
    "planned": N_("等待发起"),
    "asking": N_("正在发起"),
    "waiting": N_("等待生效（24 小时）"),
    "done": N_("已接手"),
    "refused": N_("客户拒绝"),
    "limit": N_("接手成员客户数已满"),
    "failed": N_("不能交接"),
    "unknown": N_("企业微信没有结果"),
    "cancelled": N_("已取消"),
}
LEFT_OUT = {
    "twice": N_("90 天内已经交接过两次，企业微信不再允许；过了 90 天才能再交接"),
    "under_way": N_("已经在交接中"),
    "done": N_("已经交接过了"),
    "no_share": N_("超出了写明的人数"),
    "not_theirs": N_("不是这位成员的客户"),
}


class Reason(NamedTuple):
    """Why WeCom refused, and what helps."""

    words: str
    help: str


CAUSES = {
    40096: Reason(N_("应用看不到这位客户"), N_("请让管理员同步一次客户数据。")),
    40097: Reason(N_("这位成员还没有离职"), N_("请在企业微信管理后台核对；还在职时按在职交接。")),
    40098: Reason(N_("接手的成员没有实名认证"), N_("请他在企业微信里完成实名认证。")),
    40099: Reason(N_("接手的成员客户数已满"), N_("请换一位成员，或在管理后台提高上限。")),
    40100: Reason(N_("客户正在由别处发起的交接中"), N_("等那次交接有结果后再试。")),
    40128: Reason(N_("90 天内已经交接过两次"), N_("过了 90 天才能再交接。")),
    40129: Reason(N_("客户正在由别处发起的交接中"), N_("等那次交接有结果后再试。")),
    40130: Reason(N_("交出和接手的是同一位成员"), N_("请换一位成员。")),
    40131: Reason(N_("已经不是这位成员的客户"), N_("客户或成员可能已删除对方，不用处理。")),
    40143: Reason(N_("成员已被封禁"), N_("请换一位成员。")),
    40205: Reason(N_("成员一年内没有登录过企业微信"), N_("请他登录一次企业微信。")),
    84061: Reason(N_("不是这位成员的客户，或成员没有客户联系功能"), N_("请在管理后台核对客户联系的使用范围。")),
    90500: Reason(N_("群主还没有离职"), N_("还在职时按在职交接。")),
    90501: Reason(N_("不是客户群，或已解散"), N_("不用处理。")),
    90502: Reason(N_("群主已经离职"), N_("请按离职交接重新安排。")),
    90507: Reason(N_("群正在交接中"), N_("过一会儿再看群主是谁。")),
    90508: Reason(N_("群已经交接给别的成员"), N_("请看现在的群主是谁。")),
    90510: Reason(N_("成员一年内没有登录过企业微信"), N_("请他登录一次企业微信。")),
}


def explain(cause: int, say: Callable[[str], str]) -> Reason:
    """Why WeCom refused, in the reader's language."""
    found = CAUSES.get(cause)
    if found is not None:
        return Reason(say(found.words), say(found.help))
    code = CODES.get(cause)
    return Reason(code.meaning if code else "", code.remedy if code else "")
