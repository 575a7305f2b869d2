"""The contracts of message templates: which variables a kind of message has, and how long each may become."""

from __future__ import annotations

from dataclasses import dataclass

#: Text of a welcome message (WeCom doc 92137).
WELCOME_MAX_BYTES = 4000
#: An alert may be longer than the 2048 bytes of one app message: `split_text` makes several of it.
ALERT_MAX_BYTES = 8192
#: Text of a group-send (WeCom doc 92135).
BROADCAST_MAX_BYTES = 4000
#: Text of a Moments post (WeCom doc 95094).
MOMENT_MAX_BYTES = 4000
MOMENT_MAX_CHARACTERS = 2000
#: `link_NAME` is the address of the tracked link NAME, which is no longer than this.
LINK_PREFIX = "link_"
LINK_MAX_BYTES = 128
SAMPLE_LINK = "https://siyu.example.com/l/4fQ0zKm9Xb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a contract.

    `fallback` stands in when the value is unknown or invisible. A longer value than `max_bytes` (UTF-8) is
    clipped. `needs_fetch` says that no event carries the value: somebody has to ask WeCom for it.
    """

    name: str
    zh: str
    en: str
    fallback: str
    sample: str
    max_bytes: int = 128
    needs_fetch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a template of one kind may use and how long its text may become.

    `neutral_markup`: WeCom shows `<a href>` in these texts as a link, so that the `<` of a value is sent as
    `＜`. `withheld`: variables that people know from other texts, and `withheld_because` these have them not.
    `has_links`: tracked links are variables too.
    """

    kind: str
    slug: str = ""
    variables: tuple[Variable, ...]
    max_output_bytes: int
    max_output_characters: int | None = None
    neutral_markup: bool = False
    withheld: tuple[str, ...] = ()
    withheld_because: str = ""
    has_links: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(variable.name for variable in self.variables)

    def find(self, name: str) -> Variable | None:
        if self.has_links and name.startswith(LINK_PREFIX):
            return Variable(
                name=name, zh="跟踪链接", en="tracked link", fallback="", sample=SAMPLE_LINK, max_bytes=LINK_MAX_BYTES
            )
        return next((variable for variable in self.variables if variable.name == name), None)

    def samples(self) -> dict[str, str]:
        """A plausible value per variable, for previews."""
        return {variable.name: variable.sample for variable in self.variables}


CUSTOMER_NAME = Variable(
    name="customer_name",
    zh="客户昵称",
    en="customer's name",
    fallback="朋友",
    sample="小鱼",
    needs_fetch=True,
)
STAFF_NAME = Variable(
    name="staff_name", zh="员工姓名", en="staff member's name", fallback="您的专属顾问", sample="李婷"
)
DEPARTMENT_NAME = Variable(
    name="department_name",
    zh="员工所在部门",
    en="staff member's department",
    fallback="客户服务部",
    sample="华东一店",
)
CHANNEL_NAME = Variable(
    name="channel_name",
    zh="添加渠道",
    en="channel the customer came through",
    fallback="企业微信",
    sample="门店海报",
)
ADDED_DATE = Variable(
    name="added_date", zh="添加日期", en="day of the add", fallback="近日", sample="5月20日", max_bytes=64
)

COMPANY_NAME = Variable(name="company_name", zh="企业名称", en="company's name", fallback="我们", sample="青禾茶业")
#: The staff member and the company: what a text for many customers may name too.
SENDER_VARIABLES = (
    STAFF_NAME,
    Variable(name="staff_alias", zh="员工别名", en="staff member's alias", fallback="您的专属顾问", sample="婷婷"),
    Variable(name="staff_position", zh="员工职务", en="staff member's position", fallback="顾问", sample="门店顾问"),
    DEPARTMENT_NAME,
    COMPANY_NAME,
)
#: One text serves all members who publish a post.
MOMENT_VARIABLES = (
    Variable(
        name="campaign_name", zh="群发计划", en="campaign's name", fallback="本次活动", sample="三月上新", max_bytes=256
    ),
    COMPANY_NAME,
    Variable(name="date", zh="发布日期", en="day of the post", fallback="今天", sample="5月20日", max_bytes=64),
)
WELCOME_VARIABLES = (
    CUSTOMER_NAME,
    *SENDER_VARIABLES,
    CHANNEL_NAME,
    Variable(name="added_date", zh="添加日期", en="day of the add", fallback="今天", sample="5月20日", max_bytes=64),
    Variable(
        name="time_of_day",
        zh="问候语",
        en="greeting by time of day",
        fallback="您好",
        sample="下午好",
        max_bytes=32,
    ),
)

#: Alerts name the customer as our records know them; nobody waits for WeCom to learn a name.
ALERT_CUSTOMER = Variable(name="customer_name", zh="客户昵称", en="customer's name", fallback="一位客户", sample="小鱼")
ALERT_STAFF = Variable(name="staff_name", zh="员工姓名", en="staff member's name", fallback="一位同事", sample="李婷")
HAPPENED_AT = Variable(
    name="happened_at",
    zh="发生时间",
    en="when it happened",
    fallback="刚刚",
    sample="5月20日 14:05",
    max_bytes=64,
)
ALERT_CHANNEL = Variable(
    name="channel_name",
    zh="添加渠道",
    en="channel the customer came through",
    fallback="未知渠道",
    sample="门店海报",
)
CAUSE = Variable(
    name="cause", zh="原因", en="cause", fallback="原因不明", sample="超过了 20 秒的发送时限", max_bytes=512
)

CAMPAIGN_NAME = Variable(
    name="campaign_name", zh="计划名称", en="campaign's name", fallback="未命名的计划", sample="周末上新"
)
#: Stands in texts for a list without items; templates compare with it.
NOTHING = "无"


