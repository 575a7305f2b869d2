"""`siyu events` and `siyu replay`: what WeCom sent, what came of it and why, and having it handled again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.explaining import explained
from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from bot.replays import Replayed
    from bot.router import Dispatcher

app = typer.Typer(no_args_is_help=True, help="What WeCom sent, what came of it and why.")

Since = Annotated[str | None, typer.Option("--since", help="From then on, like 2026-03-04T10:00 or 2h (ago).")]
Until = Annotated[str | None, typer.Option("--until", help="Before then.")]
Body = Annotated[bool, typer.Option("--body", help="Show what WeCom sent, which may hold customers' words.")]


@app.command("list")
def list_events(
    status: Annotated[
        str | None, typer.Option("--status", help="waiting, claimed, done, dead, ignored or unhandled.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Like change_external_contact.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="Only this external_userid's.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    body: Body = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Events, newest first."""

    async def action(place: Workplace) -> None:
        from data.queries import events as event_rows

        found = await place.inbox.read(
            event_rows.list_events, status=status, kind=kind, subject=f"customer:{customer}" if customer else None,
            since=place.instant(since), until=place.instant(until), limit=limit,
        )  # fmt: skip
        if as_json:
            say_json([_told(event, body=body) for event in found])
            return
        say_table(
            ("EVENT", "TIME", "KIND", "ABOUT", "STATUS", "WHAT CAME OF IT"),
            (
                (
                    event["id"], place.local(event["received_at"]), event["kind"], event["subject"],
                    _status(event), cut(_result(event), 80),
                )
                for event in found
            ),
            "No event fits.",
        )  # fmt: skip

    work(config, action, inbox=True)


@app.command()
def show(
    event_id: Annotated[int, typer.Argument(metavar="EVENT", min=1, help="The event's number.")],
    body: Body = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """One event: its tasks, what each handler did, which rule matched and why."""

    async def action(place: Workplace) -> None:
        from data.errors import NotFoundError
        from data.queries import events as event_rows

        found = await place.inbox.read(event_rows.list_events, event_id=event_id)
        if not found:
            raise NotFoundError(f"There is no event {event_id}.", "List them with: siyu events list")
        if as_json:
            say_json(_told(found[0], body=body))
            return
        for line in _described(place, found[0]):
            say(line)
        if body:
            say(f"\n{found[0]['body']}")

    work(config, action, inbox=True)


def replay(
    event: Annotated[int | None, typer.Option("--event", min=1, help="This event.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="What was given up after its last try.")] = False,
    since: Since = None,
    until: Until = None,
    config: Config = None,
) -> None:
    """Have events handled again: one, the dead ones, or a period. The running bot does it within a second.

    Events that had no handler when they came, and have one now, are handled too. A welcome that was sent is not sent
    again.
    """
    if event is not None and (dead or since or until):
        refuse("--event goes alone.")
    if event is None and not (dead or since or until):
        refuse("Say what: --event N, --dead, or --since / --until.")

    async def action(place: Workplace) -> Replayed:
        from bot.replays import replay as replay_events

        return await replay_events(
            place.inbox, _dispatcher(place).plan, place.now, event_id=event, dead_only=dead,
            since=place.instant(since), until=place.instant(until),
        )  # fmt: skip

    done = work(config, action, inbox=True)
    if not done.tasks and not done.adopted:
        say("Nothing to handle again.")
        return
    say(f"{done.tasks} tasks will run again{f', and {done.adopted} events for the first time' * bool(done.adopted)}.")


def _dispatcher(place: Workplace) -> Dispatcher:
    """The dispatcher of the running bot; here it only plans and calls nobody."""
    import random

    from bot.clock import Clock
    from bot.context import Context
    from bot.logs import configure_logs
    from bot.metrics import Metrics
    from bot.render import Renderer
    from bot.router import Dispatcher
    from bot.wecom.client import WeComClient
    from handlers import IGNORED, ROUTERS

    # An event that still nobody handles is no news here.
    configure_logs("ERROR")
    settings, clock = place.settings, Clock()
    wecom = WeComClient(settings.company.corpid, settings.app.secret.get_secret_value(), clock=clock)
    context = Context(settings, clock, place.db, wecom, Renderer(), Metrics(), random.Random())
    return Dispatcher(ROUTERS, IGNORED, context)


def _told(event: Mapping[str, Any], *, body: bool) -> dict[str, Any]:
    return {name: value for name, value in event.items() if body or name != "body"}


def _status(event: Mapping[str, Any]) -> str:
    if event["disposition"] != "queued":
        return str(event["disposition"])
    states = {str(task["status"]) for task in event["tasks"]}
    return next((state for state in ("dead", "claimed", "waiting") if state in states), "done")


def _result(event: Mapping[str, Any]) -> str:
    if event["reason"]:
        return str(event["reason"])
    told = [f"{each['handler']}: {each['reason'] or each['status']}" for each in event["outcomes"]]
    return "; ".join(told or (task["note"] for task in event["tasks"] if task["note"]))


def _described(place: Workplace, event: Mapping[str, Any]) -> Iterator[str]:
    yield f"Event {event['id']}: {event['kind']}{' about ' * bool(event['subject'])}{event['subject']}"
    yield f"Received {place.local(event['received_at'])} by callback {event['callback']}."
    if event["repeats"]:
        yield f"WeCom sent it {event['repeats']} more times, last {place.local(event['last_received_at'])}."
    if event["disposition"] == "ignored":
        yield f"Ignored: {event['reason']}."
    elif event["disposition"] == "unhandled":
        yield "Nobody handles this kind of event; it is kept."
    for task in event["tasks"]:
        yield from _task(place, task)
    for outcome in event["outcomes"]:
        yield ""
        yield f"{outcome['handler']}: {outcome['status']} at {place.local(outcome['at'])}"
        if outcome["reason"]:
            yield f"  {outcome['reason']}"
        yield from _detail(outcome["detail"])


def _task(place: Workplace, task: Mapping[str, Any]) -> Iterator[str]:
    lane = ("welcome", "normal", "storm")[task["lane"]]
    line = f"Task {task['id']} ({lane}): {task['status']}, run {task['run']}"
    if task["attempts"]:
        line += f", {task['attempts']} tries failed"
    if task["status"] == "waiting":
        line += f", due {place.local(task['due_at'])}"
    elif task["finished_at"]:
        line += f", ended {place.local(task['finished_at'])}"
    yield f"{line}."
    if task["note"]:
        yield f"  {task['note']}"


def _detail(detail: Mapping[str, Any]) -> Iterator[str]:
    for line in explained(detail):
        yield f"  {line}"
    for name, value in detail.items():
        if name not in ("rules", "left_out", "rule_id", "code") and value not in (None, [], {}, ""):
            yield f"  {name.replace('_', ' ')}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
