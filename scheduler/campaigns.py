"""Campaigns sent: runs that are due are planned, and their batches asked for, one call each, within WeCom's budgets.

A batch's row says `sending` before its call begins, so that after a crash or without an answer it is looked up
(`scheduler/campaign_lookups.py`) and never just asked for again. One lease keeps two processes from sending together;
a call is begun right after its row was written, and does not outlive the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from bot.approval_limits import is_covered
from bot.broadcasts import words_of
from bot.campaign_plans import calendar_of, limits_of, plan_run
from bot.campaign_tests import is_tested
from bot.context import Context
from bot.delivery import forget_media, message_body
from bot.errors import SiyuError
from bot.group_waves import plan_groups
from bot.links import UnusableLinkError, addresses
from bot.logs import get_logger
from bot.wecom.errors import (
    InvalidMediaError,
    UnknownOutcomeError,
    WeComError,
)
from data.errors import StorageError
from data.models import PauseRule, Run, RunStatus
from data.queries import batches as rows
from data.queries import campaigns as campaign_rows
from data.queries import runs as run_rows
from data.queries.batches import Waiting
from data.rules.brakes import Refused, is_refused
from data.rules.messages import MessageContent, MissingMediaError, links_of
from data.rules.occurrences import next_open
from data.rules.problems import parse
from data.rules.variants import said
from data.rules.waves import CUSTOMERS, GROUPS, MOMENTS
from scheduler.batch_calls import is_refusal, is_refused_sender, pause, put_back, rest, seconds_left
from scheduler.brakes import pause_refused
from scheduler.leases import LeaseHeldError, alone
from scheduler.moments import plan_post, send_post

log = get_logger("campaigns")

LEASE = "campaigns"
#: Calls under way at the same time; each may carry 10,000 recipients.
IN_FLIGHT = 8
CHUNK = 200
#: So many refusals without one success between them are no bad luck: a person has to look.
REFUSALS_IN_A_ROW = 20


async def send_when_due(ctx: Context) -> bool:
    """Plan and send what is due, until nothing is. False: nothing was, or another process does it."""
    if ctx.observes or not await ctx.db.read(run_rows.has_work, ctx.clock.now()):
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _work_off(ctx))
    return True


async def _work_off(ctx: Context) -> None:
    while True:
        # None of ours is under way here; one that lost the lease may have claimed another after we took it.
        if interrupted := await ctx.db.write(rows.note_interrupted, ctx.clock.now()):
            log.warning("batches_unknown", batches=interrupted)
        run = await ctx.db.write(run_rows.begin_due_run, ctx.clock.now(), calendar_of(ctx.settings))
        if run is None:
            return
        assert run.id is not None
        try:
            if not await _work_on(ctx, run):
                return
        except StorageError:
            raise
        except Exception as error:
            # What is wrong with one sending does not keep the others waiting.
            log.exception("run_failed", run=run.id)
            why = f"The program failed: {error if isinstance(error, SiyuError) else type(error).__name__}"
            await ctx.db.write(run_rows.set_aside, run.id, ctx.clock.now(), why)


async def _work_on(ctx: Context, run: Run) -> bool:
    """Plan or send a run. False: it goes on at the next ring, here or in another process."""
    assert run.id is not None
    wave = await ctx.db.read(campaign_rows.get_wave, run.wave_id)
    if run.status == RunStatus.PLANNING:
        log.info("run_planning", run=run.id, resumed=run.planned_until > 0)
        # To be planned still: another process has planned some of it, for the lease was lost; or somebody was erased.
        return await STEPS[wave.kind].plan(ctx, run.id) != RunStatus.PLANNING
    if await is_covered(ctx, run) and await is_tested(ctx, run):
        await STEPS[wave.kind].send(ctx, run)
    return True


class Sender:
    """The sending of one run's batches."""

    def __init__(self, ctx: Context, run: Run) -> None:
        assert run.id is not None
        self.ctx = ctx
        self._written = run.content
        self.run_id = run.id
        self.wave_id = run.wave_id
        self._queue: deque[Waiting] = deque()
        self._after = 0
        self._all_read = False
        self._stopped = False
        self._reading = asyncio.Lock()
        self._in_a_row = 0
        self._rests = run.rests
        self._campaign_id = run.campaign_id
        self._answers = Refused()

    async def send(self) -> None:
        """Ask for all that is planned, until it is done, has to rest, or somebody stops it."""
        wave = await self.ctx.db.read(campaign_rows.get_wave, self.wave_id)
        contents = said(wave.content, wave.variants, self._written)
        self._contents = {name: parse(MessageContent, each) for name, each in contents.items()}
        self._not_bought_hours = wave.not_bought_hours
        self._to_groups = wave.kind == GROUPS
        campaign = await self.ctx.db.read(campaign_rows.get_campaign, wave.campaign_id)
        self._is_test = campaign.test_of is not None
        self._campaign_name = await self.ctx.db.read(campaign_rows.get_name_in_words, wave.campaign_id)
        chains = [asyncio.create_task(self._chain(), name="campaign") for _ in range(IN_FLIGHT)]
        try:
            await asyncio.gather(*chains)
        finally:
            for chain in chains:
                chain.cancel()
            await asyncio.gather(*chains, return_exceptions=True)
        if not self._stopped:
            status = await self.ctx.db.write(rows.end_sending, self.run_id)
            log.info("run_sent", run=self.run_id, status=status.value)

    async def _chain(self) -> None:
        while (batch := await self._take()) is not None:
            await self._ask_for(batch)

    async def _take(self) -> Waiting | None:
        async with self._reading:
            await self._keep_hours()
            if not self._queue and not self._all_read and not self._stopped:
                self._queue.extend(await self.ctx.db.read(rows.list_planned, self.run_id, self._after, CHUNK))
                self._all_read = len(self._queue) < CHUNK
                self._after = self._queue[-1].batch_no if self._queue else self._after
            return self._queue.popleft() if self._queue and not self._stopped else None

    async def _keep_hours(self) -> None:
        now = self.ctx.clock.now()
        calendar = calendar_of(self.ctx.settings)
        opens = next_open(calendar.hours, now, calendar.zone)
        if opens > now and not self._stopped:
            self._stopped = True
            await self.ctx.db.write(run_rows.rest_run, self.run_id, opens, run_rows.OUT_OF_HOURS)

    async def _ask_for(self, batch: Waiting) -> None:
        ctx = self.ctx
        try:
            content = self._contents[batch.variant]
            words = await words_of(ctx, content.text, batch.userid, self._campaign_name, batch.batch_id)
            led = await addresses(ctx, links_of(content), batch.batch_id)
            body = await message_body(ctx, content.with_text(words).with_links(led))
        except UnusableLinkError as error:
            self._stopped = True
            await pause(ctx, self.run_id, batch.batch_id, str(error), PauseRule.LINK)
            return
        except MissingMediaError as error:
            await ctx.db.write(rows.note_refused, batch.batch_id, None, None, str(error), ctx.clock.now())
            await self._count_refusal(batch, error, 1)
            return
        except WeComError as error:
            await self._rest(batch, error)
            return
        now = ctx.clock.now()
        # What waits in other runs was counted when this one was planned.
        limits = limits_of(ctx.settings, self._not_bought_hours, now, is_test=self._is_test)
        whom = await ctx.db.write(rows.claim_batch, batch.batch_id, body, now, ctx.settings.zone, limits)
        if whom is None:
            self._stopped = True
        elif whom:
            to = {"chat_type": "group", "chat_id_list": whom} if self._to_groups else {"external_userid": whom}
            await self._call(batch, now, {"sender": batch.userid, **to, **body}, len(whom))

    async def _call(self, batch: Waiting, called_at: datetime, template: dict[str, Any], recipients: int) -> None:
        ctx = self.ctx
        left = seconds_left(ctx, called_at)
        if not left:
            self._stopped = True
            await put_back(ctx, self.run_id, batch.batch_id, called_at)
            return
        try:
            answer = await ctx.wecom.within(left).external_contact.add_msg_template(template)
        except UnknownOutcomeError as error:
            self._stopped = True
            log.warning("batch_unknown", run=self.run_id, batch=batch.batch_id, cause=str(error))
            await ctx.db.write(rows.note_unknown, batch.batch_id, called_at, str(error), ctx.clock.now())
            return
        except WeComError as error:
            await self._refused(batch, called_at, error, recipients)
            return
        msgid = str(answer.get("msgid") or "")
        if not msgid:
            await ctx.db.write(rows.note_unknown, batch.batch_id, called_at, "WeCom gave no msgid.", ctx.clock.now())
            return
        failed = [str(each) for each in answer.get("fail_list") or ()]
        if not await ctx.db.write(rows.note_made, batch.batch_id, called_at, msgid, failed, ctx.clock.now()):
            log.error("batch_made_twice", batch=batch.batch_id, run=self.run_id)
        self._in_a_row = 0
        self._answers.note(recipients, len(failed), whole=False)
        if failed:
            await self._look_at_answers()

    async def _look_at_answers(self) -> None:
        """Too much was refused of what was asked for here: the campaign pauses, if that is so of all of it."""
        settings = self.ctx.settings.campaigns
        if is_refused(self._answers, settings.brake_refused_percent, settings.brake_refused_least):
            await pause_refused(self.ctx, self._campaign_id)

    async def _refused(self, batch: Waiting, called_at: datetime, error: WeComError, recipients: int) -> None:
        if isinstance(error, InvalidMediaError):
            # Older than WeCom keeps it, whatever we thought: uploaded again for the next try.
            await forget_media(self.ctx, self._contents[batch.variant])
            await self._rest(batch, error, called_at)
        elif is_refusal(error) or is_refused_sender(error):
            now = self.ctx.clock.now()
            await self.ctx.db.write(rows.note_refused, batch.batch_id, called_at, error.errcode, str(error), now)
            await self._count_refusal(batch, error, recipients)
        else:
            await self._rest(batch, error, called_at)

    async def _count_refusal(self, batch: Waiting, error: SiyuError, recipients: int) -> None:
        self._answers.note(recipients, recipients, whole=True)
        await self._look_at_answers()
        self._in_a_row += 1
        if self._in_a_row >= REFUSALS_IN_A_ROW:
            self._stopped = True
            why = f"{self._in_a_row} batches in a row were refused; the last one: {error}"
            await pause(self.ctx, self.run_id, batch.batch_id, why, PauseRule.WECOM)

    async def _rest(self, batch: Waiting, error: WeComError, called_at: datetime | None = None) -> None:
        self._stopped = True
        await rest(self.ctx, self.run_id, self._rests, batch.batch_id, error, called_at)


async def send_batches(ctx: Context, run: Run) -> None:
    """Ask for all of a run's batches, until that is done, has to rest, or somebody stops it."""
    await Sender(ctx, run).send()


class Steps(NamedTuple):
    """How a run is planned, resumable (it tells how the run stands then), and how what was planned is asked for."""

    plan: Callable[[Context, int], Awaitable[RunStatus]]
    send: Callable[[Context, Run], Awaitable[None]]


#: By kind of wave.
STEPS: Mapping[str, Steps] = {
    CUSTOMERS: Steps(plan_run, send_batches),
    GROUPS: Steps(plan_groups, send_batches),
    MOMENTS: Steps(plan_post, send_post),
}
