"""WeCom's callback events as types: one class per kind, each attribute an element of the event's XML.

`bot.wecom.event_xml` reads the XML and chooses the class.
"""

from __future__ import annotations

from bot.wecom.event_base import Event, Number, Text


class UnknownEvent(Event):
    """From WeCom, verified, but of a kind that this version has no type for."""

    __slots__ = ()


class ContactEvent(Event):
    """`change_external_contact`: something about one follow, the pair of a staff member and a customer."""

    __slots__ = ()

    userid = Text("UserID")
    external_userid = Text("ExternalUserID")

    @property
    def is_complete(self) -> bool:
        return bool(self.userid and self.external_userid)

    @property
    def subject(self) -> str:
        return f"customer:{self.external_userid}"


class AddedEvent(ContactEvent):
    """A customer came: what both ways of adding carry. `welcome_code` lives 20 seconds and works once."""

    __slots__ = ()

    state = Text("State")
    welcome_code = Text("WelcomeCode")


class AddExternalContact(AddedEvent):
    """A staff member and a customer became contacts."""

    __slots__ = ()
    KINDS = (("change_external_contact", "add_external_contact"),)


class AddHalfExternalContact(AddedEvent):
    """A customer added a staff member who has not confirmed yet: until then the customer cannot be fetched (84061)."""

    __slots__ = ()
    KINDS = (("change_external_contact", "add_half_external_contact"),)


class EditExternalContact(ContactEvent):
    """A staff member changed the remark, the phone number or the tags of a customer."""

    __slots__ = ()
    KINDS = (("change_external_contact", "edit_external_contact"),)
    SAYS_ONLY_CHANGED = True

    @property
    def collapse_key(self) -> str:
        return f"edit:{self.userid}:{self.external_userid}"


class DelExternalContact(ContactEvent):
    """The *staff member* deleted the customer; `by_transfer` when on-job inheritance did it."""

    __slots__ = ()

    source = Text("Source")
    KINDS = (("change_external_contact", "del_external_contact"),)

    @property
    def by_transfer(self) -> bool:
        return self.source == "DELETE_BY_TRANSFER"


class DelFollowUser(ContactEvent):
    """The *customer* deleted the staff member. WeCom keeps listing the customer: only this event tells."""

    __slots__ = ()
    KINDS = (("change_external_contact", "del_follow_user"),)


class TransferFail(ContactEvent):
    """An inheritance failed; `userid` is the staff member who was to take over."""

    __slots__ = ()

    fail_reason = Text("FailReason")
    KINDS = (("change_external_contact", "transfer_fail"),)


class MsgAuditApproved(ContactEvent):
    """The customer agreed to chat archiving."""

    __slots__ = ()
    KINDS = (("change_external_contact", "msg_audit_approved"),)


class ChatEvent(Event):
    """`change_external_chat`: something about one customer group."""

    __slots__ = ()

    chat_id = Text("ChatId")

    @property
    def is_complete(self) -> bool:
        return bool(self.chat_id)

    @property
    def subject(self) -> str:
        return f"chat:{self.chat_id}"


class ChatCreate(ChatEvent):
    """A customer group was made."""

    __slots__ = ()
    KINDS = (("change_external_chat", "create"),)
    SAYS_ONLY_CHANGED = True


class ChatUpdate(ChatEvent):
    """A customer group changed: members (with a version chain), owner, name or notice.

    `join_scene` 0 invited, 3 scanned the group's code; `quit_scene` 0 left, 1 removed; None where the push has none.
    """

    __slots__ = ()

    update_detail = Text("UpdateDetail")
    join_scene = Number("JoinScene")
    quit_scene = Number("QuitScene")
    member_change_count = Number("MemChangeCnt")
    last_member_version = Text("LastMemVer")
    current_member_version = Text("CurMemVer")
    KINDS = (("change_external_chat", "update"),)
    SAYS_ONLY_CHANGED = True

    @property
    def members(self) -> tuple[str, ...]:
        """Who came or left."""
        items = self.fields.get("MemChangeList")
        found = items.get("Item", []) if isinstance(items, dict) else []
        found = found if isinstance(found, list) else [found]
        return tuple(item.strip() for item in found if isinstance(item, str) and item.strip())


