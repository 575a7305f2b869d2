"""`siyu kf`: WeChat customer service: accounts, rules, conversations, and reading what events did not tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bot.commands.terminal import AsJson, Config, Limit, cut, refuse, say, say_json, say_table, work, work_with_wecom

if TYPE_CHECKING:
    from bot.commands.terminal import Workplace
    from bot.context import Context

app = typer.Typer(no_args_is_help=True, help="WeChat customer service (微信客服): accounts, rules and conversations.")
rules = typer.Typer(no_args_is_help=True, help="What is answered.")
app.add_typer(rules, name="rules")

RuleId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The rule's number.")]
SessionId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The conversation's number.")]
Account = Annotated[str, typer.Option("--account", help="Of this account, by its open_kfid.")]


@app.command()
def accounts(
    read: Annotated[bool, typer.Option("--read", help="Read them from WeCom first.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Accounts of customer service, and how far each is read."""
    if read:

        async def ask(ctx: Context) -> None:
            from bot.kf import read_accounts

            await read_accounts(ctx)

        work_with_wecom(config, ask)

    async def list_them(place: Workplace) -> list[dict[str, Any]]:
        from bot.kf_acts import account_json
        from data.queries import kf_accounts as rows

        return [account_json(each) for each in await place.db.read(rows.list_accounts)]

    found = work(config, list_them)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "APP MAY USE IT", "ANSWERS", "READ UP TO", "SERVICERS", "ERROR"),
        (
            (
                each["open_kfid"], each["name"], "yes" if each["granted"] else "no",
                "yes" if each["choices"]["answers"] else "no", each["read_at"] or "",
                ", ".join(one["userid"] for one in each["servicers"]), cut(each["error"], 50),
            )
            for each in found
        ),
        "There is none: allow the app in WeCom's admin console under 微信客服, then siyu kf accounts --read.",
    )  # fmt: skip


@app.command()
def pull(
    account: Annotated[str, typer.Argument(metavar="OPEN_KFID", help="The account; without one all of them.")] = "",
    config: Config = None,
) -> None:
    """Read what events did not tell, and answer what is due."""

    async def read(ctx: Context) -> tuple[int, int]:
        from bot import kf
        from bot.kf_work import work_on_due
        from data.queries import kf_accounts as rows

        granted = [each.open_kfid for each in await ctx.db.read(rows.list_accounts) if each.granted]
        if account and account not in granted:
            refuse(f"The app may not use {account}, or it was not read yet: siyu kf accounts --read")
        pulled = [await kf.pull(ctx, each) for each in ([account] if account else granted)]
        return sum(each.messages for each in pulled), await work_on_due(ctx)

    messages, conversations = work_with_wecom(config, read)
    say(f"{messages} new messages; something was done in {conversations} conversations.")


@app.command()
def sessions(
    account: Account = "",
    state: Annotated[
        Literal["new", "bot", "queued", "person", "ended"] | None, typer.Option("--state", help="Who has them.")
    ] = None,
    limit: Limit = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Conversations, the last changed first: who has each, and how much may still be said in it."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from bot.kf_acts import NAMES, session_json
        from data.queries import kf_sessions as rows

        wanted = next((each for each, name in NAMES.items() if name == state), None)
        found = await place.db.read(
            rows.list_sessions, open_kfid=account, state=wanted, now=place.now, limit=limit
        )  # fmt: skip
        return [{**session_json(each, place.now), "at": place.local(each.changed_at)} for each in found]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "CUSTOMER", "STATE", "WITH", "MAY SEND", "LAST"),
        (
            (
                each["id"], cut(each["nickname"] or each["external_userid"], 24), each["state"],
                each["servicer_userid"], each["may_send"], each["at"],
            )
            for each in found
        ),
        "There is none.",
    )  # fmt: skip


@app.command()
def messages(session_id: SessionId, limit: Limit = 50, config: Config = None, as_json: AsJson = False) -> None:
    """What was said in one conversation, newest first."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from bot.kf_acts import awaiting, message_json
        from data.queries import kf_sessions as rows

        await place.db.read(rows.get_session, session_id)
        found = await place.db.read(rows.list_messages, session_id, limit=limit)
        return [
            {**message_json(each), "at": place.local(each.sent_at), "draft": awaiting(each.explanation)}
            for each in found
        ]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "AT", "FROM", "TYPE", "STATUS", "WORDS", "WHY", "DRAFT"),
        (
            (
                each["id"],
                each["at"],
                each["author"],
                each["msgtype"],
                each["status"],
                cut(each["words"], 50),
                cut(each["reason"], 40),
                cut(each["draft"], 40),
            )
            for each in found
        ),
        "Nothing.",
    )


@app.command("send-draft")
def send_draft(
    session_id: SessionId,
    message_id: Annotated[int, typer.Argument(metavar="MESSAGE", min=1, help="The message's number.")],
    text: Annotated[str | None, typer.Option("--text", help="Other words than those of the draft.")] = None,
    config: Config = None,
) -> None:
    """Send the answer that waits under a customer's message, its card with it, once."""

    async def send(ctx: Context) -> dict[str, Any]:
        from bot.commands.customers import who_types
        from bot.kf_acts import message_json
        from bot.kf_acts import send_draft as send_it

        return message_json(await send_it(ctx, session_id, message_id, text, who_types()))

    sent = work_with_wecom(config, send)
    if sent["status"] not in ("sent", "open"):
        refuse(f"It was not sent: {sent['reason'] or sent['status']}")
    say(f"Message {message_id} was answered.")


