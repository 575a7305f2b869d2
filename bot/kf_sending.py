"""Our rows of customer service are sent: messages, hand-overs, tags; in a conversation one after the other.

A row is sent under its own msgid, which WeCom takes once (95033): whatever became of an earlier try, the customer sees
it once. What WeCom will not take is written down with why, and does not hold up what comes after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from bot.context import Context
from bot.delivery import forget_uploads, media_id_of
from bot.errors import RetryLaterError
from bot.kf import own_message, read_state
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.tagging import put_right
from bot.wecom.errors import (
    CredentialsError,
    GoneError,
    InvalidMediaError,
    NotAFollowerError,
    NotPermittedError,
    WeComError,
)
from data.models import FollowStatus, KfMessage
from data.models.kf import KfState, KfStatus
from data.queries import customers as customer_rows
from data.queries.kf_work import Ended, Sent, Work
from data.rules.kf import HandOver
from data.rules.kf_answers import KfAnswer, media_of, to_wecom
from data.rules.kf_sessions import LONG_CODE, PEOPLES, Window, window_of
from data.rules.messages import MissingMediaError
from data.rules.problems import parse, parse_as
from data.rules.retry import pause_seconds

log = get_logger("kf")

ALREADY_SENT = 95033
ENDED = 95013
TOO_MANY, NOT_NOW = 95001, 95018
NO_SERVICER, PAUSED, NO_CHANGE = 95014, 95019, 95016
ATTEMPTS = 12
ANSWER: TypeAdapter[KfAnswer] = TypeAdapter(KfAnswer)


class Sending:
    """Sends what is open in one conversation."""

    def __init__(self, ctx: Context, work: Work) -> None:
        self.ctx = ctx
        self.work = work
        self.session = work.session
        self.ended = Ended(work.session.id or 0)
        self.state = KfState(work.session.state)
        self.replies = work.session.replies

    async def send(self, rows: list[KfMessage]) -> Ended:
        """Send rows in their order; one that is to be tried again keeps those behind it waiting."""
        for row in rows:
            sent = await self._send_one(row)
            self.ended.sent.append(sent)
            self.ctx.metrics.kf_messages.labels(sent.status.value).inc()
            if sent.status is KfStatus.OPEN:
                break
        return self.ended

    async def _send_one(self, row: KfMessage) -> Sent:
        assert row.id is not None
        try:
            match row.msgtype:
                case "trans":
                    reason = await self._hand_over(row)
                case "tags":
                    reason = await self._put_tags(row)
                case _:
                    reason = await self._say(row)
        except WeComError as error:
            return await self._after(row, error)
        except MissingMediaError as error:
            return Sent(row.id, KfStatus.REFUSED, str(error), attempts=row.attempts + 1)
        counts = row.msgtype not in ("trans", "tags") and not row.code
        if reason:
            return Sent(row.id, KfStatus.REFUSED, reason, attempts=row.attempts + 1)
        if counts:
            self.replies += 1
        return Sent(row.id, KfStatus.SENT, counts=counts, attempts=row.attempts + 1)

    @property
    def window(self) -> Window:
        """What is left to be said."""
        row = self.session
        return window_of(self.state, row.written_at, self.replies, row.blocked, self.ctx.clock.now())

    async def _say(self, row: KfMessage) -> str:
        """Send a message; why it cannot be, or nothing. Raises WeComError, MissingMediaError."""
        now = self.ctx.clock.now()
        if row.code:
            if row.code_until is not None and now >= row.code_until:
                return Phrase("已过发送时限")
        elif not self.window.is_open:
            return self.window.why
        answer = parse_as(ANSWER, row.content)
        body = await self._body(answer)
        client = self.ctx.wecom.within(urgent=True)
        try:
            if row.code:
                await client.kf.send_msg_on_event(row.code, answer.msgtype, {answer.msgtype: body}, row.msgid)
            else:
                message = {"msgtype": answer.msgtype, answer.msgtype: body}
                await client.kf_message.send(row.external_userid, row.open_kfid, row.msgid, message)
        except InvalidMediaError:
            media = media_of(answer)
            if media is not None:
                await forget_uploads(self.ctx, [media[0]])
            raise
        except WeComError as error:
            if error.errcode != ALREADY_SENT:
                raise
        return ""

    async def _body(self, answer: KfAnswer) -> Mapping[str, Any]:
        media = media_of(answer)
        ids = {} if media is None else {media[0]: await media_id_of(self.ctx, *media, urgent=True)}
        return to_wecom(answer, ids)

    async def _put_tags(self, row: KfMessage) -> str:
        contact = self.session.contact_id
        follows = await self.ctx.db.read(customer_rows.list_follows, contact)
        present = [follow for follow in follows if follow.status == FollowStatus.PRESENT]
        for follow in present:
            try:
                await put_right(self.ctx, follow.userid, contact, row.content.get("tag_ids") or ())
            except NotAFollowerError:
                continue
        return "" if present else Phrase("还不是任何员工的客户，不能打标签")

    async def _hand_over(self, row: KfMessage) -> str:
        wanted = parse(HandOver, row.content)
        if row.attempts or self.state in PEOPLES:
            # An earlier try may have done it.
            await self._learn_state()
        if self.state in PEOPLES:
            return ""
        if self.state is KfState.ENDED:
            return Phrase("会话已结束，等客户再次发来消息")
        told = await self._trans(wanted.userid)
        if isinstance(told, str):
            return told
        if wanted.notice and (code := str(told.get("msg_code") or "")):
            notice = {"msgtype": "text", "text": wanted.notice}
            self.ended.follow.append(
                own_message(
                    self.session, "text", notice, wanted.notice, self.ctx, code=code, made_by=row.made_by,
                    code_until=self.ctx.clock.now() + LONG_CODE, answers_id=row.answers_id, rule_id=row.rule_id,
                )
            )  # fmt: skip
        return ""

    async def _trans(self, userid: str) -> Mapping[str, Any] | str:
        """Give the conversation to a member, or to the queue where they take none; WeCom's answer, or why not."""
        row = self.session
        if userid:
            try:
                told: Mapping[str, Any] = await self.ctx.wecom.within(urgent=True).kf.trans_service_state(
                    row.open_kfid, row.external_userid, int(KfState.PERSON), userid
                )
            except WeComError as error:
                if error.errcode not in (NO_SERVICER, PAUSED):
                    return await self._not_changed(error)
                log.warning("kf_servicer_away", open_kfid=row.open_kfid, userid=userid, errcode=error.errcode)
            else:
                self._now(KfState.PERSON, userid)
                return told
        try:
            told = await self.ctx.wecom.within(urgent=True).kf.trans_service_state(
                row.open_kfid, row.external_userid, int(KfState.QUEUED)
            )
        except WeComError as error:
            return await self._not_changed(error)
        self._now(KfState.QUEUED, "")
        return told

    async def _not_changed(self, error: WeComError) -> str:
        if error.errcode != NO_CHANGE:
            raise error
        await self._learn_state()
        return "" if self.state in PEOPLES else Phrase("企业微信不允许这样变更会话状态（95016）")

    async def _learn_state(self) -> None:
        row = self.session
        self._now(*await read_state(self.ctx, row.open_kfid, row.external_userid))

    def _now(self, state: KfState, servicer_userid: str) -> None:
        self.state = self.ended.state = state
        self.ended.servicer_userid = servicer_userid

    async def _after(self, row: KfMessage, error: WeComError) -> Sent:
        """What becomes of a row that WeCom did not take."""
        assert row.id is not None
        now, attempts = self.ctx.clock.now(), row.attempts + 1
        if error.errcode == TOO_MANY:
            self.ended.used_up = True
        elif error.errcode == ENDED:
            self._now(KfState.ENDED, "")
        elif error.errcode == NOT_NOW:
            # Somebody has the conversation, and we have not heard of it.
            with contextlib.suppress(WeComError):
                await self._learn_state()
        again = isinstance(error, RetryLaterError | CredentialsError | NotPermittedError | InvalidMediaError)
        tries = 3 if isinstance(error, InvalidMediaError | GoneError) else ATTEMPTS
        pause = pause_seconds(attempts, tries, error.after_seconds, self.ctx.random.random()) if again else None
        if pause is not None and row.code and row.code_until is not None:
            # A code that lives for seconds is tried again while it lives.
            pause = min(pause, 1.0) if now < row.code_until else None
        log.warning("kf_refused", message_id=row.id, msgtype=row.msgtype, again=pause is not None, cause=str(error))
        if pause is None:
            return Sent(row.id, KfStatus.REFUSED, str(error), attempts=attempts)
        return Sent(row.id, KfStatus.OPEN, str(error), again_at=now + timedelta(seconds=pause), attempts=attempts)
