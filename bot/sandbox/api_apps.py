"""The app itself, JS-SDK tickets and web login (WeCom doc 91023)."""

from __future__ import annotations

from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError

TICKET_SECONDS = 7200


async def get_agent(call: Call) -> Answer:
    agentid = call.params.optional_number("agentid")
    if agentid is None:
        raise ApiError(41011)
    if agentid != call.app.agentid:
        raise ApiError(301002 if agentid in call.world.apps else 40056)
    app = call.app
    whole = app.visible_userids is None and app.visible_parties is None
    return {
        "agentid": app.agentid,
        "name": app.name,
        "square_logo_url": "",
        "description": "",
        "allow_userinfos": {"user": [{"userid": userid} for userid in app.visible_userids or []]},
        "allow_partys": {"partyid": [1] if whole else app.visible_parties or []},
        "allow_tags": {"tagid": []},
        "close": 0,
        "close_flag": 0,
        "redirect_domain": app.redirect_domain,
        "report_location_flag": 0,
        "isreportenter": 0,
        "home_url": "",
    }


async def get_corp_ticket(call: Call) -> Answer:
    return _ticket(call, "corp")


async def get_app_ticket(call: Call) -> Answer:
    if call.params.text("type") != "agent_config":
        raise ApiError(91040)
    return _ticket(call, f"agent:{call.app.agentid}")


def _ticket(call: Call, holder: str) -> Answer:
    ticket, expires_at = call.machine.logins.ticket(holder, call.now, TICKET_SECONDS)
    return {"ticket": ticket, "expires_in": max(1, int(expires_at - call.now))}


async def get_user_info(call: Call) -> Answer:
    login = call.machine.logins.redeem(call.params.text("code"), call.now)
    if login.userid:
        return {"userid": login.userid}
    made = {"openid": login.openid}
    if login.external_userid:
        made["external_userid"] = login.external_userid
    return made


async def get_user_info_as_before(call: Call) -> Answer:
    """The older path, whose answer is in CamelCase."""
    login = call.machine.logins.redeem(call.params.text("code"), call.now)
    if login.userid:
        return {"UserId": login.userid, "DeviceId": ""}
    return {"OpenId": login.openid, "DeviceId": ""}


ENDPOINTS = (
    Endpoint("agent/get", "GET", get_agent),
    Endpoint("get_jsapi_ticket", "GET", get_corp_ticket),
    Endpoint("ticket/get", "GET", get_app_ticket),
    Endpoint("auth/getuserinfo", "GET", get_user_info),
    Endpoint("user/getuserinfo", "GET", get_user_info_as_before),
)
