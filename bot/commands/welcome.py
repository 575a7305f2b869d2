"""`siyu welcome`: the rules of the first message to a new customer, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.explaining import explained
from bot.commands.media import attachment_from_json, attachment_of_file
from bot.commands.rule_options import (
    Departments,
    Name,
    Priority,
    RuleFile,
    RuleId,
    States,
    Userids,
    Windows,
    conditions,
    conditions_words,
    given,
    read_rule,
)
from bot.commands.rule_switches import RuleKind, add_switches, say_saved
from bot.commands.terminal import AsJson, Config, Limit, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.rules.welcome import WelcomeRule

app = typer.Typer(no_args_is_help=True, help="Rules of the first message to a new customer.")

Text = Annotated[str | None, typer.Option("--text", help="The words, a message template.")]
Fallback = Annotated[str | None, typer.Option("--fallback-text", help="The words where attachments cannot be had.")]
Customer = Annotated[str | None, typer.Option("--customer", help="new or followed (by a colleague); '' for both.")]
MediaKeys = Annotated[
    list[str] | None, typer.Option("--media", help="File of the media library, by its key or a beginning (repeatable).")
]
Attachments = Annotated[
    list[str] | None,
    typer.Option("--attachment", help='As JSON, like \'{"msgtype":"link","link":{…}}\' (repeatable; \'\' for none).'),
]


async def _get(place: Workplace, rule_id: int) -> WelcomeRule:
    from data.queries import rules as rows

    return await place.db.read(rows.get_welcome_rule, rule_id)


async def _change(place: Workplace, rule_id: int, changes: dict[str, Any]) -> WelcomeRule:
    from bot.render import Renderer
    from bot.rule_edits import change_welcome_rule

    return await place.db.write(
        change_welcome_rule, rule_id, changes, Renderer(), place.settings.server.public_url, place.now
    )


async def _delete(place: Workplace, rule_id: int) -> None:
    from data.queries import rules as rows

    await place.db.write(rows.delete_welcome_rule, rule_id)


KIND = RuleKind("welcome rule", "What it sent stays in the log.", _get, _change, _delete)


@app.command("list")
def list_rules(config: Config = None, as_json: AsJson = False) -> None:
    """The rules, in the order in which they are asked."""
    from data.queries import rules as rows

    rules = work(config, lambda place: place.db.read(rows.list_welcome_rules))
    rules.sort(key=lambda rule: (rule.is_default, -rule.priority, rule.id))
    told = [rule.model_dump(mode="json") for rule in rules]
    if as_json:
        say_json(told)
        return
    say_table(
        ("ID", "PRIORITY", "NAME", "WHEN", "WORDS", ""),
        (
            (
                rule["id"], rule["priority"], rule["name"], cut(conditions_words(rule["conditions"]), 44),
                cut(rule["content"]["text"], 40), "" if rule["enabled"] else "disabled",
            )
            for rule in told
        ),
        "There is no welcome rule: nobody is greeted. Add one: siyu welcome add --name 默认 --text '您好！'",
    )  # fmt: skip


@app.command()
def show(rule_id: RuleId, config: Config = None) -> None:
    """One rule as JSON, in the form that add and edit take."""
    rule = work(config, lambda place: _get(place, rule_id))
    say_json(rule.model_dump(mode="json"))


@app.command()
def add(
    file: RuleFile = None,
    name: Name = None,
    text: Text = None,
    fallback_text: Fallback = None,
    priority: Priority = None,
    states: States = None,
    userids: Userids = None,
    departments: Departments = None,
    windows: Windows = None,
    customer: Customer = None,
    media: MediaKeys = None,
    attachments: Attachments = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it switched off.")] = False,
    config: Config = None,
) -> None:
    """Make a rule, from a JSON file or from options; without conditions it is the default."""

    async def action(place: Workplace) -> WelcomeRule:
        from bot.render import Renderer
        from bot.rule_edits import merged, save_welcome_rule
        from data.rules.problems import parse
        from data.rules.welcome import WelcomeRule

        source = {"content": {}, **(read_rule(file) if file else {}), "id": 0}
        found = conditions(states, userids, departments, windows)
        source = merged(
            source, await _changes(place, name, text, fallback_text, priority, found, customer, media, attachments)
        )
        rule = parse(WelcomeRule, source | ({"enabled": False} if disabled else {}))
        return await place.db.write(save_welcome_rule, rule, Renderer(), place.settings.server.public_url, place.now)

    say_saved(KIND, work(config, action), "added")


@app.command()
def edit(
    rule_id: RuleId,
    file: RuleFile = None,
    name: Name = None,
    text: Text = None,
    fallback_text: Fallback = None,
    priority: Priority = None,
    states: States = None,
    userids: Userids = None,
    departments: Departments = None,
    windows: Windows = None,
    customer: Customer = None,
    media: MediaKeys = None,
    attachments: Attachments = None,
    config: Config = None,
) -> None:
    """Change a rule: a file replaces it, options change single fields. What was sent stays as it was."""

    async def action(place: Workplace) -> WelcomeRule:
        from bot.render import Renderer
        from bot.rule_edits import merged, save_welcome_rule
        from data.rules.problems import parse
        from data.rules.welcome import WelcomeRule

        found = conditions(states, userids, departments, windows)
        changes = await _changes(place, name, text, fallback_text, priority, found, customer, media, attachments)
        if file is not None:
            rule = parse(WelcomeRule, {**merged(read_rule(file), changes), "id": rule_id})
            return await place.db.write(
                save_welcome_rule, rule, Renderer(), place.settings.server.public_url, place.now
            )
        if not changes:
            refuse("Say what to change: a file, or options such as --text.")
        return await _change(place, rule_id, changes)

    say_saved(KIND, work(config, action), "changed")


add_switches(app, KIND)


@app.command("try")
def try_rules(
    userid: Annotated[str, typer.Option("--userid", help="The staff member who is added.")],
    state: Annotated[str, typer.Option("--state", help="The channel.")] = "",
    customer: Annotated[str, typer.Option("--customer", help="new, or followed by a colleague.")] = "new",
    at: Annotated[str | None, typer.Option("--at", help="When, in the company's time; now if not given.")] = None,
    customer_name: Annotated[str, typer.Option("--customer-name", help="Empty: as if it were not known.")] = "",
    file: Annotated[
        str | None, typer.Option("--rule", help="A rule as JSON file, tried beside the saved ones.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Which rule a made-up customer would match, what they would read, and why not the others. Sends nothing."""

    async def action(place: Workplace) -> dict[str, Any]:
        from pathlib import Path

        from bot.render import Renderer
        from bot.rule_trials import WelcomeTry, try_welcome
        from data.rules.problems import parse

        asked = parse(
            WelcomeTry,
            {
                "userid": userid, "state": state, "customer": customer or None, "at": place.instant(at),
                "customer_name": customer_name, "rule": read_rule(Path(file)) if file else None,
            },
        )  # fmt: skip
        trial = await place.db.read(try_welcome, asked, Renderer(), place.settings, place.now)
        return trial.to_json()

    told = work(config, action)
    if as_json:
        say_json(told)
        return
    for line in explained(told):
        say(line)
    if told["rule_id"] is None:
        say("No rule matches: this customer would not be greeted.")
        return
    say()
    say(told["words"] or "(no words)")
    for attachment in told["attachments"]:
        say(f"+ {attachment['msgtype']} {json.dumps(attachment[attachment['msgtype']], ensure_ascii=False)}")
    if told["words_without_media"] != told["words"]:
        say(f"\nWithout attachments:\n{told['words_without_media']}")


