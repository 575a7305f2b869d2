"""`siyu campaigns choose` and `unchoose`: the variant that later runs send alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.comparisons import Days
from bot.commands.terminal import Config, cut, say, work_with_wecom

if TYPE_CHECKING:
    from bot.context import Context

WaveId = Annotated[int, typer.Argument(metavar="WAVE", min=1, help="The wave's number: compare tells it.")]


def choose(
    wave_id: WaveId,
    variant: Annotated[str, typer.Argument(metavar="VARIANT", help="Its name.")],
    days: Days = 7,
    config: Config = None,
) -> None:
    """Have runs that are still to begin send one variant alone."""

    async def action(ctx: Context) -> None:
        from bot import winners

        await winners.choose(ctx, wave_id, variant, "command", days)
        say(f"Runs of wave {wave_id} that are still to begin send {cut(variant, 20)} alone.")

    work_with_wecom(config, action)


def unchoose(wave_id: WaveId, config: Config = None) -> None:
    """Have them send all variants again."""

    async def action(ctx: Context) -> None:
        from bot import winners

        await winners.undo(ctx, wave_id, "command")
        say(f"Runs of wave {wave_id} that are still to begin send all its variants.")

    work_with_wecom(config, action)
