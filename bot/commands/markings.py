"""`siyu tags mark`, `apply` and `markings`: tags put on and taken off for many customers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.marking_progress import counts_words, follow, say_tally, say_why
from bot.commands.tag_options import signed, tag_ids
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
    from bot.context import Context
    from data.models import Marking
    from data.rules.markings import Act, Pair

app = typer.Typer(no_args_is_help=True, help="Markings: tags put on and taken off for many customers at once.")

PutOn = Annotated[list[str] | None, typer.Option("--put-on", help="Tag, by id or name (repeatable).")]
TakeOff = Annotated[list[str] | None, typer.Option("--take-off", help="Tag, by id or name (repeatable).")]
Everyone = Annotated[bool, typer.Option("--everyone", help="All contacts of all staff.")]
Of = Annotated[list[str] | None, typer.Option("--userid", help="Contacts of this staff member (repeatable).")]
Wearing = Annotated[list[str] | None, typer.Option("--wearing", help="Who wear this tag, by id or name (repeatable).")]
Segment = Annotated[int | None, typer.Option("--segment", help="Who are in this saved segment, by its number.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count only; nothing is changed.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Leave it to the running bot and come back at once.")]
MarkingId = Annotated[int, typer.Argument(help="As `siyu tags markings list` shows it.")]


def mark(
    put_on: PutOn = None,
    take_off: TakeOff = None,
    everyone: Everyone = False,
    userids: Of = None,
    wearing: Wearing = None,
    segment: Segment = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Lines of userid,external_userid; - is standard input.")
    ] = None,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    config: Config = None,
) -> None:
    """Put tags on and take them off for many customers, in the background.

    Shows a bar on a terminal, and one JSON object a line where the output goes elsewhere. Ctrl-C leaves the rest to the
    running bot.
    """

    async def action(ctx: Context) -> None:
        from bot import markings
        from data.rules.markings import MarkingDraft
        from data.rules.problems import parse

        tags = {"put_on": await tag_ids(ctx.db, put_on or []), "take_off": await tag_ids(ctx.db, take_off or [])}
        pairs = _read_pairs(file) if file is not None else None
        audience: dict[str, Any] = {"everyone": everyone, "userids": userids or [], "segment_id": segment,
                                    "tag_ids": await tag_ids(ctx.db, wearing or [])}  # fmt: skip
        if pairs is not None:
            # A list of any length; the rest of the draft is checked with its beginning.
            audience["pairs"] = [pair.model_dump() for pair in pairs[:1]]
        draft = parse(MarkingDraft, {**tags, "audience": audience})
        await markings.check(ctx, draft)
        change = markings.change_of(draft)
        if dry_run:
            if pairs is None:
                tally = await markings.count_marking(ctx, draft)
            else:
                tally = await markings.count_pairs(ctx, pairs, change)
            await say_tally(ctx, tally)
            return
        if pairs is None:
            made = await markings.ask_for_marking(ctx, draft, "command")
        else:
            made = await markings.mark_pairs(ctx, pairs, change, "command")
        await follow(ctx, made, wait=not no_wait)

    work_with_wecom(config, action)


def apply(
    rule_ids: Annotated[list[int] | None, typer.Option("--rule", help="Only this rule (repeatable); all.")] = None,
    userids: Of = None,
    wearing: Wearing = None,
    segment: Segment = None,
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    config: Config = None,
) -> None:
    """Apply auto-tagging rules to those who came before them, in the background.

    All rules that are switched on, or the named ones; to all contacts, or those of some staff or with some tags.
    """

    async def action(ctx: Context) -> None:
        from bot import markings
        from data.rules.markings import RulesDraft
        from data.rules.problems import parse

        some = {"userids": userids or [], "segment_id": segment, "tag_ids": await tag_ids(ctx.db, wearing or [])}
        audience = some if any(some.values()) else {"everyone": True}
        draft = parse(RulesDraft, {"audience": audience, "rule_ids": rule_ids or None})
        if dry_run:
            await say_tally(ctx, await markings.count_rules(ctx, draft))
            return
        await follow(ctx, await markings.apply_rules(ctx, draft, "command"), wait=not no_wait)

    work_with_wecom(config, action)


def _read_pairs(file: Path) -> list[Pair]:
    from data.rules.markings import Pair
    from data.rules.problems import InvalidRuleError, Problem, parse

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"{file} cannot be read: {error}.")
    found: list[Pair] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.split(",")]
        if not any(cells) or cells[:2] == ["userid", "external_userid"]:
            continue
        if len(cells) != 2:
            raise InvalidRuleError([Problem(f"第 {number} 行", "应为 userid,external_userid")])
        found.append(parse(Pair, {"userid": cells[0], "external_userid": cells[1]}))
    return list(dict.fromkeys(found))


@app.command("list")
def list_markings(limit: Limit = 20, as_json: AsJson = False, config: Config = None) -> None:
    """Markings, newest first."""
    from data.queries import markings as rows

    async def read(place: Workplace) -> None:
        from bot.markings import to_json
        from data.queries import tags as tag_rows

        found = await place.db.read(rows.list_markings, limit)
        if as_json:
            say_json([to_json(each, place.now, place.settings.wecom.calls_per_hour) for each in found])
            return
        names = {tag["tag_id"]: tag["name"] for tag in await place.db.read(tag_rows.list_tags)}
        say_table(
            ("ID", "ASKED", "BY", "STATUS", "TAGS", "DONE", "OF", "FAILED"),
            (
                (each.id, place.local(each.asked_at), each.asked_by, each.status,
                 signed(each.put_on, each.take_off, names), f"{each.done:,}", f"{each.items:,}", f"{each.failed:,}")
                for each in found
            ),
            "No marking yet: siyu tags mark --help",
        )  # fmt: skip

    work(config, read)


@app.command("show")
def show(marking_id: MarkingId, as_json: AsJson = False, config: Config = None) -> None:
    """One marking: how far it is, and why some could not be marked."""

    async def read(place: Workplace) -> None:
        from bot.markings import read_marking, to_json

        marking, causes = await place.db.read(read_marking, marking_id)
        told = to_json(marking, place.now, place.settings.wecom.calls_per_hour)
        if as_json:
            say_json({**told, "causes": causes})
            return
        planned = "" if marking.planned_at else f" (looking for whom it is about: {marking.examined:,} so far)"
        left = "" if told["seconds_left"] is None else f", {told['seconds_left'] / 60:,.0f} min left"
        say(f"Marking {marking.id} by {marking.asked_by}: {marking.status}{planned}{left}")
        say(f"  {counts_words(marking)}")
        say_why(marking, causes)

    work(config, read)


@app.command("follow")
def follow_marking(marking_id: MarkingId, config: Config = None) -> None:
    """Show how far a marking is until it rests; where no bot runs, it is done here."""

    async def action(ctx: Context) -> None:
        from data.queries import markings as rows

        await follow(ctx, await ctx.db.read(rows.get_marking, marking_id), wait=True)

    work_with_wecom(config, action)


@app.command("pause")
def pause(marking_id: MarkingId, config: Config = None) -> None:
    """Let a marking rest."""
    _act(marking_id, "pause", config)


@app.command("resume")
def resume(marking_id: MarkingId, config: Config = None) -> None:
    """Let the running bot go on with a marking."""
    _act(marking_id, "resume", config)


@app.command("retry")
def retry(marking_id: MarkingId, config: Config = None) -> None:
    """Let the running bot try again whom a marking could not mark."""
    _act(marking_id, "retry", config)


@app.command("cancel")
def cancel(marking_id: MarkingId, config: Config = None) -> None:
    """End a marking. What is marked stays."""
    _act(marking_id, "cancel", config)


def _act(marking_id: int, name: str, config: Config) -> None:
    async def action(place: Workplace) -> Marking:
        from data.queries import markings as rows
        from data.rules.markings import Act

        act: Act = Act(name)
        return await place.db.write(rows.act_on, marking_id, act, place.now)

    marking = work(config, action)
    say(f"Marking {marking.id} is {marking.status}: {counts_words(marking)}.")