def _count(name: str, zh: str, en: str, sample: str) -> Variable:
    """A number, as people read it; 0 where nothing is told."""
    return Variable(name=name, zh=zh, en=en, fallback="0", sample=sample, max_bytes=32)


CAMPAIGN_NUMBER = Variable(
    name="campaign_id", zh="计划编号", en="campaign's number", fallback="？", sample="12", max_bytes=32
)
UNCONFIRMED = Variable(
    name="unconfirmed", zh="未确认任务数", en="tasks that staff may still confirm", fallback="若干", sample="15"
)
CAMPAIGN_COUNTS = (
    Variable(name="sent", zh="已收到人数", en="customers who have received it", fallback="若干", sample="980"),
    Variable(name="recipients", zh="应收人数", en="customers who are to", fallback="若干", sample="1000"),
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
    "group_dismissed": (
        Variable(name="group_name", zh="群名", en="group's name", fallback="未命名的客户群", sample="青禾茶友群"),
        Variable(name="owner_name", zh="群主", en="group's owner", fallback="一位同事", sample="李婷"),
        HAPPENED_AT,
        Variable(
            name="member_count",
            zh="解散前人数",
            en="members before",
            fallback="若干",
            sample="128",
            max_bytes=32,
        ),
    ),
    "link_clicked": (
        ALERT_CUSTOMER,
        Variable(name="link_name", zh="链接名称", en="link's name", fallback="一个链接", sample="春茶上新"),
        HAPPENED_AT,
    ),
    "campaign_approval": (
        Variable(
            name="campaign_name",
            zh="群发计划",
            en="campaign",
            fallback="一个群发计划",
            sample="三月上新",
            max_bytes=256,
        ),
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
    "campaign_words_due": (CAMPAIGN_NAME, HAPPENED_AT, CAUSE, *CAMPAIGN_COUNTS),
    "campaign_finished": (CAMPAIGN_NAME, HAPPENED_AT, CAUSE, *CAMPAIGN_COUNTS),
    "campaign_failed": (CAMPAIGN_NAME, HAPPENED_AT, CAUSE, *CAMPAIGN_COUNTS),
    "campaign_refusals": (
        CAMPAIGN_NAME,
        CAMPAIGN_NUMBER,
        HAPPENED_AT,
        CAUSE,
        Variable(name="refused", zh="被拒绝人数", en="recipients refused", fallback="若干", sample="320"),
        Variable(name="recipients", zh="已下发人数", en="recipients asked for", fallback="若干", sample="1000"),
        Variable(name="calls", zh="出错的任务数", en="calls in trouble", fallback="若干", sample="12"),
        UNCONFIRMED,
    ),
    "campaign_leaving": (
        CAMPAIGN_NAME,
        CAMPAIGN_NUMBER,
        HAPPENED_AT,
        Variable(name="left", zh="离开人数", en="customers who left", fallback="若干", sample="42"),
        Variable(name="usual", zh="平时人数", en="how many usually do", fallback="若干", sample="3"),
        Variable(name="hours", zh="统计小时数", en="hours counted", fallback="若干", sample="48"),
        UNCONFIRMED,
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
        _count("recipients", "应收客户数", "customers who are to receive it", "1,200"),
        _count("sent", "已收客户数", "customers who have", "640"),
        _count("groups", "应发客户群数", "customer groups it is for", "30"),
        _count("groups_sent", "已发客户群数", "of these sent to", "12"),
        _count("refused", "被拒绝数", "recipients that WeCom refused", "3"),
        _count("posts", "应发表人数", "members who are to publish a post", "20"),
        _count("published", "已发表人数", "of these who have", "9"),
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
    "campaign_unconfirmed": (
        CAMPAIGN_NAME,
        Variable(name="count", zh="未确认人数", en="staff who have not confirmed", fallback="若干", sample="3"),
        Variable(
            name="names", zh="未确认的成员", en="their names", fallback="若干成员", sample="李婷、王强", max_bytes=1024
        ),
    ),
}

#: By `kind`, or by `kind/slug` where each template of a kind has variables of its own.
CONTRACTS: dict[str, Contract] = {
    "welcome": Contract(kind="welcome", variables=WELCOME_VARIABLES, max_output_bytes=WELCOME_MAX_BYTES),
    "broadcast": Contract(
        kind="broadcast",
        variables=SENDER_VARIABLES,
        max_output_bytes=BROADCAST_MAX_BYTES,
        withheld=tuple(each.name for each in WELCOME_VARIABLES if each not in SENDER_VARIABLES),
        withheld_because="群发时同一位员工的所有客户收到的是同一段文字，不能写客户自己的信息",
        has_links=True,
    ),
    "moment": Contract(
        kind="moment",
        variables=MOMENT_VARIABLES,
        max_output_bytes=MOMENT_MAX_BYTES,
        max_output_characters=MOMENT_MAX_CHARACTERS,
        withheld=tuple(each.name for each in WELCOME_VARIABLES if each is not COMPANY_NAME),
        withheld_because="朋友圈由所有员工发表同一段文字，不能写某位员工或客户的信息",
        has_links=True,
    ),
    **{
        f"staff_alert/{slug}": Contract(
            kind="staff_alert",
            slug=slug,
            variables=variables,
            max_output_bytes=ALERT_MAX_BYTES,
            neutral_markup=True,
        )
        for slug, variables in ALERTS.items()
    },
}


def contract_for(kind: str, slug: str = "") -> Contract:
    """The contract of one template. Raises LookupError naming the kinds that exist."""
    contract = CONTRACTS.get(f"{kind}/{slug}") or CONTRACTS.get(kind)
    if contract is None:
        known = ", ".join(sorted(CONTRACTS))
        raise LookupError(f"there is no contract for {kind}/{slug}: {known}")
    return contract
