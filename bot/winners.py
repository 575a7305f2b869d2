"""Winners: a person chooses the variant that later runs of a wave send alone, or takes that back."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from bot.campaigns import Told, read_campaign
from bot.comparisons import read_wave_comparison
from bot.context import Context
from bot.logs import get_logger
from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Run, Winner
from data.queries import campaigns as rows
from data.queries import winners as winner_rows
from data.queries.campaign_edits import lock_campaign
from data.rules.problems import InvalidRuleError, Problem
from data.rules.variants import written_alone

log = get_logger("campaigns")


async def choose(ctx: Context, wave_id: int, variant: str, by: str, days: int) -> Told:
    """Runs of a wave that have not begun send one variant alone; who was held out still is. What was approved stays so.

    Raises NotFoundError, InvalidRuleError for a variant that it does not have, and ConflictError where nothing is to
    come, nothing was sent that could be compared, or a run to come has words for another variant alone.
    """
    await ctx.db.read(_check, wave_id, variant)
    figures = await ctx.db.read(read_wave_comparison, wave_id, days, ctx.clock.now())
    campaign_id = await ctx.db.write(_choose, ctx, wave_id, variant, by, figures)
    log.info("winner_chosen", wave=wave_id, campaign=campaign_id)
    return await ctx.db.read(read_campaign, campaign_id)


def _check(session: Session, wave_id: int, variant: str) -> None:
    wave = rows.get_wave(session, wave_id)
    names = [str(each["name"]) for each in wave.variants]
    if variant not in names:
        told = Phrase("没有这个版本，可以选：%(names)s", names=names) if names else Phrase("这个波次没有多个版本")
        raise InvalidRuleError([Problem("variant", told)])
    runs = _to_come(session, wave.campaign_id, wave_id)
    if not runs:
        raise ConflictError(
            f"No run of wave {wave_id} is to come: there is nothing to choose for.", "Make another one."
        )
    _refuse_words(runs, variant)


def _choose(session: Session, ctx: Context, wave_id: int, variant: str, by: str, figures: dict[str, Any]) -> int:
    campaign_id = rows.get_wave(session, wave_id).campaign_id
    lock_campaign(session, campaign_id)
    _check(session, wave_id, variant)
    if winner_rows.find_variant(session, wave_id) != variant:
        winner_rows.add_winner(session, wave_id, variant, by, _kept(figures), ctx.clock.now())
    return campaign_id


async def undo(ctx: Context, wave_id: int, by: str) -> Told:
    """Runs of a wave that have not begun send all its variants again, each to its own customers.

    Raises NotFoundError, and ConflictError where none was chosen, or a run to come has words for one alone.
    """
    campaign_id = await ctx.db.write(_undo, ctx, wave_id, by)
    log.info("winner_undone", wave=wave_id, campaign=campaign_id)
    return await ctx.db.read(read_campaign, campaign_id)


def _undo(session: Session, ctx: Context, wave_id: int, by: str) -> int:
    wave = rows.get_wave(session, wave_id)
    lock_campaign(session, wave.campaign_id)
    _refuse_words(_to_come(session, wave.campaign_id, wave_id), "")
    if not winner_rows.undo_winner(session, wave_id, by, ctx.clock.now()):
        raise ConflictError(f"No variant of wave {wave_id} is chosen.", "Look at its campaign.")
    return wave.campaign_id


def _to_come(session: Session, campaign_id: int, wave_id: int) -> list[Run]:
    runs = rows.list_runs(session, [campaign_id])
    return [run for run in runs if run.wave_id == wave_id and run.started_at is None and run.ended_at is None]


def _refuse_words(runs: list[Run], variant: str) -> None:
    for run in runs:
        other = written_alone(run.content)
        if other not in ("", variant):
            raise ConflictError(
                f"Run {run.id} has words for one variant alone, another one than is to be sent.",
                "Write its words for every variant first: PUT /runs/{id}/content.",
            )


def read_winners(session: Session, wave_id: int) -> list[dict[str, Any]]:
    """Every choice for a wave with its figures, newest first. Raises NotFoundError."""
    rows.get_wave(session, wave_id)
    return [_to_json(each) for each in winner_rows.list_winners(session, wave_id)]


def _to_json(winner: Winner) -> dict[str, Any]:
    return winner.model_dump(exclude={"id"})


def _kept(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures as JSON keeps them."""
    return {**figures, "since": figures["since"].isoformat(), "until": figures["until"].isoformat()}
