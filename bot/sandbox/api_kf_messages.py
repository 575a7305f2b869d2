"""WeChat customer service: the state of sessions, reading messages and events, sending (WeCom docs 94669 to 95122)."""

from __future__ import annotations

from typing import Any

from bot.sandbox.api_kf import account_of, admit
from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.kf import BOT, ENDED, HUMAN, NEW, WINDOW_SECONDS, KfMessage, KfSession
from bot.sandbox.kf_acts import TRANSITIONS, UNCONFIRMED
from bot.sandbox.kf_messages import MAX_MENU_CHOICES, read_message, read_msgid

#: Messages of the bot after one of the customer.
MAX_SENT = 5
MAX_PAGE = 1000
#: What the counter of calls without a token is called; POST /sandbox/limits changes its limit.
WITHOUT_TOKEN = "kf/sync_msg without token"  # noqa: S105


def _session_of(call: Call) -> KfSession:
    account = account_of(call)
    external_userid = call.params.text("external_userid")
    if not external_userid:
        raise ApiError(41035)
    if call.world.customers.find(external_userid) is None:
        raise ApiError(40096)
    return call.world.kf.session(account.open_kfid, external_userid)


async def get_state(call: Call) -> Answer:
    session = _session_of(call)
    state = call.world.kf.state_of(session, call.now)
    made: dict[str, Any] = {"service_state": state}
    if state == HUMAN:
        made["servicer_userid"] = session.servicer_userid
    return made


async def trans_state(call: Call) -> Answer:
    session = _session_of(call)
    wanted = call.params.optional_number("service_state")
    if wanted is None or not NEW <= wanted <= ENDED:
        raise ApiError(40058, "service_state invalid. invalid Request Parameter")
    state = call.world.kf.state_of(session, call.now)
    allowed = TRANSITIONS.get(state, ())
    if call.machine.settings.kf_unconfirmed_transitions:
        allowed += UNCONFIRMED.get(state, ())
    if wanted not in allowed:
        raise ApiError(95016)
    userid = ""
    if wanted == HUMAN:
        userid = _servicer(call, session)
        if state == HUMAN and userid == session.servicer_userid:
            raise ApiError(95016)
    code = call.machine.kf_acts.trans(session, wanted, userid)
    return {"msg_code": code} if code else {}


def _servicer(call: Call, session: KfSession) -> str:
    """Who is to serve. Raises ApiError 40058 (nobody), 95014 (no servicer), 60030 (out of range), 95019 (stopped)."""
    userid = call.params.text("servicer_userid")
    if not userid:
        raise ApiError(40058, "field `servicer_userid` unexpected empty string. invalid Request Parameter")
    member, account = call.world.directory.find(userid), call.world.kf.get_account(session.open_kfid)
    servicers = call.machine.kf_acts.servicers(account)
    if member is None or member.userid not in servicers or member.status != 1:
        raise ApiError(95014)
    if not call.world.directory.in_range(call.app, member):
        raise ApiError(60030)
    if servicers[member.userid] == 1:
        raise ApiError(95019)
    return member.userid


async def sync(call: Call) -> Answer:
    account, token = account_of(call), call.params.text("token")
    limit = call.params.number("limit", MAX_PAGE)
    if not 1 <= limit <= MAX_PAGE or len(call.params.text("cursor").encode("utf-8", "replace")) > 64:
        raise ApiError(40058, "limit or cursor invalid. invalid Request Parameter")
    if call.params.number("voice_format", 0) not in (0, 1):
        raise ApiError(40058, "voice_format invalid. invalid Request Parameter")
    if token:
        call.world.kf.check_token(token, account.open_kfid, call.now)
    else:
        call.machine.limits.spend(WITHOUT_TOKEN, call.now, call.machine.limits.own[WITHOUT_TOKEN])
    found, cursor, more = call.world.kf.page(account.open_kfid, call.params.text("cursor"), limit, call.now)
    return {"next_cursor": cursor, "has_more": int(more), "msg_list": [_message_json(message) for message in found]}


def _message_json(message: KfMessage) -> dict[str, Any]:
    made: dict[str, Any] = {"msgid": message.msgid, "send_time": int(message.at), "origin": message.origin}
    if message.msgtype != "event":  # of an event the two stand inside it
        made |= {"open_kfid": message.open_kfid, "external_userid": message.external_userid}
    if message.servicer_userid:
        made["servicer_userid"] = message.servicer_userid
    return {**made, "msgtype": message.msgtype, message.msgtype: message.content}


async def send(call: Call) -> Answer:
    account, touser, msgid = account_of(call), call.params.text("touser"), read_msgid(call.params)
    if not touser:
        raise ApiError(40058, "field `touser` unexpected empty string. invalid Request Parameter")
    msgtype, content = read_message(call)
    if call.world.customers.find(touser) is None:
        raise ApiError(40096)
    kf = call.world.kf
    if msgid and kf.sent_before(account.open_kfid, msgid):
        raise ApiError(95033)
    session = kf.session(account.open_kfid, touser)
    if session.asked_at and call.now - session.asked_at >= WINDOW_SECONDS:
        raise ApiError(95002)
    if kf.state_of(session, call.now) not in (NEW, BOT):
        raise ApiError(95018)
    if session.sent >= MAX_SENT:
        raise ApiError(95001)
    session.sent += 1
    session.active_at = call.now
    return {"msgid": _deliver(call, session, msgid, msgtype, content)}


async def send_on_event(call: Call) -> Answer:
    admit(call)
    text, msgid = call.params.text("code"), read_msgid(call.params)
    if not text:
        raise ApiError(40058, "field `code` unexpected empty string. invalid Request Parameter")
    code = call.world.kf.open_code(text, call.now)
    with_menu = code.kind in ("welcome", "closing")
    msgtype, content = read_message(call, ("text", "msgmenu") if with_menu else ("text",), MAX_MENU_CHOICES)
    kf = call.world.kf
    if kf.find_account(code.open_kfid) is None:
        raise ApiError(95004)
    if msgid and kf.sent_before(code.open_kfid, msgid):
        raise ApiError(95033)
    session = kf.session(code.open_kfid, code.external_userid)
    if code.kind == "welcome":
        session.welcomed_at = call.now
    elif kf.state_of(session, call.now) != code.state:
        raise ApiError(95018)
    code.used = True
    return {"msgid": _deliver(call, session, msgid, msgtype, content)}


def _deliver(call: Call, session: KfSession, msgid: str, msgtype: str, content: dict[str, Any]) -> str:
    """The message arrives, or is accepted and fails as it was told to; its msgid."""
    acts = call.machine.kf_acts
    fail_type = session.failing.pop(0) if session.failing else None
    call.world.kf.put_session(session)
    if fail_type is None:
        return acts.own(session, msgid, msgtype, content).msgid
    msgid = msgid or f"lost{call.machine.calls.seq}"
    call.world.kf.claim(session.open_kfid, msgid)
    acts.fail(session, msgid, fail_type)
    return msgid


ENDPOINTS = (
    Endpoint("kf/service_state/get", "POST", get_state),
    Endpoint("kf/service_state/trans", "POST", trans_state),
    Endpoint("kf/sync_msg", "POST", sync, {"msg_list": []}),
    Endpoint("kf/send_msg", "POST", send),
    Endpoint("kf/send_msg_on_event", "POST", send_on_event),
)
