"""The first thing that happens to a new customer: a welcome, from what the event carries.

A welcome code lives 20 seconds and works once, so this handler has a lane of its own, fetches only what a rule's words
need, waits for it only so long, and never lets a failed tag or remark stand in the way of a greeting.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.context import Context, Receipt
from bot.delivery import add_alert, forget_media, message_body
from bot.erasing import let_back_in
from bot.logs import get_logger
from bot.phrases import Phrase
from bot.render import LINK_PREFIX
from bot.router import Outcome, Router, done, skipped
from bot.wecom.errors import CredentialsError, UnreachableError, WeComError
from bot.wecom.events import AddedEvent, AddExternalContact, AddHalfExternalContact
from bot.welcome_facts import Known, load_known
from bot.welcome_links import addresses_in
from data.models import WelcomeStatus
from data.models.inbox import Lane
from data.queries import preferences as preference_rows
from data.queries import welcomes as welcome_rows
from data.queries.welcomes import WelcomeStart
from data.rules.messages import MessageContent, MissingMediaError
from data.rules.preferences import TouchKind
from data.rules.welcome import (
    CODE_LIFE_SECONDS,
    Inheritance,
    Missed,
    MissedCause,
    PriorWelcome,
    RetrySend,
    SendTextOnly,
    Skip,
    SkipReason,
    WelcomeFacts,
    WelcomeRule,
    decide_refusal,
    decide_welcome,
    find_inheritance,
    match,
)
from data.rules.welcome_words import welcome_values

router = Router("welcome")
log = get_logger("welcome")

#: Between tries while the code lives: another app is sending, or WeCom is busy.
RETRY_SECONDS = 0.5
#: WeCom's code for "the welcome was delivered, or the chat has begun".
DELIVERED = 41051


@router.on(AddExternalContact, AddHalfExternalContact, lane=Lane.WELCOME)
async def on_added(event: AddedEvent, ctx: Context, receipt: Receipt) -> Outcome:
    """Greet a customer who was added, once per add, whichever of its events comes first."""
    now = ctx.clock.now()
    known = await ctx.db.read_here(load_known, event, receipt.event_id, receipt.received_at, now, ctx.renderer)
    if known.erased:
        await let_back_in(ctx, event, patient=True)
    greeting = Greeting(event, ctx, receipt, known)
    return await greeting.run()


class Greeting:
    """One add on its way to a greeting."""

    def __init__(self, event: AddedEvent, ctx: Context, receipt: Receipt, known: Known) -> None:
        self.event = event
        self.ctx = ctx
        self.receipt = receipt
        self.known = known
        self.facts = WelcomeFacts(
            userid=event.userid,
            external_userid=event.external_userid,
            at=event.created_at or receipt.received_at,
            zone=ctx.settings.zone,
            state=event.state,
            department_ids=known.staff.department_ids,
            followed_by_colleague=known.followed_by_colleague,
        )
        self.match = match(known.rules, self.facts)
        self.start = known.start
        self.links = addresses_in(known.places, ctx.settings.server.public_url, receipt.event_id)
        self.words = ""
        self.attachments = 0

    @property
    def age_seconds(self) -> float:
        """Since the event arrived: the code's 20 seconds began at most a moment before."""
        return (self.ctx.clock.now() - self.receipt.received_at).total_seconds()

    async def run(self) -> Outcome:
        if self.start.own and self.start.status == WelcomeStatus.SENT:
            # A process that ended after the greeting, before it could say so: the record stays as it is.
            return done("sent before; only this note was missing", **self.match.to_json())
        if self.start.own and self.start.status == WelcomeStatus.MISSED:
            # The same, after a miss: to ask WeCom again would only blur why it was missed.
            missed = Missed(MissedCause(self.start.reason))
            return skipped(missed.sentence, code=missed.cause.value, **self.match.to_json())
        contact = await self._fetch_if_needed()
        self._look_for_colleagues(contact)
        inheritance = self._inheritance(contact)
        await self._wait_for_other_event()
        decision = decide_welcome(
            rule=self.match.rule,
            has_code=bool(self.event.welcome_code),
            age_seconds=self._decision_age,
            mode=self.ctx.settings.mode,
            inheritance=inheritance,
            prior=_prior(self.start),
            unwanted=await self._is_unwanted(),
        )
        rule = self.match.rule
        if rule is not None:
            self.words = self._render(rule.content.text, contact)
        if isinstance(decision, Skip):
            return await self._skip(decision, inheritance)
        if isinstance(decision, Missed):
            return await self._miss(decision)
        return await self._send(decision.rule, contact)

    async def _is_unwanted(self) -> bool:
        """Whether the customer wants no message, and the company counts a welcome as one."""
        if self.ctx.settings.welcome.to_opted_out:
            return False
        asked = (self.event.external_userid, self.ctx.clock.now(), self.facts.zone, TouchKind.WELCOME)
        return not (await self.ctx.db.read_here(preference_rows.judge, *asked, answers=False)).allowed

    async def _wait_for_other_event(self) -> None:
        """While the other event of this add is being greeted, wait: if its code fails, ours may still work."""
        while (
            not self.start.own
            and self.start.status == WelcomeStatus.SENDING
            and self.event.welcome_code
            and self.age_seconds < CODE_LIFE_SECONDS
        ):
            await asyncio.sleep(RETRY_SECONDS)
            self.start = await self.ctx.db.read(
                welcome_rows.find_add,
                self.receipt.event_id,
                self.event.kind,
                self.event.userid,
                self.event.external_userid,
                self.receipt.received_at,
            )

    @property
    def _decision_age(self) -> float:
        # A first try costs nothing and WeCom's answer is the truth: an event that waited while the bot was down, or
        # whose outcome a crash hid, is tried once before it counts as missed.
        return self.age_seconds if self.receipt.attempts else 0.0

    def _inheritance(self, contact: dict[str, Any] | None) -> Inheritance | None:
        add_way = None
        for follow in (contact or {}).get("follow_user") or []:
            if follow.get("userid") == self.event.userid:
                add_way = follow.get("add_way")
        return find_inheritance(
            transfer_pending=self.known.transfer.pending,
            add_way=add_way,
            colleague_deleted_by_transfer=self.known.transfer.deleted,
        )

    async def _fetch_if_needed(self) -> dict[str, Any] | None:
        """The customer's details where the words use the name, or where the add may be an inheritance.

        A customer who came through a channel was not inherited. One who is only half added cannot be fetched yet.
        """
        rule = self.match.rule
        if rule is None or isinstance(self.event, AddHalfExternalContact):
            return None
        sources = [rule.content.text, rule.fallback_text]
        wants_name = any(self.ctx.renderer.needs_fetch("welcome", source) for source in sources if source)
        if not wants_name and not self._asks_for_colleagues and self.event.state:
            return None
        wait = self.ctx.settings.welcome.fetch_wait_seconds
        try:
            async with asyncio.timeout(wait):
                client = self.ctx.wecom.within(wait, urgent=True)
                answer: dict[str, Any] = await client.external_contact.get(self.event.external_userid)
        except (WeComError, TimeoutError) as error:
            # The fallback words are there for this: a greeting without a name beats none.
            log.info("name_not_fetched", event_id=self.receipt.event_id, cause=type(error).__name__)
            return None
        return answer

    @property
    def _asks_for_colleagues(self) -> bool:
        """Whether a rule asks if the customer is new to the company, and our own rows do not say that one is not."""
        asked = any(rule.enabled and rule.conditions.customer for rule in self.known.rules)
        return asked and not self.known.followed_by_colleague

    def _look_for_colleagues(self, contact: dict[str, Any] | None) -> None:
        """WeCom also knows the follows from before the bot's time: match again where it names a colleague."""
        if not self._asks_for_colleagues:
            return
        follows = (contact or {}).get("follow_user") or []
        if any(follow.get("userid") != self.event.userid for follow in follows):
            self.facts = replace(self.facts, followed_by_colleague=True)
            self.match = match(self.known.rules, self.facts)

    def _render(self, source: str, contact: dict[str, Any] | None) -> str:
        staff = self.known.staff
        values = welcome_values(
            at=self.facts.at,
            zone=self.facts.zone,
            customer_name=str(((contact or {}).get("external_contact") or {}).get("name") or ""),
            staff_name=staff.name,
            staff_alias=staff.alias,
            staff_position=staff.position,
            department_name=staff.department_name,
            company_name=self.ctx.settings.company.name,
            channel_name=self.known.channel_name,
        )
        values |= {f"{LINK_PREFIX}{name}": address.url for name, address in self.links.items()}
        return self.ctx.renderer.render_source("welcome", source, values) if source else ""

    async def _send(self, rule: WelcomeRule, contact: dict[str, Any] | None) -> Outcome:
        begun = await self.ctx.db.write_here(welcome_rows.begin_welcome, self._row(WelcomeStatus.SENDING))
        if not begun.own:
            self.start = begun
            await self._wait_for_other_event()
            if self.start.status == WelcomeStatus.SENT or self.age_seconds >= CODE_LIFE_SECONDS:
                return await self._skip(Skip(SkipReason.ALREADY_SENT), None)
            return await self._send(rule, contact)
        content = rule.content.with_text(self.words).with_links(self.links)
        without_media = content.with_text(self._render(rule.text_without_media, contact)).without_media()
        body, content = await self._body(content, without_media)
        # An earlier try, of this process or of one that died, may have arrived without our seeing the answer.
        maybe_sent = begun.status == WelcomeStatus.SENDING
        while True:
            try:
                await self.ctx.wecom.within(self._remaining, urgent=True).external_contact.send_welcome_msg(
                    {"welcome_code": self.event.welcome_code, **body}
                )
            except WeComError as error:
                maybe_sent = maybe_sent or error.earlier_attempt_unanswered
                next_step = self._after(error, maybe_sent, sent_attachments=bool(content.attachments))
                if isinstance(next_step, RetrySend):
                    maybe_sent = maybe_sent or (not isinstance(error, UnreachableError) and error.errcode is None)
                    await asyncio.sleep(RETRY_SECONDS)
                elif isinstance(next_step, SendTextOnly):
                    await forget_media(self.ctx, content)
                    body, content = await self._body(without_media, without_media)
                elif isinstance(next_step, Skip):
                    return await self._skip(next_step, None)
                elif isinstance(next_step, Missed):
                    return await self._miss(next_step, str(error))
                else:
                    return await self._sent(
                        rule, content, Phrase("企业微信表示已送达（41051），是此前的一次尝试发出的")
                    )
            else:
                return await self._sent(rule, content, "")

    def _after(
        self, error: WeComError, maybe_sent: bool, *, sent_attachments: bool
    ) -> RetrySend | SendTextOnly | Skip | Missed | None:
        """What to do after a refusal; None: WeCom tells that our earlier try was delivered."""
        if error.errcode is None:
            # No answer. Trying again is safe, a code works once; what comes back tells.
            if self.age_seconds < CODE_LIFE_SECONDS:
                return RetrySend()
            return Missed(MissedCause.OUTCOME_UNKNOWN)
        if error.errcode == DELIVERED and maybe_sent:
            return None
        if (error.retryable or isinstance(error, CredentialsError)) and self.age_seconds < CODE_LIFE_SECONDS:
            # Busy, over a budget, or a token that ended: none of them is about this welcome.
            return RetrySend()
        next_step = decide_refusal(
            errcode=error.errcode, age_seconds=self.age_seconds, sent_attachments=sent_attachments
        )
        if maybe_sent and next_step == Missed(MissedCause.CODE_REFUSED):
            return Missed(MissedCause.OUTCOME_UNKNOWN)
        return next_step

    @property
    def _remaining(self) -> float:
        return max(CODE_LIFE_SECONDS - self.age_seconds, 2.0)

    async def _body(
        self, content: MessageContent, without_media: MessageContent
    ) -> tuple[dict[str, object], MessageContent]:
        """The request's body; without the media when they cannot be had in time."""
        try:
            async with asyncio.timeout(self.ctx.settings.welcome.media_wait_seconds):
                return await message_body(self.ctx, content, urgent=True), content
        except (MissingMediaError, WeComError, TimeoutError) as error:
            log.warning("media_left_out", event_id=self.receipt.event_id, cause=type(error).__name__)
            return await message_body(self.ctx, without_media), without_media

    async def _sent(self, rule: WelcomeRule, content: MessageContent, note: str) -> Outcome:
        now = self.ctx.clock.now()
        self.words, self.attachments = content.text, len(content.attachments)
        self.ctx.metrics.welcome_seconds.observe(max(self.age_seconds, 0.0))
        left_out = len(rule.content.attachments) - self.attachments
        if left_out:
            more = Phrase("%(count)s 个附件没有发出", count=left_out)
            note = f"{note} {more}".strip()
        await self._record(WelcomeStatus.SENT, "", note, sent_at=now)
        return done(f"sent by rule {rule.name}", **self.match.to_json(), left_out_attachments=left_out)

    async def _skip(self, skip: Skip, inheritance: Inheritance | None) -> Outcome:
        status = WelcomeStatus.OBSERVED if skip.reason == SkipReason.OBSERVE else WelcomeStatus.SKIPPED
        if skip.reason not in (SkipReason.ALREADY_SENT, SkipReason.ALREADY_MISSED):
            await self._record(status, skip.reason.value, skip.sentence)
        self.ctx.metrics.welcomes.labels(status.value, skip.reason.value).inc()
        evidence = {"inheritance": inheritance.value} if inheritance else {}
        return skipped(skip.sentence, code=skip.reason.value, **self.match.to_json(), **evidence)

    async def _miss(self, missed: Missed, detail: str = "") -> Outcome:
        await self.ctx.db.write(self._record_missed, missed, f"{missed.sentence} {detail}".strip())
        self.ctx.metrics.welcomes.labels(WelcomeStatus.MISSED.value, missed.cause.value).inc()
        return skipped(missed.sentence, code=missed.cause.value, **self.match.to_json())

    def _record_missed(self, session: Session, missed: Missed, note: str) -> None:
        """What was missed and the words for the staff member, written together."""
        values = {**self._row(WelcomeStatus.MISSED), "reason": missed.cause.value, "note": note, "sent_at": None}
        welcome_rows.record_welcome(session, values)
        add_alert(
            session,
            self.ctx,
            "welcome_missed",
            self.event.userid,
            {
                "staff_name": self.known.staff.name,
                "happened_at": self.facts.at,
                "channel_name": self.known.channel_name,
                "cause": missed.sentence,
                "words": self.words,
            },
            dedupe_key=f"event:{self.receipt.event_id}",
            external_userid=self.event.external_userid,
        )

    async def _record(self, status: WelcomeStatus, reason: str, note: str, sent_at: datetime | None = None) -> None:
        values = {**self._row(status), "reason": reason, "note": note, "sent_at": sent_at}
        await self.ctx.db.write(welcome_rows.record_welcome, values, shows_links=bool(self.links))
        if status == WelcomeStatus.SENT:
            self.ctx.metrics.welcomes.labels(status.value, reason).inc()

    def _row(self, status: WelcomeStatus) -> dict[str, Any]:
        return {
            "event_id": self.receipt.event_id,
            "kind": self.event.kind,
            "userid": self.event.userid,
            "external_userid": self.event.external_userid,
            "state": self.event.state,
            "status": status,
            "rule_id": self.match.rule.id if self.match.rule else None,
            "explanation": self.match.to_json(),
            "words": self.words,
            "attachments": self.attachments,
            "received_at": self.receipt.received_at,
        }


def _prior(start: WelcomeStart) -> PriorWelcome | None:
    if start.status is None or start.status == WelcomeStatus.OBSERVED:
        return None
    return PriorWelcome(start.status.value)
