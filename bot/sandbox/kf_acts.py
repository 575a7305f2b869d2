"""What customers and servicers do in WeChat customer service, and the event that tells each change of it.

The event says only that there is something, and in which account; what it was is read with `kf/sync_msg`.
"""

from __future__ import annotations

import io
from typing import Any

import segno

from bot.sandbox.callbacks import Callbacks
from bot.sandbox.errors import NotFoundError, WorldError
from bot.sandbox.events import Field, event_xml
from bot.sandbox.kf import (
    BOT,
    CUSTOMER,
    ENDED,
    EVENT,
    HUMAN,
    NEW,
    OWN,
    POOL,
    SERVICER,
    WINDOW_SECONDS,
    KfAccount,
    KfMessage,
    KfSession,
)  # fmt: skip
from bot.sandbox.population import token_of
from bot.sandbox.records import Customer, Member
from bot.sandbox.world import World


class KfActs:
    """Acts of both sides. Raises NotFoundError and WorldError for what cannot be done."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        self.world, self.callbacks = world, callbacks

    # -- the customer

    def enter(
        self, open_kfid: str, external_userid: str, *, name: str = "", url: str = "", scene: str = "",
        scene_param: str = "",
    ) -> tuple[KfSession, str]:  # fmt: skip
        """A customer opens the chat with an account: (session, welcome code or "").

        There is a code when the customer neither was welcomed nor wrote in the last 48 hours.
        """
        if url:
            account, scene, scene_param = self.world.kf.follow_link(url)
        else:
            account = self.world.kf.get_account(open_kfid)
        customer = self.world.customers.get(external_userid) if external_userid else self.world.customers.create(name)
        session = self.world.kf.session(account.open_kfid, customer.external_userid)
        now = self.now
        event = {**_ids(session), "scene": scene, "scene_param": scene_param}
        code = ""
        if all(not at or now - at >= WINDOW_SECONDS for at in (session.welcomed_at, session.asked_at)):
            code = event["welcome_code"] = self.world.kf.issue_code("welcome", session, now)
        session.entered_at, session.scene, session.scene_param = now, scene, scene_param
        self.world.kf.put_session(session)
        self._tell(session, "enter_session", event)
        return session, code

    def write(
        self, open_kfid: str, external_userid: str, msgtype: str, content: dict[str, Any], *, tell: bool = True
    ) -> KfMessage:
        """The customer writes: an ended session begins anew, and the bot may send five messages again."""
        account, customer = self.world.kf.get_account(open_kfid), self.world.customers.get(external_userid)
        if msgtype == "image" and not content.get("media_id"):
            content = {"media_id": self._picture(customer)}
        session = self.world.kf.session(account.open_kfid, customer.external_userid)
        now = self.now
        if self.world.kf.state_of(session, now) == ENDED:
            session.state, session.servicer_userid, session.coded = NEW, "", False
        session.asked_at = session.active_at = now
        session.sent = 0
        self.world.kf.put_session(session)
        message = self.world.kf.write(account.open_kfid, customer.external_userid, CUSTOMER, msgtype, content, now)
        self._note(session, message)
        if tell:
            self.call_back(account)
        return message

    def click(self, open_kfid: str, external_userid: str, msgid: str, id_: str) -> KfMessage:
        """The customer taps an item of a menu: it comes back as a text with the item's id."""
        account = self.world.kf.get_account(open_kfid)
        menu = self._message(account, external_userid, msgid)
        for item in menu.content.get("list", []) if menu.msgtype == "msgmenu" else []:
            if item["type"] == "click" and item["click"]["id"] == id_:
                content = {"content": item["click"]["content"], "menu_id": id_}
                return self.write(account.open_kfid, external_userid, "text", content)
        raise WorldError(f"Message {msgid} has no menu item {id_!r}.")

    def recall(self, open_kfid: str, external_userid: str, msgid: str, userid: str = "") -> KfMessage:
        """The customer, or the servicer `userid`, takes a message back."""
        account = self.world.kf.get_account(open_kfid)
        message = self._message(account, external_userid, msgid)
        if message.origin != (SERVICER if userid else CUSTOMER) or message.recalled:
            raise WorldError(f"{userid or external_userid} cannot take back message {msgid}.")
        message.recalled = True
        self.world.kf.change(message)
        session = self.world.kf.session(account.open_kfid, external_userid)
        event = {**_ids(session), "recall_msgid": msgid}
        if userid:
            self._tell(session, "servicer_recall_msg", {**event, "servicer_userid": message.servicer_userid})
        else:
            self._tell(session, "user_recall_msg", event)
        return message

    def fail(self, session: KfSession, msgid: str, fail_type: int) -> None:
        """A message that was accepted does not arrive."""
        self._tell(session, "msg_send_fail", {**_ids(session), "fail_msgid": msgid, "fail_type": fail_type})

    # -- servicers

    def pick_up(self, userid: str, open_kfid: str, external_userid: str) -> KfSession:
        """A servicer takes a customer out of the pool."""
        account, member = self._servicer(userid, open_kfid)
        session = self._session(account, external_userid, POOL)
        self._hand(session, member.userid, 1, "", code=True)
        return session

    def reply(self, userid: str, open_kfid: str, external_userid: str, text: str) -> KfMessage:
        """A servicer writes; in a session that has ended this opens it again."""
        account, member = self._servicer(userid, open_kfid)
        session = self._session(account, external_userid, HUMAN, ENDED)
        if self.world.kf.state_of(session, self.now) == ENDED:
            if not session.asked_at or self.now - session.asked_at >= WINDOW_SECONDS:
                raise WorldError("The customer has written nothing for 48 hours.")
            self._hand(session, member.userid, 4, "")
        elif session.servicer_userid != member.userid:
            raise WorldError(f"{session.servicer_userid} serves this customer, not {member.userid}.")
        session.active_at = self.now
        self.world.kf.put_session(session)
        message = self.world.kf.write(
            account.open_kfid, external_userid, SERVICER, "text", {"content": text}, self.now,
            servicer_userid=member.userid,
        )  # fmt: skip
        self._note(session, message)
        self.call_back(account)
        return message

    def transfer(self, userid: str, open_kfid: str, external_userid: str, to: str) -> KfSession:
        """A servicer hands the customer to another one."""
        account, member = self._servicer(userid, open_kfid)
        _, other = self._servicer(to, open_kfid)
        session = self._held(account, external_userid, member)
        if other.userid == member.userid:
            raise WorldError(f"{to} serves this customer already.")
        self._hand(session, other.userid, 2, member.userid)
        return session

    def end(self, userid: str, open_kfid: str, external_userid: str) -> KfSession:
        """A servicer ends the session."""
        account, member = self._servicer(userid, open_kfid)
        session = self._held(account, external_userid, member)
        session.state = ENDED
        code = self.world.kf.issue_code("closing", session, self.now)
        session.servicer_userid = ""
        self.world.kf.put_session(session)
        self._changed(session, 3, member.userid, "", code)
        return session

    def set_receiving(self, userid: str, open_kfid: str, receiving: bool, stop_type: int = 0) -> KfAccount:
        """A servicer stops receiving customers, or goes on. The event counts from 1, the list of servicers from 0."""
        account = self.world.kf.get_account(open_kfid)
        member = self.world.directory.get(userid)
        if member.userid not in self.servicers(account):
            raise WorldError(f"{userid} is no servicer of {account.name}.")
        account.servicers[member.userid] = 0 if receiving else 1
        self.world.kf.put_account(account)
        event: dict[str, Any] = {"servicer_userid": member.userid, "status": 1 if receiving else 2}
        if not receiving:
            event["stop_type"] = stop_type
        event["open_kfid"] = account.open_kfid
        self._tell(KfSession(account.open_kfid, ""), "servicer_status_change", event)
        return account

    def servicers(self, account: KfAccount) -> dict[str, int]:
        """userid → status of everyone who serves the account, those of its departments too."""
        directory = self.world.directory
        if not account.departments:
            return account.servicers
        inside = {one.id for id_ in account.departments for one in directory.below(id_)}
        found = {member.userid: 0 for member in directory if member.status == 1 and inside & set(member.department)}
        return found | account.servicers

    # -- the admin

    def grant(self, open_kfid: str, granted: bool) -> KfAccount:
        """An admin lets the apps use an account, or takes it from them."""
        account = self.world.kf.get_account(open_kfid)
        account.granted = granted
        self.world.kf.put_account(account)
        name = "AuthAddOpenKfId" if granted else "AuthDelOpenKfId"
        fields: list[Field] = [("MsgType", "event"), ("Event", "kf_account_auth_change"), (name, account.open_kfid)]
        plaintext = event_xml(self.world.company.corpid, "sys", self.world.now, fields)
        for app in self.world.apps.values():
            if app.kf:
                self.callbacks.send(app, plaintext, f"kf:{account.open_kfid}")
        return account

    # -- shared

    @property
    def now(self) -> float:
        return self.world.clock.timestamp()

    def call_back(self, account: KfAccount) -> None:
        """Tell every app that may use customer service that there is something to read. No event says more than that,
        so none of them waits for one before it."""
        for app in self.world.apps.values():
            if not (app.kf and app.callback_url and account.granted):
                continue
            token = self.world.kf.issue_token(account.open_kfid, self.now)
            fields: list[Field] = [
                ("MsgType", "event"), ("Event", "kf_msg_or_event"), ("Token", token), ("OpenKfId", account.open_kfid),
            ]  # fmt: skip
            plaintext = event_xml(self.world.company.corpid, "", self.world.now, fields)
            self.callbacks.send(app, plaintext, f"kf:{account.open_kfid}:{token}")

    def own(self, session: KfSession, msgid: str, msgtype: str, content: dict[str, Any]) -> KfMessage:
        """The bot's message arrives."""
        message = self.world.kf.write(
            session.open_kfid, session.external_userid, OWN, msgtype, content, self.now, msgid=msgid
        )
        self._note(session, message)
        return message

    def trans(self, session: KfSession, state: int, userid: str = "") -> str:
        """The API changes the state; no event tells of it. The code for words about it, or ""."""
        first, session.coded = not session.coded, session.coded or state in (POOL, HUMAN)
        session.state, session.servicer_userid = state, userid
        session.active_at = self.now
        code = ""
        if state == ENDED:
            code = self.world.kf.issue_code("closing", session, self.now)
        elif first and state in (POOL, HUMAN):
            code = self.world.kf.issue_code("pool" if state == POOL else "pickup", session, self.now)
        self.world.kf.put_session(session)
        self._note(session, None)
        return code

    def _hand(self, session: KfSession, userid: str, change_type: int, before: str, *, code: bool = False) -> None:
        session.state, session.servicer_userid, session.active_at = HUMAN, userid, self.now
        self.world.kf.put_session(session)
        made = self.world.kf.issue_code("pickup", session, self.now) if code else ""
        self._changed(session, change_type, before, userid, made)

    def _changed(self, session: KfSession, change_type: int, before: str, after: str, code: str) -> None:
        event: dict[str, Any] = {**_ids(session), "change_type": change_type}
        told = {"old_servicer_userid": before, "new_servicer_userid": after, "msg_code": code}
        event |= {name: value for name, value in told.items() if value}
        self._tell(session, "session_status_change", event)

    def _tell(self, session: KfSession, event_type: str, event: dict[str, Any]) -> None:
        message = self.world.kf.write(
            session.open_kfid, session.external_userid, EVENT, "event", {"event_type": event_type, **event}, self.now
        )
        self._note(session, message)
        account = self.world.kf.find_account(session.open_kfid)
        if account is not None:
            self.call_back(account)

    def _note(self, session: KfSession, message: KfMessage | None) -> None:
        self.world.changes.note(
            "kf.changed", open_kfid=session.open_kfid, external_userid=session.external_userid, state=session.state,
            servicer=session.servicer_userid, seq=0 if message is None else message.seq,
        )  # fmt: skip

    def _servicer(self, userid: str, open_kfid: str) -> tuple[KfAccount, Member]:
        account, member = self.world.kf.get_account(open_kfid), self.world.directory.get(userid)
        if member.status != 1 or member.userid not in self.servicers(account):
            raise WorldError(f"{userid} is no servicer of {account.name}.", "kf/servicer/add makes one.")
        return account, member

    def _session(self, account: KfAccount, external_userid: str, *states: int) -> KfSession:
        self.world.customers.get(external_userid)
        session = self.world.kf.session(account.open_kfid, external_userid)
        state = self.world.kf.state_of(session, self.now)
        if state not in states:
            wanted = " or ".join(str(one) for one in states)
            raise WorldError(f"The session is in state {state}; this needs {wanted}.")
        return session

    def _held(self, account: KfAccount, external_userid: str, member: Member) -> KfSession:
        session = self._session(account, external_userid, HUMAN)
        if session.servicer_userid != member.userid:
            raise WorldError(f"{session.servicer_userid} serves this customer, not {member.userid}.")
        return session

    def _message(self, account: KfAccount, external_userid: str, msgid: str) -> KfMessage:
        for message in reversed(self.world.kf.chat(account.open_kfid, external_userid)):
            if message.msgid == msgid and message.origin != EVENT:
                return message
        raise NotFoundError(f"There is no message {msgid!r} in this chat.")

    def _picture(self, customer: Customer) -> str:
        """A picture as a customer would send one."""
        out = io.BytesIO()
        words = f"{customer.external_userid} {token_of(self.now)[:8]}"
        segno.make(words, error="l").save(out, kind="png", border=2, scale=6)
        media = self.world.media.add("image", "picture.png", "image/png", out.getvalue(), self.world.now, "temporary")
        return media.media_id


def _ids(session: KfSession) -> dict[str, Any]:
    return {"open_kfid": session.open_kfid, "external_userid": session.external_userid}


#: Which changes of the state the API makes, by the state before; `unconfirmed`: drawn in WeCom's picture, in no text.
TRANSITIONS: dict[int, tuple[int, ...]] = {
    NEW: (POOL, HUMAN),
    BOT: (POOL, HUMAN),
    POOL: (HUMAN,),
    HUMAN: (HUMAN, ENDED),
}
UNCONFIRMED: dict[int, tuple[int, ...]] = {NEW: (BOT,), BOT: (ENDED,), POOL: (ENDED,), HUMAN: (BOT, POOL)}
