"""Control routes that play WeChat customer service: customers, servicers, the admin."""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

from pydantic import Field

from bot.sandbox.control import Body, Nothing, Route
from bot.sandbox.errors import WorldError
from bot.sandbox.journal import to_dict
from bot.sandbox.kf import KfMessage, KfSession
from bot.sandbox.machine import Machine

MAX_TEXT = 4000


class Sessions(Body):
    """`state`: only those in it; `userid`: only those whom this servicer serves."""

    open_kfid: str = ""
    state: int | None = None
    userid: str = ""
    limit: int = Field(100, gt=0, le=10_000)


class Messages(Body):
    """`open_kfid` empty: the first account; `external_userid` empty: everyone's."""

    open_kfid: str = ""
    external_userid: str = ""
    since: int = 0
    limit: int = Field(1000, gt=0, le=100_000)


class Enter(Body):
    """`url`: a link of kf/add_contact_way, perhaps with scene_param, in place of the others."""

    open_kfid: str = ""
    external_userid: str = ""
    name: str = Field("", max_length=2000)
    url: str = Field("", max_length=2000)
    scene: str = Field("", max_length=32)
    scene_param: str = Field("", max_length=128)


class Chat(Body):
    open_kfid: str = ""
    external_userid: str


class Write(Chat):
    """A text by `text` (and `menu_id`), or another `msgtype` with its `content`; an image may come without any."""

    msgtype: Literal[
        "text", "image", "voice", "video", "file", "location", "link", "business_card", "miniprogram", "merged_msg",
        "channels", "channels_shop_product", "channels_shop_order", "meeting", "calendar", "note",
    ] = "text"  # fmt: skip
    text: str = Field("", max_length=MAX_TEXT)
    menu_id: str = Field("", max_length=128)
    content: dict[str, Any] = Field(default_factory=dict)


class Click(Chat):
    msgid: str
    id: str


class Recall(Chat):
    """By the servicer `userid`, or by the customer."""

    msgid: str
    userid: str = ""


class FailNext(Chat):
    """The bot's next `count` messages are accepted and do not arrive."""

    fail_type: Literal[0, 1, 2, 4, 5, 6, 8, 10, 11, 12, 13] = 10
    count: int = Field(1, ge=1, le=100)


class Burst(Body):
    """`messages` texts from `customers` people, in turn; new ones, or those of `external_userids`.

    `one_callback`: a single event at the end instead of one per message.
    """

    open_kfid: str = ""
    messages: int = Field(1, ge=1, le=10_000)
    customers: int = Field(1, ge=1, le=10_000)
    external_userids: list[str] = Field(default_factory=list, max_length=10_000)
    text: str = Field("你好", max_length=200)
    one_callback: bool = False


class Serve(Chat):
    userid: str


class Reply(Serve):
    text: str = Field(min_length=1, max_length=MAX_TEXT)


class HandOn(Serve):
    to: str


class Receiving(Body):
    """`stop_type`: 0 stopped, 1 away for a while."""

    open_kfid: str = ""
    userid: str
    receiving: bool
    stop_type: Literal[0, 1] = 0


class Grant(Body):
    open_kfid: str = ""
    granted: bool


def list_accounts(machine: Machine, body: Nothing) -> Any:
    kf = machine.world.kf
    return {
        "accounts": [
            {**to_dict(account), "serving": machine.kf_acts.servicers(account), "url": kf.link_of(account, "")}
            for account in kf.accounts()
        ]
    }


def list_sessions(machine: Machine, body: Sessions) -> Any:
    """Sessions, the one with the latest message first."""
    kf, now = machine.world.kf, machine.world.clock.timestamp()
    found = [
        session
        for session in kf.sessions(body.open_kfid)
        if body.state in (None, kf.state_of(session, now)) and body.userid in ("", session.servicer_userid)
    ]
    found.sort(key=lambda session: -max(session.active_at, session.entered_at))
    return {"sessions": [session_json(machine, session) for session in found[: body.limit]], "count": len(found)}


def list_messages(machine: Machine, body: Messages) -> Any:
    kf = machine.world.kf
    account = kf.get_account(body.open_kfid)
    lines = kf.chat(account.open_kfid, body.external_userid) if body.external_userid else kf.stream(account.open_kfid)
    found = islice((line for line in lines if line.seq > body.since), body.limit)
    return {"messages": [to_dict(line) for line in found]}


