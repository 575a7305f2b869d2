"""Which calls may be made again, and when: pure decisions.

After a missing answer only reads (by rule) and the writes listed here (each with its reason) are repeated. A refusal
that did nothing allows a repeat of any call.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from bot.wecom.codes import CONFLICT, RATE_LIMIT, SYSTEM_BUSY, TOKEN_REFUSED
from bot.wecom.errors import NoAnswerError, WeComError

CONFLICT_TRIES: Final = 6
BUSY_TRIES: Final = 4  # WeCom allows three repeats of -1
RATE_LIMIT_TRIES: Final = 3
NO_ANSWER_TRIES: Final = 3

#: POSTed reads whose names do not say so.
READS: Final = frozenset(
    {
        "batch/openuserid_to_userid",
        "export/get_result",
        "externalcontact/batch/get_by_user",
        "externalcontact/contact_list",
        "externalcontact/convert_to_openid",
        "externalcontact/customer_acquisition/customer",
        "externalcontact/customer_acquisition/statistic",
        "externalcontact/from_service_external_userid",
        "externalcontact/groupchat/statistic",
        "externalcontact/groupchat/statistic_group_by_day",
        "externalcontact/opengid_to_chatid",
        "externalcontact/resigned/transfer_result",
        "externalcontact/transfer_result",
        "idconvert/convert_tmp_external_userid",
        "kf/customer/batchget",
        "kf/sync_msg",
        "user/convert_to_openid",
        "user/convert_to_userid",
    }
)

#: GET requests that use something up.
_GETS_THAT_CONSUME: Final = frozenset({"auth/getuserinfo", "user/getuserinfo"})

_OVERWRITES: Final = "states the whole new value: twice is once"
_REMOVES: Final = "removing what is gone is refused and changes nothing"
_FORGOTTEN: Final = "a second copy is forgotten after three days"

#: Writes that may be repeated, with the reason.
WRITES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "agent/set": _OVERWRITES,
        "department/update": _OVERWRITES,
        "externalcontact/cancel_groupmsg_send": _REMOVES,
        "externalcontact/cancel_moment_task": _REMOVES,
        "externalcontact/close_temp_chat": _REMOVES,
        "externalcontact/del_contact_way": _REMOVES,
        "externalcontact/customer_acquisition/delete_link": _REMOVES,
        "externalcontact/customer_acquisition/update_link": _OVERWRITES,
        "externalcontact/del_corp_tag": _REMOVES,
        "externalcontact/edit_corp_tag": _OVERWRITES,
        "externalcontact/group_welcome_template/del": _REMOVES,
        "externalcontact/group_welcome_template/edit": _OVERWRITES,
        "externalcontact/groupchat/del_join_way": _REMOVES,
        "externalcontact/groupchat/update_join_way": _OVERWRITES,
        "externalcontact/mark_tag": "putting on a tag that is on, or off one that is off, changes nothing",
        "externalcontact/remark": _OVERWRITES,
        "externalcontact/send_welcome_msg": "a code works once: WeCom refuses a second welcome (41051)",
        "externalcontact/update_contact_way": _OVERWRITES,
        "media/upload": _FORGOTTEN,
        "media/upload_attachment": _FORGOTTEN,
        "menu/create": _OVERWRITES,
        "message/recall": _REMOVES,
        "tag/addtagusers": "adding a member who is in changes nothing",
        "tag/deltagusers": _REMOVES,
        "tag/update": _OVERWRITES,
        "user/batchdelete": _REMOVES,
        "user/update": _OVERWRITES,
    }
)

_READING_WORDS: Final = ("get", "list", "search", "simplelist")


def may_repeat(method: str, path: str, data: Any = None) -> bool:
    """Whether the call may be made again when no answer came.

    `data` is the JSON body as the caller gave it: two APIs are safe only with a switch in it.
    """
    if method.upper() == "GET":
        return path not in _GETS_THAT_CONSUME
    if path in READS or path in WRITES:
        return True
    if isinstance(data, Mapping):
        if path == "message/send":
            # Within duplicate_check_interval WeCom delivers the same words to the same people once.
            return bool(data.get("enable_duplicate_check"))
        if path in {"kf/send_msg", "kf/send_msg_on_event"}:
            return bool(data.get("msgid"))  # a msgid of ours is accepted once (95033)
    return path.rsplit("/", 1)[-1].startswith(_READING_WORDS)


def pause_before_repeat(error: WeComError, tries: int, *, renewed: bool) -> float | None:
    """Seconds to wait before the same call is made again, or None: never by itself.

    `tries` is how often it was made, `renewed` whether its token was replaced already. Whether a call of unknown
    outcome may be repeated was decided when `error` was made: it is an UnknownOutcomeError, or a NoAnswerError.
    """
    if error.path == "gettoken":
        tries_max = NO_ANSWER_TRIES if isinstance(error, NoAnswerError) or error.errcode == SYSTEM_BUSY else 0
        first = 0.5
    elif error.errcode in TOKEN_REFUSED:
        return None if renewed else 0.0
    elif error.errcode == RATE_LIMIT:
        return error.after_seconds if tries < RATE_LIMIT_TRIES else None
    elif error.errcode in CONFLICT:
        tries_max, first = CONFLICT_TRIES, 0.1
    elif error.errcode == SYSTEM_BUSY and error.retryable:
        tries_max, first = BUSY_TRIES, 0.5
    elif isinstance(error, NoAnswerError):
        tries_max, first = NO_ANSWER_TRIES, 0.2
    else:
        return None
    if tries >= tries_max:
        return None
    backoff = float(first * 2 ** (tries - 1))
    # The table's pause for a code is for callers that come back; only gettoken's own pause has to be kept here.
    return max(backoff, error.after_seconds or 0.0) if error.path == "gettoken" else backoff
