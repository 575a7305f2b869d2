"""Comparisons on real rows: every figure as counting by hand has it."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from bot import campaign_plans
from bot.comparisons import list_comparisons, read_comparison
from bot.context import Context
from data.errors import ConflictError
from data.models import Follow, LinkClick, Order, Recipient, RecipientState, Run
from data.queries import campaigns as rows
from data.queries import follow_facts
from data.rules.senders import SenderPolicy
from tests.queries.test_campaign_rows import ctx, fill, ledger, split_wave, start_run, wave

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


def click(session: Session, run_id: int, seed: int, now: datetime) -> list[LinkClick]:
    """Some have followed links of the run, at once or late; and one link of another run."""
    rng = random.Random(seed)
    _, _, recipients, follows = ledger(session, run_id)
    rows = [row for row in recipients.values() if row.batch_no is not None]
    made = [
        LinkClick(link_id=link_id, external_userid=follows[row.follow_id].external_userid, run_id=of, first_at=at,
                  follow_id=row.follow_id, last_at=at)
        for link_id, of in ((1, run_id), (2, run_id), (1, run_id + 1))
        for row in rng.sample(rows, len(rows) // 3)
        for at in [now + rng.choice([timedelta(0), timedelta(days=6), timedelta(days=8)])]
    ]  # fmt: skip
    # With the policy `all` one customer may be there twice.
    unique = {(each.link_id, each.run_id, each.external_userid): each for each in made}
    session.add_all(unique.values())
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
    run, batches, recipients, follows = await ctx.db.read(ledger, run_id)
    names = {each.batch_no: each.variant for each in batches}
    placed: dict[str, set[Any]] = {"A": set(), "B": set(), "对照组": set()}
    sent = dict.fromkeys(placed, 0)
    for row in recipients.values():
        if row.batch_no is not None or row.state == RecipientState.HOLD_OUT:
            name = "对照组" if row.batch_no is None else names[row.batch_no]
            placed[name].add(_whom(follows, row))
            sent[name] += row.state == RecipientState.SENT
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


def _whom(follows: dict[int, Follow], row: Recipient) -> str:
    return follows[row.follow_id].external_userid


async def test_without_a_split_there_is_nothing_to_compare(ctx: Context, now: datetime) -> None:
    await ctx.db.write(fill, now, 7)
    run_id = await start_run(ctx, wave({"everyone": True}))
    await campaign_plans.plan_run(ctx, run_id)
    with pytest.raises(ConflictError, match="one content and no hold-out"):
        await ctx.db.read(read_comparison, run_id, 7, now)
    run = await ctx.db.read(rows.get_run, run_id)
    assert await ctx.db.read(list_comparisons, run.campaign_id, 7, now) == []
