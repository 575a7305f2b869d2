"""WeCom's callback events as types: one frozen dataclass per kind; `bot.wecom.event_xml` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every callback carries. `fields` holds all elements: text, nested dicts, or lists of repeated elements."""

    to_user: str
    from_user: str
    created_at: datetime | None
    msg_type: str
    event: str
    change_type: str
    agentid: str
    fields: Fields = field(repr=False, hash=False, compare=False)

    #: (Event, ChangeType) values this type stands for.
    KINDS: ClassVar[tuple[tuple[str, str], ...]] = ()
    #: The event only says that something changed: to handle it is to look again, so a repeat is worth handling.
    SAYS_ONLY_CHANGED: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """`change_external_contact.add_external_contact`, `message.text`, `enter_agent` …"""
        head = self.event if self.msg_type == "event" else f"message.{self.msg_type}"
        return f"{head}.{self.change_type}" if self.change_type else head

    @property
    def subject(self) -> str:
        """What the event is about; events of one subject are handled in order. Empty: independent of all others."""
        return ""

    @property
    def collapse_key(self) -> str:
        """Waiting events with the same key are answered by one look at the present state. Empty: each counts."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """From WeCom, verified, but of a kind that this version has no type for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactEvent(Event):
    """`change_external_contact`: something about one follow, the pair of a staff member and a customer."""

    userid: str
    external_userid: str

    @property
    def subject(self) -> str:
        return f"customer:{self.external_userid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedEvent(ContactEvent):
    """A customer came: what both ways of adding carry. `welcome_code` lives 20 seconds and works once."""

    state: str
    welcome_code: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddExternalContact(AddedEvent):
    """A staff member and a customer became contacts."""

    KINDS = (("change_external_contact", "add_external_contact"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddHalfExternalContact(AddedEvent):
    """A customer added a staff member who has not confirmed yet: until then the customer cannot be fetched (84061)."""

    KINDS = (("change_external_contact", "add_half_external_contact"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditExternalContact(ContactEvent):
    """A staff member changed the remark, the phone number or the tags of a customer."""

    KINDS = (("change_external_contact", "edit_external_contact"),)
    SAYS_ONLY_CHANGED = True

    @property
    def collapse_key(self) -> str:
        return f"edit:{self.userid}:{self.external_userid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelExternalContact(ContactEvent):
    """The *staff member* deleted the customer; `by_transfer` when on-job inheritance did it."""

    source: str
    KINDS = (("change_external_contact", "del_external_contact"),)

    @property
    def by_transfer(self) -> bool:
        return self.source == "DELETE_BY_TRANSFER"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelFollowUser(ContactEvent):
    """The *customer* deleted the staff member. WeCom keeps listing the customer: only this event tells."""

    KINDS = (("change_external_contact", "del_follow_user"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFail(ContactEvent):
    """An inheritance failed; `userid` is the staff member who was to take over."""

    fail_reason: str
    KINDS = (("change_external_contact", "transfer_fail"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class MsgAuditApproved(ContactEvent):
    """The customer agreed to chat archiving."""

    KINDS = (("change_external_contact", "msg_audit_approved"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEvent(Event):
    """`change_external_chat`: something about one customer group."""

    chat_id: str

    @property
    def subject(self) -> str:
        return f"chat:{self.chat_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCreate(ChatEvent):
    """A customer group was made."""

    KINDS = (("change_external_chat", "create"),)
    SAYS_ONLY_CHANGED = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatUpdate(ChatEvent):
    """A customer group changed: members (with a version chain), owner, name or notice.

    `join_scene` 0 invited, 3 scanned the group's code; `quit_scene` 0 left, 1 removed; None where the push has none.
    """

    update_detail: str
    join_scene: int | None
    quit_scene: int | None
    member_change_count: int
    members: tuple[str, ...]
    last_member_version: str
    current_member_version: str
    KINDS = (("change_external_chat", "update"),)
    SAYS_ONLY_CHANGED = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDismiss(ChatEvent):
    """A customer group was dismissed."""

    KINDS = (("change_external_chat", "dismiss"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExternalTag(Event):
    """Tags of the company changed; `id` is the tag or group, empty when all groups were put in another order."""

    id: str
    tag_type: str
    KINDS = tuple(("change_external_tag", change) for change in ("create", "update", "delete", "shuffle"))
    SAYS_ONLY_CHANGED = True

    @property
    def subject(self) -> str:
        return "tags"

    @property
    def collapse_key(self) -> str:
        return "tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeContact(Event):
    """The company's directory changed. A self-built app gets none of these, an app of other kinds may."""

    userid: str
    KINDS = tuple(
        ("change_contact", change)
        for change in (
            "create_user",
            "update_user",
            "delete_user",
            "create_party",
            "update_party",
            "delete_party",
            "update_tag",
        )
    )
    SAYS_ONLY_CHANGED = True

    @property
    def subject(self) -> str:
        return "directory"

    @property
    def collapse_key(self) -> str:
        return "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerAcquisition(Event):
    """Something about a customer-acquisition link (获客链接) or the company's quota of them."""

    link_id: str
    KINDS = tuple(
        ("customer_acquisition", change)
        for change in (
            "balance_low",
            "balance_exhausted",
            "balance_increased",
            "link_unavailable",
            "delete_link",
            "quota_expire_soon",
            "open_profile",
            "friend_request",
            "customer_start_chat",
            "message_from_customer",
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KfMsgOrEvent(Event):
    """Something happened in WeChat customer service; what it was is pulled with `kf/sync_msg`."""

    token: str = field(repr=False)
    open_kfid: str
    KINDS = (("kf_msg_or_event", ""),)

    @property
    def subject(self) -> str:
        return f"kf:{self.open_kfid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KfAccountAuthChange(Event):
    """Customer-service accounts were given to the app or taken from it."""

    KINDS = (("kf_account_auth_change", ""),)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEvent(Event):
    """A staff member did something in the company's app, or WeCom tells the app about itself."""

    event_key: str
    KINDS = tuple(
        (name, "")
        for name in (
            "subscribe",
            "unsubscribe",
            "enter_agent",
            "LOCATION",
            "click",
            "view",
            "view_miniprogram",
            "scancode_push",
            "scancode_waitmsg",
            "pic_sysphoto",
            "pic_photo_or_album",
            "pic_weixin",
            "location_select",
            "batch_job_result",
            "template_card_event",
            "template_card_menu_event",
            "inactive_alert",
            "low_active_alert",
            "close_inactive_agent",
            "reopen_inactive_agent",
            "low_active",
            "active_restored",
            "share_agent_change",
            "share_chain_change",
            "open_approval_change",
            "sys_approval_change",
            "upload_media_job_finish",
            "living_status_change",
            "msgaudit_notify",
        )
    )

    @property
    def subject(self) -> str:
        return f"staff:{self.from_user}" if self.from_user not in ("", "sys") else ""


#: Types of messages that staff send to the app.
MESSAGE_TYPES = ("text", "image", "voice", "video", "location", "link")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMessage(Event):
    """A message from a staff member to the company's app. `msg_id` is a 64-bit number, kept as text."""

    msg_id: str
    content: str = field(repr=False)

    @property
    def subject(self) -> str:
        return f"staff:{self.from_user}"


def _types() -> dict[tuple[str, str], type[Event]]:
    def below(parent: type[Event]) -> list[type[Event]]:
        return [parent, *(cls for child in parent.__subclasses__() for cls in below(child))]

    return {kind: cls for cls in below(Event) for kind in cls.KINDS}


#: Types by (Event, ChangeType).
TYPES = _types()


def known_kinds() -> list[str]:
    """Every kind of event that has a type here, as `Event.kind` spells it."""
    kinds = [f"{event}.{change}" if change else event for event, change in TYPES]
    return sorted([*kinds, *(f"message.{name}" for name in MESSAGE_TYPES)])
