"""What a person does in a conversation of customer service, by the API, a command or the console: write, hand it over,
take it back, end it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field, TypeAdapter
from sqlmodel import Session

from bot.context import Context
from bot.errors import ObservingError
from bot.kf import own_message, read_state
from bot.kf_work import work_on_one
from bot.knowledge import pair_of
from bot.phrases import Phrase
from bot.wecom.errors import WeComError
from data.errors import ConflictError, NotFoundError
from data.models import KfAccount, KfMessage, KfSession
from data.models.kf import KfOrigin, KfState, KfStatus
from data.queries import drafts as draft_rows
from data.queries import kf_accounts as account_rows
from data.queries import kf_sessions as rows
from data.queries import knowledge as pair_rows
from data.rules import kf_answers
from data.rules.kf_answers import KfAnswer, KfText, words_of
from data.rules.kf_sessions import BOTS, LONG_CODE, Window, change_problem, shown_state, window_of
from data.rules.problems import InvalidRuleError, RuleModel

ANSWER: TypeAdapter[KfAnswer] = TypeAdapter(KfAnswer)
NO_CHANGE = 95016
#: What is sent, or is about to be.
GOING = (KfStatus.SENT.value, KfStatus.OPEN.value)
TO: Mapping[str, KfState] = {
    "queue": KfState.QUEUED,
    "person": KfState.PERSON,
    "bot": KfState.BOT,
    "end": KfState.ENDED,
}


class Change(RuleModel):
    """Who is to have the conversation. `userid`: of a person; `notice`: what the customer is told."""

    to: Literal["queue", "person", "bot", "end"]
    userid: str = Field(default="", max_length=64)
    notice: str = Field(default="", max_length=600)


async def say(ctx: Context, session_id: int, answer: KfAnswer, by: str) -> KfMessage:
    """Write to a customer, and what became of it. Raises NotFoundError, InvalidRuleError, ObservingError, and
    ConflictError where the window is closed."""
    if found := kf_answers.problems(answer, ""):
        raise InvalidRuleError(found)
    session: KfSession = await ctx.db.read(rows.get_session, session_id)
    _refuse_observing(ctx)
    window = window_now(session, ctx.clock.now())
    if not window.is_open:
        raise ConflictError(window.why)
    content = answer.model_dump(mode="json")
    message = own_message(session, answer.msgtype, content, words_of(answer), ctx, made_by=by[:80])
    added: KfMessage = await ctx.db.write(rows.add_message, message, ctx.clock.now())
    await work_on_one(ctx, session_id)
    return await ctx.db.read(rows.get_message, added.id)


async def say_text(ctx: Context, session_id: int, text: str, by: str) -> KfMessage:
    """The same for a text."""
    return await say(ctx, session_id, KfText(text=text), by)


async def say_held(ctx: Context, session_id: int, asked_id: int | None, text: str, by: str) -> KfMessage:
    """Send a text; where it is the answer that waits under the message `asked_id`, its card with it, and once; it is
    noted of the language model's draft, too. Raises as `say`."""
    known = await ctx.db.write(rows.take_held, asked_id, session_id) if asked_id is not None else {}
    card = await _card_of(ctx, int(known["held"])) if known.get("held") else None
    sent: KfMessage | None = None
    try:
        if text.strip() or card is None:
            sent = await say_text(ctx, session_id, text, by)
        if card is not None and (sent is None or sent.status in GOING):
            sent = await say(ctx, session_id, card, by)
    finally:
        if known and (sent is None or sent.status not in GOING):
            await ctx.db.write(rows.note_knowledge, asked_id, {"sent": False})
    assert sent is not None
    if known.get("draft") and sent.status in GOING:
        await ctx.db.write(_note_draft, session_id, int(known["draft"]))
    return sent


async def send_draft(ctx: Context, session_id: int, asked_id: int, text: str | None, by: str) -> KfMessage:
    """Send the answer that waits under a message, its card with it: as it is, or in these words. Raises as `say`, and
    ConflictError where none waits there."""
    asked: KfMessage = await ctx.db.read(rows.get_message, asked_id)
    known = asked.explanation.get("knowledge", {}) if asked.session_id == session_id else {}
    if not (known.get("held") or known.get("draft_text")):
        raise ConflictError(
            Phrase("这条消息下面没有等待发送的答案。"), Phrase("请从会话的消息里选择带有草稿的那一条。")
        )
    words = str(known.get("draft_text") or "") if text is None else text
    return await say_held(ctx, session_id, asked_id, words, by)


def awaiting(explanation: Mapping[str, Any]) -> str:
    """The words of the answer that waits under a message for a person to send it, the kind of its card behind; empty
    where none does."""
    known = explanation.get("knowledge", {})
    if known.get("sent"):
        return ""
    card = f"[{known['card']}]" if known.get("card") else ""
    return " ".join(part for part in (str(known.get("draft_text") or ""), card) if part)


def _note_draft(session: Session, session_id: int, draft_id: int) -> None:
    draft_rows.note_sent(session, draft_id, rows.get_session(session, session_id).contact_id)


async def _card_of(ctx: Context, pair_id: int) -> KfAnswer | None:
    try:
        return pair_of(*await ctx.db.read(pair_rows.get_pair, pair_id)).attachment
    except NotFoundError:
        return None