class ChatDismiss(ChatEvent):
    """A customer group was dismissed."""

    __slots__ = ()
    KINDS = (("change_external_chat", "dismiss"),)


class ChangeExternalTag(Event):
    """Tags of the company changed; `id` is the tag or group, empty when all groups were put in another order."""

    __slots__ = ()

    id = Text("Id")
    tag_type = Text("TagType")
    KINDS = tuple(("change_external_tag", change) for change in ("create", "update", "delete", "shuffle"))
    SAYS_ONLY_CHANGED = True

    @property
    def subject(self) -> str:
        return "tags"

    @property
    def collapse_key(self) -> str:
        return "tags"


class ChangeContact(Event):
    """The company's directory changed. A self-built app gets none of these, an app of other kinds may."""

    __slots__ = ()

    userid = Text("UserID")
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


class CustomerAcquisition(Event):
    """Something about a customer-acquisition link (获客链接) or the company's quota of them."""

    __slots__ = ()

    link_id = Text("LinkId")
    state = Text("State")
    chat_key = Text("ChatKey")
    userid = Text("UserID")
    external_userid = Text("ExternalUserID")
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


class KfMsgOrEvent(Event):
    """Something happened in WeChat customer service; what it was is pulled with `kf/sync_msg`."""

    __slots__ = ()

    token = Text("Token")
    open_kfid = Text("OpenKfId")
    KINDS = (("kf_msg_or_event", ""),)
    SAYS_ONLY_CHANGED = True

    @property
    def subject(self) -> str:
        return f"kf:{self.open_kfid}"

    @property
    def collapse_key(self) -> str:
        return f"kf:{self.open_kfid}"


class KfAccountAuthChange(Event):
    """Customer-service accounts were given to the app or taken from it."""

    __slots__ = ()
    KINDS = (("kf_account_auth_change", ""),)

    @property
    def given(self) -> tuple[str, ...]:
        """Accounts that the app may use from now on."""
        return self._named("AuthAddOpenKfId")

    @property
    def taken(self) -> tuple[str, ...]:
        """Accounts that it may not use any more."""
        return self._named("AuthDelOpenKfId")

    def _named(self, element: str) -> tuple[str, ...]:
        found = self.fields.get(element, [])
        found = found if isinstance(found, list) else [found]
        return tuple(each.strip()[:64] for each in found if isinstance(each, str) and each.strip())

    @property
    def subject(self) -> str:
        return "kf accounts"


class AppEvent(Event):
    """A staff member did something in the company's app, or WeCom tells the app about itself."""

    __slots__ = ()

    event_key = Text("EventKey")
    KINDS = tuple(
        (name, "")
        for name in (
            "subscribe",
            "unsubscribe",
            "enter_agent",
            "LOCATION",
            "view",
            "view_miniprogram",
            "scancode_push",
            "scancode_waitmsg",
            "pic_sysphoto",
            "pic_photo_or_album",
            "pic_weixin",
            "location_select",
            "batch_job_result",
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
        sender = self.from_user
        return f"staff:{sender}" if sender not in ("", "sys") else ""


class MenuClick(AppEvent):
    """A member tapped an entry of the app's menu: `event_key` is its key."""

    __slots__ = ()
    TAKES_REPLY = True
    KINDS = (("click", ""),)


class TemplateCardEvent(AppEvent):
    """A member pressed a button of a template card: `event_key` is its key. `response_code` changes the card once."""

    __slots__ = ()

    task_id = Text("TaskId")
    card_type = Text("CardType")
    response_code = Text("ResponseCode")
    KINDS = (("template_card_event", ""),)


#: Types of messages that staff send to the app.
MESSAGE_TYPES = ("text", "image", "voice", "video", "location", "link")


class AppMessage(Event):
    """A message from a staff member to the company's app. `msg_id` is a 64-bit number, kept as text."""

    __slots__ = ()
    TAKES_REPLY = True

    msg_id = Text("MsgId")
    content = Text("Content")

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
