"""`siyu handovers`: customers and groups given to colleagues, because somebody leaves or has another task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.tag_options import tag_ids
from bot.commands.terminal import (
    AsJson,
    Config,
    Limit,
    Workplace,
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

app = typer.Typer(no_args_is_help=True, help="Hand-overs (继承): customers and groups given to colleagues.")

HandoverId = Annotated[int, typer.Argument(metavar="ID", min=1, help="As `siyu handovers list` shows it.")]


@app.command("list")
def list_handovers(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """Hand-overs, newest first."""

    async def read(place: Workplace) -> None:
        def told(session: Session) -> list[dict[str, Any]]:
            from bot.handovers import to_json
            from data.queries import handovers as rows

            return [to_json(session, each) for each in rows.list_handovers(session, limit)]

        found = await place.db.read(told)
        if as_json:
            say_json(found)
            return
        say_table(
            ("ID", "ASKED", "BY", "FROM", "TO", "STATUS", "CUSTOMERS", "DONE", "IN VAIN"),
            (
                (
                    each["id"], place.local(each["asked_at"]), each["asked_by"], each["userid"],
                    ",".join(taker["userid"] for taker in each["takeovers"]), each["status"], each["planned"],
                    each["customers"].get("done", 0), _in_vain(each["customers"]),
                )
                for each in found
            ),
            "No hand-over yet: siyu handovers plan --help",
        )  # fmt: skip

    work(config, read)


@app.command()
def plan(
    userid: Annotated[str, typer.Argument(help="Whose customers: of somebody who left, or is still there.")],
    takeovers: Annotated[
        list[str],
        typer.Option("--to", help="Who takes over: lisi for an even share, lisi:300 for so many (repeatable)."),
    ],
    everyone: Annotated[bool, typer.Option("--everyone", help="All of the member's customers.")] = False,
    wearing: Annotated[list[str] | None, typer.Option("--wearing", help="Who wear this tag (repeatable).")] = None,
    segment: Annotated[int | None, typer.Option("--segment", help="Who are in this saved segment.")] = None,
    customers: Annotated[
        list[str] | None, typer.Option("--customer", help="This customer, by external_userid (repeatable).")
    ] = None,
    groups: Annotated[bool, typer.Option("--groups", help="All customer groups of the member too.")] = False,
    chat_ids: Annotated[
        list[str] | None, typer.Option("--group", help="This customer group, by chat_id (repeatable).")
    ] = None,
    message: Annotated[str, typer.Option("--message", help="What customers of a member still there are told.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    config: Config = None,
) -> None:
    """Hand a member's customers over; the running bot does it within WeCom's budgets, in effect a day later."""

    async def action(ctx: Context) -> None:
        from bot import handovers
        from data.rules.handovers import HandoverDraft
        from data.rules.problems import parse

        whom = {
            "everyone": everyone, "tag_ids": await tag_ids(ctx.db, wearing or []), "segment_id": segment,
            "external_userids": customers or [],
        }  # fmt: skip
        draft = parse(
            HandoverDraft,
            {
                "userid": userid, "takeovers": [_takeover(each) for each in takeovers], "customers": whom,
                "groups": groups, "chat_ids": chat_ids or [], "message": message,
            },
        )  # fmt: skip
        if dry_run:
            found = await handovers.look_at(ctx, draft)
            for taker, number in found.shares.items():
                say(f"{taker}: {number:,} customers")
            _say_left_out(found.left_out)
            say(f"{found.groups:,} groups")
            return
        made = await handovers.ask_for_handover(ctx, draft, "command")
        say(f"Hand-over {made.id}: {made.planned:,} customers planned. siyu handovers show {made.id}")
        _say_left_out(made.left_out)

    work_with_wecom(config, action)


@app.command()
def show(handover_id: HandoverId, as_json: AsJson = False, config: Config = None) -> None:
    """One hand-over: how far it is, who took over how many, and why some failed."""

    async def read(place: Workplace) -> None:
        def told(session: Session) -> dict[str, Any]:
            from bot.handovers import to_json
            from data.queries import handovers as rows

            return {
                **to_json(session, rows.get_handover(session, handover_id)),
                "shares": rows.count_shares(session, handover_id),
                "causes": rows.count_causes(session, handover_id),
            }

        found = await place.db.read(told)
        if as_json:
            say_json(found)
            return
        say(f"Hand-over {handover_id} of {found['userid']} by {found['asked_by']}: {found['status']}")
        if found["error"]:
            say(f"  {found['error']}")
        for name in ("customers", "groups"):
            counts = ", ".join(f"{number:,} {status}" for status, number in sorted(found[name].items()))
            say(f"  {name}: {counts or 'none'}")
        for taker, counts in found["shares"].items():
            say(f"  {taker}: " + ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items())))
        _say_left_out(found["left_out"])
        _say_causes(found["causes"])

    work(config, read)


@app.command("customers")
def list_customers(
    handover_id: HandoverId,
    status: Annotated[str | None, typer.Option("--status", help="Only these, such as refused.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """The customers of a hand-over, each with what became of it."""

    async def read(place: Workplace) -> None:
        from data.queries import handovers as rows

        await place.db.read(rows.get_handover, handover_id)
        found = await place.db.read(rows.list_customers, handover_id, status, limit)
        if as_json:
            say_json([each._asdict() for each in found])
            return
        say_table(
            ("CUSTOMER", "NAME", "TO", "STATUS", "CAUSE", "IN EFFECT"),
            (
                (each.external_userid, each.name, each.takeover_userid, each.status, each.cause or "",
                 place.local(each.takeover_at))
                for each in found
            ),
            "There is none.",
        )  # fmt: skip

    work(config, read)


@app.command("groups")
def list_groups(handover_id: HandoverId, as_json: AsJson = False, config: Config = None) -> None:
    """The customer groups of a hand-over, each with what became of it."""

    async def read(place: Workplace) -> list[dict[str, Any]]:
        from data.queries import handovers as rows

        await place.db.read(rows.get_handover, handover_id)
        return await place.db.read(rows.list_groups, handover_id)

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("GROUP", "NAME", "TO", "STATUS", "CAUSE"),
        (
            (each["chat_id"], each["name"] or "", each["takeover_userid"], each["status"], each["cause"] or "")
            for each in found
        ),
        "There is none.",
    )


@app.command()
def pause(handover_id: HandoverId, config: Config = None) -> None:
    """Ask WeCom for no more of a hand-over."""
    _act(handover_id, "pause", config)


@app.command()
def resume(handover_id: HandoverId, config: Config = None) -> None:
    """Let the running bot go on with a hand-over."""
    _act(handover_id, "resume", config)


@app.command()
def cancel(handover_id: HandoverId, config: Config = None) -> None:
    """End a hand-over. What WeCom was asked for goes on there."""
    _act(handover_id, "cancel", config)


@app.command()
def leavers(
    fresh: Annotated[bool, typer.Option("--fresh", help="Read WeCom's list first; the bot does every hour.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Members who left, and how much of theirs nobody takes over yet."""

    async def action(ctx: Context) -> list[dict[str, Any]]:
        from bot.leavers import read_unassigned
        from data.queries import leavers as rows

        if fresh:
            await read_unassigned(ctx)
        return [each._asdict() for each in await ctx.db.read(rows.list_leavers)]

    found = work_with_wecom(config, action)
    if as_json:
        say_json(found)
        return
    say_table(
        ("USERID", "NAME", "CUSTOMERS", "GROUPS", "CHANNELS"),
        ((each["userid"], each["name"], each["customers"], each["groups"], each["channels"]) for each in found),
        "Nothing of members who left waits for anybody.",
    )


