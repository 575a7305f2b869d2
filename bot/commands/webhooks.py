"""`siyu webhooks`: other programs that are told what happens, what they were told, and what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.rule_options import given
from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
    cut,
    refuse,
    say,
    say_json,
    say_table,
    work,
    work_with_wecom,
)

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.context import Context

app = typer.Typer(no_args_is_help=True, help="Webhooks: other programs that are told what happens.")

WebhookId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The webhook's number.")]
CallId = Annotated[int | None, typer.Argument(metavar="CALL", min=1, help="The call's number.")]
STATES = ("waiting", "taken", "given_up")


@app.command("list")
def list_webhooks(config: Config = None, as_json: AsJson = False) -> None:
    """Programs that are told, of what, and how many calls to each were given up."""

    async def action(place: Workplace) -> tuple[list[dict[str, Any]], dict[int, int]]:
        from data.queries import webhook_targets as targets

        found = await place.db.read(targets.list_webhooks)
        return [row.model_dump(exclude={"salt"}) for row in found], await place.db.read(targets.count_given_up)

    found, given_up = work(config, action)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "TOLD OF", "WHERE", "ON", "GIVEN UP"),
        (
            (
                each["id"], cut(each["name"], 24), ",".join(each["events"]), cut(each["url"], 50),
                "yes" if each["enabled"] else "no", given_up.get(each["id"], 0),
            )
            for each in found
        ),
        "There is none: siyu webhooks add --name crm --url https://crm.example/hook --event added",
    )  # fmt: skip


@app.command()
def add(
    name: Annotated[str, typer.Option("--name", help="How you find it.")],
    url: Annotated[str, typer.Option("--url", help="Where calls go: https, unless it is in your own network.")],
    events: Annotated[
        list[str], typer.Option("--event", help="added, lost, tagged, ordered or campaign_finished; may be repeated.")
    ],
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Of `tagged`: a tag_id; may be repeated.")] = None,
    config: Config = None,
) -> None:
    """Tell another program of what happens from now on. The secret that signs its calls is shown this once."""

    async def action(place: Workplace) -> tuple[int | None, str]:
        from bot import webhook_edits
        from data.rules.problems import parse
        from data.rules.webhooks import WebhookDraft

        draft = parse(WebhookDraft, {"name": name, "url": url, "events": events, "tag_ids": tags or []})
        row, secret = await place.db.write(
            webhook_edits.add_webhook, place.settings.journeys, draft, "command", place.now
        )  # fmt: skip
        return row.id, secret

    id_, secret = work(config, action)
    say(f"Webhook {id_} is told from now on. Its calls are signed with: {secret}")


@app.command()
def edit(
    webhook_id: WebhookId,
    name: Annotated[str | None, typer.Option("--name", help="The new name.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where calls go from now on.")] = None,
    events: Annotated[
        list[str] | None, typer.Option("--event", help="Of what it is told, instead of what it was; may be repeated.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Of `tagged`: a tag_id; may be repeated.")] = None,
    config: Config = None,
) -> None:
    """Change whom or of what. What waits goes where it was to go."""
    changes = given(name=name, url=url, events=events, tag_ids=tags)
    if not changes:
        refuse("Say what to change, such as --url.")

    async def action(place: Workplace) -> str:
        def change(session: Session) -> str:
            from bot import webhook_edits
            from data.queries.webhook_targets import get_webhook
            from data.rules.problems import parse
            from data.rules.webhooks import WebhookDraft

            row = get_webhook(session, webhook_id)
            before = {"name": row.name, "url": row.url, "events": row.events, "tag_ids": row.tag_ids}
            draft = parse(WebhookDraft, before | changes)
            changed = webhook_edits.change_webhook(session, place.settings.journeys, webhook_id, draft, place.now)
            return f"{changed.name} is told of {', '.join(changed.events)} at {changed.url}"

        return await place.db.write(change)

    say(f"Webhook {webhook_id} {work(config, action)}.")


@app.command()
def secret(webhook_id: WebhookId, config: Config = None) -> None:
    """Sign its calls with another secret from now on, which is shown this once."""

    async def action(place: Workplace) -> str:
        from bot.webhook_edits import renew_secret

        _, made = await place.db.write(renew_secret, place.settings.journeys, webhook_id)
        return made

    say(f"The calls of webhook {webhook_id} are signed with: {work(config, action)}")


@app.command("test")
def try_out(webhook_id: WebhookId, config: Config = None) -> None:
    """Send it one call with the event `test`, now; ends with code 1 when it is not taken."""

    async def action(ctx: Context) -> str:
        from bot.webhook_edits import try_webhook
        from bot.webhooks import WebhookError
        from data.queries.webhook_targets import get_webhook

        try:
            await try_webhook(ctx, await ctx.db.read(get_webhook, webhook_id))
        except WebhookError as error:
            return str(error)
        return ""

    error = work_with_wecom(config, action)
    if error:
        typer.echo(error, err=True)
        raise typer.Exit(1)
    say("It was taken.")


@app.command()
def pause(webhook_id: WebhookId, config: Config = None) -> None:
    """Tell it nothing for a while; what happens meanwhile it is not told later either."""
    _switch(config, webhook_id, on=False)


@app.command()
def resume(webhook_id: WebhookId, config: Config = None) -> None:
    """Tell it again of what happens from now on."""
    _switch(config, webhook_id, on=True)


def _switch(config: Config, webhook_id: int, *, on: bool) -> None:
    async def action(place: Workplace) -> str:
        from data.queries.webhook_targets import switch_webhook

        return (await place.db.write(switch_webhook, webhook_id, place.now, on=on)).name

    say(f"Webhook {webhook_id} {work(config, action)} is {'told again' if on else 'told nothing more'}.")


@app.command()
def remove(
    webhook_id: WebhookId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Remove it, with the calls that wait for it."""
    if not yes:
        typer.confirm(f"Remove webhook {webhook_id}? What waits for it is not sent any more.", abort=True)

    async def action(place: Workplace) -> None:
        from data.queries.webhook_targets import remove_webhook

        await place.db.write(remove_webhook, webhook_id)

    work(config, action)
    say(f"Webhook {webhook_id} is removed.")


