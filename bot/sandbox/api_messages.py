"""App messages to staff: truncated where WeCom truncates, dropped where WeCom drops."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bot.sandbox.calls import Answer, Call, Endpoint, Params
from bot.sandbox.errors import ApiError
from bot.sandbox.population import token_of
from bot.sandbox.records import Member

MAX_USERS = 1000
MAX_PARTIES = 100
MAX_MARKDOWN_BYTES = 2048
INTERACTIVE = ("button_interaction", "vote_interaction", "multiple_interaction")
CARDS = ("text_notice", "news_notice", *INTERACTIVE)


async def send(call: Call) -> Answer:
    params = call.params
    agentid = params.optional_number("agentid")
    if agentid is None:
        raise ApiError(41011)
    if agentid != call.app.agentid:
        raise ApiError(301002 if agentid in call.world.apps else 40056)
    msgtype = params.text("msgtype")
    reader = _READERS.get(msgtype)
    if reader is None:
        raise ApiError(40008)
    receivers, invalid_users, invalid_parties, invalid_tags = _receivers(call)
    content = reader(call, params.object(msgtype))
    made: dict[str, Any] = {
        "invaliduser": "|".join(userid.lower() for userid in invalid_users),
        "invalidparty": "|".join(str(party) for party in invalid_parties),
        "invalidtag": "|".join(str(tag) for tag in invalid_tags),
        "unlicenseduser": "",
    }
    if not receivers:
        raise ApiError(81013)
    messages = call.machine.staff_messages
    msgid = messages.new_msgid()
    made["msgid"] = msgid
    response_code = ""
    if msgtype == "template_card" and _needs_callback(content):
        response_code = token_of("response", msgid) + token_of("code", msgid)
        made["response_code"] = response_code
        call.world.cards.issue(response_code, call.app.agentid, msgid, str(content.get("task_id", "")), call.now)
    if params.flag("enable_duplicate_check", False):
        interval = min(params.number("duplicate_check_interval", 1800), 14_400)
        digest = hashlib.sha256(json.dumps([msgtype, content, params.values.get("touser")], sort_keys=True).encode())
        if messages.repeated(call.app.agentid, digest.hexdigest(), call.now, interval):
            return made
    for member in receivers:
        if messages.may_receive(call.app.agentid, member.userid, call.now, call.machine.settings):
            written = call.world.chats.write_app(
                call.app.agentid, member.userid, False, msgid, msgtype, content, call.now, response_code
            )
            call.world.changes.note("app_message.sent", userid=member.userid, agentid=call.app.agentid, seq=written.seq)
    return made


def _receivers(call: Call) -> tuple[list[Member], list[str], list[str], list[str]]:
    """(who receives it, unknown users, unknown parties, unknown tags)."""
    params, directory = call.params, call.world.directory
    touser, toparty, totag = (params.text(name) for name in ("touser", "toparty", "totag"))
    if not (touser or toparty or totag):
        raise ApiError(82001)
    everyone = [member for member in directory if directory.in_range(call.app, member) and member.status == 1]
    if touser == "@all":
        return everyone, [], [], []
    users = [userid for userid in touser.split("|") if userid]
    parties = [party for party in toparty.split("|") if party]
    tags = [tag for tag in totag.split("|") if tag]
    if len(users) > MAX_USERS:
        raise ApiError(40032)
    if len(parties) > MAX_PARTIES:
        raise ApiError(82002)
    if len(tags) > MAX_PARTIES:
        raise ApiError(82003)
    chosen: dict[str, Member] = {}
    invalid_users: list[str] = []
    for userid in users:
        member = directory.find(userid)
        if member is None or member not in everyone:
            invalid_users.append(userid)
        else:
            chosen[member.userid] = member
    invalid_parties: list[str] = []
    for party in parties:
        if not party.isdigit() or int(party) not in directory.departments:
            invalid_parties.append(party)
            continue
        below = {department.id for department in directory.below(int(party))}
        chosen.update((member.userid, member) for member in everyone if below & set(member.department))
    return list(chosen.values()), invalid_users, invalid_parties, tags


def _text(call: Call, body: Params) -> dict[str, Any]:
    content = body.text("content")
    if not content:
        raise ApiError(44004)
    return {"content": cut(content, 2048)}


def _markdown(call: Call, body: Params) -> dict[str, Any]:
    content = body.text("content")
    if not content:
        raise ApiError(44004)
    if len(content.encode()) > MAX_MARKDOWN_BYTES:
        raise ApiError(40058, "markdown.content exceed max length 2048. invalid Request Parameter")
    return {"content": content}


def _media(type_: str) -> Any:
    def read(call: Call, body: Params) -> dict[str, Any]:
        media_id = body.text("media_id")
        if not media_id:
            raise ApiError(41006)
        call.world.media.usable(media_id, call.now, types=(type_,))
        made: dict[str, Any] = {"media_id": media_id}
        if type_ == "video":
            made |= {"title": cut(body.text("title"), 128), "description": cut(body.text("description"), 512)}
        return made

    return read


def _textcard(call: Call, body: Params) -> dict[str, Any]:
    made = {name: body.text(name) for name in ("title", "description", "url")}
    for name, value in made.items():
        if not value:
            raise ApiError(40058, f"field textcard.{name} unexpected empty string. invalid Request Parameter")
    if len(made["url"].encode()) > 2048:
        raise ApiError(40058, "textcard.url exceed max length 2048. invalid Request Parameter")
    btntxt = body.text("btntxt", "详情")[:4]
    return {
        "title": made["title"][:128],
        "description": made["description"][:512],
        "url": made["url"],
        "btntxt": btntxt,
    }


def _news(call: Call, body: Params) -> dict[str, Any]:
    articles = body.objects("articles")
    if not 1 <= len(articles) <= 8:
        raise ApiError(40058, "articles size invalid")
    made: list[dict[str, str]] = []
    for article in articles:
        if not article.text("title"):
            raise ApiError(40058, "field title unexpected empty string. invalid Request Parameter")
        if not article.text("url") and not (article.text("appid") and article.text("pagepath")):
            raise ApiError(40058, "field url unexpected empty string. invalid Request Parameter")
        one = {name: article.text(name) for name in ("url", "picurl", "appid", "pagepath")}
        made.append(
            {**one, "title": cut(article.text("title"), 128), "description": cut(article.text("description"), 512)}
        )
    return {"articles": made}


def _miniprogram_notice(call: Call, body: Params) -> dict[str, Any]:
    if not body.text("appid"):
        raise ApiError(40058, "field appid unexpected empty string. invalid Request Parameter")
    if not 4 <= len(body.text("title")) <= 12:
        raise ApiError(40058, "title invalid")
    if len(body.objects("content_item")) > 10:
        raise ApiError(40058, "content_item size invalid")
    return dict(body.values)


def read_card(call: Call, body: Params, *, replaces: str = "") -> dict[str, Any]:
    """A template card that may be sent, or put in the place of the one with the task_id `replaces`. Raises ApiError."""
    card_type = body.text("card_type")
    if card_type not in CARDS:
        raise ApiError(42014, "invalid card_type")
    task_id = body.text("task_id", replaces)
    interactive = card_type in INTERACTIVE or body.object("action_menu")
    if interactive:
        if not task_id:
            raise ApiError(42016, "missing task_id")
        if not call.app.callback_url:
            raise ApiError(43012)
        if task_id != replaces and call.world.cards.knows(call.app.agentid, task_id):
            raise ApiError(42017, "duplicate task_id")
    if card_type == "text_notice" and not (body.object("main_title").text("title") or body.text("sub_title_text")):
        raise ApiError(42018, "main_title.title and sub_title_text are both empty")
    if card_type in ("text_notice", "news_notice") and not body.object("card_action"):
        raise ApiError(42019, "missing card_action")
    if card_type == "button_interaction" and not 1 <= len(body.objects("button_list")) <= 6:
        raise ApiError(42020, "button_list size invalid")
    return {**body.values, "task_id": task_id} if task_id else dict(body.values)


def _needs_callback(content: dict[str, Any]) -> bool:
    return content.get("card_type") in INTERACTIVE or bool(content.get("action_menu"))


def cut(text: str, most_bytes: int) -> str:
    """The text cut to so many bytes, between characters."""
    return text.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")


_READERS: dict[str, Any] = {
    "text": _text,
    "markdown": _markdown,
    "image": _media("image"),
    "voice": _media("voice"),
    "file": _media("file"),
    "video": _media("video"),
    "textcard": _textcard,
    "news": _news,
    "miniprogram_notice": _miniprogram_notice,
    "template_card": read_card,
}

ENDPOINTS = (Endpoint("message/send", "POST", send, {"invaliduser": ""}),)