def enter(machine: Machine, body: Enter) -> Any:
    session, code = machine.kf_acts.enter(**body.model_dump())
    return {**session_json(machine, session), "welcome_code": code}


def write(machine: Machine, body: Write) -> Any:
    content = dict(body.content)
    if body.msgtype == "text":
        if not body.text:
            raise WorldError("A text says something.")
        content = {"content": body.text, **({"menu_id": body.menu_id} if body.menu_id else {})}
    return _message(machine.kf_acts.write(body.open_kfid, body.external_userid, body.msgtype, content))


def click(machine: Machine, body: Click) -> Any:
    return _message(machine.kf_acts.click(body.open_kfid, body.external_userid, body.msgid, body.id))


def recall(machine: Machine, body: Recall) -> Any:
    return _message(machine.kf_acts.recall(body.open_kfid, body.external_userid, body.msgid, body.userid))


def fail_next(machine: Machine, body: FailNext) -> Any:
    kf = machine.world.kf
    session = kf.find_session(kf.get_account(body.open_kfid).open_kfid, body.external_userid)
    if session is None:
        raise WorldError(f"{body.external_userid} never wrote to this account.")
    session.failing += [body.fail_type] * body.count
    kf.put_session(session)
    return session_json(machine, session)


def burst(machine: Machine, body: Burst) -> Any:
    """Many messages at once; who wrote them, and the msgid of each."""
    world, acts = machine.world, machine.kf_acts
    account = world.kf.get_account(body.open_kfid)
    for external_userid in body.external_userids:
        world.customers.get(external_userid)
    people = body.external_userids or [world.customers.create("").external_userid for _ in range(body.customers)]
    written: list[KfMessage] = []
    for number in range(body.messages):
        content = {"content": f"{body.text} {number + 1}"}
        person = people[number % len(people)]
        written.append(acts.write(account.open_kfid, person, "text", content, tell=not body.one_callback))
    if body.one_callback:
        acts.call_back(account)
    return {"external_userids": people, "msgids": [message.msgid for message in written]}


def pick_up(machine: Machine, body: Serve) -> Any:
    return session_json(machine, machine.kf_acts.pick_up(body.userid, body.open_kfid, body.external_userid))


def reply(machine: Machine, body: Reply) -> Any:
    return _message(machine.kf_acts.reply(body.userid, body.open_kfid, body.external_userid, body.text))


def transfer(machine: Machine, body: HandOn) -> Any:
    return session_json(machine, machine.kf_acts.transfer(body.userid, body.open_kfid, body.external_userid, body.to))


def end(machine: Machine, body: Serve) -> Any:
    return session_json(machine, machine.kf_acts.end(body.userid, body.open_kfid, body.external_userid))


def set_receiving(machine: Machine, body: Receiving) -> Any:
    return to_dict(machine.kf_acts.set_receiving(body.userid, body.open_kfid, body.receiving, body.stop_type))


def grant(machine: Machine, body: Grant) -> Any:
    return to_dict(machine.kf_acts.grant(body.open_kfid, body.granted))


def session_json(machine: Machine, session: KfSession) -> dict[str, Any]:
    """A session as it stands now."""
    now = machine.world.clock.timestamp()
    return {**to_dict(session), "state": machine.world.kf.state_of(session, now)}


def _message(message: KfMessage) -> dict[str, Any]:
    return to_dict(message)


ROUTES = (
    Route("GET", "/kf/accounts", Nothing, list_accounts),
    Route("GET", "/kf/sessions", Sessions, list_sessions),
    Route("GET", "/kf/messages", Messages, list_messages),
    Route("POST", "/kf/enter", Enter, enter),
    Route("POST", "/kf/write", Write, write),
    Route("POST", "/kf/click", Click, click),
    Route("POST", "/kf/recall", Recall, recall),
    Route("POST", "/kf/fail_next", FailNext, fail_next),
    Route("POST", "/kf/burst", Burst, burst),
    Route("POST", "/kf/pick_up", Serve, pick_up),
    Route("POST", "/kf/reply", Reply, reply),
    Route("POST", "/kf/transfer", HandOn, transfer),
    Route("POST", "/kf/end", Serve, end),
    Route("POST", "/kf/receiving", Receiving, set_receiving),
    Route("POST", "/kf/grant", Grant, grant),
)