@app.command("log")
def show_log(
    status: Annotated[str | None, typer.Option("--status", help="sent, missed, skipped, observed or sending.")] = None,
    userid: Annotated[str | None, typer.Option("--userid", help="Only this staff member's.")] = None,
    external_userid: Annotated[str | None, typer.Option("--customer", help="Only this external_userid's.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="From then on, like 2026-03-04 or 2h.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before then.")] = None,
    limit: Limit = 50,
    words: Annotated[bool, typer.Option("--words", help="Show the words, which may hold names.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Every welcome, newest first: sent, missed or left out, and why."""

    async def action(place: Workplace) -> None:
        from data.queries import welcomes as rows

        found = await place.db.read(
            rows.list_welcomes, status=status, userid=userid, external_userid=external_userid,
            since=place.instant(since), until=place.instant(until), limit=limit,
        )  # fmt: skip
        if as_json:
            say_json([row.model_dump(exclude=set() if words else {"words"}) for row in found])
            return
        say_table(
            ("TIME", "EVENT", "STAFF", "CUSTOMER", "CHANNEL", "STATUS", "RULE", "WHY", *(["WORDS"] if words else [])),
            (
                (
                    place.local(row.received_at), row.event_id, row.userid, row.external_userid, row.state,
                    row.status, row.rule_id or "", row.note, *([row.words] if words else []),
                )
                for row in found
            ),
            "No welcome fits.",
        )  # fmt: skip

    work(config, action)


async def _changes(
    place: Workplace,
    name: str | None,
    text: str | None,
    fallback_text: str | None,
    priority: int | None,
    found: dict[str, Any],
    customer: str | None,
    media: Sequence[str] | None,
    attachments: Sequence[str] | None,
) -> dict[str, Any]:
    """The options as a change of a rule."""
    changes = given(name=name, fallback_text=fallback_text, priority=priority)
    content = given(text=text)
    if media or attachments:
        content["attachments"] = [
            *[await attachment_of_file(place.db, key) for key in media or () if key],
            *[attachment_from_json(each) for each in attachments or () if each],
        ]
    if customer is not None:
        found = {**found, "customer": customer or None}
    return changes | ({"content": content} if content else {}) | ({"conditions": found} if found else {})