@app.command()
def checklist(
    userid: Annotated[str, typer.Argument(help="A member, who has left or is to leave.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """What is to be seen to when a member leaves: customers, groups, channels, customer service, tasks, journeys."""

    async def read(place: Workplace) -> dict[str, int]:
        from data.queries.leavers import read_checklist

        today = place.now.astimezone(place.settings.zone).date()
        return (await place.db.read(read_checklist, userid, today))._asdict()

    found = work(config, read)
    if as_json:
        say_json(found)
        return
    say_table(
        ("HOW MANY", "OF WHAT"), ((number, _TO_SEE_TO[name]) for name, number in found.items() if number),
        f"Nothing of {userid} is about.",
    )  # fmt: skip


_TO_SEE_TO = {
    "customers": "customers whom nobody takes over yet: siyu handovers plan",
    "under_way": "customers who are being handed over",
    "groups": "customer groups that the member owns: siyu handovers plan --groups",
    "channels": "channel codes that name the member: siyu channels list --member",
    "links": "customer-acquisition links that name the member: siyu channels list --member",
    "seats": "customer-service accounts in which the member answers: WeCom's admin console",
    "tasks": "open tasks: they go to whoever takes the customers over",
    "enrolments": "journeys that customers are on through the member",
    "sendings": "sendings that are not over: siyu campaigns board",
    "substitutes": "leaves in which the member is to stand in: siyu staff leave list",
}


def _takeover(text: str) -> dict[str, Any]:
    userid, colon, count = text.partition(":")
    if not colon:
        return {"userid": userid}
    if not count.isdecimal():
        refuse(f"{text!r}: behind the colon stands how many customers, like lisi:300.")
    return {"userid": userid, "count": int(count)}


def _act(handover_id: int, name: str, config: Config) -> None:
    async def action(place: Workplace) -> str:
        from data.queries import handovers as rows
        from data.rules.handovers import Act

        return (await place.db.write(rows.act_on, handover_id, Act(name), place.now)).status

    say(f"Hand-over {handover_id} is {work(config, action)}.")


def _in_vain(counts: dict[str, int]) -> int:
    return sum(counts.get(status, 0) for status in ("refused", "limit", "failed", "unknown"))


_WHY = {
    "twice": "handed over twice within 90 days already", "under_way": "are being handed over already",
    "done": "were handed over already", "no_share": "are beyond the numbers given",
    "not_theirs": "are not customers of this member",
}  # fmt: skip


def _say_left_out(left_out: dict[str, int]) -> None:
    for why, number in left_out.items():
        say(f"  left out: {number:,} {_WHY.get(why, why)}")


def _say_causes(causes: dict[int, int]) -> None:
    from bot.wecom.codes import CODES

    for cause, number in causes.items():
        code = CODES.get(cause)
        say(
            f"  {number:,} failed ({cause}): {code.meaning}. {code.remedy}"
            if code
            else f"  {number:,} failed ({cause})"
        )
