"""Alerts: the variables of each text that staff get from the app."""

from __future__ import annotations

from dataclasses import replace

from bot.render.variables import ADDED_DATE, DEPARTMENT_NAME, WELCOME_MAX_BYTES, Variable

#: Alerts name the customer as our records know them; nobody waits for WeCom to learn a name.
ALERT_CUSTOMER = Variable(name="customer_name", zh="客户昵称", en="customer's name", fallback="一位客户", sample="小鱼")
ALERT_STAFF = Variable(name="staff_name", zh="员工姓名", en="staff member's name", fallback="一位同事", sample="李婷")
HAPPENED_AT = Variable(
    name="happened_at", zh="发生时间", en="when it happened", fallback="刚刚", sample="5月20日 14:05", max_bytes=64
)
ALERT_CHANNEL = Variable(
    name="channel_name", zh="添加渠道", en="channel the customer came through", fallback="未知渠道", sample="门店海报"
)
KF_ACCOUNT = Variable(
    name="account_name", zh="客服账号", en="customer-service account", fallback="微信客服", sample="青禾客服"
)
CAUSE = Variable(
    name="cause", zh="原因", en="cause", fallback="原因不明", sample="超过了 20 秒的发送时限", max_bytes=512
)

#: Names have up to 64 characters.
CAMPAIGN_NAME = Variable(
    name="campaign_name", zh="计划名称", en="campaign's name", fallback="未命名的计划", sample="周末上新", max_bytes=256
)
#: Stands in texts for a list without items; templates compare with it.
NOTHING = "无"


def _count(name: str, zh: str, en: str, sample: str, fallback: str = "0") -> Variable:
    """A number, as people read it; `fallback` where nothing is told."""
    return Variable(name=name, zh=zh, en=en, fallback=fallback, sample=sample, max_bytes=32)


def _some(name: str, zh: str, en: str, sample: str) -> Variable:
    """A number that a text always has."""
    return _count(name, zh, en, sample, "若干")


def _outcome(en: str, fallback: str, sample: str) -> Variable:
    """What has happened, in one word that templates compare."""
    return Variable(name="outcome", zh="情况", en=en, fallback=fallback, sample=sample, max_bytes=16)


CAMPAIGN_NUMBER = Variable(
    name="campaign_id", zh="计划编号", en="campaign's number", fallback="？", sample="12", max_bytes=32
)
RUN_NUMBER = Variable(
    name="run_id", zh="执行编号", en="number of the sending", fallback="编号", sample="31", max_bytes=32
)
UNCONFIRMED = _some("unconfirmed", "未确认任务数", "tasks that staff may still confirm", "15")
CAMPAIGN_COUNTS = (
    _some("sent", "已收到人数", "customers who have received it", "980"),
    _some("recipients", "应收人数", "customers who are to", "1000"),
)
TO_CUSTOMERS = (
    _count("recipients", "应收客户数", "customers who are to receive it", "1,200"),
    _count("sent", "已收客户数", "customers who have", "640"),
)
TO_GROUPS = (
    _count("groups", "应发客户群数", "customer groups it is for", "30"),
    _count("groups_sent", "已发客户群数", "of these sent to", "12"),
)
REFUSED = _count("refused", "被拒绝数", "recipients that WeCom refused", "3")
POSTS = (
    _count("posts", "应发表人数", "members who are to publish a post", "20"),
    _count("published", "已发表人数", "of these who have", "9"),
)

