"""What staff and managers are told of campaigns once a day, or when they ask: one message for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from bot.config import Settings
from bot.context import Context
from bot.setting_values import days_of
from data.models import Approval, Run, RunStatus
from data.queries.digests import Mine, Overview, Standing
from data.rules.approval_cards import number_words
from data.rules.campaigns import who_words
from data.rules.digests import DigestDays
from data.rules.schedule import day_words, local_datetime, moment_words

#: Campaigns, things that wait, and departments that a message names.
LINES = 15
DEPARTMENTS = 6
#: How a campaign stands is how the one of its sendings stands that needs a person most.
STANDINGS = (
    RunStatus.PAUSED, RunStatus.WORDS_DUE, RunStatus.PLANNING, RunStatus.SENDING, RunStatus.AWAITING, RunStatus.DUE,
    RunStatus.FINISHED, RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.SKIPPED,
)  # fmt: skip


def days_told(settings: Settings) -> DigestDays:
    """On which days staff are told something."""
    company = settings.company
    holidays, workdays = ([days_of(words) for words in listed] for listed in (company.holidays, company.workdays))
    return DigestDays(settings.zone, settings.digest.days == "all", holidays, workdays)


def is_manager(settings: Settings, userid: str) -> bool:
    """Whether a member is told of every campaign."""
    return userid.casefold() in {each.casefold() for each in settings.campaigns.managers}


def people(settings: Settings, overview: Overview) -> set[str]:
    """Who may have to be told something."""
    owners = {each.owner for each in overview.campaigns if each.owner}
    approvers = {userid for each in overview.approvals for userid in each.approvers}
    managers = set(settings.campaigns.managers) if overview.campaigns else set[str]()
    return owners | approvers | managers | set(overview.tasks)


def words_for(ctx: Context, userid: str, overview: Overview, now: datetime) -> str:
    """What a member is told; empty when there is nothing."""
    mine = overview.tasks.get(userid)
    parts = [tasks_words(ctx, mine)] if mine is not None else []
    seen = [each for each in overview.campaigns if is_seen(ctx.settings, userid, each.owner)]
    to_approve = [
        each for each in overview.approvals if userid.casefold() in {who.casefold() for who in each.approvers}
    ]
    if seen or to_approve:
        parts.append(campaigns_words(ctx, seen, to_approve, now))
    return "\n\n".join(parts)


def is_seen(settings: Settings, userid: str, owner: str) -> bool:
    """Whether a member is told of a campaign of this owner."""
    return is_manager(settings, userid) or (owner != "" and owner.casefold() == userid.casefold())


def tasks_words(ctx: Context, mine: Mine) -> str:
    """What waits for a member of staff to confirm."""
    return render(
        ctx, "daily_tasks", tasks=mine.tasks, customers=mine.customers, groups=mine.groups, posts=mine.posts
    )  # fmt: skip


def campaigns_words(ctx: Context, seen: Iterable[Standing], to_approve: Iterable[Approval], now: datetime) -> str:
    """How campaigns stand, and what of them waits for a person."""
    seen = list(seen)
    running = [each for each in seen if each.is_running]
    waiting = [_waiting(ctx, "approval", each.campaign_id, each.campaign_name, count=number_words(each))
               for each in to_approve]  # fmt: skip
    for each in seen:
        waiting += _what_waits(ctx, each)
    return render(
        ctx,
        "daily_campaigns",
        date=day_words(local_datetime(now, ctx.settings.zone)),
        count=len(running),
        campaigns=_lines(campaign_words(ctx, each) for each in running),
        waiting=_lines(waiting),
    )


def campaign_words(ctx: Context, standing: Standing) -> str:
    """How one campaign stands, in a line."""
    # Who has most left to do comes first.
    ranked = sorted(standing.departments.items(), key=lambda each: (each[1][0] - each[1][1], each[0]))
    told = [f"{name} {done:,}/{of:,}" for name, (done, of) in ranked if name and of]
    more = " 等" if len(told) > DEPARTMENTS else ""
    return render(
        ctx,
        "daily_campaign",
        campaign_id=str(standing.campaign_id),
        campaign_name=standing.name,
        status=status_of(standing.runs),
        tasks=standing.tasks,
        confirmed=standing.confirmed,
        recipients=standing.recipients,
        sent=standing.sent,
        groups=standing.groups,
        groups_sent=standing.groups_sent,
        refused=standing.refused,
        posts=standing.posts,
        published=standing.published,
        departments="、".join(told[:DEPARTMENTS]) + more,
    )


def status_of(runs: Iterable[Run]) -> str:
    """How a campaign stands, by how its sendings do; `draft` without any."""
    statuses = {run.status for run in runs}
    return next((each.value for each in STANDINGS if each in statuses), "draft")


def _what_waits(ctx: Context, standing: Standing) -> list[str]:
    number, name = standing.campaign_id, standing.name
    found = [_waiting(ctx, "unknown", number, name, count=standing.unknown)] if standing.unknown else []
    for run in standing.runs:
        if run.status == RunStatus.WORDS_DUE:
            found.append(_waiting(ctx, "words", number, name, run))
        elif run.status == RunStatus.PAUSED:
            found.append(_waiting(ctx, "paused", number, name, run))
    # Several sendings of one campaign that a brake has stopped are one thing.
    return list(dict.fromkeys(found))


def _waiting(ctx: Context, kind: str, number: int, name: str, run: Run | None = None, *, count: int | str = 0) -> str:
    cause = (run.error or (f"由 {who_words(run.paused_by)} 暂停" if run.paused_by else "")) if run is not None else ""
    at = moment_words(run.due_at, ctx.settings.zone) if run is not None else None
    return render(
        ctx, "daily_waiting", kind=kind, campaign_id=str(number), campaign_name=name, happened_at=at, cause=cause,
        count=count,
    )  # fmt: skip


def _lines(words: Iterable[str]) -> str:
    found = list(words)
    more = [f"…… 另有 {len(found) - LINES} 项"] if len(found) > LINES else []
    return "\n".join([*found[:LINES], *more])


def render(ctx: Context, slug: str, **values: str | int | None) -> str:
    """A text for staff; numbers as people read them."""
    told: Mapping[str, str | None] = {
        name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()
    }
    return ctx.renderer.render("staff_alert", slug, told)
