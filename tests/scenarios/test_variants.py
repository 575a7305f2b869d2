"""Several contents over a random split, beside a group that gets nothing: sent, known to the last one, compared."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from bot import campaigns
from bot.sandbox.faults import Fault
from bot.sandbox.world import World
from data.models import Batch, Follow, Recipient, RecipientState, Run, Wave
from data.queries import campaigns as rows
from data.rules.campaigns import CampaignDraft
from data.rules.variants import HELD_OUT
from tests.scenarios.campaign_ledger import ADD, agree, confirm, is_ended, ready, runs_and_batches, until
from tests.scenarios.conftest import Company

VARIANTS = [
    {"name": "甲 <b>", "weight": 2, "content": {"text": "甲，我是{{ staff_name }}"}},
    {"name": "乙", "content": {"text": "乙，我是{{ staff_name }}"}},
]


def split_wave(**more: Any) -> dict[str, Any]:
    """One with two variants and a hold-out."""
    return {"variants": VARIANTS, "hold_out_percent": 25, "audience": {"everyone": True}, **more}


def placed_rows(session: Session) -> list[tuple[int, str, str | None, str, RecipientState]]:
    """(place by the split, customer, msgid, variant, state) of all who were to get something, or were held out."""
    query = (
        select(Recipient, Follow, Wave, Batch)
        .join(Run, col(Run.id) == Recipient.run_id)
        .join(Wave, col(Wave.id) == Run.wave_id)
        .join(Follow, col(Follow.id) == Recipient.follow_id)
        .outerjoin(Batch, (col(Batch.run_id) == Recipient.run_id) & (col(Batch.batch_no) == Recipient.batch_no))
    )
    found = []
    for recipient, follow, wave, batch in session.execute(query).all():
        split = rows.split_of_wave(wave)
        if split is not None and (batch is not None or recipient.state == RecipientState.HOLD_OUT):
            place = split.place(follow.external_userid)
            told = (batch.msgid, batch.variant) if batch is not None else (None, "")
            found.append((place, follow.external_userid, *told, RecipientState(recipient.state)))
    return found


def contents_agree(world: World, placed: list[tuple[int, str, str | None, str, RecipientState]], *names: str) -> None:
    """Everybody has the content that the split gave them, in our ledger and in the world, or none if held out."""
    texts = {send.msgid: str(send.content[0][1]["content"]) for send in world.group_sends}
    for place, _, msgid, variant, state in placed:
        assert (place == HELD_OUT) == (state is RecipientState.HOLD_OUT) == (msgid is None)
        assert variant == ("" if place == HELD_OUT else names[place])
        assert msgid is None or texts[msgid][:1] == variant[:1]


async def test_each_gets_the_content_of_the_split_and_who_is_held_out_gets_none(company: Company) -> None:
    await ready(company)
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=3))
    ctx = company.bot.context
    made = await campaigns.make_campaign(
        ctx, CampaignDraft.model_validate({"name": "对比", "waves": [split_wave()]}), "test"
    )
    assert made.id is not None
    await campaigns.start_campaign(ctx, made.id, None)
    await until(company, made.id, lambda _, batches: bool(batches) and all(each.msgid for each in batches))
    (run,), batches = await company.read(runs_and_batches, made.id)
    assert {each.status for each in batches} == {"created", "reconciled"}
    placed = await company.read(placed_rows)
    contents_agree(company.world, placed, "甲 <b>", "乙")
    assert {place for place, *_ in placed} == {HELD_OUT, 0, 1}
    assert run.left_out["hold_out"] == sum(place == HELD_OUT for place, *_ in placed)
    confirm(company.world, company.sandbox.machine)
    await until(company, made.id, is_ended, minutes=10)
    assert (await agree(company)) == {"sent": run.recipients}
