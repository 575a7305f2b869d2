"""Customers are erased while a campaign asks for them, looks for them and reads of them: it goes on without them."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from bot.sandbox.faults import Fault
from data.models import Batch, BatchStatus, Follow, Recipient, RecipientState
from data.rules import campaigns as rules
from tests.scenarios.campaign_ledger import (
    ADD,
    begin,
    confirm,
    is_ended,
    ready,
    runs_and_batches,
    until,
    work,
    world_rows,
)
from tests.scenarios.conftest import Company
from tests.scenarios.test_privacy import erase, everything


def one_of(session: Session, status: BatchStatus) -> str:
    """Somebody of a batch that stands so and has several, of whom nothing is known yet."""
    query = (
        select(Follow.external_userid)
        .join(Recipient, col(Recipient.follow_id) == Follow.id)
        .join(Batch, (col(Batch.run_id) == Recipient.run_id) & (col(Batch.batch_no) == Recipient.batch_no))
        .where(Batch.status == status, Batch.recipients > 2, Recipient.state == RecipientState.WAITING)
    )
    return session.exec(query.limit(1)).one()


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_campaign_goes_on_without_them(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BATCH_RECIPIENTS", 9)
    await ready(company)
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=2))
    campaign_id = await begin(company)
    await until(company, campaign_id, lambda _, batches: any(each.status == BatchStatus.UNKNOWN for each in batches))
    erased = [await company.read(one_of, BatchStatus.UNKNOWN)]
    await erase(company, erased[0])
    await until(
        company, campaign_id, lambda _, batches: all(each.msgid or each.next_at is None for each in batches), minutes=1
    )
    _, batches = await company.read(runs_and_batches, campaign_id)
    assert BatchStatus.RECONCILED in {each.status for each in batches}
    assert [each.error for each in batches if each.candidates] == []

    confirm(company.world, company.sandbox.machine, share=2)
    for _ in range(2):
        erased.append(await company.read(one_of, BatchStatus.CREATED))
        await erase(company, erased[-1])
        await work(company)
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, minutes=5)
    (run,), batches = await company.read(runs_and_batches, campaign_id)
    assert sum(each.sent for each in batches) == sum(each.recipients for each in batches) == run.recipients
    assert run.recipients == len([row for row in world_rows(company.world) if row[2] not in erased])
    for whom in erased:
        assert await everything(company, whom) == []
