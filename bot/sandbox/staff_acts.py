"""What staff do with an app, and what an admin does with staff."""

from __future__ import annotations

from typing import Any

from bot.sandbox.callbacks import Callbacks, Delivery
from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.events import Field, event_xml, value_of
from bot.sandbox.population import token_of
from bot.sandbox.records import AppMessage, Department, Member
from bot.sandbox.world import World
from bot.wecom.event_base import text_of
from bot.wecom.event_xml import MalformedEventError, parse_event

#: WeCom cuts the text of a passive reply here.
TEXT_BYTES = 2048


class StaffActs:
    """Acts of staff and about staff. Raises WorldError for what cannot be done."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        self.world, self.callbacks = world, callbacks
        callbacks.on_reply = self._replied
        self._made = 0

    # -- with an app

    def write(self, userid: str, text: str, agentid: int | None = None) -> AppMessage:
        """A member writes to an app."""
        return self.message(userid, "text", (("Content", text),), agentid)

    def message(self, userid: str, msgtype: str, fields: tuple[Field, ...], agentid: int | None = None) -> AppMessage:
        """A member sends a message of any type; `fields` are its elements."""
        member, app = self._active(userid), self.world.get_app(agentid)
        self._made += 1
        msgid = int(token_of("MsgId", self.world.now, self._made)[:15], 16)  # beyond 2^53, as real ones may be
        names = {"Content": "content", "MediaId": "media_id"}  # as in messages that the app sends
        content = {names.get(name, name): value for name, value in fields if isinstance(value, str)}
        written = self.world.chats.write_app(
            app.agentid, member.userid, True, str(msgid), msgtype, content, self.world.clock.timestamp()
        )
        self.world.changes.note("app_message.sent", userid=member.userid, agentid=app.agentid, seq=written.seq)
        self._send(member, app.agentid, [("MsgType", msgtype), *fields, ("MsgId", msgid), ("AgentID", app.agentid)])
        return written

    def event(
        self, userid: str, event: str, event_key: str = "", agentid: int | None = None, more: tuple[Field, ...] = ()
    ) -> None:
        """A member does something with an app: subscribe, unsubscribe, enter_agent, click, view …"""
        member, app = self._active(userid), self.world.get_app(agentid)
        fields: list[Field] = [("MsgType", "event"), ("Event", event), ("EventKey", event_key), *more]
        self._send(member, app.agentid, [*fields, ("AgentID", app.agentid)])

    def click_card(
        self, userid: str, msgid: str, key: str, selected: dict[str, list[str]] | None = None
    ) -> dict[str, Any]:
        """A member presses a button of a template card; `selected`: question_key → option ids."""
        member = self._active(userid)
        message = self._card(member, msgid)
        if message.content.get("replace_text"):
            raise WorldError(f"The card's buttons are gone: it says {message.content['replace_text']}.")
        self._made += 1
        code = token_of("response", msgid, key, self.world.now, self._made) + token_of(userid, key)
        task_id = str(message.content.get("task_id", ""))
        self.world.cards.issue(code, message.agentid, msgid, task_id, self.world.clock.timestamp())
        items = tuple(
            (
                "SelectedItem",
                (("QuestionKey", question), ("OptionIds", tuple(("OptionId", option) for option in options))),
            )
            for question, options in (selected or {}).items()
        )
        more: tuple[Field, ...] = (
            ("TaskId", task_id),
            ("CardType", str(message.content.get("card_type", ""))),
            ("ResponseCode", code),
            *((("SelectedItems", items),) if items else ()),
        )
        self.event(userid, "template_card_event", key, message.agentid, more)
        return {"response_code": code}

    def _card(self, member: Member, msgid: str) -> AppMessage:
        for app in self.world.apps.values():
            for message in self.world.chats.of_app(app.agentid, member.userid):
                if message.msgid == msgid and message.msgtype == "template_card":
                    return message
        raise NotFoundError(f"{member.userid} has received no template card {msgid!r}.")

    def _send(self, member: Member, agentid: int, fields: list[Field]) -> None:
        plaintext = event_xml(self.world.company.corpid, member.userid, self.world.now, fields)
        self.callbacks.send(self.world.get_app(agentid), plaintext, f"staff:{member.userid}", of_app=True)

    def _replied(self, delivery: Delivery, plaintext: str) -> None:
        """An app answered a message at once (passive reply): it stands in the member's chat like any other."""
        try:
            said = parse_event(plaintext).fields
        except MalformedEventError:
            return
        userid, msgtype = text_of(said, "ToUserName"), text_of(said, "MsgType")
        if self.world.directory.find(userid) is None or value_of(delivery.plaintext, "FromUserName") != userid:
            return
        words = text_of(said, "Content").encode()[:TEXT_BYTES].decode("utf-8", "ignore")
        content = {"content": words} if msgtype == "text" else {"xml": plaintext}
        written = self.world.chats.write_app(
            delivery.agentid, userid, False, "", msgtype, content, self.world.clock.timestamp()
        )
        self.world.changes.note("app_message.sent", userid=userid, agentid=delivery.agentid, seq=written.seq)

    def _active(self, userid: str) -> Member:
        member = self.world.directory.get(userid)
        if member.status != 1:
            raise WorldError(f"{userid} is not an active member.")
        return member

    # -- by an admin

    def join(self, name: str, userid: str, department: list[int], position: str, customer_contact: bool) -> Member:
        """Somebody joins the company."""
        if self.world.directory.find(userid) is not None:
            raise WorldError(f"There is a member {userid} already.")
        self._departments(department)
        return self._put(Member(userid, name, department, position, customer_contact=customer_contact))

    def change(self, userid: str, **values: Any) -> Member:
        """An admin changes a member: department, position, name, seat (customer_contact), status, admin_welcome."""
        member = self.world.directory.get(userid)
        if values.get("department") is not None:
            self._departments(values["department"])
        for name, value in values.items():
            if value is not None:
                setattr(member, name, value)
        return self._put(member)

    def leave(self, userid: str) -> Member:
        """A member leaves: customers and groups wait to be assigned."""
        member = self._active(userid)
        member.status, member.left_at = 5, self.world.now
        for group in self.world.groups:
            if group.owner == member.userid and not group.dismissed:
                group.status = 1
                self.world.groups.put(group)
        return self._put(member)

    def put_department(self, id_: int | None, name: str, parentid: int) -> Department:
        """A department is made (without `id_`), renamed or moved."""
        departments = self.world.directory.departments
        if parentid not in departments and id_ != 1:
            raise NotFoundError(f"There is no department {parentid}.", "GET /sandbox/departments lists them.")
        number = id_ or max(departments) + 1
        if id_ is not None and any(below.id == parentid for below in self.world.directory.below(id_)):
            raise WorldError("A department cannot be moved under itself.")
        department = departments.get(number) or Department(number, name, "", parentid, number)
        department.name, department.parentid = name, parentid
        self.world.directory.put_department(department)
        self.world.changes.note("department.changed", id=number)
        return department

    def _departments(self, ids: list[int]) -> None:
        unknown = set(ids) - self.world.directory.departments.keys()
        if unknown or not ids:
            raise NotFoundError(f"There is no department {sorted(unknown)}.", "GET /sandbox/departments lists them.")

    def _put(self, member: Member) -> Member:
        self.world.directory.put(member)
        self.world.changes.note("member.changed", userid=member.userid)
        return member
