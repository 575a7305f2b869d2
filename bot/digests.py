"""What staff and managers are told of campaigns once a day, or when they ask: one message for each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from bot.config import Settings
from bot.context import Context
from bot.phrases import Phrase
from bot.setting_values import days_of
from bot.staff_words import EN, ZH, Kept, Value, between, day_told, render
from data.models import Approval, Run, RunStatus
from data.queries.assistant import DayCounts
from data.queries.digests import Mine, Overview, Standing
from data.queries.numbers import DayNumbers
from data.rules.approval_cards import number_words
from data.rules.campaigns import who_words
from data.rules.digests import DigestDays
from data.rules.schedule import local_datetime

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


def words_for(ctx: Context, userid: str, overview: Overview, now: datetime, language: str = ZH) -> str:
    """What a member is told; empty when there is nothing."""
    mine = overview.tasks.get(userid)
    parts = [tasks_words(ctx, mine, language)] if mine is not None else []
    seen = [each for each in overview.campaigns if is_seen(ctx.settings, userid, each.owner)]
    to_approve = [
        each for each in overview.approvals if userid.casefold() in {who.casefold() for who in each.approvers}
    ]
    if seen or to_approve:
        parts.append(campaigns_words(ctx, seen, to_approve, now, language))
    return "\n\n".join(parts)


def is_seen(settings: Settings, userid: str, owner: str) -> bool:
    """Whether a member is told of a campaign of this owner."""
    return is_manager(settings, userid) or (owner != "" and owner.casefold() == userid.casefold())


def tasks_words(ctx: Context, mine: Mine, language: str = ZH) -> str:
    """What waits for a member of staff to confirm."""
    return render(
        ctx, "daily_tasks", language, tasks=mine.tasks, customers=mine.customers, groups=mine.groups, posts=mine.posts
    )  # fmt: skip


def campaigns_words(
    ctx: Context, seen: Iterable[Standing], to_approve: Iterable[Approval], now: datetime, language: str = ZH
) -> str:
    """How campaigns stand, and what of them waits for a person."""
    seen = list(seen)
    running = [each for each in seen if each.is_running]
    waiting = [
        _waiting(ctx, "approval", language, each.campaign_id, each.campaign_name, count=number_words(each))
        for each in to_approve
    ]  # fmt: skip
    for each in seen:
        waiting += _what_waits(ctx, each, language)
    return render(
        ctx,
        "daily_campaigns",
        language,
        date=day_told(local_datetime(now, ctx.settings.zone), language),
        count=len(running),
        campaigns=_lines((campaign_words(ctx, each, language) for each in running), language),
        waiting=_lines(waiting, language),
    )


def campaign_words(ctx: Context, standing: Standing, language: str = ZH) -> str:
    """How one campaign stands, in a line."""
    # Who has most left to do comes first.
    ranked = sorted(standing.departments.items(), key=lambda each: (each[1][0] - each[1][1], each[0]))
    told = [f"{name} {done:,}/{of:,}" for name, (done, of) in ranked if name and of]
    more = "" if len(told) <= DEPARTMENTS else " …" if language == EN else " 等"
    return render(
        ctx,
        "daily_campaign",
        language,
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
        departments=between(language).join(told[:DEPARTMENTS]) + more,
    )


def status_of(runs: Iterable[Run]) -> str:
    """How a campaign stands, by how its sendings do; `draft` without any."""
    statuses = {run.status for run in runs}
    return next((each.value for each in STANDINGS if each in statuses), "draft")


def _what_waits(ctx: Context, standing: Standing, language: str) -> list[str]:
    number, name = standing.campaign_id, standing.name
    found = [_waiting(ctx, "unknown", language, number, name, count=standing.unknown)] if standing.unknown else []
    for run in standing.runs:
        if run.status == RunStatus.WORDS_DUE:
            found.append(_waiting(ctx, "words", language, number, name, run))
        elif run.status == RunStatus.PAUSED:
            found.append(_waiting(ctx, "paused", language, number, name, run))
    # Several sendings of one campaign that a brake has stopped are one thing.
    return list(dict.fromkeys(found))


def _waiting(
    ctx: Context, kind: str, language: str, number: int, name: str, run: Run | None = None, *, count: int | str = 0
) -> str:
    return render(
        ctx, "daily_waiting", language, kind=kind, campaign_id=str(number), campaign_name=name,
        happened_at=run.due_at if run is not None else None, cause=cause_of(run) if run is not None else None,
        count=count,
    )  # fmt: skip


def cause_of(run: Run) -> Value:
    """Why a sending stands still, or did not go out; None: nothing is known."""
    if run.error:
        return Kept(run.error)
    return Phrase("由 %(by)s 暂停", by=who_words(run.paused_by)) if run.paused_by else None


class Brief(NamedTuple):
    """What a manager is told of their team: a day, the one before it, how many members, what these are to confirm."""

    day: DayNumbers
    before: DayNumbers
    members: int
    tasks: int
    posts: int


def brief_words(ctx: Context, brief: Brief, language: str = ZH) -> str:
    """A manager's daily brief."""
    day, before = brief.day, brief.before
    return render(
        ctx, "daily_brief", language, date=day_told(day.day, language), members=brief.members, people=day.people,
        people_before=before.people, added=day.added, added_before=before.added, left=day.left,
        left_before=before.left, tasks=brief.tasks, posts=brief.posts,
    )  # fmt: skip


def extra_words(ctx: Context, counts: DayCounts, contacts: int, language: str = ZH) -> str:
    """What waits for a member beside what is to be confirmed; empty when nothing does."""
    if not any((*counts, contacts)):
        return ""
    return render(ctx, "daily_day", language, contacts=contacts, **counts._asdict())


def _lines(words: Iterable[str], language: str) -> str:
    found = list(words)
    left = len(found) - LINES
    more = [f"… and {left} more" if language == EN else f"…… 另有 {left} 项"] if left > 0 else []
    return "\n".join([*found[:LINES], *more])
