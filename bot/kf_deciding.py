"""What is answered in customer service: the rules are asked, and what they want is written down as rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.kf import own_message
from bot.kf_knowledge import Told, ask_knowledge
from bot.logs import get_logger
from bot.phrases import Phrase
from data.errors import StorageError
from data.models import KfMessage
from data.models.kf import KfOrigin, KfState, KfStatus
from data.queries import kf_rules as rule_rows
from data.queries.kf_work import Decided, Work
from data.rules.kf import Happening, KfChoices, KfFacts, KfMatch, KfRule, is_open, match
from data.rules.kf_answers import ANSWERS_MAX, BY_CODE, KfAnswer, KfText, words_of
from data.rules.kf_sessions import BOTS, window_of

log = get_logger("kf")

SAID_BY_RULE = "rule:"
#: A language model that does not answer takes its whole budget for each message; the claim has to outlive them.
DECIDING_SECONDS = 8.0


async def read_rules(ctx: Context) -> list[KfRule]:
    """All rules."""
    rules: list[KfRule] = await ctx.db.read(rule_rows.list_rules)
    return rules


@dataclass(slots=True)
class Asked:
    """Which rule answers, and what the knowledge pairs say where it was asked for."""

    match: KfMatch
    told: Told | None = None

    @property
    def answers(self) -> tuple[KfAnswer, ...]:
        """What is said: the rule's own messages, after what is known."""
        return self._all[:ANSWERS_MAX]

    @property
    def left_out(self) -> int:
        """How many messages WeCom does not take any more: of a rule that was written before they were counted."""
        return max(len(self._all) - ANSWERS_MAX, 0)

    @property
    def _all(self) -> tuple[KfAnswer, ...]:
        rule = self.match.rule
        if rule is None:
            return ()
        known = self.told.answers if rule.knowledge and self.told is not None else ()
        return (*known, *rule.answers)

    def to_json(self) -> dict[str, Any]:
        """Which rule matched and why, to store with the message."""
        told = self.match.to_json()
        return {**told, "knowledge": self.told.sources} if self.told and self.told.sources else told


async def ask_rules(ctx: Context, rules: Sequence[KfRule], facts: KfFacts, asked_by: str = "") -> Asked:
    """What is answered on an occasion: used live, and by the test box, which is nobody's question. Knowledge is looked
    up only where a rule that may answer wants it."""
    found = match(rules, facts)
    if not found.asks_knowledge:
        return Asked(found)
    told = await ask_knowledge(ctx, facts, asked_by)
    return Asked(match(rules, replace(facts, known=told.known)), told)


async def decide(ctx: Context, work: Work, rules: Sequence[KfRule]) -> list[Decided]:
    """What becomes of everything open in a conversation that somebody else wrote, in its order; where that takes long,
    of the first of it: the rest is due at once, and what is decided goes out before."""
    found: list[Decided] = []
    until = time.monotonic() + DECIDING_SECONDS
    state = KfState(work.session.state)
    answered = dict(work.answered)
    for message in work.open:
        if message.origin == KfOrigin.OURS:
            continue
        if found and time.monotonic() > until:
            break
        try:
            decided = await _decide_one(ctx, work, message, state, answered, rules)
        except StorageError:
            raise
        except Exception as error:
            # One with which something is wrong does not stop the others: a person sees it, and why.
            log.exception("kf_undecided", message_id=message.id)
            reason = Phrase("处理时出错（%(cause)s），详见日志", cause=type(error).__name__)
            decided = Decided(message.id or 0, reason, status=KfStatus.FAILED)
        if any(each.msgtype == "trans" for each in decided.answers):
            # What the customer writes after it waits for the person.
            state = KfState.QUEUED
        if decided.rule_id is not None:
            answered[decided.rule_id] = message.sent_at
        found.append(decided)
    return found


async def _decide_one(
    ctx: Context, work: Work, message: KfMessage, state: KfState, answered: Mapping[int, datetime],
    rules: Sequence[KfRule],
) -> Decided:  # fmt: skip
    if message.origin == KfOrigin.CUSTOMER:
        return await _decide_message(ctx, work, message, state, answered, rules)
    if message.msgtype == "enter_session":
        return await _greet(ctx, work, message, rules)
    return _answer_change(ctx, work, message)