ALERTS: dict[str, tuple[Variable, ...]] = {
    "customer_lost": (ALERT_CUSTOMER, ALERT_STAFF, ADDED_DATE, HAPPENED_AT, ALERT_CHANNEL),
    "customer_deleted": (
        ALERT_CUSTOMER,
        ALERT_STAFF,
        DEPARTMENT_NAME,
        ADDED_DATE,
        HAPPENED_AT,
        ALERT_CHANNEL,
    ),
    "welcome_missed": (
        ALERT_CUSTOMER,
        ALERT_STAFF,
        HAPPENED_AT,
        ALERT_CHANNEL,
        CAUSE,
        Variable(
            name="words",
            zh="欢迎语原文",
            en="the words to send by hand",
            fallback="（这条欢迎语没有文字）",
            sample="您好，我是李婷，很高兴认识您！",
            max_bytes=WELCOME_MAX_BYTES,
        ),
    ),
    "transfer_failed": (ALERT_CUSTOMER, ALERT_STAFF, HAPPENED_AT, CAUSE),
    "kf_waiting": (ALERT_CUSTOMER, KF_ACCOUNT, HAPPENED_AT),
    "kf_draft": (ALERT_CUSTOMER, KF_ACCOUNT, HAPPENED_AT),
    "kf_missed": (
        ALERT_CUSTOMER,
        KF_ACCOUNT,
        HAPPENED_AT,
        CAUSE,
        Variable(
            name="words",
            zh="没有发出的话",
            en="the words that did not go out",
            fallback="（没有文字）",
            sample="您好，这里是青禾茶园客服。",
            max_bytes=2048,
        ),
    ),
    "group_dismissed": (
        Variable(name="group_name", zh="群名", en="group's name", fallback="未命名的客户群", sample="青禾茶友群"),
        Variable(name="owner_name", zh="群主", en="group's owner", fallback="一位同事", sample="李婷"),
        HAPPENED_AT,
        _some("member_count", "解散前人数", "members before", "128"),
    ),
    "link_clicked": (
        ALERT_CUSTOMER,
        Variable(name="link_name", zh="链接名称", en="link's name", fallback="一个链接", sample="春茶上新"),
        HAPPENED_AT,
    ),
    "form_answered": (
        ALERT_CUSTOMER,
        Variable(
            name="form_title", zh="表单标题", en="form's title", fallback="一张表单", sample="生日礼遇", max_bytes=400
        ),
        Variable(
            name="answers",
            zh="填写的内容",
            en="what was answered, a line each",
            fallback=NOTHING,
            sample="您的生日：农历8月15日",
            max_bytes=4096,
        ),
        HAPPENED_AT,
    ),
    "campaign_approval": (
        CAMPAIGN_NAME,
        Variable(
            name="outcome",
            zh="审批结果",
            en="what became of the request for approval",
            fallback="审批状态有变化",
            sample="李婷已批准，现在可以开始发送",
            max_bytes=1024,
        ),
    ),
    "campaign_paused": (CAMPAIGN_NAME, HAPPENED_AT, CAUSE, *CAMPAIGN_COUNTS),
    "campaign_words_due": (CAMPAIGN_NAME, HAPPENED_AT, CAUSE, *CAMPAIGN_COUNTS, RUN_NUMBER),
    "campaign_finished": (
        CAMPAIGN_NAME,
        HAPPENED_AT,
        replace(CAUSE, fallback=NOTHING),
        *CAMPAIGN_COUNTS,
    ),
    "campaign_failed": (CAMPAIGN_NAME, HAPPENED_AT, CAUSE, *CAMPAIGN_COUNTS),
    "campaign_refusals": (
        CAMPAIGN_NAME,
        CAMPAIGN_NUMBER,
        HAPPENED_AT,
        CAUSE,
        _some("refused", "被拒绝人数", "recipients refused", "320"),
        _some("recipients", "已下发人数", "recipients asked for", "1000"),
        _some("calls", "出错的任务数", "calls in trouble", "12"),
        UNCONFIRMED,
    ),
    "campaign_leaving": (
        CAMPAIGN_NAME,
        CAMPAIGN_NUMBER,
        HAPPENED_AT,
        _some("left", "离开人数", "customers who left", "42"),
        _some("usual", "平时人数", "how many usually do", "3"),
        _some("hours", "统计小时数", "hours counted", "48"),
        UNCONFIRMED,
    ),
    "journey_paused": (
        Variable(
            name="journey_name",
            zh="旅程名称",
            en="journey's name",
            fallback="未命名的旅程",
            sample="新客 7 天",
            max_bytes=256,
        ),
        _some("journey_id", "旅程编号", "journey's number", "7"),
        HAPPENED_AT,
        CAUSE,
    ),
    "acquisition_quota": (
        _outcome("exhausted, low or expires", "low", "expires"),
        _count("balance", "剩余额度", "customers who may still be added", "18"),
        _count("total", "总额度", "customers of the whole quota", "1,000"),
        _count("expiring", "将到期的额度", "how many of them end soon", "100"),
        Variable(
            name="expires_on", zh="到期日", en="when these end", fallback="近期", sample="2026-03-15", max_bytes=32
        ),
    ),
    "acquisition_link": (
        Variable(
            name="channel_name", zh="获客链接名称", en="link's name", fallback="一个获客链接", sample="朋友圈广告"
        ),
        _some("channel_id", "渠道编号", "channel's number", "7"),
        _outcome("unavailable or deleted", "unavailable", "deleted"),
        HAPPENED_AT,
    ),
    "channel_stranded": (
        Variable(
            name="channel_names",
            zh="渠道名称",
            en="channels' names, the first five",
            fallback="一个渠道",
            sample="门店海报 / 朋友圈广告",
        ),
        _count("count", "渠道数", "channels", "2"),
        _outcome("nobody, last_resort or stuck", "nobody", "last_resort"),
        HAPPENED_AT,
    ),
    "day_list": (
        _some("count", "客户数", "customers on the list", "12"),
        Variable(
            name="customers",
            zh="客户昵称",
            en="the first few by name",
            fallback="客户",
            sample="小鱼、阿茶、大山",
            max_bytes=1024,
        ),
        _count("more", "未列出的客户数", "customers who are not named", "9"),
        Variable(
            name="address",
            zh="页面网址",
            en="where the list is",
            fallback=NOTHING,
            sample="https://bot.example.com/staff/today",
            max_bytes=256,
        ),
    ),
    "weekly_report": (
        Variable(
            name="period",
            zh="从哪天到哪天",
            en="from which day to which",
            fallback="上一周",
            sample="2026-03-02 – 2026-03-08",
            max_bytes=64,
        ),
        _count("people", "新客户", "people who became customers", "128"),
        _count("people_before", "上周新客户", "the week before", "117"),
        _count("added", "新增关系", "relations that began", "141"),
        _count("added_before", "上周新增关系", "the week before", "126"),
        _count("left", "流失", "relations that customers ended", "9"),
        _count("left_before", "上周流失", "the week before", "12"),
        _count("welcomes", "欢迎语及时率", "welcomes in time", "99.2%", "—"),
        _count("confirmed", "群发确认率", "group-sends that staff have confirmed", "87.5%", "—"),
        _count("reached", "送达人次", "group-sends that have arrived", "3,410"),
        _count("done", "完成任务", "staff tasks done", "64"),
        _count("orders", "订单数", "orders paid", "52"),
        _count("amount", "订单金额", "yuan", "18,230.00"),
        _count("amount_before", "上周订单金额", "the week before", "15,900.00"),
        _count("chats", "聊天数", "chats, as WeCom counts", "930"),
        _count("messages", "发送消息数", "messages sent", "4,120"),
        _count("reply_rate", "回复率", "reply rate", "94.1%", "—"),
        _count("reply_minutes", "首次回复分钟数", "minutes until the first reply", "6.3", "—"),
        _count("deletions", "删除/拉黑", "customers who deleted or blocked", "11"),
        Variable(
            name="address",
            zh="页面网址",
            en="where the report is",
            fallback=NOTHING,
            sample="https://bot.example.com/console/reports",
            max_bytes=256,
        ),
    ),
    "daily_tasks": (
        _count("tasks", "待确认任务数", "group-send tasks to confirm", "3"),
        _count("customers", "客户数", "customers they are for", "210"),
        _count("groups", "客户群数", "customer groups they are for", "4"),
        _count("posts", "待发表朋友圈数", "posts in Moments to publish", "1"),
    ),
    "daily_campaign": (
        CAMPAIGN_NAME,
        CAMPAIGN_NUMBER,
        Variable(
            name="status",
            zh="状态",
            en="how it stands: paused, words_due, sending or awaiting",
            fallback="sending",
            sample="awaiting",
            max_bytes=16,
        ),
        _count("tasks", "任务数", "group-send tasks", "12"),
        _count("confirmed", "已确认任务数", "of these confirmed", "7"),
        *TO_CUSTOMERS,
        *TO_GROUPS,
        REFUSED,
        *POSTS,
        Variable(
            name="departments",
            zh="各部门进度",
            en="departments, and how much each has done",
            fallback=NOTHING,
            sample="一店 3/5、二店 4/7",
            max_bytes=512,
        ),
    ),
    "daily_waiting": (
        Variable(
            name="kind",
            zh="事项",
            en="what waits: approval, unknown, words or paused",
            fallback="unknown",
            sample="approval",
            max_bytes=16,
        ),
        CAMPAIGN_NAME,
        CAMPAIGN_NUMBER,
        HAPPENED_AT,
        _count("count", "数量", "how many customers or calls", "1,200"),
        CAUSE,
    ),
    "daily_campaigns": (
        Variable(name="date", zh="日期", en="day", fallback="今天", sample="5月20日", max_bytes=64),
        _count("count", "进行中的计划数", "campaigns that go on", "2"),
        Variable(
            name="campaigns",
            zh="各计划的进度",
            en="how they stand, a line each",
            fallback=NOTHING,
            sample="「周末上新」7/12 个任务已确认",
            max_bytes=4096,
        ),
        Variable(
            name="waiting",
            zh="等待处理的事项",
            en="what waits for this manager, a line each",
            fallback=NOTHING,
            sample="「三月上新」等待审批",
            max_bytes=3072,
        ),
    ),
    "reply": (
        Variable(
            name="words", zh="回复内容", en="what is answered", fallback=NOTHING, sample="没有待办", max_bytes=7000
        ),
        Variable(name="asked_at", zh="时间", en="when it was asked", fallback="刚刚", sample="14:05:09", max_bytes=16),
    ),
    "reply_help": (
        Variable(
            name="manager",
            zh="是否负责人",
            en="yes: for who manages others",
            fallback=NOTHING,
            sample="yes",
            max_bytes=8,
        ),
    ),
    "reply_posts": (
        _count("waiting", "待发表", "posts to publish", "1"),
        _count("days", "统计天数", "days counted", "30"),
        _count("published", "已发表", "posts published", "4"),
        _count("audience", "可见人次", "customers who could see them", "800"),
        _count("likes", "点赞", "likes", "31"),
        _count("comments", "评论", "comments", "6"),
    ),
    "reply_act": (
        Variable(
            name="outcome", zh="结果", en="what came of a command", fallback="unknown", sample="pause", max_bytes=16
        ),
        CAMPAIGN_NUMBER,
        CAMPAIGN_NAME,
    ),
    "reply_results": (
        CAMPAIGN_NUMBER,
        CAMPAIGN_NAME,
        Variable(name="status", zh="状态", en="how it stands", fallback="draft", sample="awaiting", max_bytes=16),
        CAUSE,
        *TO_CUSTOMERS,
        _count("waiting", "等待确认客户数", "customers for whom staff may confirm it", "500"),
        _count("not_friend", "已不是好友", "customers who are no contacts any more", "20"),
        _count("over_cap", "超出次数上限", "customers beyond WeCom's cap", "30"),
        REFUSED,
        _count("stopped", "未发出", "not confirmed in time", "7"),
        *TO_GROUPS,
        *POSTS,
    ),
    "campaign_unconfirmed": (
        CAMPAIGN_NAME,
        _some("count", "未确认人数", "staff who have not confirmed", "3"),
        Variable(
            name="names", zh="未确认的成员", en="their names", fallback="若干成员", sample="李婷、王强", max_bytes=1024
        ),
    ),
}
