"""Every job of the program: what it does, how often, and whether one replica at a time may run it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from bot import kept
from bot.channel_links import refresh_links
from bot.context import Context
from bot.delivery import media_id_of, send_due_alerts
from bot.join_ways import read_all
from bot.leavers import read_unassigned
from bot.published import refresh
from bot.refresh import refresh_channels, refresh_directory, refresh_tags
from bot.wecom.errors import WeComError
from data.queries import media_uses as media_rows
from data.queries import statistics as statistics_rows
from data.rules.messages import MissingMediaError
from scheduler.acquisition import pull_acquisition
from scheduler.approvals import work_on_approvals
from scheduler.backups import back_up_when_due
from scheduler.behaviour import pull_behaviour
from scheduler.brakes import watch_campaigns
from scheduler.campaign_lookups import look_up_unknown
from scheduler.campaign_results import follow_results
from scheduler.campaigns import send_when_due
from scheduler.channels import count_channel_days, tend_channels, watch_seats
from scheduler.cohorts import count_cohorts
from scheduler.day_lists import tell_lists
from scheduler.digests import send_digests
from scheduler.follow_facts import mend_facts
from scheduler.forms import follow_up_answers
from scheduler.group_welcomes import check_group_welcomes, write_group_welcomes
from scheduler.handovers import hand_over_when_due
from scheduler.imports import work_on_imports
from scheduler.journey_days import follow_days
from scheduler.journey_triggers import follow_happenings
from scheduler.journeys import run_due_steps
from scheduler.kf import answer_left, catch_up, poll_accounts, read_people
from scheduler.links import follow_up_clicks
from scheduler.markings import mark_when_due
from scheduler.moment_results import follow_moments
from scheduler.order_tags import tag_orders
from scheduler.orders import match_waiting, purge_repeats, review_matches
from scheduler.own_sends import pull_own_sends
from scheduler.payments import pull_payments
from scheduler.reminders import remind_and_tell
from scheduler.reports import send_reports
from scheduler.staff_tasks import tend_tasks
from scheduler.sync import sync_when_due
from scheduler.webhooks import send_webhooks

#: Files of campaigns are uploaded so long before they are due; the job runs every hour.
MEDIA_AHEAD = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Job:
    """A repeated piece of work. `alone`: one replica at a time; `at_start`: also as soon as the program runs.

    `long`: it may take hours and goes on where it stopped, so a stop of the program does not wait for it. `sends`: it
    sends to customers, to staff or to other programs, and stands still while that waits after a restore.
    """

    name: str
    every_seconds: float
    run: Callable[[Context], Awaitable[object]]
    alone: bool = True
    at_start: bool = False
    long: bool = False
    sends: bool = False


async def read_settings(ctx: Context) -> None:
    """Do as admins have set it in the console meanwhile, here or at another replica."""
    await kept.refresh(ctx)


async def read_templates(ctx: Context) -> None:
    """Say what admins have published meanwhile, here or at another replica."""
    await refresh(ctx.db, ctx.renderer)


async def poll_directory(ctx: Context) -> None:
    """A self-built app is not told of changes in the directory: read it."""
    await refresh_directory(ctx)


async def poll_tags(ctx: Context) -> None:
    """Callbacks get lost: read the tags now and then."""
    await refresh_tags(ctx)


async def poll_channels(ctx: Context) -> None:
    """Contact ways and links cause no event when others make or change them: read them."""
    await refresh_channels(ctx)
    await refresh_links(ctx)


async def poll_unassigned(ctx: Context) -> None:
    """Nothing tells that somebody has left: read whose customers wait to be taken over."""
    await read_unassigned(ctx)


async def poll_join_ways(ctx: Context) -> None:
    """Nothing tells that a group is full and another was opened for its code: read them."""
    await read_all(ctx)


async def renew_media(ctx: Context) -> int:
    """Upload again what welcomes use before WeCom's three days end, and what campaigns need in the next hours, so that
    nothing that is to be sent waits for an upload.

    The number of files that are ready. In observe mode nothing is uploaded: nothing will be sent.
    """
    if ctx.observes:
        return 0
    needed = await ctx.db.read(media_rows.list_soon_needed, ctx.clock.now() + MEDIA_AHEAD)
    ready = 0
    failure: WeComError | None = None
    for sha256, kind, endpoint in sorted(needed):
        try:
            await media_id_of(ctx, sha256, kind, endpoint=endpoint)
            ready += 1
        except MissingMediaError:
            # What names it says so when it is sent; the other files still count.
            continue
        except WeComError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return ready


async def send_alerts(ctx: Context) -> int:
    """Send the alerts that are due. Rows are claimed one by one, so replicas share the work."""
    return await send_due_alerts(ctx)


async def refresh_statistics(ctx: Context) -> None:
    """Tables that grew a thousandfold are planned for as they are now."""
    await ctx.db.write(statistics_rows.refresh_statistics)
    ctx.db.plan_anew()


JOBS: tuple[Job, ...] = (
    Job("poll_directory", timedelta(hours=1).total_seconds(), poll_directory, at_start=True),
    Job("poll_tags", timedelta(hours=6).total_seconds(), poll_tags, at_start=True),
    Job("poll_channels", timedelta(hours=1).total_seconds(), poll_channels, at_start=True),
    Job("poll_unassigned", timedelta(hours=1).total_seconds(), poll_unassigned, at_start=True),
    Job("poll_join_ways", timedelta(hours=1).total_seconds(), poll_join_ways),
    Job("renew_media", timedelta(hours=1).total_seconds(), renew_media, at_start=True),
    Job("read_templates", 3.0, read_templates, alone=False),
    Job("read_settings", 3.0, read_settings, alone=False),
    Job("send_alerts", 1.0, send_alerts, alone=False, sends=True),
    Job("approvals", 2.0, work_on_approvals, alone=False, sends=True),
    # Each has a claim of its own.
    Job("group_welcomes", 10.0, write_group_welcomes, alone=False, sends=True),
    Job("check_group_welcomes", timedelta(hours=6).total_seconds(), check_group_welcomes, at_start=True),
    # Conversations are claimed one by one.
    Job("kf_answers", 1.0, answer_left, alone=False, sends=True),
    Job("kf_catch_up", 30.0, catch_up, at_start=True),
    Job("kf_people", 5.0, read_people),
    Job("kf_accounts", timedelta(hours=1).total_seconds(), poll_accounts, at_start=True),
    Job("channels", 15.0, tend_channels, long=True),
    Job("watch_seats", 300.0, watch_seats),
    Job("count_channel_days", 300.0, count_channel_days, long=True),
    Job("match_orders", 60.0, match_waiting),
    Job("pull_payments", 300.0, pull_payments, at_start=True),
    Job("pull_own_sends", timedelta(minutes=30).total_seconds(), pull_own_sends, at_start=True),
    # Orders are claimed one by one, so replicas share the work.
    Job("tag_orders", 2.0, tag_orders, alone=False),
    # So are clicks, and answers to forms.
    Job("follow_up_clicks", 2.0, follow_up_clicks, alone=False),
    Job("follow_up_answers", 2.0, follow_up_answers, alone=False),
    # And calls to other programs, which a stop does not wait for.
    Job("webhooks", 2.0, send_webhooks, alone=False, long=True, sends=True),
    # A lease is taken only where something has happened.
    Job("happenings", 1.0, follow_happenings, alone=False),
    Job("remind_and_tell", 60.0, remind_and_tell, sends=True),
    Job("watch_campaigns", 30.0, watch_campaigns),
    Job("digests", 60.0, send_digests, sends=True),
    Job("reports", 60.0, send_reports, sends=True),
    Job("staff_tasks", 60.0, tend_tasks),
    Job("day_lists", 60.0, tell_lists, sends=True),
    Job("review_order_matches", timedelta(hours=6).total_seconds(), review_matches),
    Job("purge_repeated_requests", timedelta(hours=6).total_seconds(), purge_repeats, at_start=True),
    Job("refresh_statistics", timedelta(hours=1).total_seconds(), refresh_statistics, at_start=True),
    # They begin once a day, the first a while after WeCom has counted yesterday.
    Job("pull_behaviour", timedelta(minutes=10).total_seconds(), pull_behaviour, long=True),
    Job("pull_acquisition", timedelta(minutes=10).total_seconds(), pull_acquisition, long=True),
    Job("count_cohorts", timedelta(minutes=10).total_seconds(), count_cohorts, long=True),
    Job("mend_facts", timedelta(days=1).total_seconds(), mend_facts),
    Job("backups", 60.0, back_up_when_due, long=True),
    # These have leases of their own, which `siyu sync` and `siyu tags` take as well.
    Job("sync", 5.0, sync_when_due, alone=False, long=True),
    Job("markings", 3.0, mark_when_due, alone=False, long=True),
    Job("imports", 3.0, work_on_imports, alone=False, long=True),
    Job("handovers", 5.0, hand_over_when_due, alone=False, long=True, sends=True),
    Job("journey_days", 5.0, follow_days, alone=False, long=True),
    Job("journeys", 2.0, run_due_steps, alone=False, long=True, sends=True),
    Job("campaigns", 2.0, send_when_due, alone=False, long=True, sends=True),
    Job("campaign_lookups", 5.0, look_up_unknown, alone=False, long=True),
    Job("campaign_results", 5.0, follow_results, alone=False, long=True),
    Job("moments", 3.0, follow_moments, alone=False, long=True, sends=True),
)
