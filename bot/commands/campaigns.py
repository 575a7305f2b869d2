"""`siyu campaigns`: broadcasts to many: looked at, approved, started, followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands import batches, campaign_files, comparisons, shipped, winners
from bot.commands.comparisons import Days, say_comparison
from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
    cut,
    parse_instant,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from datetime import datetime

    from bot.campaigns import Told
    from bot.context import Context
    from data.models import Approval, Run

#: Departments that a preview names, those with the most recipients first.
DEPARTMENTS_TOLD = 20

app = typer.Typer(no_args_is_help=True, help="Campaigns (群发计划): broadcasts to many customers.")
app.command("shipped")(shipped.campaigns)
app.command()(campaign_files.create)
app.command()(campaign_files.edit)
app.command()(campaign_files.export)
app.command()(campaign_files.copy)
app.command()(campaign_files.words)

CampaignId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The campaign's number.")]
At = Annotated[str | None, typer.Option("--at", help="When: 2026-03-08T10:00 in the company's time.")]
Userid = Annotated[str, typer.Option("--userid", help="Who decides: one of approval.approvers.")]


@app.command("list")
def list_campaigns(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """Campaigns, newest first, and how far they are."""

    async def read(place: Workplace) -> None:
        from bot import campaigns

        found = await place.db.read(campaigns.read_campaigns, limit, None)
        if as_json:
            say_json([campaigns.to_json(each) for each in found])
            return
        say_table(
            ("ID", "NAME", "MADE", "BY", "WAVES", "RECIPIENTS", "STATUS", "APPROVAL"),
            (
                (each.campaign.id, cut(each.campaign.name, 32), place.local(each.campaign.made_at),
                 each.campaign.made_by, len(each.waves), f"{sum(run.recipients for run in each.runs):,}",
                 _status(each), each.approval.status if each.approval else "")
                for each in found
            ),
            "There is no campaign: siyu campaigns create makes one of a file.",
        )  # fmt: skip

    work(config, read)


@app.command()
def show(campaign_id: CampaignId, config: Config = None) -> None:
    """One campaign as JSON."""

    async def read(place: Workplace) -> dict[str, Any]:
        from bot import campaigns

        return campaigns.to_json(await place.db.read(campaigns.read_campaign, campaign_id))

    say_json(work(config, read))


@app.command()
def preview(campaign_id: CampaignId, as_json: AsJson = False, config: Config = None) -> None:
    """Whom each of its waves would reach now, and why not the others. Sends nothing."""

    async def action(ctx: Context) -> None:
        from bot import campaigns

        told = await ctx.db.read(campaigns.read_campaign, campaign_id)
        found = await campaigns.tell_waves(ctx, told)
        if as_json:
            say_json(found)
            return
        for each in found:
            say(f"waves[{each['place']}], wave {each['wave_id']}: {_reach(each)}")
            for warning in each["warnings"]:
                say(f"  ! {warning}")
            for reason, number in each["left_out"].items():
                say(f"  {reason}: {number:,}")
            if each.get("on_leave"):
                say(f"  on leave: {_named(each['on_leave'])}")
            for place in (each.get("departments") or ())[:DEPARTMENTS_TOLD]:
                name = cut(place["name"], 40) or "-"
                say(f"  {name}: {place['recipients']:,} through {place['senders']:,} senders")
            for one in each.get("sample") or ():
                say(f"  such as {one['external_userid']} through {one['userid']}")
            for variant in each.get("variants") or ():
                say(f"  {cut(variant['name'], 20)} {variant['recipients']:,}: {cut(variant['words'], 100)}")
            if each["words"] and not each.get("variants"):
                say(f"  {cut(each['words'], 100)}")

    work_with_wecom(config, action)


def _named(on_leave: list[Any]) -> str:
    """Some of the members on leave, of a post by userid, of groups with how many are theirs."""
    names = [each if isinstance(each, str) else f"{each['userid']} ({each['groups']})" for each in on_leave[:20]]
    return ", ".join(names) + (" …" if len(on_leave) > len(names) else "")


def _reach(told: dict[str, Any]) -> str:
    if told.get("kind") == "moments":
        return (
            f"{told['publishers']:,} of {told['matched']:,} members publish it; {told['customers']:,} customers could"
            f" see it, {told['opted_out']:,} of them have opted out."
        )
    if told.get("kind") == "groups":
        return (
            f"{told['groups']:,} of {told['matched']:,} groups with {told['customers']:,} customers,"
            f" {told['opted_out']:,} of them have opted out."
        )
    return f"{told['recipients']:,} of {told['matched']:,} through {told['sender_count']:,} senders."


@app.command()
def submit(
    campaign_id: CampaignId,
    at: At = None,
    requested_by: Annotated[str, typer.Option("--requested-by", help="userid of whom it is asked for.")] = "",
    config: Config = None,
) -> None:
    """Ask for approval by a card in WeCom; with --at, approval starts it."""

    async def action(ctx: Context) -> None:
        from bot import approvals
        from data.rules.approval_cards import is_sum

        starts = _instant(ctx, at)
        await approvals.submit(ctx, campaign_id, "command", at=starts, requested_by=requested_by)
        approval = await _newest(ctx, campaign_id)
        who = ", ".join(approval.approvers) or "nobody: it is decided by API or command"
        at_most = "at most " if is_sum(approval) else ""
        say(f"Approval asked for {at_most}{approval.recipients:,} customers. The card goes to {who}.")

    work_with_wecom(config, action)


@app.command()
def approve(campaign_id: CampaignId, userid: Userid, config: Config = None) -> None:
    """Approve what was submitted, as one of the approvers."""
    _decide(campaign_id, userid, "approve", "", config)


@app.command()
def reject(
    campaign_id: CampaignId,
    userid: Userid,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    config: Config = None,
) -> None:
    """Reject what was submitted, as one of the approvers."""
    _decide(campaign_id, userid, "reject", reason, config)


def _decide(campaign_id: int, userid: str, name: str, reason: str, config: Config) -> None:
    async def action(ctx: Context) -> None:
        from bot import approvals
        from data.rules.approvals import Decider, Decision

        decider = Decider(userid, is_program=False)
        await approvals.decide(ctx, campaign_id, Decision(name), decider, reason=reason)
        say(f"Campaign {campaign_id} is {(await _newest(ctx, campaign_id)).status}.")

    work_with_wecom(config, action)


@app.command()
def start(campaign_id: CampaignId, at: At = None, config: Config = None) -> None:
    """Have the running bot send it, now or at a time."""

    async def action(ctx: Context) -> None:
        from bot import campaigns

        _say_runs(await campaigns.start_campaign(ctx, campaign_id, _instant(ctx, at)))

    work_with_wecom(config, action)


@app.command("test")
def send_test(campaign_id: CampaignId, config: Config = None) -> None:
    """Have the running bot send what it says to the test customers."""

    async def action(ctx: Context) -> None:
        from bot import campaign_tests

        newest = (await campaign_tests.send_test(ctx, campaign_id, "command")).tests[0]
        say(f"Version {newest.version} goes to the test customers as campaign {newest.campaign_id}.")

    work_with_wecom(config, action)


@app.command()
def go(
    campaign_id: CampaignId,
    version: Annotated[int, typer.Option("--version", min=1, help="The version that was tested.")],
    config: Config = None,
) -> None:
    """Say that the test was right: what waited for it is sent."""

    async def action(ctx: Context) -> None:
        from bot.campaign_tests import give_go

        _say_runs(await give_go(ctx, campaign_id, version, "command"))

    work_with_wecom(config, action)


@app.command()
def pause(campaign_id: CampaignId, config: Config = None) -> None:
    """Let it rest; what was asked of WeCom stays asked."""
    _act(campaign_id, "pause", config)


@app.command()
def resume(campaign_id: CampaignId, config: Config = None) -> None:
    """Let the running bot go on with it."""
    _act(campaign_id, "resume", config)


@app.command()
def cancel(campaign_id: CampaignId, config: Config = None) -> None:
    """End it: what staff have not confirmed is withdrawn, what was sent stays sent."""
    _act(campaign_id, "cancel", config)


def _act(campaign_id: int, name: str, config: Config) -> None:
    async def action(ctx: Context) -> None:
        from bot import campaigns
        from data.rules.campaigns import Act

        act: Act = Act(name)
        _say_runs(await campaigns.act_on(ctx, campaign_id, act))

    work_with_wecom(config, action)


@app.command()
def results(
    campaign_id: CampaignId,
    days: Days = 7,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """What became of each of its runs, in numbers; variants are compared."""

    async def read(place: Workplace) -> None:
        from bot import campaigns
        from bot.comparisons import list_comparisons

        found = await place.db.read(campaigns.read_results, campaign_id)
        compared = await place.db.read(list_comparisons, campaign_id, days, place.now)
        if as_json:
            by_run = {each["run_id"]: each for each in compared}
            say_json([{**each, "comparison": by_run.get(each["run_id"])} for each in found])
            return
        counted = ("recipients", "sent", "waiting", *campaigns.RESULTS[1:])
        say_table(
            ("RUN", "WAVE", "STATUS", *(name.upper().replace("_", " ") for name in counted), "CLICKED", "CONFIRMED",
             "CALLS"),
            (
                (each["run_id"], f"waves[{each['place']}]", each["status"], *(f"{each[name]:,}" for name in counted),
                 f"{each['clicked']['customers']:,}", f"{each['batches_confirmed']:,}",
                 f"{sum(each['batches'].values()):,}")
                for each in found
            ),
            "It was not started.",
        )  # fmt: skip
        for each in found:
            if each["on_leave"]:
                say(f"Run {each['run_id']}: on leave, and not asked to publish it: {_named(each['on_leave'])}")
        for each in compared:
            say_comparison(place, f"Run {each['run_id']}", each)

    work(config, read)


app.command()(batches.board)
app.command()(batches.remind)
app.command()(batches.recipients)
app.command()(batches.batches)
app.command()(batches.adopt)
app.command()(batches.again)
app.command()(comparisons.compare)
app.command()(winners.choose)
app.command()(winners.unchoose)


def _instant(ctx: Context, at: str | None) -> datetime | None:
    return None if at is None else parse_instant(at, ctx.settings, ctx.clock.now())


async def _newest(ctx: Context, campaign_id: int) -> Approval:
    from data.queries import approvals as rows

    newest: Approval = (await ctx.db.read(rows.list_approvals, campaign_id))[0]
    return newest


def _status(told: Told) -> str:
    return ", ".join(dict.fromkeys(map(_standing, told.runs))) or "draft"


def _standing(run: Run) -> str:
    """How a run stands; of one that waits for a person also who paused it, or which rule."""
    why = run.pause_rule or (f"by {run.paused_by}" if run.paused_by else "")
    return f"{run.status} ({why})" if run.status == "paused" and why else run.status


def _say_runs(told: Told) -> None:
    say(f"Campaign {told.campaign.id} {told.campaign.name}: {_status(told)}.")
