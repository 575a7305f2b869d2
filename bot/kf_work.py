"""The work on conversations of customer service: several at a time, in each one thing after the other.

Messages are decided in groups and their answers written in one transaction; then each conversation is sent on its own
and put down with those that end at the same time. Whoever dies at any instant leaves rows, which the next one finds
when the claim ends.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.kf_deciding import decide, read_rules
from bot.kf_knowledge import add_draft
from bot.kf_sending import Sending
from bot.logs import get_logger
from bot.staff_words import Kept, Value
from data.errors import StorageError
from data.models import KfMessage
from data.models.kf import KfOrigin, KfState, KfStatus
from data.queries import kf_work as rows
from data.queries.kf_work import Decided, Ended, Sent, Work
from data.rules.kf import KfRule
from data.rules.kf_sessions import PEOPLES

log = get_logger("kf")

AT_ONCE = 64
#: Longer than a call of WeCom's takes with its repeats; who dies is replaced after it.
CLAIM = timedelta(seconds=30)
#: A row that cannot be sent for a reason of our own is given up after so many tries: those behind it go out.
TRIES = 3
AGAIN = timedelta(seconds=5)
#: Members who hear that a customer waits, where a whole department serves an account.
TOLD_MAX = 20


async def work_on_due(ctx: Context, most: int | None = None) -> int:
    """Work on conversations until nothing is due, or on `most`; how many there were."""
    worked = 0
    rules: list[KfRule] | None = None
    while most is None or worked < most:
        now, claim = ctx.clock.now(), secrets.token_hex(8)
        room = AT_ONCE if most is None else min(AT_ONCE, most - worked)
        works: list[Work] = await ctx.db.write(rows.claim_due, now, claim, now + _claim_of(ctx), room)
        if not works:
            break
        rules = rules if rules is not None else await read_rules(ctx)
        await _work(ctx, claim, works, rules)
        worked += len(works)
    return worked


async def work_on_one(ctx: Context, session_id: int) -> bool:
    """Work on one conversation now; False: another is at it."""
    now, claim = ctx.clock.now(), secrets.token_hex(8)
    works: list[Work] = await ctx.db.write(rows.claim_one, session_id, now, claim, now + _claim_of(ctx))
    if works:
        await _work(ctx, claim, works, await read_rules(ctx))
    return bool(works)


def _claim_of(ctx: Context) -> timedelta:
    """A claim outlives what is done under it, also where a language model takes all its time."""
    drafts = ctx.settings.drafts
    return CLAIM if drafts.mode == "off" else CLAIM + timedelta(seconds=drafts.budget_seconds)


async def _work(ctx: Context, claim: str, works: Sequence[Work], rules: Sequence[KfRule]) -> None:
    try:
        await _decide_and_send(ctx, claim, works, rules)
    except asyncio.CancelledError:
        # A stop does not leave them to wait until their claims run out; what was sent is known by its msgid.
        await ctx.db.write(rows.release_cut_off, claim, [work.session.id or 0 for work in works])
        raise


async def _decide_and_send(ctx: Context, claim: str, works: Sequence[Work], rules: Sequence[KfRule]) -> None:
    # Side by side: one whose answer a language model words does not keep the others waiting for long.
    found_all = await asyncio.gather(*(decide(ctx, work, rules) for work in works))
    decided = {work.session.id or 0: found for work, found in zip(works, found_all, strict=True) if found}
    answers = await ctx.db.write(_record, ctx, claim, works, decided) if decided else {}
    for found in decided.values():
        for each in found:
            ctx.metrics.kf_messages.labels("answered" if each.answers else "left").inc()
    going = [work for work in works if work.session.id not in decided or work.session.id in answers]
    ending = Ending(ctx, claim)
    try:
        await asyncio.gather(*(_send(ctx, ending, work, answers.get(work.session.id or 0, [])) for work in going))
    finally:
        await ending.written()
    await asyncio.gather(
        *(
            add_draft(ctx, each.message_id, each.question, each.drafted, work.session)
            for work in going
            for each in decided.get(work.session.id or 0, ())
            if each.drafted
        )
    )


def _record(
    session: Session, ctx: Context, claim: str, works: Sequence[Work], decided: Mapping[int, Sequence[Decided]]
) -> dict[int, list[KfMessage]]:
    """Write down what was decided, and tell staff where an answer waits for one of them."""
    answers = rows.record_decisions(session, claim, decided, ctx.clock.now())
    for work in works:
        number = work.session.id or 0
        if number in answers and any(each.explanation.get("knowledge", {}).get("held") for each in decided[number]):
            _tell(session, ctx, work, "kf_draft", set(work.choices.told) or servicers_of(work))
    return answers


class Done(NamedTuple):
    """A conversation that was worked on, and what was to be sent in it."""

    work: Work
    ended: Ended
    to_send: Sequence[KfMessage]


class Ending:
    """Conversations that are put down as they end, those that end meanwhile together: a transaction costs more than
    what is written in it."""

    def __init__(self, ctx: Context, claim: str) -> None:
        self._ctx = ctx
        self.claim = claim
        self._waiting: list[Done] = []
        self._writing: asyncio.Task[None] | None = None

    def add(self, done: Done) -> None:
        """Put down a conversation soon."""
        self._waiting.append(done)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting(), name="kf ending")

    async def written(self) -> None:
        """Wait until everything is written. Raises StorageError."""
        if self._writing is not None:
            await self._writing

    async def _write_waiting(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)
            group, self._waiting = self._waiting, []
            try:
                await self._ctx.db.write(_put_down, self._ctx, self.claim, group)
            except StorageError:
                raise
            except Exception:
                log.exception("kf_unwritten", sessions=len(group))
                for done in group:
                    await self._write_alone(done)
        self._writing = None

    async def _write_alone(self, done: Done) -> None:
        try:
            await self._ctx.db.write(_put_down, self._ctx, self.claim, [done])
        except StorageError:
            raise
        except Exception:
            log.exception("kf_unwritten", session_id=done.work.session.id)
            await _give_back(self._ctx, self.claim, done.work, done.to_send)


async def _send(ctx: Context, ending: Ending, work: Work, answers: Sequence[KfMessage]) -> None:
    session_id = work.session.id or 0
    waiting = [message for message in work.open if message.origin == KfOrigin.OURS]
    to_send = [message for message in (*waiting, *answers) if message.status == KfStatus.OPEN.value]
    try:
        if ctx.observes:
            ended = Ended(session_id, [Sent(each.id or 0, KfStatus.OBSERVED) for each in to_send])
        else:
            ended = await Sending(ctx, work).send(to_send)
    except StorageError:
        raise
    except Exception:
        log.exception("kf_unsent", session_id=session_id)
        await _give_back(ctx, ending.claim, work, to_send)
    else:
        ending.add(Done(work, ended, to_send))


async def _give_back(ctx: Context, claim: str, work: Work, to_send: Sequence[KfMessage]) -> None:
    """Something is wrong with a conversation: it is tried again, in the end without the row that does not go out."""
    now = ctx.clock.now()
    await ctx.db.write(rows.note_attempt, [each.id or 0 for each in to_send[:1]], TRIES, "error", now)
    await ctx.db.write(rows.release, claim, work.session.id or 0, now + AGAIN)


def _put_down(session: Session, ctx: Context, claim: str, group: Sequence[Done]) -> None:
    """What was done, and what staff are told of it, written together."""
    rows.finish(session, claim, [done.ended for done in group], ctx.clock.now())
    for work, ended, to_send in group:
        by_id = {message.id: message for message in to_send}
        if ended.state in PEOPLES and any(
            each.status is KfStatus.SENT and by_id[each.message_id].msgtype == "trans" for each in ended.sent
        ):
            _tell_waiting(session, ctx, work, ended)
        for each in ended.sent:
            message = by_id[each.message_id]
            if each.status is KfStatus.REFUSED and message.code_until is not None:
                _tell_missed(session, ctx, work, message, each.reason)


def _tell_waiting(session: Session, ctx: Context, work: Work, ended: Ended) -> None:
    """A customer waits for a person: the member who was asked for, or whoever is chosen for the account."""
    servicer = ended.servicer_userid if ended.state is KfState.PERSON else ""
    told = {servicer} - {""} or set(work.choices.told) or servicers_of(work)
    _tell(session, ctx, work, "kf_waiting", told)


def _tell(session: Session, ctx: Context, work: Work, kind: str, told: set[str]) -> None:
    values: dict[str, Value] = {
        "customer_name": work.session.nickname,
        "account_name": work.account.name if work.account else "",
        "happened_at": ctx.clock.now(),
    }
    for userid in sorted(told)[:TOLD_MAX]:
        add_alert(
            session, ctx, kind, userid, values, external_userid=work.session.contact_id,
            dedupe_key=f"{kind}:{work.session.id}:{int(ctx.clock.timestamp())}",
        )  # fmt: skip


def servicers_of(work: Work) -> set[str]:
    """Who takes conversations now; where nobody does, everybody who could: a customer waits."""
    servicers = work.account.servicers if work.account else []
    receiving = {str(each["userid"]) for each in servicers if each.get("receives")}
    return receiving or {str(each["userid"]) for each in servicers}


def _tell_missed(session: Session, ctx: Context, work: Work, message: KfMessage, reason: str) -> None:
    """A greeting or a farewell did not go out: whoever is chosen for the account hears of it."""
    values: dict[str, Value] = {
        "customer_name": work.session.nickname,
        "account_name": work.account.name if work.account else "",
        "happened_at": message.sent_at,
        "cause": Kept(reason),
        "words": message.words,
    }
    for userid in sorted(work.choices.told):
        add_alert(
            session, ctx, "kf_missed", userid, values, external_userid=work.session.contact_id,
            dedupe_key=f"kf:{message.msgid}",
        )  # fmt: skip
