"""Variables of message templates: those that more than one kind of message has."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Text of a welcome message (WeCom doc 92137).
WELCOME_MAX_BYTES = 4000


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
CAMPAIGN_NAME = Variable(
    name="campaign_name", zh="群发计划", en="campaign's name", fallback="本次活动", sample="三月上新", max_bytes=256
)
#: One text serves all customers of a sender. The day is that on which WeCom is asked for the task.
BROADCAST_VARIABLES = (
    *SENDER_VARIABLES,
    CAMPAIGN_NAME,
    Variable(name="date", zh="发送日期", en="day of the task", fallback="今天", sample="5月20日", max_bytes=64),
)
#: One text serves all members who publish a post.
MOMENT_VARIABLES = (
    CAMPAIGN_NAME,
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
#: What staff say themselves, to whoever it may be: where the customer is not known, "您" stands for the name.
SCRIPT_VARIABLES = (replace(CUSTOMER_NAME, fallback="您", needs_fetch=False), *SENDER_VARIABLES)
#: Words for one customer that a staff member sends later, at an hour that nobody knows before.
PERSONAL_VARIABLES = (CUSTOMER_NAME, *SENDER_VARIABLES, CHANNEL_NAME, ADDED_DATE)