@app.command("hand-over")
def hand_over(
    session_id: SessionId,
    to: Annotated[Literal["queue", "person", "bot", "end"], typer.Option("--to", help="Who is to have it.")] = "queue",
    userid: Annotated[str, typer.Option("--userid", help="The member, with --to person.")] = "",
    notice: Annotated[str, typer.Option("--notice", help="What the customer is told.")] = "",
    config: Config = None,
) -> None:
    """Give a conversation to the queue, a person or the bot, or end it."""

    async def change(ctx: Context) -> dict[str, Any]:
        from bot.kf_acts import Change, change_state, session_json
        from data.rules.problems import parse

        asked = parse(Change, {"to": to, "userid": userid, "notice": notice})
        return session_json(await change_state(ctx, session_id, asked, "command"), ctx.clock.now())

    after = work_with_wecom(config, change)
    say(f"Conversation {after['id']}: {after['state']} {after['servicer_userid']}".rstrip())


@rules.command("list")
def list_rules(account: Account = "", config: Config = None, as_json: AsJson = False) -> None:
    """Rules in the order in which they are asked."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from data.queries import kf_rules as rows
        from data.rules.kf import Happening, ranked

        found = await place.db.read(rows.list_rules)
        if account:
            found = [rule for on in Happening for rule in ranked(found, account, on)]
        return [rule.model_dump(mode="json") for rule in found]

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "ACCOUNT", "ON", "PRIORITY", "ENABLED", "WORDS", "ANSWERS"),
        (
            (
                each["id"], cut(each["name"], 24), each["open_kfid"] or "all", each["on"], each["priority"],
                "yes" if each["enabled"] else "no", cut(", ".join(each["conditions"]["words"]), 30),
                cut(", ".join(one["msgtype"] for one in each["answers"]), 30),
            )
            for each in found
        ),
        "There is none: siyu kf rules add --name 问价 --word 多少钱 --text '…'",
    )  # fmt: skip


@rules.command("add")
def add_rule(
    name: Annotated[str, typer.Option("--name", help="How your staff find it.")],
    word: Annotated[list[str] | None, typer.Option("--word", help="A word to answer to; several may be given.")] = None,
    how: Annotated[
        Literal["contains", "exact", "pattern"], typer.Option("--how", help="How words are compared.")
    ] = "contains",
    text: Annotated[str, typer.Option("--text", help="What is answered.")] = "",
    account: Account = "",
    on: Annotated[
        Literal["message", "enter"], typer.Option("--on", help="A message, or that somebody comes in.")
    ] = "message",
    hours: Annotated[Literal["any", "open", "closed"], typer.Option("--hours", help="Only in these hours.")] = "any",
    priority: Annotated[int, typer.Option("--priority", help="Higher ones are asked first.")] = 0,
    knowledge: Annotated[bool, typer.Option("--knowledge", help="Answer from the knowledge pairs.")] = False,
    hand_over: Annotated[bool, typer.Option("--hand-over", help="Hand the conversation to the queue.")] = False,
    notice: Annotated[str, typer.Option("--notice", help="What the customer is told of that.")] = "",
    definition: Annotated[str, typer.Option("--definition", help="The whole rule as JSON, as the API has it.")] = "",
    config: Config = None,
) -> None:
    """Make a rule."""
    said: dict[str, Any] = {
        "name": name, "open_kfid": account, "on": on, "priority": priority, "knowledge": knowledge,
        "conditions": {"words": word or [], "how": how, "hours": hours},
        "answers": [{"msgtype": "text", "text": text}] if text else [],
        "hand_over": {"notice": notice} if hand_over else None,
    }  # fmt: skip
    if definition:
        try:
            said = {**json.loads(definition), "name": name}
        except (ValueError, TypeError):
            refuse("--definition is not a JSON object.")

    async def save(place: Workplace) -> int:
        from bot.kf_edits import save_rule
        from data.rules.kf import KfRule
        from data.rules.problems import parse

        return (await place.db.write(save_rule, parse(KfRule, {**said, "id": 0}), place.now)).id

    say(f"Rule {work(config, save)} was made.")


@rules.command("remove")
def remove_rule(rule_id: RuleId, config: Config = None) -> None:
    """Remove a rule."""

    async def remove(place: Workplace) -> None:
        from data.queries import kf_rules as rows

        await place.db.write(rows.delete_rule, rule_id)

    work(config, remove)
    say(f"Rule {rule_id} was removed.")


@rules.command("try")
def try_rules(
    text: Annotated[str, typer.Argument(help="What a customer writes.")],
    account: Account = "",
    first: Annotated[bool, typer.Option("--first", help="It is the customer's first message.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What would be answered to a text, and why. Nothing is sent."""

    async def ask(ctx: Context) -> dict[str, Any]:
        from bot.kf_edits import KfTry
        from bot.kf_edits import try_rules as try_them
        from data.rules.problems import parse

        return await try_them(ctx, parse(KfTry, {"text": text, "open_kfid": account, "first": first}))

    told = work_with_wecom(config, ask)
    if as_json:
        say_json(told)
        return
    say(f"Rule {told['rule_id']} ({told['rule_name']}) answers:" if told["rule_id"] else "No rule answers.")
    for each in told["answers"]:
        say(f"  {each['msgtype']}: {each['said']}")
    if told["hand_over"] is not None:
        say(f"  then a person: {told['hand_over']['userid'] or 'the queue'}")
    say_table(
        ("RULE", "NAME", "OUTCOME", "WHY NOT"),
        (
            (each["rule_id"], cut(each["rule_name"], 24), each["outcome"],
             ", ".join(one["condition"] for one in each.get("failed", ())))
            for each in told["rules"]
        ),
        "There are no rules: siyu kf rules add --help",
    )  # fmt: skip
