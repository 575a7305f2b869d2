"""Who opens a page of ours: WeCom knows who holds the phone, and tells it by way of their browser (网页授权)."""

from __future__ import annotations

import re
from typing import Any

from yarl import URL

from bot.config import Settings
from bot.wecom.client import WeComClient
from bot.wecom.errors import WeComError
from data.rules.links import Visitor

#: A person waits: longer than this WeCom is not waited for.
ASK_SECONDS = 3.0
#: WeCom's refusals of a code: used, too old, or made up. Nobody new has come.
NO_CODE = frozenset({40029, 42003, 42022})

_WECOM_CODE = re.compile(r"[\x21-\x7e]{1,512}", re.ASCII)
_USERID = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)


def authorize_url(settings: Settings, back: str, state: str) -> str:
    """Where WeCom finds out who it is, without asking them (WeCom doc 91022), and sends them on to our path `back`.

    `state`: up to 128 letters and digits that come back with them.
    """
    asked = {
        "appid": settings.company.corpid,
        "redirect_uri": f"{settings.server.public_url}{back}",
        "response_type": "code",
        "scope": "snsapi_base",
        "state": state,
        "agentid": str(settings.app.agentid),
    }
    return f"{URL(settings.wecom.authorize_url).with_query(asked)}#wechat_redirect"


def scan_url(settings: Settings, back: str, state: str) -> str:
    """Where a computer shows the code that a member scans to sign in (WeCom's web login, wwlogin). `back` and `state`
    are as above."""
    asked = {
        "login_type": "CorpApp",
        "appid": settings.company.corpid,
        "agentid": str(settings.app.agentid),
        "redirect_uri": f"{settings.server.public_url}{back}",
        "state": state,
    }
    return str(URL(settings.wecom.scan_url).with_query(asked))


async def ask_who(wecom: WeComClient, code: str) -> dict[str, Any] | None:
    """WeCom's answer to the code that a visitor came back with, which it takes once; None: it is none.

    Raises WeComError.
    """
    if not _WECOM_CODE.fullmatch(code):
        return None
    try:
        answer: dict[str, Any] = await wecom.within(ASK_SECONDS).oauth.get_user_info(code)
    except WeComError as error:
        if error.errcode in NO_CODE:
            return None
        raise
    return answer


def member_of(answer: dict[str, Any]) -> str:
    """The userid of the member that an answer names, or empty; the old form of it has its names in capitals."""
    return str(answer.get("userid") or answer.get("UserId") or "")


def visitor_of(answer: dict[str, Any]) -> tuple[Visitor, str]:
    """Who WeCom says it is; the old form of the answer has its names in capitals."""
    external_userid = str(answer.get("external_userid") or "")
    if _USERID.fullmatch(external_userid):
        return Visitor.CUSTOMER, external_userid
    if member_of(answer):
        return Visitor.STAFF, ""
    return Visitor.OUTSIDER if answer.get("openid") or answer.get("OpenId") else Visitor.UNKNOWN, ""
