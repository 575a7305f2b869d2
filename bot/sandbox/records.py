"""What the local WeCom remembers: plain records, in WeCom's own words. Times are epoch seconds, as WeCom's are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

#: How a member and a customer stand to each other.
#: requested: the customer asked, the member must accept; half: added by a code that needs no verification and not yet
#: confirmed by the member; mutual: both have each other; left: the customer deleted the member (WeCom still lists the
#: customer); gone: the member deleted the customer.
Friendship = Literal["requested", "half", "mutual", "left", "gone"]

#: The friendships that WeCom's API shows and lets an app work on.
LISTED: frozenset[Friendship] = frozenset({"mutual", "left"})


@dataclass(slots=True, frozen=True)
class Company:
    """The sample company."""

    corpid: str
    name: str
    full_name: str


@dataclass(slots=True)
class App:
    """A self-built app (自建应用) of the company, with its callback as an admin configures it (接收消息)."""

    agentid: int
    name: str
    secret: str
    callback_token: str
    encoding_aes_key: str
    callback_url: str = ""
    #: Listed in 客户联系 → 可调用接口的应用; without it every customer call answers 48002.
    customer_contact: bool = True
    #: The box 外部联系人变更回调 is ticked; without it no customer event is sent.
    change_callback: bool = True
    #: Listed in 对外收款 → 可调用接口的应用; without it reading payments answers 48002.
    external_pay: bool = True
    #: Listed in 微信客服 → 可调用接口的应用; without it every call of customer service answers 48002.
    kf: bool = True
    #: Empty: any address may call. Otherwise calls from elsewhere answer 60020.
    trusted_ips: list[str] = field(default_factory=list)
    #: Visible range; both None means the whole company.
    visible_userids: list[str] | None = None
    visible_parties: list[int] | None = None
    redirect_domain: str = ""
    enabled: bool = True
    #: As `menu/create` was given it; empty: none.
    menu: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Department:
    id: int
    name: str
    name_en: str
    parentid: int
    order: int
    department_leader: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Member:
    """A member of staff. `status`: 1 active, 2 disabled, 4 not activated, 5 left."""

    userid: str
    name: str
    department: list[int]
    position: str = ""
    alias: str = ""
    gender: int = 0
    status: int = 1
    #: Holds a seat of the 客户联系 feature.
    customer_contact: bool = True
    direct_leader: list[str] = field(default_factory=list)
    is_leader: bool = False
    left_at: int | None = None
    #: An admin has set a welcome for this member in WeCom's admin pages, so events carry no WelcomeCode.
    admin_welcome: bool = False


@dataclass(slots=True)
class Customer:
    """`type`: 1 a WeChat user, 2 a WeCom user of another company."""

    external_userid: str
    name: str
    type: int = 1
    gender: int = 0
    avatar: str = ""
    unionid: str = ""
    position: str = ""
    corp_name: str = ""
    corp_full_name: str = ""


@dataclass(slots=True)
class Follow:
    """One member's view of one customer: remark, tags and source belong to the pair."""

    userid: str
    external_userid: str
    friendship: Friendship
    createtime: int
    remark: str = ""
    description: str = ""
    tag_ids: list[str] = field(default_factory=list)
    personal_tags: list[str] = field(default_factory=list)
    remark_corp_name: str = ""
    remark_mobiles: list[str] = field(default_factory=list)
    add_way: int = 0
    oper_userid: str = ""
    state: str = ""
    #: A welcome has been delivered, or the two have written to each other: no further welcome (41051).
    chatting: bool = False
    #: When the customer deleted the member the last time, even where they added each other again; 0: never.
    deleted_at: int = 0


@dataclass(slots=True)
class Tag:
    id: str
    name: str
    create_time: int
    order: int = 0
    #: As of a group.
    agentid: int = 0


@dataclass(slots=True)
class TagGroup:
    group_id: str
    group_name: str
    create_time: int
    order: int = 0
    tags: list[Tag] = field(default_factory=list)
    #: The app that made it through the API; 0 for the admin. An app may change only its own.
    agentid: int = 0


@dataclass(slots=True)
class LinkCustomer:
    """Somebody who was added by a customer-acquisition link; `messages`: how many they have sent."""

    userid: str
    external_userid: str
    state: str
    at: int
    messages: int = 0


@dataclass(slots=True)
class AcquisitionLink:
    """A customer-acquisition link (获客链接). `clicks`: how many opened it, by the day's midnight in China."""

    link_id: str
    link_name: str
    create_time: int
    user_list: list[str] = field(default_factory=list)
    department_list: list[int] = field(default_factory=list)
    skip_verify: bool = True
    priority_type: int = 1
    priority_userid_list: list[str] = field(default_factory=list)
    mark_source: bool = True
    agentid: int = 0
    deleted: bool = False
    clicks: dict[str, int] = field(default_factory=dict)
    customers: list[LinkCustomer] = field(default_factory=list)


