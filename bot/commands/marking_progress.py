"""How markings are shown on a terminal and to programs: what was counted, how far one is, how it ended."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import typer

from bot.commands.terminal import say

if TYPE_CHECKING:
    from bot.context import Context
    from data.models import Marking
    from data.rules.markings import Tally

BAR_WIDTH = 30
LOOK_SECONDS = 1.0


async def say_tally(ctx: Context, tally: Tally) -> None:
    """What a dry run counted."""
    from bot.markings import tally_to_json
    from data.queries import rules as rule_rows
    from data.queries import tags as rows

    if not sys.stdout.isatty():
        say(json.dumps(tally_to_json(tally), ensure_ascii=False))
        return
    names = {tag["tag_id"]: tag["name"] for tag in await ctx.db.read(rows.list_tags)}
    say(f"{tally.items:,} of {tally.examined:,} contacts would be marked; {tally.already:,} are as wanted already.")
    for sign, counts in (("+", tally.gains), ("-", tally.losses)):
        for tag_id, number in counts.most_common():
            say(f"  {sign}{names.get(tag_id, tag_id)}: {number:,}")
    if tally.matched:
        names_of_rules = {rule.id: rule.name for rule in await ctx.db.read(rule_rows.list_tag_rules)}
        for rule_id, number in sorted(tally.matched.items()):
            decided = tally.decided[rule_id]
            say(f"  rule {rule_id} {names_of_rules.get(rule_id, '')}: matches {number:,}, changes {decided:,}")
    per_minute = ctx.settings.wecom.calls_per_minute
    say(f"Nothing was changed. It would take at least {tally.items / per_minute:,.0f} min.")


async def follow(ctx: Context, marking: Marking, *, wait: bool) -> None:
    """Do a marking here, or look on while the running bot does it, until it rests."""
    from scheduler.leases import LeaseHeldError
    from scheduler.markings import run_marking

    assert marking.id is not None
    shown = _Shown(marking.id, sys.stdout.isatty())
    if not wait:
        say(f"Marking {marking.id} is left to the running bot: siyu tags markings show {marking.id}"
            if shown.terminal else json.dumps({"marking": marking.id, "status": marking.status}))  # fmt: skip
        return
    try:
        while marking.status == "running":
            try:
                await run_marking(ctx, marking.id, shown.progress)
            except LeaseHeldError:
                await asyncio.sleep(LOOK_SECONDS)
            marking = await _look(ctx, marking.id)
            shown.progress(marking.done + marking.failed, marking.items)
    except asyncio.CancelledError:
        shown.left()
        raise
    await shown.end(ctx, marking)


async def _look(ctx: Context, marking_id: int) -> Marking:
    from data.queries import markings as rows

    return await ctx.db.read(rows.get_marking, marking_id)


class _Shown:
    """Progress: a bar on a terminal, lines of JSON elsewhere."""

    def __init__(self, marking_id: int, terminal: bool) -> None:
        self.marking_id = marking_id
        self.terminal = terminal
        self._began = time.monotonic()
        self._said = 0.0
        self._first: int | None = None

    def progress(self, settled: int, items: int) -> None:
        """`settled` of `items` are done or failed."""
        now = time.monotonic()
        if self._first is None:
            self._began, self._first = now, settled
        if now - self._said < LOOK_SECONDS:
            return
        self._said = now
        rate = (settled - self._first) / max(now - self._began, 0.001)
        left = (items - settled) / rate if rate else None
        if not self.terminal:
            line = {"marking": self.marking_id, "done": settled, "of": items, "per_minute": round(rate * 60)}
            say(json.dumps({**line, "seconds_left": None if left is None else round(left)}))
            return
        filled = BAR_WIDTH * settled // max(items, 1)
        bar = "█" * filled + "░" * (BAR_WIDTH - filled)
        rest = "" if left is None else f" · {f'{left:.0f} s' if left < 90 else f'{left / 60:.0f} min'} left"
        typer.echo(f"\rmarking {bar} {settled:,}/{items:,} · {rate * 60:,.0f}/min{rest}   ", nl=False)

    def left(self) -> None:
        """The person went away."""
        if self.terminal:
            say(f"\nThe running bot goes on with it. To end it: siyu tags markings cancel {self.marking_id}")

    async def end(self, ctx: Context, marking: Marking) -> None:
        """How it rests."""
        from data.queries import marking_items as item_rows

        assert marking.id is not None
        causes = await ctx.db.read(item_rows.count_causes, marking.id)
        if not self.terminal:
            say(json.dumps({"marking": marking.id, "status": marking.status, "done": marking.done,
                            "failed": marking.failed, "already": marking.already, "causes": causes,
                            "error": marking.error}, ensure_ascii=False))  # fmt: skip
            return
        say(f"\nMarking {marking.id} is {marking.status}: {counts_words(marking)}.")
        say_why(marking, causes)


def counts_words(marking: Marking) -> str:
    """How many are marked, failed and wait."""
    waiting = marking.items - marking.done - marking.failed
    parts = {"marked": marking.done, "failed": marking.failed, "were as wanted": marking.already, "wait": waiting}
    return ", ".join(f"{number:,} {what}" for what, number in parts.items() if number or what == "marked")


def say_why(marking: Marking, causes: dict[int, int]) -> None:
    """What keeps a marking from going on, and why some could not be marked."""
    from bot.wecom.codes import CODES

    if marking.error:
        say(f"  {marking.error}")
    for cause, number in causes.items():
        code = CODES.get(cause)
        say(f"  {number:,} failed: {code.meaning if code else 'another error'} ({cause})")
