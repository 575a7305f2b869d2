"""Comparisons on real rows: every figure as counting by hand has it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlmodel import Session, col

from bot import campaign_plans
from bot.clock import FrozenClock
from bot.comparisons import list_comparisons, list_wave_comparisons, read_comparison, read_wave_comparison
from bot.context import Context
from data.errors import ConflictError
from data.models import Batch, Follow, LinkClick, Order, Recipient, RecipientState, Run
from data.queries import campaigns as rows
from data.queries import follow_facts
from data.rules.senders import SenderPolicy
from tests.queries.test_campaign_rows import ctx, fill, ledger, run_again, split_wave, start_run, wave

__all__ = ["ctx"]


def make_orders(session: Session, seed: int, since: datetime) -> list[Order]:
    """Orders before, in and after a week, of all kinds."""
    rng = random.Random(seed)
    made: list[Order] = []
    for number in range(120):
        order = Order(
            source="shop",
            number=str(number),
            external_userid=f"wm{rng.randrange(60):03}",
            status=rng.choice(["paid", "finished", "refunded", "placed"]),
            amount_fen=rng.randrange(1, 10**9),
            placed_at=since + rng.choice([timedelta(days=days) for days in (-3, 0, 1, 6, 7, 9)]),
            received_at=since,
            changed_at=since,
            covered=rng.random() < 0.1,
        )
        made.append(order)
        session.add(order)
    session.flush()
    follow_facts.note_facts(session, {each.external_userid or "" for each in made})
    return made


def mark_sent(session: Session, run_id: int, seed: int) -> None:
    """WeCom has delivered to some; others were lost on the way."""
    rng = random.Random(seed)
    _, batches, recipients, _ = ledger(session, run_id)
    by_number = {each.batch_no: each for each in batches}
    for row in recipients.values():
        if row.batch_no is not None:
            row.state = rng.choice([RecipientState.SENT, RecipientState.OVER_CAP, RecipientState.OPTED_OUT])
            by_number[row.batch_no].sent += row.state == RecipientState.SENT


def click(session: Session, run_id: int, seed: int, now: datetime, other: int = 77) -> list[LinkClick]:
    """Some have followed links of the run, at once or late; and one link of an`other` run."""
    rng = random.Random(seed)
    _, _, recipients, follows = ledger(session, run_id)
    rows = [row for row in recipients.values() if row.batch_no is not None]
    made = [
        LinkClick(link_id=link_id, external_userid=follows[row.follow_id].external_userid, run_id=of, first_at=at,
                  follow_id=row.follow_id, last_at=at)
        for link_id, of in ((1, run_id), (2, run_id), (1, other))
        for row in rng.sample(rows, len(rows) // 3)
        for at in [now + rng.choice([timedelta(0), timedelta(days=6), timedelta(days=8)])]
    ]  # fmt: skip
    # With the policy `all` one customer may be there twice.
    unique = {(each.link_id, each.run_id, each.external_userid): each for each in made}
    session.add_all(unique.values())
    follow_facts.note_facts(session, {each.external_userid for each in unique.values()})
    return list(unique.values())


def by_hand(
    run: Run, placed: dict[str, set[Any]], orders: list[Order], clicks: list[LinkClick], days: int
) -> dict[str, tuple[int, ...]]:
    """(customers, clickers, buyers, orders, fen) by group."""
    assert run.planned_at is not None
    until = run.planned_at + timedelta(days=days)
    found: dict[str, tuple[int, ...]] = {}
    for name, whom in placed.items():
        paid = [
            each
            for each in orders
            if each.external_userid in whom
            and each.status in ("paid", "finished")
            and not each.covered
            and run.planned_at <= each.placed_at < until
        ]
        buyers = {each.external_userid for each in paid}
        clickers = {
            each.external_userid
            for each in clicks
            if each.external_userid in whom and each.run_id == run.id and run.planned_at <= each.first_at < until
        }
        found[name] = (len(whom), len(clickers), len(buyers), len(paid), sum(each.amount_fen for each in paid))
    return found


@pytest.mark.parametrize("policy", [SenderPolicy.LAST_ADDED, SenderPolicy.ALL])
async def test_each_group_is_told_what_it_bought(ctx: Context, now: datetime, policy: SenderPolicy) -> None:
    await ctx.db.write(fill, now, 7)
    run_id = await start_run(ctx, split_wave(policy, 30, ("A", 1), ("B", 1)))
    with pytest.raises(ConflictError, match="not planned"):
        await ctx.db.read(read_comparison, run_id, 7, now)
    await campaign_plans.plan_run(ctx, run_id)
    await ctx.db.write(mark_sent, run_id, 1)
    orders = await ctx.db.write(make_orders, 1, now)
    clicks = await ctx.db.write(click, run_id, 1, now)
    run = await ctx.db.read(rows.get_run, run_id)
    placed, sent = await ctx.db.read(placed_and_sent, run_id)
    for days in (1, 7):
        told = await ctx.db.read(read_comparison, run_id, days, now)
        groups = {each["name"]: each for each in told["groups"]}
        assert list(groups) == ["A", "B", "对照组"]
        figures = ("customers", "clickers", "buyers", "orders", "amount_fen")
        found = {name: tuple(each[figure] for figure in figures) for name, each in groups.items()}
        assert found == by_hand(run, placed, orders, clicks, days)
        assert {name: each["sent"] for name, each in groups.items()} == sent
        assert [each["verdict"] for each in told["comparisons"]] == ["too_few"] * 4
        assert [each["by"] for each in told["comparisons"]] == ["clicks", *["orders"] * 3]
        assert not told["complete"]
    assert (await ctx.db.read(read_comparison, run_id, 7, now + timedelta(days=7)))["complete"]
    listed = await ctx.db.read(list_comparisons, run.campaign_id, 7, now)
    assert [each["run_id"] for each in listed] == [run_id]


def placed_and_sent(session: Session, run_id: int) -> tuple[dict[str, set[Any]], dict[str, int]]:
    """The customers of each group, and how many sendings it has got."""
    _, batches, recipients, follows = ledger(session, run_id)
    names = {each.batch_no: each.variant for each in batches}
    placed: dict[str, set[Any]] = {"A": set(), "B": set(), "对照组": set()}
    sent = dict.fromkeys(placed, 0)
    for row in recipients.values():
        if row.batch_no is not None or row.state == RecipientState.HOLD_OUT:
            name = "对照组" if row.batch_no is None else names[row.batch_no]
            placed[name].add(_whom(follows, row))
            sent[name] += row.state == RecipientState.SENT
    return placed, sent


def _whom(follows: dict[int, Follow], row: Recipient) -> str:
    return follows[row.follow_id].external_userid


def shuffle(session: Session, seed: int) -> None:
    """Some leave their staff member, others come back."""
    rng = random.Random(seed)
    for follow in session.execute(select(Follow).order_by(col(Follow.id))).scalars():
        follow.status = rng.choice(["present"] * 3 + ["deleted_by_customer"])


def ask(session: Session, run_id: int, now: datetime) -> None:
    """WeCom was asked for all of a run."""
    session.execute(update(Batch).where(col(Batch.run_id) == run_id).values(first_called_at=now))


@pytest.mark.parametrize("policy", [SenderPolicy.LAST_ADDED, SenderPolicy.ALL])
async def test_the_runs_of_a_wave_are_added_up_and_nobody_counts_twice(
    ctx: Context, now: datetime, policy: SenderPolicy
) -> None:
    await ctx.db.write(fill, now, 7)
    first = await start_run(ctx, split_wave(policy, 30, ("A", 1), ("B", 1)))
    wave_id = (await ctx.db.read(rows.get_run, first)).wave_id
    clock = ctx.clock
    assert isinstance(clock, FrozenClock)
    run_ids = [first]
    for number in range(4):
        if number:
            clock.advance(timedelta(days=3))
            await ctx.db.write(shuffle, number)
            run_ids.append(await ctx.db.write(run_again, run_ids[-1], clock.now()))
        await campaign_plans.plan_run(ctx, run_ids[-1])
        await ctx.db.write(mark_sent, run_ids[-1], number)
    with pytest.raises(ConflictError, match="no run that has begun"):
        await ctx.db.read(read_wave_comparison, wave_id, 7, clock.now())
    begun = run_ids[:3]
    for run_id in begun:
        await ctx.db.write(ask, run_id, clock.now())
    orders = await ctx.db.write(make_orders, 2, now + timedelta(days=4))
    clicks = [await ctx.db.write(click, run_id, run_id, now + timedelta(days=2), 70 + run_id) for run_id in begun]
    for days in (1, 4, 7):
        told = await ctx.db.read(read_wave_comparison, wave_id, days, clock.now())
        assert (told["wave_id"], told["run_ids"]) == (wave_id, begun)
        runs = [await ctx.db.read(rows.get_run, run_id) for run_id in begun]
        each_placed = [await ctx.db.read(placed_and_sent, run_id) for run_id in begun]
        for group in told["groups"]:
            name, customers, clickers, bought = group["name"], set(), set(), {}
            for run, (placed, _), clicked in zip(runs, each_placed, clicks, strict=True):
                assert run.planned_at is not None
                ends = run.planned_at + timedelta(days=days)
                customers |= placed[name]
                clickers |= {
                    each.external_userid
                    for each in clicked
                    if each.external_userid in placed[name]
                    and each.run_id == run.id
                    and run.planned_at <= each.first_at < ends
                }
                for each in orders:
                    paid = each.status in ("paid", "finished") and not each.covered
                    if paid and each.external_userid in placed[name] and run.planned_at <= each.placed_at < ends:
                        bought[each.id] = each
            assert group["customers"] == len(customers)
            assert group["clickers"] == len(clickers)
            assert group["buyers"] == len({each.external_userid for each in bought.values()})
            assert (group["orders"], group["amount_fen"]) == (
                len(bought), sum(each.amount_fen for each in bought.values())
            )  # fmt: skip
            assert group["sent"] == sum(sent[name] for _, sent in each_placed)
        assert {each["verdict"] for each in told["comparisons"]} == {"too_few"}
        assert told["complete"] == (days < 3)
    campaign_id = runs[0].campaign_id
    assert await ctx.db.read(list_wave_comparisons, campaign_id, 7, clock.now()) == [told]


async def test_without_a_split_there_is_nothing_to_compare(ctx: Context, now: datetime) -> None:
    await ctx.db.write(fill, now, 7)
    run_id = await start_run(ctx, wave({"everyone": True}))
    await campaign_plans.plan_run(ctx, run_id)
    with pytest.raises(ConflictError, match="one content and no hold-out"):
        await ctx.db.read(read_comparison, run_id, 7, now)
    run = await ctx.db.read(rows.get_run, run_id)
    assert await ctx.db.read(list_comparisons, run.campaign_id, 7, now) == []
    assert await ctx.db.read(list_wave_comparisons, run.campaign_id, 7, now) == []
    with pytest.raises(ConflictError, match="one content and no hold-out"):
        await ctx.db.read(read_wave_comparison, run.wave_id, 7, now)
