"""Template cards changed in place, once per response_code."""

from __future__ import annotations

from typing import Any

from bot.sandbox.api_messages import MAX_PARTIES, MAX_USERS, read_card
from bot.sandbox.calls import Answer, Call, Endpoint
from bot.sandbox.errors import ApiError
from bot.sandbox.records import AppMessage


async def update_template_card(call: Call) -> Answer:
    params = call.params
    agentid = params.optional_number("agentid")
    if agentid is None:
        raise ApiError(41011)
    if agentid != call.app.agentid:
        raise ApiError(301002 if agentid in call.world.apps else 40056)
    if not params.text("response_code"):
        raise ApiError(40058, "field response_code unexpected empty string. invalid Request Parameter")
    code = call.world.cards.find(params.text("response_code"), agentid, call.now)
    received = _received(call, code.msgid)
    wanted, invalid = _receivers(call, received)
    changed = _changed_by(call, code.task_id)
    if not wanted:
        raise ApiError(81013)
    call.world.cards.use(code)
    for userid in wanted:
        content = received[userid].content
        message = call.world.chats.change_app(agentid, userid, code.msgid, changed(content))
        if message is not None:
            call.world.changes.note("app_message.changed", userid=userid, agentid=agentid, seq=message.seq)
    return {"invaliduser": invalid}


def _received(call: Call, msgid: str) -> dict[str, AppMessage]:
    """Whoever has the card, and what it looks like to them."""
    return {
        userid: message
        for (agentid, userid), messages in call.world.chats.staff()
        for message in messages
        if agentid == call.app.agentid and message.msgid == msgid
    }


def _receivers(call: Call, received: dict[str, AppMessage]) -> tuple[list[str], list[str]]:
    """(whose card changes, who has none)."""
    params, directory = call.params, call.world.directory
    userids, parties, tags = params.texts("userids"), params.numbers("partyids"), params.numbers("tagids")
    if params.flag("atall", False):
        return list(received), []
    if not (userids or parties or tags):
        raise ApiError(82001)
    if len(userids) > MAX_USERS:
        raise ApiError(40032)
    if len(parties) > MAX_PARTIES:
        raise ApiError(82002)
    if len(tags) > MAX_PARTIES:
        raise ApiError(82003)
    found = {userid: directory.find(userid) for userid in userids}
    wanted = [member.userid for member in found.values() if member is not None and member.userid in received]
    below = {each.id for party in parties for each in directory.below(party)}
    wanted += [member.userid for member in directory if member.userid in received and below & set(member.department)]
    invalid = [userid for userid, member in found.items() if member is None or member.userid not in received]
    return list(dict.fromkeys(wanted)), invalid


def _changed_by(call: Call, task_id: str) -> Any:
    """What makes of a card's content the new one: its button's words, or another card in its place."""
    button, card = call.params.object("button"), call.params.object("template_card")
    if button:
        words = button.text("replace_name")
        if not words:
            raise ApiError(40058, "field button.replace_name unexpected empty string. invalid Request Parameter")
        return lambda content: {**content, "replace_text": words}
    if card:
        made = read_card(call, card, replaces=task_id)
        return lambda _: made
    raise ApiError(40058, "missing button or template_card. invalid Request Parameter")


ENDPOINTS = (Endpoint("message/update_template_card", "POST", update_template_card, {"invaliduser": []}),)
