"""`siyu tags rules`: the rules that put tags on customers and take them off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.explaining import explained
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
from bot.commands.tag_options import signed, tag_ids
from bot.commands.terminal import AsJson, Config, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.rules.tagging import TagRule

app = typer.Typer(no_args_is_help=True, help="Rules that put tags on customers and take them off.")

YUAN = re.compile(r"(?P<yuan>[0-9]{1,10})(?:\.(?P<fen>[0-9]{1,2}))?")

Triggers = Annotated[list[str] | None, typer.Option("--on", help="add, edit, group_join or order (repeatable); add.")]
PutOn = Annotated[list[str] | None, typer.Option("--put-on", help="Tag, by id or name (repeatable).")]
TakeOff = Annotated[list[str] | None, typer.Option("--take-off", help="Tag, by id or name (repeatable).")]
Words = Annotated[list[str] | None, typer.Option("--word", help="In the name or remark (repeatable: any of them).")]
Pattern = Annotated[str | None, typer.Option("--pattern", help="Regular expression (RE2) in the name or remark.")]
SearchIn = Annotated[str | None, typer.Option("--search-in", help="name, remark or either.")]
AddWays = Annotated[list[int] | None, typer.Option("--add-way", help="WeCom's number of the way (repeatable).")]
Shops = Annotated[list[str] | None, typer.Option("--order-source", help="The paid order's shop (repeatable).")]
Amount = Annotated[str | None, typer.Option("--order-amount", help="At least so much was paid, in yuan.")]
Orders = Annotated[
    int | None, typer.Option("--order-count", min=0, help="At least so many paid orders, this one among them.")
]
ChatIds = Annotated[list[str] | None, typer.Option("--chat", help="chat_id of a customer group (repeatable).")]


async def _get(place: Workplace, rule_id: int) -> TagRule:
    from data.queries import rules as rows

    return await place.db.read(rows.get_tag_rule, rule_id)


async def _change(place: Workplace, rule_id: int, changes: dict[str, Any]) -> TagRule:
    from bot.rule_edits import change_tag_rule

    return await place.db.write(change_tag_rule, rule_id, changes, place.now)


async def _delete(place: Workplace, rule_id: int) -> None:
    from data.queries import rules as rows

    await place.db.write(rows.delete_tag_rule, rule_id)


KIND = RuleKind("tag rule", "Tags that it put on stay.", _get, _change, _delete)


@app.command("list")
def list_rules(config: Config = None, as_json: AsJson = False) -> None:
    """The rules, in the order of their rank."""

    async def action(place: Workplace) -> None:
        from data.queries import rules as rows
        from data.queries import tags as tag_rows

        rules = sorted(await place.db.read(rows.list_tag_rules), key=lambda rule: (-rule.priority, rule.id))
        told = [rule.model_dump(mode="json") for rule in rules]
        if as_json:
            say_json(told)
            return
        names = {tag["tag_id"]: tag["name"] for tag in await place.db.read(tag_rows.list_tags)}
        say_table(
            ("ID", "PRIORITY", "NAME", "ON", "WHEN", "TAGS", ""),
            (
                (
                    rule["id"], rule["priority"], rule["name"], ", ".join(rule["triggers"]),
                    cut(conditions_words(rule["conditions"]), 44), signed(rule["put_on"], rule["take_off"], names),
                    "" if rule["enabled"] else "disabled",
                )
                for rule in told
            ),
            "There is no auto-tagging rule.",
        )  # fmt: skip

    work(config, action)


@app.command()
def show(rule_id: RuleId, config: Config = None) -> None:
    """One rule as JSON, in the form that add and edit take."""
    say_json(work(config, lambda place: _get(place, rule_id)).model_dump(mode="json"))


@app.command()
def add(
    file: RuleFile = None,
    name: Name = None,
    put_on: PutOn = None,
    take_off: TakeOff = None,
    triggers: Triggers = None,
    priority: Priority = None,
    states: States = None,
    userids: Userids = None,
    departments: Departments = None,
    windows: Windows = None,
    words: Words = None,
    pattern: Pattern = None,
    search_in: SearchIn = None,
    add_ways: AddWays = None,
    chats: ChatIds = None,
    shops: Shops = None,
    amount: Amount = None,
    orders: Orders = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it switched off.")] = False,
    config: Config = None,
) -> None:
    """Make a rule, from a JSON file or from options."""

    async def action(place: Workplace) -> TagRule:
        from bot.rule_edits import merged, save_tag_rule
        from data.rules.problems import parse
        from data.rules.tagging import TagRule

        found = conditions(states, userids, departments, windows)
        found |= _tag_conditions(words, pattern, search_in, add_ways, chats)
        found |= _order_conditions(shops, amount, orders)
        changes = await _changes(place, name, priority, triggers, put_on, take_off, found)
        source = merged({**(read_rule(file) if file else {}), "id": 0}, changes)
        rule = parse(TagRule, source | ({"enabled": False} if disabled else {}))
        return await place.db.write(save_tag_rule, rule, place.now)

    say_saved(KIND, work(config, action), "added")


@app.command()
def edit(
    rule_id: RuleId,
    file: RuleFile = None,
    name: Name = None,
    put_on: PutOn = None,
    take_off: TakeOff = None,
    triggers: Triggers = None,
    priority: Priority = None,
    states: States = None,
    userids: Userids = None,
    departments: Departments = None,
    windows: Windows = None,
    words: Words = None,
    pattern: Pattern = None,
    search_in: SearchIn = None,
    add_ways: AddWays = None,
    chats: ChatIds = None,
    shops: Shops = None,
    amount: Amount = None,
    orders: Orders = None,
    config: Config = None,
) -> None:
    """Change a rule: a file replaces it, options change single fields. Tags already put on stay."""

    async def action(place: Workplace) -> TagRule:
        from bot.rule_edits import merged, save_tag_rule
        from data.rules.problems import parse
        from data.rules.tagging import TagRule

        found = conditions(states, userids, departments, windows)
        found |= _tag_conditions(words, pattern, search_in, add_ways, chats)
        found |= _order_conditions(shops, amount, orders)
        changes = await _changes(place, name, priority, triggers, put_on, take_off, found)
        if file is not None:
            rule = parse(TagRule, {**merged(read_rule(file), changes), "id": rule_id})
            return await place.db.write(save_tag_rule, rule, place.now)
        if not changes:
            refuse("Say what to change: a file, or options such as --put-on.")
        return await _change(place, rule_id, changes)

    say_saved(KIND, work(config, action), "changed")


add_switches(app, KIND)


@app.command("try")
def try_rules(
    userid: Annotated[str, typer.Option("--userid", help="The staff member.")],
    trigger: Annotated[str, typer.Option("--on", help="add, edit or group_join.")] = "add",
    state: Annotated[str, typer.Option("--state", help="The channel.")] = "",
    at: Annotated[str | None, typer.Option("--at", help="When, in the company's time; now if not given.")] = None,
    customer_name: Annotated[str | None, typer.Option("--customer-name", help="As the customer is called.")] = None,
    remark: Annotated[str | None, typer.Option("--remark", help="As the staff member calls them.")] = None,
    add_way: Annotated[int | None, typer.Option("--add-way", help="WeCom's number of the way.")] = None,
    chat: Annotated[str, typer.Option("--chat", help="chat_id of the joined group.")] = "",
    file: Annotated[
        str | None, typer.Option("--rule", help="A rule as JSON file, tried beside the saved ones.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Which tags a made-up occasion would put on and take off, and why. Changes nothing."""

    async def action(place: Workplace) -> dict[str, Any]:
        from pathlib import Path

        from bot.rule_trials import TagTry, try_tags
        from data.rules.problems import parse

        asked = parse(
            TagTry,
            {
                "userid": userid, "trigger": trigger, "state": state, "at": place.instant(at), "add_way": add_way,
                "name": customer_name, "remark": remark, "chat_id": chat,
                "rule": read_rule(Path(file)) if file else None,
            },
        )  # fmt: skip
        return (await place.db.read(try_tags, asked, place.settings.zone, place.now)).to_json()

    told = work(config, action)
    if as_json:
        say_json(told)
        return
    for line in explained(told):
        say(line)
    changes = signed(told["add"], told["remove"], told["names"])
    say(f"\nTags: {changes}" if changes else "No tag would change.")


