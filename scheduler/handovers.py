"""Hand-overs worked off: batches of WeCom's size within its budgets, results pulled until they are final, resumable at
any instant.

A batch is written down as asked for before the call. Of which nothing was heard, because the call was lost or the
process died, is looked for in WeCom's results before it is asked for again. One lease keeps two processes apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_alert
from bot.handovers import plan_handover
from bot.logs import get_logger
from bot.refresh import read_group
from bot.staff_words import Value
from bot.wecom.codes import CODES
from bot.wecom.errors import AlreadyDoneError, UnknownOutcomeError, WeComError, error_for
from data.models import HandoverStatus, TransferStatus
from data.queries import groups as group_rows
from data.queries import handover_work as work
from data.queries import handovers as rows
from data.queries import staff as staff_rows
from data.queries.handover_work import Asked, Batch, Result
from data.rules.handovers import ALREADY, OF_ALL, SETTLES
from scheduler.leases import LeaseHeldError, alone

log = get_logger("handovers")

LEASE = "handovers"
#: A call waits for its budget so long before the hand-over rests.
CALL_SECONDS = 600.0
#: After a refusal that time mends.
PAUSE = timedelta(minutes=1)

#: What a member is told whom customers were handed over to.
TAKEN_OVER = "customers_taken_over"

Answers = Mapping[str, tuple[TransferStatus, int | None]]


async def hand_over_when_due(ctx: Context) -> bool:
    """Do what is due of all hand-overs. False: nothing was, or another process is at it."""
    if ctx.observes or await ctx.db.read(work.find_due, ctx.clock.now()) is None:
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _work_off(ctx))
    return True


async def _work_off(ctx: Context) -> None:
    while (handover := await ctx.db.read(work.find_due, ctx.clock.now())) is not None:
        assert handover.id is not None
        if handover.status == HandoverStatus.PLANNING:
            await plan_handover(ctx, handover.id)
        await _Work(ctx, handover.id, handover.userid, handover.resigned, handover.message).run()


def _end_or_wait(session: Session, ctx: Context, handover_id: int, userid: str) -> HandoverStatus:
    """End a hand-over of which nothing is open, and tell those who have taken over, each in one message."""
    status = work.end_or_wait(session, handover_id, ctx.clock.now())
    if status != HandoverStatus.DONE:
        return status
    name = staff_rows.get_card(session, userid).name or userid
    for takeover, counts in rows.count_shares(session, handover_id).items():
        taken = counts[TransferStatus.DONE]
        if not taken:
            continue
        refused = sum(counts[each] for each in (TransferStatus.REFUSED, TransferStatus.LIMIT, TransferStatus.FAILED))
        told: dict[str, Value] = {"staff_name": name, "count": taken, "refused": refused}
        add_alert(session, ctx, TAKEN_OVER, takeover, told, dedupe_key=f"handover:{handover_id}")
    return status


class _Work:
    """What is due of one hand-over."""

    def __init__(self, ctx: Context, handover_id: int, userid: str, resigned: bool, message: str) -> None:
        self.ctx, self.id, self.userid, self.resigned, self.message = ctx, handover_id, userid, resigned, message
        self.wecom = ctx.wecom.within(CALL_SECONDS)

    async def run(self) -> None:
        """Hear what became of what was asked for, ask for what is next, and say when there is more to do."""
        try:
            await self._pull()
            if await self._look_up() and await self._look_up_groups() and await self._ask_all():
                await self._ask_groups()
        except WeComError as error:
            if error.retryable:
                log.info("handover_rests", handover=self.id, cause=str(error))
                await self._rest(timedelta(seconds=error.after_seconds) if error.after_seconds else PAUSE)
            else:
                log.error("handover_stopped", handover=self.id, cause=str(error))
                await self.ctx.db.write(work.pause, self.id, f"{error} {error.remedy}".strip())
        status = await self.ctx.db.write(_end_or_wait, self.ctx, self.id, self.userid)
        if status == HandoverStatus.DONE:
            log.info("handover_done", handover=self.id)

    async def _rest(self, pause: timedelta) -> None:
        await self.ctx.db.write(work.rest, self.id, self.ctx.clock.now() + pause)

    # -- customers

    async def _ask_all(self) -> bool:
        """Ask for all that is planned. False: it rests."""
        while (batch := await self.ctx.db.write(work.claim_batch, self.id, self.ctx.clock.now())) is not None:
            try:
                answer = await self._call(batch)
            except UnknownOutcomeError as error:
                log.warning("handover_unheard", handover=self.id, customers=len(batch.ids), cause=str(error))
                await self._rest(SETTLES)
                return False
            except WeComError:
                await self._note(dict.fromkeys(batch.ids, (TransferStatus.PLANNED, None)))
                raise
            answers, stopped = _sort(batch, answer)
            await self._note(answers)
            if stopped:
                raise error_for("externalcontact/transfer_customer", stopped)
        return True

    def _call(self, batch: Batch) -> Awaitable[Any]:
        transfers = self.wecom.external_contact
        if self.resigned:
            return transfers.resigned_transfer_customer(self.userid, batch.takeover_userid, batch.ids)
        return transfers.transfer_customer(self.userid, batch.takeover_userid, batch.ids, self.message or None)

    async def _note(self, answers: Answers) -> None:
        await self.ctx.db.write(work.note_answers, self.id, answers, self.ctx.clock.now())

    async def _look_up(self) -> bool:
        """Find out about customers of whom nothing was heard. False: it is too early to tell."""
        too_early = False
        for takeover, asked in (await self.ctx.db.read(work.list_unheard, self.id)).items():
            told = {result.external_userid: result async for result in self._results(takeover)}
            now = self.ctx.clock.now()
            answers: dict[str, tuple[TransferStatus, int | None]] = {}
            for each in asked:
                if _is_of(each, told.get(each.external_userid)):
                    # What the results say of it is written with those of all others.
                    answers[each.external_userid] = (TransferStatus.WAITING, None)
                elif now < each.started_at + SETTLES:
                    too_early = True
                else:
                    answers[each.external_userid] = (TransferStatus.PLANNED, None)
            await self._note(answers)
            await self.ctx.db.write(work.note_results, self.id, takeover, list(told.values()), now)
            log.info("handover_looked_up", handover=self.id, asked=len(asked), settled=len(answers))
        if too_early:
            await self._rest(SETTLES)
        return not too_early

    async def _pull(self) -> None:
        """Write what WeCom's results say, all pages of them."""
        for takeover in await self.ctx.db.read(work.list_waiting_shares, self.id):
            told: set[str] = set()
            page: list[Result] = []
            async for result in self._results(takeover):
                told.add(result.external_userid)
                page.append(result)
                if len(page) >= PAGE:
                    await self._note_results(takeover, page)
                    page = []
            await self._note_results(takeover, page)
            await self.ctx.db.write(work.note_untold, self.id, takeover, told, self.ctx.clock.now())

    async def _note_results(self, takeover: str, page: list[Result]) -> None:
        await self.ctx.db.write(work.note_results, self.id, takeover, page, self.ctx.clock.now())

    async def _results(self, takeover: str) -> AsyncIterator[Result]:
        transfers = self.wecom.external_contact
        ask = transfers.resigned_transfer_result if self.resigned else transfers.transfer_result
        cursor = ""
        while True:
            answer = await ask(self.userid, takeover, cursor)
            for each in answer.get("customer") or []:
                yield Result(
                    str(each["external_userid"]), int(each.get("status") or 0), int(each.get("takeover_time") or 0)
                )
            cursor = str(answer.get("next_cursor") or "")
            if not cursor:
                return

    # -- groups

    async def _ask_groups(self) -> None:
        while (batch := await self.ctx.db.write(work.claim_groups, self.id, self.ctx.clock.now())) is not None:
            chats = self.wecom.external_contact_group_chat
            call = chats.transfer if self.resigned else chats.onjob_transfer
            try:
                answer = await call(batch.ids, batch.takeover_userid)
            except UnknownOutcomeError as error:
                log.warning("handover_unheard", handover=self.id, groups=len(batch.ids), cause=str(error))
                await self._rest(SETTLES)
                return
            except WeComError:
                await self._note_groups(batch, dict.fromkeys(batch.ids, (TransferStatus.PLANNED, None)))
                raise
            failed = {str(each["chat_id"]): int(each["errcode"]) for each in answer.get("failed_chat_list") or []}
            answers = {each: _group_answer(failed.get(each, 0)) for each in batch.ids}
            await self._note_groups(batch, answers)
            if any(status == TransferStatus.ASKING for status, _ in answers.values()):
                # Such as one that is being handed over just now: whose it is by then is looked up.
                await self._rest(SETTLES)

    async def _note_groups(self, batch: Batch, answers: Answers) -> None:
        await self.ctx.db.write(work.note_group_answers, self.id, batch.takeover_userid, answers, self.ctx.clock.now())

    async def _look_up_groups(self) -> bool:
        """Find out about groups of which nothing was heard: whose they are now. False: it is too early to tell."""
        too_early = False
        for chat_id, takeover, started_at, cause in await self.ctx.db.read(work.list_unheard_groups, self.id):
            await read_group(self.ctx, chat_id)
            group = await self.ctx.db.read(group_rows.find_group, chat_id)
            answer: tuple[TransferStatus, int | None] = (TransferStatus.PLANNED, None)
            if group is not None and group.owner == takeover:
                answer = (TransferStatus.DONE, None)
            elif cause is not None:
                answer = (TransferStatus.FAILED, cause)
            elif self.ctx.clock.now() < started_at + SETTLES:
                too_early = True
                continue
            await self._note_groups(Batch(takeover, [chat_id]), {chat_id: answer})
        if too_early:
            await self._rest(SETTLES)
        return not too_early