@app.command()
def deliveries(
    webhook_id: Annotated[int | None, typer.Option("--webhook", min=1, help="Only this webhook's.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="waiting, taken or given_up.")] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Calls to other programs, the latest first, those of journeys too: taken, waiting or given up, and why."""
    if state is not None and state not in STATES:
        refuse(f"{state!r} is no state: write {', '.join(STATES)}.")

    async def action(place: Workplace) -> None:
        from data.queries import webhooks as rows
        from data.queries.webhooks import CallState

        wanted = CallState(state) if state else None
        found = await place.db.read(rows.list_calls, state=wanted, webhook_id=webhook_id, limit=limit)
        if as_json:
            say_json([{**each.model_dump(), "state": rows.state_of(each).value} for each in found])
            return
        say_table(
            ("ID", "MADE", "WEBHOOK", "EVENT", "STATE", "TRIES", "NEXT", "WHY"),
            (
                (
                    each.id, place.local(each.made_at), each.webhook_id or "journey", each.body.get("event", ""),
                    rows.state_of(each).value, each.attempts, place.local(each.next_at), cut(each.error, 60),
                )
                for each in found
            ),
            "There is no call.",
        )  # fmt: skip

    work(config, action)


@app.command()
def replay(
    call_id: CallId = None,
    every: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    config: Config = None,
) -> None:
    """Have the bot send a call once more that was given up, or taken; or all that were given up."""
    if (call_id is None) is not every:
        refuse("Name a call (siyu webhooks deliveries --state given_up), or write --all.")

    async def action(place: Workplace) -> int:
        from data.queries import webhooks as rows

        if call_id is None:
            return await place.db.write(rows.try_all_again, place.now)
        await place.db.write(rows.try_again, call_id, place.now)
        return 1

    say(f"{work(config, action):,} are tried once more by the bot.")
