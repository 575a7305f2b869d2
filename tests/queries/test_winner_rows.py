"""A variant chosen by a person: later runs send it alone, those that have begun do not, and nobody held out gets it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session, col

from bot import campaign_plans, campaigns, customer_waves, winners
from bot.campaign_plans import calendar_of
from bot.clock import FrozenClock
from bot.comparisons import list_comparisons, read_comparison, read_wave_comparison
from bot.context import Context
from data.errors import ConflictError
from data.models import Batch, RecipientState, Run
from data.queries import campaigns as rows
from data.queries import runs as run_rows
from data.rules.campaigns import Act, CampaignDraft
from data.rules.problems import InvalidRuleError
from tests.queries.test_campaign_rows import ctx, fill, ledger

__all__ = ["ctx"]


async def start(ctx: Context, percent: int) -> int:
    """A campaign that is sent every day in two variants; the number of its wave."""
    wave = {
        "variants": [{"name": name, "content": {"text": name}} for name in "AB"],
        "hold_out_percent": percent,
        "audience": {"everyone": True},
        "timing": {"cron": "0 12 * * *"},
    }
    draft = CampaignDraft.model_validate({"name": "x", "waves": [wave]})
    made = await campaigns.make_campaign(ctx, draft, "test")
    (run,) = await ctx.db.write(rows.start_campaign, made.id or 0, ctx.clock.now(), calendar_of(ctx.settings))
    return run.wave_id


async def begin_next(ctx: Context) -> Run:
    """The run that is due next begins; the clock stands at its time."""
    (due,) = await ctx.db.read(list_due)
    assert isinstance(ctx.clock, FrozenClock)
    ctx.clock.advance(due.due_at - ctx.clock.now())
    run = await ctx.db.write(run_rows.begin_due_run, ctx.clock.now(), calendar_of(ctx.settings))
    assert run is not None
    assert run.id == due.id
    return run


def list_due(session: Session) -> list[Run]:
    return [run for run in rows.list_runs(session, [1]) if run.status == "due"]


async def plan(ctx: Context, run: Run) -> dict[str, str]:
    """What each customer whom a planned run is for gets of it: a variant, or nothing."""
    run_id = run.id or 0
    await campaign_plans.plan_run(ctx, run_id)
    await ctx.db.write(ask, run_id, ctx.clock.now())
    _, batches, recipients, follows = await ctx.db.read(ledger, run_id)
    names: dict[int | None, str] = {each.batch_no: each.variant for each in batches}
    return {
        follows[row.follow_id].external_userid: names.get(row.batch_no, "nothing")
        for row in recipients.values()
        if row.state in (RecipientState.WAITING, RecipientState.HOLD_OUT)
    }


def ask(session: Session, run_id: int, now: datetime) -> None:
    session.execute(update(Batch).where(col(Batch.run_id) == run_id).values(first_called_at=now, status="created"))
    session.get_one(Run, run_id).status = "awaiting"


@pytest.mark.parametrize("percent", [0, 30])
async def test_later_runs_send_what_was_chosen_until_that_is_undone(ctx: Context, now: datetime, percent: int) -> None:
    await ctx.db.write(fill, now, 7)
    wave_id = await start(ctx, percent)
    with pytest.raises(ConflictError, match="no run that has begun"):
        await winners.choose(ctx, wave_id, "B", "boss", 7)
    split = await plan(ctx, await begin_next(ctx))
    assert set(split.values()) == {"A", "B", *(["nothing"] if percent else [])}
    before = await ctx.db.read(read_wave_comparison, wave_id, 7, ctx.clock.now())

    second = await begin_next(ctx)
    chosen_at = ctx.clock.now()
    told = await winners.choose(ctx, wave_id, "B", "boss", 7)
    assert campaigns.to_json(told)["winners"] == [
        {"wave_id": wave_id, "variant": "B", "chosen_by": "boss", "chosen_at": chosen_at}
    ]
    # Some want to hear nothing on the first day alone.
    split, first = await plan(ctx, second), split
    assert first.items() < split.items(), "it had begun"

    only = {whom: "nothing" if name == "nothing" else "B" for whom, name in split.items()}
    (wave,) = told.waves
    preview = await customer_waves.preview_wave(ctx, wave)
    assert (dict(preview.words), preview.tally.variants) == ({"B": "B"}, {"B": list(only.values()).count("B")})
    third = await begin_next(ctx)
    assert third.variant == "B"
    assert await plan(ctx, third) == only
    for each in ("A", "A", "B"):
        await winners.choose(ctx, wave_id, each, "other", 7)
    await winners.undo(ctx, wave_id, "lead")
    with pytest.raises(ConflictError, match="No variant"):
        await winners.undo(ctx, wave_id, "lead")
    assert split.items() <= (await plan(ctx, await begin_next(ctx))).items(), (
        "as before; by now some are back from leave"
    )

    kept = await ctx.db.read(winners.read_winners, wave_id)
    assert [(each["variant"], each["chosen_by"], each["undone_by"]) for each in kept] == [
        ("B", "other", "lead"), ("A", "other", "other"), ("B", "boss", "other"),
    ]  # fmt: skip
    assert kept[-1]["figures"]["groups"] == before["groups"]
    assert kept[-1]["figures"]["run_ids"] == before["run_ids"]

    told_now = await ctx.db.read(read_wave_comparison, wave_id, 7, ctx.clock.now())
    assert third.id not in told_now["run_ids"]
    assert len(told_now["run_ids"]) == 3
    compared: list[Any] = [each["run_id"] for each in await ctx.db.read(list_comparisons, 1, 7, ctx.clock.now())]
    assert (third.id in compared) == (percent > 0)
    if percent:
        only_it = await ctx.db.read(read_comparison, third.id or 0, 7, ctx.clock.now())
        assert [each["name"] for each in only_it["groups"]] == ["B", "对照组"]
    else:
        with pytest.raises(ConflictError, match="nothing to compare"):
            await ctx.db.read(read_comparison, third.id or 0, 7, ctx.clock.now())


async def test_words_for_one_variant_alone_stay_with_it(ctx: Context, now: datetime) -> None:
    await ctx.db.write(fill, now, 7)
    wave_id = await start(ctx, 0)
    await plan(ctx, await begin_next(ctx))
    (due,) = await ctx.db.read(list_due)
    run_id = due.id or 0
    alone = {"variants": [{"name": "B", "content": {"text": "b"}}]}
    with pytest.raises(InvalidRuleError):
        await campaigns.write_words(ctx, run_id, await campaigns.parse_words(ctx, run_id, alone))
    assert (await ctx.db.read(rows.get_run, run_id)).content is None, "nothing is written"
    with pytest.raises(InvalidRuleError):
        await winners.choose(ctx, wave_id, "C", "boss", 7)
    await winners.choose(ctx, wave_id, "B", "boss", 7)
    await campaigns.write_words(ctx, run_id, await campaigns.parse_words(ctx, run_id, alone))
    for act in (winners.choose(ctx, wave_id, "A", "boss", 7), winners.undo(ctx, wave_id, "boss")):
        with pytest.raises(ConflictError, match="words for one variant alone"):
            await act
    run = await begin_next(ctx)
    assert (run.variant, set((await plan(ctx, run)).values())) == ("B", {"B"})
    await winners.undo(ctx, wave_id, "boss")
    assert (await ctx.db.read(rows.get_run, run_id)).variant == "B"


async def test_where_nothing_is_to_come_nothing_is_chosen(ctx: Context, now: datetime) -> None:
    await ctx.db.write(fill, now, 7)
    wave_id = await start(ctx, 0)
    run = await begin_next(ctx)
    await plan(ctx, run)
    await ctx.db.write(rows.act_on, run.campaign_id, Act.CANCEL, now + timedelta(days=9))
    with pytest.raises(ConflictError, match="is to come"):
        await winners.choose(ctx, wave_id, "A", "boss", 7)
