"""The command `siyu`: every command in one place, each in the file of its noun under `bot/commands/`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache

import typer

from bot.commands import (
    accounts,
    alerts,
    backups,
    campaigns,
    channels,
    checking,
    customers,
    demo,
    events,
    fields,
    forms,
    group_welcomes,
    groups,
    handovers,
    imports,
    jobs,
    join_ways,
    journeys,
    kf,
    knowledge,
    limits,
    links,
    media,
    menu,
    notes,
    orders,
    reports,
    rosters,
    sandboxing,
    scripts,
    segments,
    serving,
    staff,
    sync,
    tags,
    tasks,
    testers,
    tokens,
    webhooks,
    welcome,
)
from bot.errors import SiyuError

app = typer.Typer(
    name="siyu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Siyu (私域): customer operations for WeCom (企业微信).",
)
app.command()(demo.demo)
app.command()(serving.serve)
app.command()(sandboxing.sandbox)
app.command()(serving.migrate)
app.command()(backups.backup)
app.command()(backups.restore)
app.command()(backups.resume)
app.command()(checking.check)
app.command()(events.replay)
app.command()(jobs.jobs)
app.command("import")(imports.import_file)
app.command()(reports.report)
app.add_typer(sync.app, name="sync")
app.add_typer(events.app, name="events")
app.add_typer(welcome.app, name="welcome")
app.add_typer(tags.app, name="tags")
app.add_typer(customers.app, name="customers")
app.add_typer(orders.app, name="orders")
app.add_typer(fields.app, name="fields")
app.add_typer(notes.app, name="notes")
app.add_typer(rosters.app, name="rosters")
app.add_typer(imports.app, name="imports")
app.add_typer(segments.app, name="segments")
app.add_typer(campaigns.app, name="campaigns")
app.add_typer(journeys.app, name="journeys")
app.add_typer(channels.app, name="channels")
app.add_typer(testers.app, name="testers")
app.add_typer(group_welcomes.app, name="group-welcomes")
app.add_typer(groups.app, name="groups")
app.add_typer(handovers.app, name="handovers")
app.add_typer(join_ways.app, name="join-ways")
app.add_typer(kf.app, name="kf")
app.add_typer(links.app, name="links")
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(forms.app, name="forms")
app.add_typer(staff.app, name="staff")
app.add_typer(tasks.app, name="tasks")
app.add_typer(media.app, name="media")
app.add_typer(scripts.app, name="scripts")
app.add_typer(menu.app, name="menu")
app.add_typer(alerts.app, name="alerts")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(limits.app, name="limits")
app.add_typer(accounts.app, name="accounts")
app.add_typer(tokens.app, name="token")


@cache
def command() -> Callable[[], object]:
    """All commands, put together from their functions once."""
    return typer.main.get_command(app)


def main() -> None:
    """Run a command. What went wrong and has a remedy is said in plain words, with exit code 2."""
    try:
        command()()
    except SiyuError as error:
        for line in _words_of(error):
            typer.echo(line, err=True)
        sys.exit(2)


def _words_of(error: SiyuError) -> Iterator[str]:
    """What went wrong and what to do about it; what the program says in Chinese in English, too."""
    from bot.saying import told  # the texts of the whole console: only for whoever needs them

    problems = getattr(error, "problems", None)
    if problems is None:
        yield from dict.fromkeys((str(error), told("en", error)))
        return
    for problem in problems:
        place = f"{problem.path}: " if problem.path else ""
        yield from dict.fromkeys((str(problem), f"{place}{told('en', problem)}"))
    yield from dict.fromkeys((error.remedy, told("en", error.remedy)))