def _tag_conditions(
    words: list[str] | None,
    pattern: str | None,
    search_in: str | None,
    add_ways: list[int] | None,
    chats: list[str] | None,
) -> dict[str, Any]:
    """The conditions that only tag rules have; an empty text takes one away."""
    return given(
        words=[word for word in words if word] if words else None,
        pattern=pattern,
        search_in=search_in,
        add_ways=add_ways or None,
        chat_ids=[chat for chat in chats if chat] if chats else None,
    )


def _order_conditions(shops: list[str] | None, amount: str | None, orders: int | None) -> dict[str, Any]:
    """The conditions on the order that was paid; an empty text, or 0, takes one away."""
    return given(
        order_sources=[shop for shop in shops if shop] if shops else None,
        order_amount_fen_min=None if amount is None else _fen(amount),
        order_count_min=orders,
    )


def _fen(yuan: str) -> int:
    """An amount in hundredths of a yuan, as rules and orders keep it."""
    found = YUAN.fullmatch(yuan or "0")
    if found is None:
        refuse(f"{yuan!r} is no amount in yuan: write 100 or 99.50.")
    return int(found["yuan"]) * 100 + int((found["fen"] or "").ljust(2, "0"))


async def _changes(
    place: Workplace,
    name: str | None,
    priority: int | None,
    triggers: list[str] | None,
    put_on: list[str] | None,
    take_off: list[str] | None,
    found: dict[str, Any],
) -> dict[str, Any]:
    """The options as a change of a rule."""
    changes = given(
        name=name,
        priority=priority,
        triggers=triggers or None,
        put_on=await tag_ids(place.db, put_on) if put_on else None,
        take_off=await tag_ids(place.db, take_off) if take_off else None,
    )
    return changes | ({"conditions": found} if found else {})
