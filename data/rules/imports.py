"""What the columns of another tool's table are, and what its rows say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from bot.phrases import Phrase
from data.rules.orders import WECOM_PAY
from data.rules.problems import Problem, RuleModel
from data.rules.remarks import DESCRIPTION_MAX, REMARK_MAX
from data.rules.tags import NAME_MAX_LENGTH
from data.rules.texts import Line

#: What a column may be. In the order in which a customer is looked for; then what is written.
EXTERNAL_USERID, UNIONID, MOBILE, NAME, STAFF = "external_userid", "unionid", "mobile", "name", "staff"
TAGS, REMARK, DESCRIPTION, REMARK_MOBILE, BIRTHDAY = "tags", "remark", "description", "remark_mobile", "birthday"
ORDER_NUMBER, ORDER_AMOUNT, ORDER_PLACED_AT = "order_number", "order_amount", "order_placed_at"
ORDER_STATUS, ORDER_ITEM = "order_status", "order_item"
FIELD = "field."

KEYS = (EXTERNAL_USERID, UNIONID, MOBILE, REMARK_MOBILE, NAME)
ORDERS = (ORDER_NUMBER, ORDER_AMOUNT, ORDER_PLACED_AT, ORDER_STATUS, ORDER_ITEM)
WRITTEN = (TAGS, REMARK, DESCRIPTION, REMARK_MOBILE, BIRTHDAY, ORDER_NUMBER)
TARGETS = (
    EXTERNAL_USERID, UNIONID, MOBILE, NAME, STAFF, TAGS, REMARK, DESCRIPTION, REMARK_MOBILE, BIRTHDAY, *ORDERS,
)  # fmt: skip
#: Several columns may be this.
REPEATED = frozenset({TAGS, MOBILE, REMARK_MOBILE})
NAMES_MAX_LENGTH = 128
CELL_MAX_LENGTH = 2_000
TAGS_PER_ROW = 100

#: What tools and people call such columns, as `plain_heading` writes it.
HEADINGS: Mapping[str, str] = {
    heading: target
    for target, headings in {
        EXTERNAL_USERID: (
            "externaluserid 外部联系人id 外部联系人编号 外部联系人userid 客户id 客户userid 企微客户id 企业微信客户id"
        ),
        UNIONID: "unionid 微信unionid 客户unionid",
        MOBILE: (
            "mobile phone phonenumber mobilephone tel telephone 手机号 手机 手机号码 电话 电话号码 "
            "联系电话 客户手机号 客户手机 客户电话"
        ),
        NAME: (
            "name nickname customer customername 客户 客户昵称 昵称 客户名称 客户姓名 姓名 客户名 微信昵称 微信名 名称"
        ),
        STAFF: (
            "userid staff owner member addedby followuser 员工 员工id 员工账号 所属员工 添加员工 "
            "添加成员 添加人 跟进人 跟进员工 跟进成员 归属员工 归属成员 归属人 所属成员 所属客服 "
            "所属销售 成员 成员id 负责人 客服 销售 导购 专属导购 服务人员"
        ),
        TAGS: "tag tags label labels 标签 企业标签 客户标签 标签名称 企微标签 客户企业标签",
        REMARK: "remark remarkname alias 备注 备注名 备注名称 客户备注 备注姓名 客户备注名",
        DESCRIPTION: "description note notes comment 描述 客户描述 备注信息 说明 备注描述 补充信息",
        REMARK_MOBILE: "remarkmobile remarkmobiles 备注手机号 备注手机 备注电话 备注手机号码",
        BIRTHDAY: "birthday birthdate dateofbirth 生日 出生日期 客户生日",
        ORDER_NUMBER: "ordernumber orderno orderid ordersn 订单号 订单编号 订单id",
        ORDER_AMOUNT: ("amount orderamount total paid 订单金额 实付金额 实付 支付金额 成交金额 金额 实收金额"),
        ORDER_PLACED_AT: (
            "orderedat ordertime orderdate placedat 下单时间 订单时间 下单日期 订单日期 订单创建时间 成交时间"
        ),
        ORDER_STATUS: "orderstatus 订单状态 交易状态",
        ORDER_ITEM: "item product productname goods 商品 商品名称 商品名 产品 产品名称 商品信息",
    }.items()
    for heading in headings.split()
}
_BRACKETED = re.compile(r"[(（\[【<《].*?[)）\]】>》]")
_NO_LETTERS = re.compile(r"[\W_]+")
_BETWEEN_TAGS = re.compile(r"[、，,;；|\n\r\t]+")


def _not_of_wecom(source: str) -> str:
    if source == WECOM_PAY:
        raise ValueError(Phrase("%(wecom_pay)s 是系统读取对外收款时用的，请换一个", wecom_pay=WECOM_PAY))
    return source


class Options(RuleModel):
    """`overwrite`: also what is there already is replaced, else only what is empty is filled. `make_tags`: tags that do
    not exist are made, in the group `tag_group` where the file names none. `order_source`: the shop of its orders.
    `source_agentid`: the app of another provider whose ids the file has and WeCom is asked to convert; 0: of none."""

    overwrite: bool = False
    make_tags: bool = False
    tag_group: Annotated[Line, Field(min_length=1, max_length=NAME_MAX_LENGTH)] = "导入"
    order_source: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$"), AfterValidator(_not_of_wecom)] = "import"
    source_agentid: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


class Tag(NamedTuple):
    """A tag as a file names it; `group` is empty where it names none."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group}:{self.name}" if self.group else self.name


