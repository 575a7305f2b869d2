"""The staff assistant: the variables of each text that answers a member of staff; and the variables of English texts.

The English text is another template, `SLUG_en`, so that who edits one sees one language.
"""

from __future__ import annotations

from dataclasses import replace

from bot.render.variables import Variable

#: Stands in texts for what there is not; templates compare with it.
NOTHING = "无"
LINES_MAX_BYTES = 3_600


def _text(name: str, zh: str, en: str, sample: str, max_bytes: int = 400) -> Variable:
    return Variable(name=name, zh=zh, en=en, fallback=NOTHING, sample=sample, max_bytes=max_bytes)


def _count(name: str, zh: str, en: str, sample: str) -> Variable:
    return Variable(name=name, zh=zh, en=en, fallback="0", sample=sample, max_bytes=32)


CUSTOMER = _text("customer_name", "客户", "customer, as staff know them", "老张（小鱼）", 500)
LINES = _text("lines", "编号列表", "numbered lines", "1. 小鱼\n2. 大山", LINES_MAX_BYTES)

#: Numbers of a week, each with that of the week before.
FIGURES = (
    ("people", "新客户", "people who became customers", "12"),
    ("added", "新增关系", "relations that began", "15"),
    ("left", "流失", "relations that customers ended", "2"),
    ("reached", "群发送达人次", "group-sends that arrived", "310"),
    ("done", "完成任务", "staff tasks done", "9"),
    ("orders", "订单数", "orders paid", "7"),
    ("amount", "订单金额", "yuan", "2,310.00"),
)

SAID = (
    _text("outcome", "结果", "what came of it", "noted", 24),
    CUSTOMER,
    _text("words", "相关文字", "what it is about", "VIP", 1200),
    _text("day", "日期或时间", "a day or a time", "5月25日", 40),
    _count("count", "数量", "a number", "3"),
)

ASSISTANT: dict[str, tuple[Variable, ...]] = {
    "assistant_customer": (
        CUSTOMER,
        _text("status", "关系", "how they stand: present, half, lost, deleted or gone", "present", 16),
        _text("staff_name", "所属员工（自己的客户为空）", "whose customer, where not the asker's own", "李婷", 200),
        _text("company", "客户企业", "the customer's company", "青禾茶业", 300),
        _text("channel_name", "添加渠道", "channel they came through", "门店海报", 300),
        _text("added_on", "添加日期", "day of the add", "5月20日", 40),
        _text("tags", "标签", "tags", "VIP、老客户", 1500),
        _text("mobiles", "电话", "telephone numbers", "13800000000", 200),
        _text("touches", "最近触达", "what reached them last, a line each", "5月20日 群发「春茶上新」", 1500),
        _count("orders", "已付订单数", "paid orders", "3"),
        _text("amount", "订单金额", "yuan", "1,280.00", 40),
        _text("last_order_on", "最近下单", "day of the last order", "5月2日", 40),
        _text("notes", "最近跟进", "the last notes, a line each", "5月18日 喜欢绿茶", 1600),
        _text("next_on", "下次联系", "day of the next contact", "5月25日", 40),
        _text("next_step", "旅程下一步", "what a journey does next", "新客 7 天（5月22日）", 400),
        _count("colleagues", "同时添加的同事数", "colleagues who have them as a contact too", "1"),
    ),
    "assistant_choose": (
        _text("kind", "列表", "what is listed: customers or scripts", "customers", 16),
        LINES,
        _text("more", "是否还有", "yes: there are more than are listed", "yes", 8),
        _text("categories", "话术分类", "categories of scripts", "异议、物流", 600),
    ),
    "assistant_said": SAID,
    "assistant_work": SAID,
    "assistant_today": (
        _text("date", "日期", "day", "5月20日", 40),
        LINES,
        _count("waiting", "排到以后的任务数", "tasks that wait for another day", "4"),
        _count("tasks", "待确认群发数", "group-sends to confirm", "2"),
        _count("posts", "待发表朋友圈数", "posts to publish", "1"),
        _count("unnamed_count", "没有备注的新客户数", "new customers without a remark", "3"),
        _text("unnamed", "没有备注的新客户", "their names", "小鱼、大山", 600),
        _count("lost_count", "流失客户数", "customers who left", "1"),
        _text("lost", "流失客户", "their names", "阿茶", 600),
        _text("missed", "未发出的欢迎语", "welcomes that were not sent, with their words", "小鱼：您好！", 2000),
    ),
    "assistant_numbers": (
        _text("whose", "谁的", "whose: mine or team", "mine", 8),
        _count("members", "成员数", "members of the team", "8"),
        *(
            each
            for name, zh, en, sample in FIGURES
            for each in (
                _count(name, zh, en, sample),
                _count(f"{name}_before", f"上周同期{zh}", f"{en} before", sample),
            )
        ),
    ),
    "daily_day": (
        _count("contacts", "约好今天联系的客户数", "customers to be contacted today", "2"),
        _count("unnamed", "没有备注的新客户数", "new customers without a remark", "3"),
        _count("lost", "流失客户数", "customers who left", "1"),
        _count("missed", "未发出的欢迎语数", "welcomes that were not sent", "1"),
    ),
    "daily_brief": (
        _text("date", "日期", "the day that is told of", "5月19日", 40),
        _count("members", "成员数", "members of the team", "8"),
        *(
            each
            for name, zh, en, sample in FIGURES[:3]
            for each in (
                _count(name, zh, en, sample),
                _count(f"{name}_before", f"前一天{zh}", f"{en} the day before", sample),
            )
        ),
        _count("tasks", "团队待确认群发数", "group-sends that the team is to confirm", "12"),
        _count("posts", "团队待发表朋友圈数", "posts that the team is to publish", "3"),
    ),
    "customers_taken_over": (
        _text("staff_name", "原来的员工", "who had them before", "王强", 200),
        _count("count", "客户数", "how many customers", "128"),
        _count("refused", "没有接替成功的客户数", "customers who did not come over", "2"),
    ),
}

#: What stands in the English texts where nothing is known.
_IN_ENGLISH = {
    "一位客户": "a customer", "一位同事": "a colleague", "未命名的计划": "unnamed campaign", "刚刚": "just now",
    "原因不明": "unknown cause", "今天": "today", "若干": "some", "未知渠道": "unknown channel", "近日": "lately",
    "客户服务部": "no department", "微信客服": "customer service", "未命名的客户群": "unnamed group",
    "一个链接": "a link", "一张表单": "a form", "审批状态有变化": "the request for approval has changed",
    "编号": "NUMBER", "未命名的旅程": "unnamed journey", "近期": "a day soon", "一个获客链接": "an acquisition link",
    "一个渠道": "a channel",
    "客户": "customers", "上一周": "last week", "若干成员": "some members", "？": "?",
    "（没有文字）": "(no words)", "（这条欢迎语没有文字）": "(this welcome has no words)",
}  # fmt: skip


def in_english(variables: tuple[Variable, ...]) -> tuple[Variable, ...]:
    """The same variables, with English where nothing is known."""
    return tuple(replace(each, fallback=_IN_ENGLISH.get(each.fallback, each.fallback)) for each in variables)
