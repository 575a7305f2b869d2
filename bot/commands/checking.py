"""`siyu check`: what is wrong with a set-up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.terminal import AsJson, Config, load, say, say_json

if TYPE_CHECKING:
    from bot.doctor import Finding

MARKS = {"OK": "[ OK ]", "WARN": "[WARN]", "FAIL": "[FAIL]"}


def check(
    url: Annotated[
        str, typer.Option("--url", help="Our public address, like https://bot.example.com: ask it as WeCom does.")
    ] = "",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say in plain sentences what is wrong with the set-up. Exit code 1 when something does not work."""
    from bot.doctor.findings import Level

    found = asyncio.run(_check(config, url, quiet=as_json))
    if as_json:
        say_json([finding.to_json() for finding in found])
    counts = {level: sum(finding.level == level for finding in found) for level in Level}
    if not as_json:
        say(f"\n{counts[Level.OK]} OK, {counts[Level.WARN]} warnings, {counts[Level.FAIL]} failures")
    if counts[Level.FAIL]:
        raise typer.Exit(1)


async def _check(config: Config, url: str, *, quiet: bool) -> list[Finding]:
    from bot.clock import Clock
    from bot.doctor import examine
    from bot.doctor.findings import fail
    from bot.errors import ConfigurationError
    from bot.logs import configure_logs
    from bot.saying import told

    configure_logs("ERROR")
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        finding = replace(finding, en=told("en", finding.en))
        found.append(finding)
        if not quiet:
            say(f"{MARKS[finding.level]} {finding.zh}\n       {finding.en}")

    try:
        settings = load(config)
    except ConfigurationError as error:
        tell(fail("configuration", f"配置不能使用：{error.message}", str(error)))
        return found
    async for finding in examine(settings, Clock(), url):
        tell(finding)
    return found