@dataclass(slots=True)
class LinkQuota:
    """How many customers may be added by links; all of it ends at an instant."""

    total: int
    balance: int
    expires_at: int


@dataclass(slots=True)
class ContactWay:
    """A 联系我 entry: what a channel code is."""

    config_id: str
    type: int
    scene: int
    create_time: int
    style: int = 0
    remark: str = ""
    skip_verify: bool = True
    state: str = ""
    user: list[str] = field(default_factory=list)
    party: list[int] = field(default_factory=list)
    is_temp: bool = False
    expires_in: int = 0
    chat_expires_in: int = 0
    unionid: str = ""
    is_exclusive: bool = False
    mark_source: bool = True
    conclusions: dict[str, Any] = field(default_factory=dict)
    agentid: int = 0


@dataclass(slots=True)
class JoinWay:
    """A 加入群聊 entry: a code that brings people into customer groups."""

    config_id: str
    scene: int
    chat_id_list: list[str]
    remark: str = ""
    auto_create_room: int = 1
    room_base_name: str = ""
    room_base_id: int = 0
    state: str = ""
    mark_source: bool = True
    agentid: int = 0


@dataclass(slots=True)
class GroupMember:
    """`type`: 1 staff, 2 external. `join_scene`: 1 invited, 2 invite link, 3 QR code."""

    userid: str
    type: int
    join_time: int
    join_scene: int
    invitor: str = ""
    name: str = ""
    group_nickname: str = ""
    state: str = ""


@dataclass(slots=True)
class Group:
    """A customer group. `status`: 0 normal, 1 owner left, 2 being inherited, 3 inherited.

    `welcome_id`: the group welcome that its owner has chosen.
    """

    chat_id: str
    name: str
    owner: str
    create_time: int
    members: list[GroupMember]
    notice: str = ""
    admins: list[str] = field(default_factory=list)
    status: int = 0
    member_version: str = ""
    dismissed: bool = False
    welcome_id: str = ""


@dataclass(slots=True)
class WelcomeCode:
    code: str
    userid: str
    external_userid: str
    agentid: int
    issued_at: float
    #: It has succeeded once; whatever becomes of the two, it never does again.
    used: bool = False


@dataclass(slots=True)
class Message:
    """One message between a member and a customer, as the two see it in their chat."""

    seq: int
    userid: str
    external_userid: str
    sender: Literal["staff", "customer", "system"]
    #: Where it came from: welcome, group_welcome, chat, notice.
    origin: str
    msgtype: str
    content: dict[str, Any]
    at: float


@dataclass(slots=True)
class AppMessage:
    """One message between an app and a member of staff."""

    seq: int
    agentid: int
    userid: str
    incoming: bool
    msgid: str
    msgtype: str
    content: dict[str, Any]
    at: float
    response_code: str = ""


@dataclass(slots=True)
class CardCode:
    """A response_code: it changes the card `msgid` once. One comes with the sending's answer, one with each click."""

    code: str
    agentid: int
    msgid: str
    task_id: str
    issued_at: float
    used: bool = False


@dataclass(slots=True)
class Media:
    """An uploaded file; the bytes lie beside it. `purpose`: temporary, moments, album or image (a permanent URL)."""

    media_id: str
    type: str
    filename: str
    content_type: str
    size_bytes: int
    created_at: int
    purpose: str = "temporary"


@dataclass(slots=True)
class Transfer:
    """A customer handed from one member to another. `status`: 1 done, 2 waiting, 3 refused, 4 takeover at its cap."""

    handover_userid: str
    takeover_userid: str
    external_userid: str
    started_at: int
    takeover_time: int
    resigned: bool
    status: int = 2
    message: str = ""
    #: What the customer (or the cap) will answer when the wait is over; empty: it goes through.
    fail_reason: str = ""


@dataclass(slots=True)
class Payment:
    """Money that a member collected (对外收款), in fen; `refunds` are what `refund_list` tells."""

    transaction_id: str
    out_trade_no: str
    external_userid: str
    payee_userid: str
    total_fee: int
    pay_time: int
    #: 0 in a chat, 1 by a code, 2 livestream, 3 product album, 14 transfer, 15 mini-program.
    payment_type: int = 0
    mch_id: str = "1600000001"
    remark: str = ""
    description: str = ""
    phone: str = ""
    refunds: list[dict[str, Any]] = field(default_factory=list)