async def change_state(ctx: Context, session_id: int, change: Change, by: str) -> KfSession:
    """Give a conversation to somebody. Raises NotFoundError, InvalidRuleError, ObservingError, WeComError, and
    ConflictError where WeCom does not allow it: what it says of the conversation is then known here."""
    session: KfSession = await ctx.db.read(rows.get_session, session_id)
    _refuse_observing(ctx)
    if change.notice and (found := kf_answers.problems(KfText(text=change.notice), "")):
        raise InvalidRuleError(found)
    wanted = TO[change.to]
    if why := change_problem(state_now(session, ctx.clock.now()), wanted):
        # What is known here may be old: WeCom knows.
        session = await learn_state(ctx, session)
        if why := change_problem(KfState(session.state), wanted):
            raise ConflictError(why)
    userid = change.userid if wanted is KfState.PERSON else ""
    try:
        told = await ctx.wecom.within(urgent=True).kf.trans_service_state(
            session.open_kfid, session.external_userid, int(wanted), userid
        )
    except WeComError as error:
        if error.errcode != NO_CHANGE:
            raise
        await learn_state(ctx, session)
        raise ConflictError(
            Phrase("企业微信不允许这样变更会话状态（95016）"),
            Phrase("会话状态已重新读取。人工接待中的会话由接待人员在企业微信里结束。"),
        ) from error
    return await _write_change(ctx, session, change, userid, str(told.get("msg_code") or ""), by)


async def _write_change(ctx: Context, session: KfSession, change: Change, userid: str, code: str, by: str) -> KfSession:
    now = ctx.clock.now()
    told = KfMessage(
        session_id=session.id or 0, open_kfid=session.open_kfid, external_userid=session.external_userid,
        msgid=secrets.token_hex(16), origin=int(KfOrigin.OURS), msgtype="trans",
        content={"to": change.to, "userid": userid}, made_by=by[:80], sent_at=now, status=KfStatus.SENT.value,
        ended_at=now,
    )  # fmt: skip
    after: KfSession = await ctx.db.write(rows.note_state, session.id, TO[change.to], userid, now, told)
    if change.notice and code:
        notice = own_message(
            session, "text", {"msgtype": "text", "text": change.notice}, change.notice, ctx, code=code,
            code_until=now + LONG_CODE, made_by=by[:80],
        )  # fmt: skip
        await ctx.db.write(rows.add_message, notice, now)
        await work_on_one(ctx, session.id or 0)
    return after


async def learn_state(ctx: Context, session: KfSession) -> KfSession:
    """Ask WeCom who has a conversation. Raises WeComError."""
    state, userid = await read_state(ctx, session.open_kfid, session.external_userid)
    after: KfSession = await ctx.db.write(rows.note_state, session.id, state, userid, ctx.clock.now())
    return after


def _refuse_observing(ctx: Context) -> None:
    if ctx.observes:
        raise ObservingError


def state_now(session: KfSession, now: datetime) -> KfState:
    """Who has a conversation."""
    return shown_state(session.state, session.state_at, session.written_at, now)


def window_now(session: KfSession, now: datetime) -> Window:
    """How much may still be said in it."""
    return window_of(state_now(session, now), session.written_at, session.replies, session.blocked, now)


#: How states are called in answers of the API.
NAMES: Mapping[KfState, str] = {
    KfState.NEW: "new", KfState.BOT: "bot", KfState.QUEUED: "queued", KfState.PERSON: "person", KfState.ENDED: "ended",
}  # fmt: skip


def session_json(session: KfSession, now: datetime) -> dict[str, Any]:
    """A conversation as it is told."""
    window = window_now(session, now)
    return {
        "id": session.id,
        "open_kfid": session.open_kfid,
        "external_userid": session.external_userid,
        "contact_id": session.contact_id,
        "nickname": session.nickname,
        "state": NAMES[state_now(session, now)],
        "servicer_userid": session.servicer_userid,
        "scene": session.scene,
        "blocked": session.blocked,
        "began_at": session.began_at,
        "written_at": session.written_at,
        "changed_at": session.changed_at,
        "may_send": window.left,
        "may_send_until": window.until,
        "why_not": window.why,
        "bot_answers": state_now(session, now) in BOTS,
    }


def message_json(message: KfMessage) -> dict[str, Any]:
    """A message as it is told."""
    return {
        "id": message.id,
        "msgid": message.msgid,
        "author": {0: "us", 3: "customer", 4: "event", 5: "servicer"}.get(message.origin, "event"),
        "msgtype": message.msgtype,
        "words": message.words,
        "content": message.content,
        "servicer_userid": message.servicer_userid,
        "made_by": message.made_by,
        "sent_at": message.sent_at,
        "status": message.status,
        "reason": message.reason,
        "rule_id": message.rule_id,
        "explanation": message.explanation,
        "answers_id": message.answers_id,
        "recalled_at": message.recalled_at,
    }


def account_json(account: KfAccount) -> dict[str, Any]:
    """An account as it is told."""
    return {
        "open_kfid": account.open_kfid,
        "name": account.name,
        "granted": account.granted,
        "read_at": account.read_at,
        "error": account.error,
        "servicers": account.servicers,
        "choices": account_rows.choices_of(account).model_dump(mode="json"),
    }
