"""`siyu campaigns compare`, and how comparisons of variants are shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bot.commands.terminal import AsJson, Config, Workplace, cut, say, say_json, say_table, work

CampaignId = Annotated[int, typer.Argument(metavar="ID", min=1, help="The campaign's number.")]
Days = Annotated[int, typer.Option("--days", min=1, max=90, help="Clicks and orders count for so long.")]


def compare(campaign_id: CampaignId, days: Days = 7, as_json: AsJson = False, config: Config = None) -> None:
    """Its variants compared over all runs of each wave."""

    async def read(place: Workplace) -> None:
        from bot.comparisons import list_wave_comparisons

        found = await place.db.read(list_wave_comparisons, campaign_id, days, place.now)
        if as_json:
            say_json(found)
            return
        for each in found:
            runs = cut(", ".join(map(str, each["run_ids"])), 60)
            say_comparison(place, f"Wave {each['wave_id']}, of runs {runs}", each)
        if not found:
            say("Nothing of it that has begun has variants or a hold-out.")

    work(config, read)


def say_comparison(place: Workplace, of: str, compared: dict[str, Any]) -> None:
    """What each group did, and what that says of every pair."""
    until = "" if compared["complete"] else ": not over yet"
    say(f"{of}, orders until {place.local(compared['until'])}{until}")
    say_table(
        ("GROUP", "CUSTOMERS", "SENT", "CLICKED", "BUYERS", "RATE", "ORDERS", "YUAN"),
        (
            (cut(each["name"], 20), f"{each['customers']:,}", f"{each['sent']:,}", f"{each['clickers']:,}",
             f"{each['buyers']:,}", f"{each['order_rate']:.2%}", f"{each['orders']:,}",
             f"{each['amount_fen'] / 100:,.2f}")
            for each in compared["groups"]
        ),
        "",
    )  # fmt: skip
    for each in compared["comparisons"]:
        say(cut(each["words"], 200))
