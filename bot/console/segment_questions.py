"""What the form of a segment asks: each leaf of the tree with its fields, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bot.console.customer_words import ADD_WAYS, FOLLOW_STATUSES, GENDERS, ORDER_STATUSES, ORIGINS, TYPES, WISHES
from bot.console.painting import N_
from data.rules.segment_leaves import FIELD_QUESTIONS

#: Fields with several values.
LISTS = frozenset({"named", "checks"})


class Question(NamedTuple):
    """A field of a leaf.

    `kind`: named (several of `source`, by name), pick (one of `source`), checks (several of `options`), select (one of
    `options`), number, money, date, text, tick (true or nothing) or yes_no.
    """

    name: str
    kind: str
    text: str
    options: Mapping[str, str] = {}
    source: str = ""


class Asked(NamedTuple):
    """A leaf: how it is called and what it asks."""

    text: str
    questions: tuple[Question, ...]

    def find(self, name: str) -> Question | None:
        """One of its questions."""
        return next((each for each in self.questions if each.name == name), None)


_MATCHES = {"any": N_("有其中任意一个"), "all": N_("全部都有"), "none": N_("一个也没有")}
_WITHIN = Question("within_days", "number", N_("最近几天内（0 是今天）"))
_BEFORE = Question("more_than_days_ago", "number", N_("超过几天以前"))
_COUNTED = Question("within_days", "number", N_("只算最近几天（不填：全部）"))

LEAVES: Mapping[str, Asked] = {
    "tags": Asked(
        N_("标签"),
        (Question("match", "select", N_("怎样算符合"), _MATCHES), Question("tag_ids", "named", N_("标签"), {}, "tags")),
    ),
    "staff": Asked(N_("跟进的同事"), (Question("userids", "named", N_("同事"), {}, "staff"),)),
    "department": Asked(
        N_("同事所在部门"), (Question("department_ids", "named", N_("部门（含下级）"), {}, "departments"),)
    ),
    "channel": Asked(
        N_("来源渠道"),
        (
            Question("states", "named", N_("渠道"), {}, "channels"),
            Question("state_prefixes", "named", N_("或渠道标识以此开头")),
        ),
    ),
    "add_way": Asked(N_("添加方式"), (Question("add_ways", "checks", N_("添加方式"), ADD_WAYS),)),
    "added": Asked(
        N_("添加时间"),
        (_WITHIN, _BEFORE, Question("since", "date", N_("从哪天起")), Question("until", "date", N_("到哪天为止"))),
    ),
    "gender": Asked(N_("性别"), (Question("genders", "checks", N_("性别"), GENDERS),)),
    "type": Asked(N_("客户类型"), (Question("types", "checks", N_("客户类型"), TYPES),)),
    "origin": Asked(N_("怎么来的"), (Question("origins", "checks", N_("怎么来的"), ORIGINS),)),
    "status": Asked(N_("好友状态（流失）"), (Question("statuses", "checks", N_("好友状态"), FOLLOW_STATUSES),)),
    "group": Asked(
        N_("客户群"),
        (
            Question("match", "select", N_("怎样算符合"), _MATCHES),
            Question("chat_ids", "named", N_("客户群（不填：所有群）"), {}, "groups"),
        ),
    ),
    "last_touch": Asked(
        N_("最近一次触达"), (Question("never", "tick", N_("从未触达")), _WITHIN, _BEFORE)
    ),
    "touches": Asked(
        N_("触达次数"),
        (
            Question("at_least", "number", N_("至少几次")),
            Question("at_most", "number", N_("最多几次")),
            _COUNTED,
        ),
    ),
    "campaign": Asked(
        N_("群发结果"),
        (
            Question("campaign_id", "pick", N_("群发"), {}, "campaigns"),
            Question(
                "did", "select", N_("结果"),
                {"received": N_("收到了"), "not_received": N_("没有收到"), "clicked": N_("点了里面的链接")},
            ),
        ),
    ),
    "link": Asked(
        N_("点过链接"), (Question("link_id", "pick", N_("跟踪链接"), {}, "links"), _COUNTED)
    ),
    "orders": Asked(
        N_("订单"),
        (
            Question("count_at_least", "number", N_("至少几单")),
            Question("count_at_most", "number", N_("最多几单")),
            Question("yuan_at_least", "money", N_("合计至少多少元")),
            Question("yuan_at_most", "money", N_("合计最多多少元")),
            _COUNTED,
            Question("last_within_days", "number", N_("最后一单在最近几天内")),
            Question("last_more_than_days_ago", "number", N_("最后一单超过几天以前")),
            Question("statuses", "checks", N_("哪些订单"), ORDER_STATUSES),
        ),
    ),
    "silent": Asked(
        N_("没有动静"), (Question("for_days", "number", N_("至少几天没有下单、点链接、入群或朋友圈互动")),)
    ),
    "birthday": Asked(N_("生日"), (Question("within_days", "number", N_("在今后几天内（0 是今天）")),)),
    "field": Asked(
        N_("自定义字段"),
        (
            Question("name", "pick", N_("字段"), {}, "fields"),
            Question("is_set", "yes_no", N_("填了没有")),
            Question("equals", "text", N_("等于")),
            Question("one_of", "named", N_("是其中之一")),
            Question("contains", "text", N_("包含")),
            Question("number_equals", "money", N_("等于")),
            Question("at_least", "money", N_("不小于")),
            Question("at_most", "money", N_("不大于")),
            Question("more_than", "money", N_("大于")),
            Question("less_than", "money", N_("小于")),
            Question("on", "date", N_("正好在")),
            Question("before", "date", N_("早于")),
            Question("after", "date", N_("晚于")),
            Question("next_days", "number", N_("在今后几天内（含今天）")),
            Question("last_days", "number", N_("在过去几天内（含今天）")),
            Question("flag", "yes_no", N_("是或否")),
        ),
    ),
    "preference": Asked(N_("消息意愿"), (Question("wishes", "checks", N_("意愿"), WISHES),)),
    "form": Asked(
        N_("表单"),
        (
            Question("form", "pick", N_("表单"), {}, "forms"),
            Question("did", "select", N_("结果"), {"answered": N_("填过"), "not_answered": N_("没有填过")}),
            _COUNTED,
            Question("question", "text", N_("问题的标识（问答案时填）")),
            Question("one_of", "named", N_("答案是其中之一")),
            Question("ticked", "yes_no", N_("勾选了没有")),
        ),
    ),
    "roster": Asked(N_("客户名单"), (Question("roster_id", "pick", N_("名单"), {}, "rosters"),)),
}  # fmt: skip


def questions_of_kind(kind: str) -> frozenset[str]:
    """What is asked of a custom field of a kind."""
    return frozenset({"name", "is_set", *FIELD_QUESTIONS.get(kind, ())})
