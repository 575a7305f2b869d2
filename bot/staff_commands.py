"""Staff write to the app: what waits for them, how their campaigns stand, pause and resume them.

A reply is a row that is written with what the command does, under the event's number: an event that is handled again
does and says nothing more. It goes back in the response to the callback, or by app message (`bot.delivery.add_reply`).
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from bot import campaigns, digests
from bot.context import Context, Receipt
from bot.delivery import add_reply
from bot.errors import ApprovalNeededError
from bot.logs import get_logger
from bot.router import Outcome, done, skipped
from bot.staff_words import language_of, render
from data.errors import ConflictError
from data.models import Campaign
from data.queries import accounts as account_rows
from data.queries import alerts as alert_rows
from data.queries import approvals as approval_rows
from data.queries import campaigns as campaign_rows
from data.queries import digests as rows
from data.queries import publishers as publisher_rows
from data.queries import staff as staff_rows
from data.queries.audit import add_entry
from data.queries.campaign_edits import find_locked
from data.queries.digests import Mine
from data.rules.staff_commands import ACTS, Command, Verb, is_stale, may_command
from data.rules.waves import CUSTOMERS, MOMENTS

log = get_logger("staff")

#: Sendings of which the audit log says what became of them.
RUNS_NOTED = 20
#: Posts of so long ago are counted in what a member is told of their own.
POSTS_SINCE = timedelta(days=30)


async def find_asker(ctx: Context, userid: str, receipt: Receipt) -> str | Outcome:
    """The member who wrote, as WeCom writes them; or why nobody is answered, or that they were told so."""
    if ctx.observes:
        return skipped("the bot observes: it answers nobody")
    members = await ctx.db.read(staff_rows.map_members, [userid])
    known = members.get(userid.casefold())
    if known is None:
        return skipped("not a member whom the app knows")
    if await ctx.db.read(account_rows.is_closed, known):
        words = render(ctx, "assistant_said", await ctx.db.read(language_of, ctx, known), outcome="closed")
        await ctx.db.write(_reply, ctx, known, receipt, words)
        return done("the member's account is closed, and they were told so")
    return known


async def reply_tasks(ctx: Context, userid: str, receipt: Receipt) -> bool:
    """Say what waits for a member, as the daily digest does."""
    now = ctx.clock.now()
    overview = await ctx.db.read(rows.read_overview, now)
    language = await ctx.db.read(language_of, ctx, userid)
    words = digests.words_for(ctx, userid, overview, now, language) or digests.tasks_words(ctx, Mine(), language)
    return await ctx.db.write(_reply, ctx, userid, receipt, words)


async def reply_posts(ctx: Context, userid: str, receipt: Receipt) -> bool:
    """Say which posts in Moments wait for a member, and what became of those published."""
    now = ctx.clock.now()
    overview = await ctx.db.read(rows.read_overview, now)
    mine = await ctx.db.read(publisher_rows.count_published, userid, now - POSTS_SINCE)
    waiting = overview.tasks.get(userid, Mine()).posts
    language = await ctx.db.read(language_of, ctx, userid)
    words = render(ctx, "reply_posts", language, waiting=waiting, days=POSTS_SINCE.days, **mine._asdict())
    return await ctx.db.write(_reply, ctx, userid, receipt, words)


async def reply_about(ctx: Context, userid: str, command: Command, receipt: Receipt) -> str:
    """Do what a command asks of a campaign, and say what came of it: in one word, empty if that was done before."""
    return await ctx.db.write(_about, ctx, userid, command, receipt)


def _about(session: Session, ctx: Context, userid: str, command: Command, receipt: Receipt) -> str:
    # Locked first: of two who handle the same event, the other finds the reply.
    campaign = find_locked(session, command.number) if command.number is not None else None
    if _is_answered(session, receipt):
        return ""
    outcome = _judge(session, ctx, userid, command, campaign, receipt)
    if campaign is not None and outcome in ("act", "results"):
        if outcome == "results":
            _reply(session, ctx, userid, receipt, _results(session, ctx, campaign, userid))
            return outcome
        outcome = _act(session, ctx, campaign, command.verb, userid)
    # Who may not know of a campaign is not told its name.
    name = campaign.name if campaign is not None and outcome != "unknown" else None
    number = "" if command.number is None else str(command.number)
    language = language_of(session, ctx, userid)
    words = render(ctx, "reply_act", language, outcome=outcome, campaign_id=number, campaign_name=name)
    _reply(session, ctx, userid, receipt, words)
    return outcome


def _judge(
    session: Session, ctx: Context, userid: str, command: Command, campaign: Campaign | None, receipt: Receipt
) -> str:
    """`act`, `results`, or why neither."""
    if command.number is None:
        return "number"
    if campaign is None:
        return "unknown"
    asked = approval_rows.find_latest(session, [command.number]).get(command.number)
    allowed = may_command(
        command.verb,
        userid,
        owner=campaign.owner,
        managers=(*ctx.settings.campaigns.managers, *([userid] if account_rows.manages(session, userid) else [])),
        approvers=asked.approvers if asked is not None else (),
    )
    if not allowed:
        log.warning("command_refused", campaign=campaign.id, verb=command.verb.value)
        return "unknown"
    if command.verb is Verb.RESULTS:
        return "results"
    if command.verb is Verb.CANCEL:
        return "confirm"
    return "late" if is_stale(receipt.received_at, ctx.clock.now()) else "act"


def _act(session: Session, ctx: Context, campaign: Campaign, verb: Verb, userid: str) -> str:
    number, act = campaign.id or 0, ACTS[verb]
    before = _runs(session, number)
    try:
        campaigns.act_within(session, ctx, number, act, userid)
    except ApprovalNeededError:
        return "approval"
    except ConflictError as error:
        log.info("command_impossible", campaign=campaign.id, verb=verb.value, cause=str(error))
        return "impossible"
    log.info("command_done", campaign=campaign.id, verb=verb.value)
    session.flush()
    actor = account_rows.find_actor(session, userid)
    after = _runs(session, number)
    add_entry(session, actor, f"campaigns.{act.value}", f"campaign {number}", before, after, ctx.clock.now())
    return verb.value


def _runs(session: Session, campaign_id: int) -> dict[str, Any]:
    runs = campaign_rows.list_runs(session, [campaign_id])
    return {"runs": {str(run.id): str(run.status) for run in runs[-RUNS_NOTED:]}}


def _results(session: Session, ctx: Context, campaign: Campaign, userid: str) -> str:
    told = campaigns.read_campaign(session, campaign.id or 0)
    kind_of_wave = {wave.id: wave.kind for wave in told.waves}
    kinds = {run.id: kind_of_wave.get(run.wave_id, CUSTOMERS) for run in told.runs}
    sums: dict[str, Counter[str]] = {}
    for each in campaigns.read_results(session, campaign.id or 0):
        mine = sums.setdefault(kinds[each["run_id"]], Counter())
        for name in ("recipients", "waiting", *campaigns.RESULTS):
            mine[name] += each[name]
    to_customers, to_groups, posts = (sums.get(kind, Counter()) for kind in (CUSTOMERS, "groups", MOMENTS))
    paused = [run for run in told.runs if run.status == "paused"]
    return render(
        ctx,
        "reply_results",
        language_of(session, ctx, userid),
        campaign_id=str(campaign.id),
        campaign_name=campaign.name,
        status=digests.status_of(told.runs),
        cause=next((digests.cause_of(run) for run in paused if run.error), None),
        **{name: to_customers[name] for name in ("recipients", "waiting", *campaigns.RESULTS)},
        groups=to_groups["recipients"],
        groups_sent=to_groups["sent"],
        posts=posts["recipients"],
        published=posts["sent"],
    )


def _reply(session: Session, ctx: Context, userid: str, receipt: Receipt, words: str) -> bool:
    return add_reply(session, ctx, userid, receipt.event_id, words)


def _is_answered(session: Session, receipt: Receipt) -> bool:
    return alert_rows.has_alert(session, alert_rows.reply_key(receipt.event_id))
