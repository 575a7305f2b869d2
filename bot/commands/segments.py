"""`siyu segments`: questions about the customers, kept under a name: who they are, how many, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.rule_options import read_rule
from bot.commands.terminal import AsJson, Config, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.rules.segments import Node, Segment

app = typer.Typer(no_args_is_help=True, help="Segments: who the customers are, by any of what is known of them.")

SegmentId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The segment's number.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The definition as JSON; - reads standard input.")]
Which = Annotated[
    str, typer.Argument(metavar="SEGMENT", help="Its number, or a file with a definition; - reads standard input.")
]


@app.command("list")
def list_segments(config: Config = None, as_json: AsJson = False) -> None:
    """The saved segments."""
    from data.queries import segment_names as rows

    found = work(config, lambda place: place.db.read(rows.list_segments))
    if as_json:
        say_json([each.model_dump(mode="json") for each in found])
        return
    say_table(
        ("ID", "NAME", "DEFINITION"),
        ((each.id, each.name, cut(each.definition.model_dump_json(), 80)) for each in found),
        "There is no segment.",
    )


@app.command()
def show(segment_id: SegmentId, config: Config = None) -> None:
    """One segment as JSON."""
    from data.queries import segment_names as rows

    say_json(work(config, lambda place: place.db.read(rows.get_segment, segment_id)).model_dump(mode="json"))


@app.command()
def add(file: File, name: Annotated[str, typer.Option("--name", help="Its name.")], config: Config = None) -> None:
    """Keep a segment: a name for a definition in a file."""

    async def action(place: Workplace) -> Segment:
        from bot.rule_edits import save_segment
        from data.rules.problems import parse
        from data.rules.segments import Segment

        segment = parse(Segment, {"name": name, "definition": _definition(file)})
        return await place.db.write(save_segment, segment, place.now)

    saved = work(config, action)
    say(f"Segment {saved.id} {saved.name} added.")


@app.command()
def delete(
    segment_id: SegmentId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = None,
) -> None:
    """Remove a segment."""
    from data.queries import segment_names as rows

    segment = work(config, lambda place: place.db.read(rows.get_segment, segment_id))
    if not yes:
        typer.confirm(f"Remove segment {segment.id} {segment.name}?", abort=True)
    work(config, lambda place: place.db.write(rows.delete_segment, segment_id))
    say(f"Segment {segment.id} {segment.name} removed.")


@app.command()
def count(
    which: Which,
    customers: Annotated[
        bool, typer.Option("--customers", help="Different customers, not pairs of a staff member and a customer.")
    ] = False,
    config: Config = None,
) -> None:
    """How many a segment has just now."""

    async def action(place: Workplace) -> int:
        from data.queries import segments as rows

        tree = await _tree(place, which)
        return await place.db.read(rows.count, tree, place.now, place.settings.zone, customers=customers)

    say(str(work(config, action)))


@app.command()
def sample(
    which: Which,
    size: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="So many.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number gives others.")] = 0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Some of a segment, spread over all of it, without names."""

    async def action(place: Workplace) -> None:
        from data.queries import segments as rows

        tree = await _tree(place, which)
        found = await place.db.read(rows.sample, tree, place.now, place.settings.zone, size, seed=seed)
        if as_json:
            say_json([each._asdict() for each in found])
            return
        say_table(("FOLLOW", "USERID", "EXTERNAL_USERID"), found, "It is empty.")

    work(config, action)


@app.command()
def explain(
    which: Which,
    userid: Annotated[str, typer.Option("--userid", help="The staff member.")],
    customer: Annotated[str, typer.Option("--customer", help="external_userid of the customer.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Whether one pair is of a segment, and which conditions hold."""

    async def action(place: Workplace) -> dict[str, Any]:
        from data.queries import segments as rows

        tree = await _tree(place, which)
        follow_id = await place.db.read(rows.find_follow_id, userid, customer)
        found = await place.db.read(rows.explain, tree, place.now, place.settings.zone, follow_id)
        return found.to_json()

    told = work(config, action)
    if as_json:
        say_json(told)
        return
    say("It is of the segment." if told["matches"] else "It is not of the segment.")
    if told["must_be_present"] and told["status"] != "present":
        say(f"The two are no contacts: {told['status']}.")
    marks = {True: "✓", False: "✗", None: "?"}
    for node in told["nodes"]:
        gone = "  (what it names is gone)" if node["holds"] is None else ""
        say(f"{marks[node['holds']]} {node['path']}{gone}")


def _definition(file: Path) -> Any:
    """A definition in a file: the tree itself, or a segment as `show` prints it."""
    told = read_rule(file)
    return told.get("definition", told)


async def _tree(place: Workplace, which: str) -> Node:
    from bot.rule_edits import usable_tree
    from data.queries import segment_names as rows
    from data.rules.problems import parse
    from data.rules.segments import Segment

    if which.isdecimal():
        if len(which) > 18:
            refuse(f"There is no segment {which}.")
        return (await place.db.read(rows.get_segment, int(which))).definition
    tree = parse(Segment, {"name": "-", "definition": _definition(Path(which))}).definition
    return await place.db.read(usable_tree, tree)
