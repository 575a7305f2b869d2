"""`siyu journeys explain` and `statistics`: what journeys did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bot.commands.journey_acts import JourneyId
from bot.commands.terminal import AsJson, Config, Workplace, cut, refuse, say, say_json, say_table, work


def explain(
    external_userid: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's external_userid.")],
    words: Annotated[bool, typer.Option("--words", help="Show the words, which hold names.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Which journeys a customer is or was on, what became of each step and why; and why others did not begin."""

    async def read(place: Workplace) -> None:
        from bot.journey_explanations import explain_customer
        from data.queries.customers import find_customer

        if await place.db.read(find_customer, external_userid) is None:
            refuse("There is no such customer.")
        told = await place.db.read(explain_customer, external_userid, place.now, place.settings.zone)
        if as_json:
            say_json(told if words else _without_words(told))
            return
        for each in told["journeys"]:
            _say_journey(place, each, words=words)
        for each in told["barred"]:
            times = f" ({each['times']} times)" if each["times"] > 1 else ""
            say(
                f"Not begun {place.local(each['last_at'])}{times}: journey {each['journey_id']}"
                f" {cut(each['name'], 40)}, {cut(each['cause'], 80)}: {each['reason_words']}"
            )
        for each in told["not_on"]:
            say(f"Not on journey {each['journey_id']} {cut(each['name'], 40)}: {'；'.join(each['reasons'])}")
        if not told["journeys"] and not told["barred"] and not told["not_on"]:
            say("The customer was on no journey, and none runs.")

    work(config, read)


def _say_journey(place: Workplace, told: dict[str, Any], *, words: bool) -> None:
    held_out = ", held out" if told["held_out"] else ""
    say(
        f"Journey {told['journey_id']} {cut(told['name'], 40)} (version {told['version']}{held_out}), begun"
        f" {place.local(told['started_at'])}: {cut(told['cause'], 80)}"
    )
    rows = (
        (
            place.local(each["at"]),
            each["step"],
            each["outcome"],
            cut(each["reason"], 60),
            *_what_came(each, words=words),
        )
        for each in told["steps"]
    )
    say_table(("TIME", "STEP", "OUTCOME", "WHY", "WHO", "THEN", *(["WORDS"] if words else [])), rows, "")
    if told["next"] is not None:
        due = told["next"]
        rests = " (the journey is paused)" if due["rests"] else ""
        say(f"  next: {due['step'] or 'the goal is waited for'}, {place.local(due['due_at'])}{rests}")
    else:
        say(f"  ended {place.local(told['ended_at'])}: {told['end_words']}")


def _what_came(step: dict[str, Any], *, words: bool) -> list[str]:
    task, broadcast = step["task"], step["broadcast"]
    if task is not None:
        found = [task["userid"], task["status_words"], cut(task["words"], 60)]
    elif broadcast is not None:
        found = [broadcast["userid"], broadcast["state_words"], cut(broadcast["words"], 60)]
    elif step["call"] is not None:
        found = ["", step["call"]["state_words"], cut(step["call"]["error"], 60)]
    else:
        found = ["", "", ""]
    return found if words else found[:2]


def _without_words(told: dict[str, Any]) -> dict[str, Any]:
    for step in (each for journey in told["journeys"] for each in journey["steps"]):
        for what in ("task", "broadcast"):
            if step[what] is not None:
                step[what].pop("words")
    return told


def statistics(journey_id: JourneyId, as_json: AsJson = False, config: Config = None) -> None:
    """Who was on it, what became of each step, and what that brought, in numbers."""

    async def read(place: Workplace) -> None:
        from bot.journey_statistics import read_statistics

        told = await read_statistics(place.db, journey_id)
        if as_json:
            say_json(told)
            return
        ended = ", ".join(f"{reason} {number:,}" for reason, number in told["ended"].items()) or "nobody"
        say(f"{cut(told['name'], 40)}: {told['entered']:,} began, {told['running']:,} are on it; ended: {ended}")
        for version in told["versions"]:
            say(f"Version {version['version']}, of {version['entered']:,}:")
            _say_steps(version["steps"])
        for each in (told["goal"] or {"comparisons": ()})["comparisons"]:
            say(cut(each["words"], 200))

    work(config, read)


def _say_steps(steps: list[dict[str, Any]]) -> None:
    say_table(
        ("STEP", "DOES", "WAITING", "REACHED", "DONE", "SENT", "GOAL AFTER", "MOVED", "HELD BACK"),
        (
            (each["step"], each["does"], f"{each['waiting']:,}", f"{each['reached']:,}", f"{each['done']:,}",
             f"{each['sent']:,}", f"{each['converted']:,}", f"{each['moved']:,}",
             ", ".join(f"{why} {number:,}" for why, number in each["held_back"].items()))
            for each in steps
        ),
        "",
    )  # fmt: skip