class Fault(NamedTuple):
    """What is wrong in a column of a row, and what to do about it."""

    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a row says. Empty: it says nothing of it. `fields` with the birthday, as `read_values` takes them."""

    external_userid: str = ""
    unionid: str = ""
    mobiles: tuple[str, ...] = ()
    name: str = ""
    staff: str = ""
    tags: tuple[Tag, ...] = ()
    remark: str = ""
    description: str = ""
    remark_mobiles: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    order: Mapping[str, Any] | None = None

    @property
    def needs_follow(self) -> bool:
        """Whether it says anything of the relation of a member with the customer."""
        return bool(self.tags or self.notes)

    @property
    def notes(self) -> bool:
        """Whether it says anything that a member notes."""
        return bool(self.remark or self.description or self.remark_mobiles)


def plain_heading(text: str) -> str:
    """A heading as it is compared: without case, blanks, signs and what stands in brackets."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _NO_LETTERS.sub("", _BRACKETED.sub("", plain)) or _NO_LETTERS.sub("", plain)


def is_heading(text: str) -> bool:
    """Whether some tool calls a column so."""
    return plain_heading(text) in HEADINGS


def recognise(headings: Sequence[str], fields: Mapping[str, str]) -> list[str]:
    """What columns are taken for by what they are called. `fields`: the titles of the company's own fields."""
    own = {plain_heading(each): f"{FIELD}{name}" for name, title in fields.items() for each in (name, title) if each}
    found: list[str] = []
    for heading in headings:
        plain = plain_heading(heading)
        target = HEADINGS.get(plain) or own.get(plain, "")
        found.append(target if target in REPEATED or target not in found else "")
    return found


def target_problems(targets: Sequence[str], columns: int, fields: Collection[str], *, orders: bool) -> list[Problem]:
    """What is wrong with what columns are taken for. `orders`: whether orders may be imported."""
    if len(targets) != columns:
        return [Problem("targets", Phrase("应有 %(columns)s 项，一列一项", columns=columns))]
    found = []
    for number, target in enumerate(targets):
        if target and target not in TARGETS and target.removeprefix(FIELD) not in fields:
            found.append(
                Problem(f"targets[{number}]", Phrase("没有 %(target)s：自定义字段要先定义", target=target[:80]))
            )
        elif target and target not in REPEATED and target in targets[:number]:
            found.append(Problem(f"targets[{number}]", Phrase("有两列都是这一项：请把其中一列设为不导入")))
    if not set(targets) & set(KEYS):
        found.append(Problem("targets", Phrase("至少要有一列用来找客户：external_userid、unionid、手机号或客户名称")))
    if not any(target in WRITTEN or target.startswith(FIELD) for target in targets):
        found.append(Problem("targets", Phrase("至少要有一列要导入的内容：标签、备注、自定义字段、订单")))
    given = set(targets) & set(ORDERS)
    if given and not {ORDER_NUMBER, ORDER_AMOUNT, ORDER_PLACED_AT} <= given:
        found.append(Problem("targets", Phrase("订单要有订单号、金额和下单时间三列")))
    if given and not orders:
        found.append(Problem("targets", Phrase("订单只能由管理员导入：请把订单的列设为不导入")))
    return found


def read_tags(text: str) -> tuple[list[Tag], str]:
    """The tags that a cell names, and what is wrong with it."""
    found: list[Tag] = []
    for part in _BETWEEN_TAGS.split(text):
        group, sign, name = part.replace("：", ":").partition(":")
        tag = Tag(group.strip(), name.strip()) if sign and group.strip() and name.strip() else Tag("", part.strip())
        if not tag.name:
            continue
        if len(tag.name) > NAME_MAX_LENGTH or len(tag.group) > NAME_MAX_LENGTH:
            return [], Phrase("标签名最多 %(most)s 个字：请缩短，几个标签之间用逗号或顿号隔开", most=NAME_MAX_LENGTH)
        if not part.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in part):
            return [], Phrase("标签名里有不可见的控制字符：请删掉后重新输入")
        if tag not in found:
            found.append(tag)
    if len(found) > TAGS_PER_ROW:
        return [], Phrase("一行最多 %(most)s 个标签", most=TAGS_PER_ROW)
    return found, ""


def text_fault(target: str, text: str) -> str:
    """What is wrong with a text that is written as it is."""
    most = {REMARK: REMARK_MAX, DESCRIPTION: DESCRIPTION_MAX}.get(target, NAMES_MAX_LENGTH)
    if target in (EXTERNAL_USERID, UNIONID):
        most = 64
    if len(text) > most:
        return Phrase("最多 %(most)s 个字，现在有 %(count)s 个：请缩短", most=most, count=len(text))
    checked = text.replace("\n", "").replace("\r", "") if target == DESCRIPTION else text
    if not checked.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in checked):
        return Phrase("有不可见的控制字符：请删掉后重新输入")
    if target in (EXTERNAL_USERID, UNIONID) and (not text.isascii() or " " in text):
        return Phrase("编号里有空格或不该有的字符：请核对")
    return ""
