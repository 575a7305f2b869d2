"""What the page of a customer says of each thing that happened to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bot.console.customer_words import ADD_WAYS, FOLLOW_STATUSES, ORDER_STATUSES
from bot.console.painting import N_
from data.queries.timelines import Entry

#: The kinds of entries, by what they are called.
ENTRIES: Mapping[str, str] = {
    "added": N_("成为好友"), "ended": N_("不再是好友"), "touch": N_("触达"), "welcome": N_("没有发出的欢迎语"),
    "order": N_("订单"), "task": N_("同事的任务"), "journey": N_("开始旅程"), "journey_end": N_("旅程结束"),
    "step": N_("没有执行的一步"), "unreached": N_("没有收到的群发"), "click": N_("点链接"), "form": N_("填表单"),
    "note": N_("跟进记录"), "next_contact": N_("约好下次联系"), "contacted": N_("已按约联系"),
    "group": N_("进客户群"), "group_left": N_("退客户群"), "reaction": N_("朋友圈互动"), "kf": N_("客服消息"),
    "change": N_("资料有变动"),
}  # fmt: skip
TOUCHES: Mapping[str, str] = {
    "welcome": N_("欢迎语"), "broadcast": N_("群发"), "test": N_("测试群发"), "own_send": N_("同事自己的群发"),
    "moment": N_("朋友圈"), "kf": N_("微信客服"), "task": N_("同事一对一"),
}  # fmt: skip
TASKS: Mapping[str, str] = {
    "open": N_("等同事处理"), "done": N_("已完成"), "refused": N_("同事选择了不做"), "lapsed": N_("过期没有处理"),
    "withdrawn": N_("已撤回"),
}  # fmt: skip
ENDS: Mapping[str, str] = {
    "finished": N_("走完所有步骤"), "goal": N_("达成目标"), "stop": N_("发生了让旅程结束的事"), "lost": N_("客户流失"),
    "opted_out": N_("客户不希望再收到消息"), "withdrawn": N_("人工移出，或旅程被终止"),
}  # fmt: skip
OUTCOMES: Mapping[str, str] = {
    "moved": N_("顺延"), "not_for": N_("客户不在这一步的人群中"), "held_out": N_("对照组，不触达"),
    "late": N_("到时间时程序没有运行，或旅程被暂停，已过期"), "capped": N_("触达已达上限"),
    "outranked": N_("让位给优先的旅程"),
    "resting": N_("客户希望暂时不收到消息"), "no_sender": N_("没有能联系客户的同事"),
    "closed": N_("客服消息的窗口没有打开"), "failed": N_("执行失败"),
}  # fmt: skip
UNREACHED: Mapping[str, str] = {
    "not_friend": N_("客户已不是好友"), "over_cap": N_("客户收到的群发已达企业微信的上限"),
    "refused": N_("企业微信没有为这位客户建立群发"), "stopped": N_("同事没有在有效期内确认，或已被取消"),
    "opted_out": N_("客户不希望再收到消息"), "paused": N_("客户希望暂时不收到消息"), "capped": N_("触达已达上限"),
    "duplicate": N_("由另一位同事发送"), "sender_unable": N_("同事已离职或没有客户联系权限"),
    "left": N_("发送时客户已不是好友"), "bought": N_("客户刚刚购买过"), "hold_out": N_("对照组，不触达"),
    "sender_excluded": N_("同事不参加"), "sender_on_leave": N_("同事休假，没有替班的人"),
    "journey_over": N_("发送之前旅程已经结束"),
}  # fmt: skip
KF_AUTHORS: Mapping[str, str] = {"customer": N_("客户说"), "us": N_("客服账号回复"), "servicer": N_("接待人员回复")}
#: What colleagues changed, in the console, beside the chat or in the app.
CHANGES: Mapping[str, str] = {
    "customers.tags": N_("改标签"), "customers.remark": N_("改备注"), "customers.fields": N_("改生日或自定义字段"),
    "customers.preference": N_("改了愿意收到什么"), "customers.note_remove": N_("删除了一条跟进记录"),
    "customers.claim_order": N_("认领订单"), "customers.export": N_("导出了这位客户的资料"),
    "tasks.done": N_("完成了任务"), "tasks.later": N_("推迟了任务"), "tasks.refuse": N_("选择了不联系"),
    "kf.say": N_("在客服会话里发了消息"), "kf.state": N_("变更了客服会话"), "imports.decide": N_("确认了导入的一行"),
}  # fmt: skip
REACTIONS: Mapping[str, str] = {"like": N_("点赞"), "comment": N_("评论")}


class _Saying(NamedTuple):
    """An entry as it is told: what is known of it, who it was, and how words are said."""

    told: Mapping[str, Any]
    who: str
    ask: Any

    def word(self, table: Mapping[str, str], key: Any) -> str:
        """A word of a table in the reader's language."""
        return str(self.ask._(table[key])) if key in table else str(key or "")


def _added(it: _Saying) -> list[str]:
    way = it.told["add_way"]
    return [it.who, "" if way is None else it.word(ADD_WAYS, str(way)), it.told["state"]]


def _ordered(it: _Saying) -> list[str]:
    told = it.told
    return [told["source"], told["number"], it.word(ORDER_STATUSES, told["status"]), f"¥{told['fen'] / 100:,.2f}"]


def _asked(it: _Saying) -> list[str]:
    return [it.told["name"], it.who, it.word(TASKS, it.told["status"]), it.told["words"][:120]]


def _not_done(it: _Saying) -> list[str]:
    return [it.told["name"], it.told["step"], it.ask.told(it.told["reason"]) or it.word(OUTCOMES, it.told["outcome"])]


def _answered(it: _Saying) -> list[str]:
    return [it.told["name"], *(f"{title}{it.ask._('：')}{_value(value)}" for title, value in it.told["answers"])]


_PARTS: Mapping[str, Callable[[_Saying], list[str]]] = {
    "added": _added,
    "ended": lambda it: [it.who, it.word(FOLLOW_STATUSES, it.told["status"])],
    "touch": lambda it: [it.word(TOUCHES, it.told["kind"]), it.told["name"], it.who],
    "welcome": lambda it: [it.who, it.ask.told(it.told["note"])],
    "order": _ordered,
    "task": _asked,
    "journey_end": lambda it: [it.told["name"], it.word(ENDS, it.told["reason"])],
    "step": _not_done,
    "unreached": lambda it: [it.told["name"], it.word(UNREACHED, it.told["state"])],
    "click": lambda it: [it.told["name"], it.ask._("%(count)s 次", count=it.told["clicks"])],
    "form": _answered,
    "kf": lambda it: [it.word(KF_AUTHORS, it.told["author"]), it.who, it.told["words"][:120]],
    "reaction": lambda it: [it.word(REACTIONS, it.told["kind"]), it.who],
    "change": lambda it: [it.told["who"], it.word(CHANGES, it.told["action"])],
    "note": lambda it: [it.told["by"] or it.who, it.told["words"][:300]],
    "next_contact": lambda it: [it.who, it.told["on"]],
    "contacted": lambda it: [it.who],
}


def said(ask: Any, entry: Entry, names: Mapping[str, str]) -> str:
    """What is told of an entry beside its title, in the reader's language."""
    userid = entry.told.get("userid", "")
    it = _Saying(entry.told, names.get(userid, userid), ask)
    parts = _PARTS[entry.kind](it) if entry.kind in _PARTS else [entry.told.get("name", "")]
    return " · ".join(part for part in parts if part)


def _value(value: Any) -> str:
    return "、".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