async def _decide_message(
    ctx: Context, work: Work, message: KfMessage, state: KfState, answered: Mapping[int, datetime],
    rules: Sequence[KfRule],
) -> Decided:  # fmt: skip
    assert message.id is not None
    now, first = ctx.clock.now(), bool(message.explanation.get("first"))
    kept = {"first": True} if first else {}
    if reason := _unanswered(ctx, work, message, state, now):
        return Decided(message.id, reason, explanation=kept)
    facts = KfFacts(
        open_kfid=message.open_kfid,
        at=message.sent_at,
        text=message.words if message.msgtype == "text" else "",
        menu_id=str(message.content.get("menu_id") or "") if message.msgtype == "text" else "",
        msgtype=message.msgtype,
        first=first,
        open=is_open(work.choices, now, calendar_of(ctx.settings)),
        scene=work.session.scene,
        answered=answered,
    )
    asked = await ask_rules(ctx, rules, facts, work.session.contact_id)
    rule = asked.match.rule
    if rule is None:
        return Decided(message.id, Phrase("没有规则符合"), explanation={**asked.to_json(), **kept})
    rows = [_answer(ctx, work, each, message, rule) for each in asked.answers]
    if rule.put_on:
        rows.append(_act(ctx, work, "tags", {"tag_ids": sorted(rule.put_on)}, message, rule))
    if rule.hand_over is not None:
        rows.append(_act(ctx, work, "trans", rule.hand_over.model_dump(), message, rule))
    reason = Phrase("按规则“%(name)s”回复", name=rule.name)
    if asked.left_out:
        reason = Phrase(
            "按规则“%(name)s”回复；最后 %(count)s 条没有发：连同知识库的答案超过 5 条，请精简这条规则", name=rule.name,
            count=asked.left_out,
        )  # fmt: skip
    drafted = asked.told.drafted if asked.told is not None else ()
    return Decided(
        message.id, reason, rule.id, {**asked.to_json(), **kept}, rows, question=facts.text, drafted=drafted
    )  # fmt: skip


def _unanswered(ctx: Context, work: Work, message: KfMessage, state: KfState, now: datetime) -> str:
    """Why a message is not answered by the bot at all; empty: rules are asked."""
    if message.recalled_at is not None:
        return Phrase("客户已撤回")
    if not work.choices.answers:
        return Phrase("这个客服账号没有开启自动回复")
    if state not in BOTS:
        return Phrase("会话由人工处理") if state is not KfState.ENDED else Phrase("会话已结束")
    if ctx.restore is not None and message.sent_at <= ctx.restore.at:
        return Phrase("数据从备份恢复：恢复之前可能已经回复过")
    late = timedelta(minutes=ctx.settings.kf.answer_within_minutes)
    if late and now - message.sent_at > late:
        return Phrase("发来已超过 %(minutes)s 分钟，不再自动回复", minutes=ctx.settings.kf.answer_within_minutes)
    return window_of(state, message.sent_at, 0, work.session.blocked, now).why


async def _greet(ctx: Context, work: Work, message: KfMessage, rules: Sequence[KfRule]) -> Decided:
    assert message.id is not None
    if not work.choices.answers:
        return Decided(message.id, Phrase("这个客服账号没有开启自动回复"))
    facts = KfFacts(
        open_kfid=message.open_kfid, at=message.sent_at, on=Happening.ENTER, scene=work.session.scene,
        open=is_open(work.choices, ctx.clock.now(), calendar_of(ctx.settings)), first=work.session.written_at is None,
        answered=work.answered,
    )  # fmt: skip
    asked = await ask_rules(ctx, rules, facts)
    rule = asked.match.rule
    if rule is None:
        return Decided(message.id, Phrase("没有规则符合"), explanation=asked.to_json())
    rows = [
        _answer(ctx, work, each, message, rule, code=message.code, code_until=message.code_until)
        for each in rule.answers[:1]
        if each.msgtype in BY_CODE
    ]
    if rule.put_on:
        rows.append(_act(ctx, work, "tags", {"tag_ids": sorted(rule.put_on)}, message, rule))
    return Decided(message.id, Phrase("按规则“%(name)s”问候", name=rule.name), rule.id, asked.to_json(), rows)


def _answer_change(ctx: Context, work: Work, message: KfMessage) -> Decided:
    """A person took the conversation up, or ended it: what is said then, by the event's code."""
    assert message.id is not None
    text = work.choices.ended_text if message.content.get("change_type") == 3 else work.choices.picked_text
    if not text or not message.code:
        return Decided(message.id, "")
    told = _own(ctx, work, KfText(text=text), message, "", code=message.code, code_until=message.code_until)
    return Decided(message.id, "", answers=[told])


def _answer(ctx: Context, work: Work, answer: KfAnswer, message: KfMessage, rule: KfRule, **more: Any) -> KfMessage:
    return _own(ctx, work, answer, message, f"{SAID_BY_RULE}{rule.name}", rule_id=rule.id, **more)


def _own(ctx: Context, work: Work, answer: KfAnswer, message: KfMessage, made_by: str, **more: Any) -> KfMessage:
    content = answer.model_dump(mode="json")
    return own_message(
        work.session, answer.msgtype, content, words_of(answer), ctx, answers_id=message.id, made_by=made_by, **more
    )


def _act(
    ctx: Context, work: Work, what: str, content: Mapping[str, Any], message: KfMessage, rule: KfRule
) -> KfMessage:
    return own_message(
        work.session, what, content, "", ctx, answers_id=message.id, rule_id=rule.id,
        made_by=f"{SAID_BY_RULE}{rule.name}",
    )  # fmt: skip


def facts_of_trial(
    choices: KfChoices, open_kfid: str, text: str, at: datetime, ctx: Context, *, first: bool = False,
    menu_id: str = "", msgtype: str = "text", scene: str = "", on: Happening = Happening.MESSAGE,
) -> KfFacts:  # fmt: skip
    """An occasion made up by a person who wants to know what would be answered."""
    return KfFacts(
        open_kfid=open_kfid, at=at, on=on, text=text, menu_id=menu_id, msgtype=msgtype, first=first, scene=scene,
        open=is_open(choices, at, calendar_of(ctx.settings)),
    )  # fmt: skip
