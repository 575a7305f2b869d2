"""`siyu links`: tracked links, and who has followed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Workplace, cut, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.models import Link

app = typer.Typer(no_args_is_help=True, help="Tracked links: short addresses that tell which customer followed them.")

LinkId = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**62, help="The link's number.")]


@app.command("list")
def list_links(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="So many.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Links, newest first, and how often they were followed."""

    async def action(place: Workplace) -> list[dict[str, Any]]:
        from data.queries import links as rows

        return await _tell(place, await place.db.read(rows.list_links, limit))

    found = work(config, action)
    if as_json:
        say_json(found)
        return
    say_table(
        ("ID", "NAME", "CUSTOMERS", "CLICKS", "ADDRESS", "TARGET"),
        (
            (each["id"], each["name"], each["customers"], each["clicks"], _address(each), cut(each["url"], 50))
            for each in found
        ),
        "There is no link. Make one: siyu links add spring https://shop.example.com/spring",
    )


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="One word; texts name the link by it.")],
    url: Annotated[str, typer.Argument(help="Where it leads.")],
    tag: Annotated[list[str] | None, typer.Option("--tag", help="tag_id to put on who follows it.")] = None,
    tell: Annotated[bool, typer.Option("--tell", help="Tell the staff member who follows the customer.")] = False,
    config: Config = None,
) -> None:
    """Make a link; prints its address."""

    async def action(place: Workplace) -> dict[str, Any]:
        from bot.links import make_link
        from data.rules.links import LinkDraft
        from data.rules.problems import parse

        draft = parse(LinkDraft, {"name": name, "url": url, "tag_ids": sorted(set(tag or ())), "tells_staff": tell})
        made = await place.db.write(make_link, draft, place.settings.server.public_url, "command", place.now)
        return (await _tell(place, [made]))[0]

    made = work(config, action)
    say(_address(made))
    typer.echo(f"Link {made['id']} is made. In texts: {{{{ link_{made['name']} }}}}", err=True)


@app.command()
def show(
    link_id: LinkId,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, max=1000, help="So many of those who followed it.")
    ] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """One link, and who has followed it, newest first."""

    async def action(place: Workplace) -> tuple[dict[str, Any], list[str]]:
        from data.queries import links as rows

        (told,) = await _tell(place, [await place.db.read(rows.get_link, link_id)])
        clicks = await place.db.read(rows.list_clicks, link_id, limit)
        return {**told, "followed_by": clicks}, [place.local(each["first_at"]) for each in clicks]

    told, firsts = work(config, action)
    if as_json:
        say_json(told)
        return
    say(f"{_address(told)}  {told['name']}\n{told['url']}\n")
    others = "".join(f", {count} clicks of {kind}" for kind, count in sorted(told["other_clicks"].items()))
    say(f"{told['customers']} customers, {told['clicks']} clicks{others}\n")
    for each in told["welcomes"]:
        rule = f"welcome rule {each['rule_id']} {each['name']}".rstrip()
        say(f"{each['customers']} of them, {each['clicks']} clicks, out of {rule}")
    say_table(
        ("EXTERNAL_USERID", "FIRST", "CLICKS", "RUN", "WELCOME", "SENT BY"),
        (
            (row["external_userid"], first, row["clicks"], row["run_id"] or "-", row["welcome_rule_id"] or "-",
             row["userid"] or "-")
            for row, first in zip(told["followed_by"], firsts, strict=True)
        ),
        "No customer has followed it yet.",
    )  # fmt: skip


@app.command()
def retire(
    link_id: LinkId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also while welcomes show it.")] = False,
    config: Config = None,
) -> None:
    """Have a link lead nowhere any more; what is known of its clicks stays."""
    from data.queries import links as rows

    link = work(config, lambda place: place.db.read(rows.get_link, link_id))
    if not yes:
        typer.confirm(f"Retire link {link.id} {link.name}? It cannot be taken back.", abort=True)

    async def action(place: Workplace) -> None:
        from bot.links import retire_link
        from bot.render import Renderer

        await place.db.write(retire_link, link_id, Renderer(), place.now, force=force)

    work(config, action)
    say(f"Link {link.id} {link.name} is retired.")


async def _tell(place: Workplace, links: list[Link]) -> list[dict[str, Any]]:
    from bot.links import tell_links

    return await place.db.read(tell_links, links, place.settings.server.public_url)


def _address(told: dict[str, Any]) -> str:
    if told["retired_at"] is not None:
        return "(retired)"
    return told["address"] or f"(server.public_url is not set)/l/{told['code']}"
