"""Decisions on events: one `Router` per file, listed here in the order in which handlers run.

`IGNORED` says of every other kind of event why it is stored and left alone. An event that is in neither place is
reported as unhandled.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bot.router import Router
from handlers import acquisition, broadcasts, customers, directory, groups, kf, moments, staff, tagging, welcome

ROUTERS: tuple[Router, ...] = (
    welcome.router,
    customers.router,
    groups.router,
    tagging.router,
    directory.router,
    broadcasts.router,
    moments.router,
    acquisition.router,
    staff.router,
    kf.router,
)

_APP = "what staff do in the app needs no answer yet"
_PUSH = "WeCom's own dialogue answers the staff member"
_STATE = "a notice about the app itself: shown in WeCom's admin console"

IGNORED: Mapping[str, str] = MappingProxyType(
    {
        "change_external_contact.msg_audit_approved": "chats are not archived by this version",
        **dict.fromkeys(("subscribe", "unsubscribe", "enter_agent", "LOCATION", "view", "view_miniprogram"), _APP),
        "template_card_menu_event": _APP,
        **dict.fromkeys(
            (
                "scancode_push",
                "scancode_waitmsg",
                "pic_sysphoto",
                "pic_photo_or_album",
                "pic_weixin",
                "location_select",
            ),
            _PUSH,
        ),
        **dict.fromkeys(
            (
                "inactive_alert",
                "low_active_alert",
                "close_inactive_agent",
                "reopen_inactive_agent",
                "low_active",
                "active_restored",
                "share_agent_change",
                "share_chain_change",
            ),
            _STATE,
        ),
        "batch_job_result": "no batch job of the directory is started by this version",
        "upload_media_job_finish": "no upload by address is started by this version",
        "open_approval_change": "approvals are WeCom's own",
        "sys_approval_change": "approvals are WeCom's own",
        "living_status_change": "livestreams are not managed by this version",
        "msgaudit_notify": "chats are not archived by this version",
    }
)