#: Results are written so many at a time.
PAGE = 1000
#: Of a group: it was handed over already.
INHERITED = 90508


def _sort(batch: Batch, answer: Mapping[str, Any]) -> tuple[Answers, int]:
    """What WeCom answered of each customer; and a number that would be the answer for all others too, or 0."""
    told = {str(each["external_userid"]): int(each.get("errcode") or 0) for each in answer.get("customer") or []}
    answers: dict[str, tuple[TransferStatus, int | None]] = {}
    stopped = 0
    for external_userid in batch.ids:
        errcode = told.get(external_userid, 0)
        code = CODES.get(errcode)
        if errcode == 0 or errcode in ALREADY:
            answers[external_userid] = (TransferStatus.WAITING, errcode or None)
        elif errcode in OF_ALL or (code is not None and code.retryable):
            answers[external_userid] = (TransferStatus.PLANNED, None)
            stopped = errcode
        else:
            answers[external_userid] = (TransferStatus.FAILED, errcode)
    return answers, stopped


def _is_of(asked: Asked, result: Result | None) -> bool:
    """Whether what WeCom shows is of the call that was not heard, and not of one long before."""
    if result is None:
        return False
    if result.status in (1, 2):
        return datetime.fromtimestamp(result.takeover_time, asked.started_at.tzinfo) >= asked.started_at
    return not asked.refused_before


def _group_answer(errcode: int) -> tuple[TransferStatus, int | None]:
    if errcode == INHERITED:
        # By whom is not said: its owner tells.
        return TransferStatus.ASKING, errcode
    if errcode == 0 or isinstance(error_for("externalcontact/groupchat/transfer", errcode), AlreadyDoneError):
        return TransferStatus.DONE, None
    code = CODES.get(errcode)
    if code is not None and code.retryable:
        return TransferStatus.ASKING, None
    return TransferStatus.FAILED, errcode
