"""Moments posts whose answer never came, or whose job was lost: taken for what they are, and for nothing else."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot import batches
from data.errors import ConflictError
from data.queries import batch_lookups as lookup_rows
from data.rules.problems import InvalidRuleError
from tests.scenarios.campaign_ledger import has_status, is_ended, ready, runs_and_batches, until, work
from tests.scenarios.conftest import Company
from tests.scenarios.moment_ledger import ADD, JOB, LIST, agree, begin_posts, fault, is_made, post, publish


async def test_posts_with_the_same_words_are_told_apart_by_their_members(company: Company) -> None:
    await ready(company)
    fault(company, ADD, "lose_answer", count=2)
    one, other, *more = company.followers
    visible = [{"userids": [one]}, {"userids": [other]}, {"userids": more[:2]}]
    campaign_id = await begin_posts(company, *(post(visible=each) for each in visible))
    await until(company, campaign_id, is_made, minutes=1)
    await work(company)
    _, batches = await company.read(runs_and_batches, campaign_id)
    assert sorted(each.status for each in batches) == ["created", "reconciled", "reconciled"]
    assert len(list(company.world.moments)) == 3
    assert await agree(company) == {"waiting": 4}


async def test_a_job_that_was_lost_is_looked_up(company: Company) -> None:
    await ready(company)
    blind = fault(company, JOB, "errcode", errcode=60020)
    campaign_id = await begin_posts(company)
    await until(company, campaign_id, has_status("awaiting"))
    for _ in range(6):
        await work(company)
        company.bot.clock.advance(timedelta(hours=5))
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.status == "making"
    company.sandbox.machine.faults.clear(blind.id)
    await until(company, campaign_id, is_made)
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.status == "reconciled"
    assert company.calls(ADD) == 1


async def test_lists_that_cannot_be_read_prove_nothing(company: Company) -> None:
    await ready(company)
    fault(company, ADD, "lose_answer", count=1)
    closed = fault(company, LIST, "errcode", errcode=60020)
    campaign_id = await begin_posts(company)
    for _ in range(20):
        await work(company)
        company.bot.clock.advance(timedelta(minutes=10))
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.status == "unknown"
    assert "60020" in batch.error
    company.sandbox.machine.faults.clear(closed.id)
    await until(company, campaign_id, is_made, minutes=10)
    assert await agree(company)


async def test_what_only_resembles_rests_for_a_person(company: Company) -> None:
    await ready(company)
    fault(company, ADD, "drop", count=1)
    campaign_id = await begin_posts(company)
    await work(company)
    # Somebody makes one by hand, with the same words, that not everybody may see.
    visible = {"external_contact_list": {"tag_list": company.tag_ids[:1]}}
    await company.bot.wecom.external_contact.add_moment_task(text="上新：新品到店", visible_range=visible)
    await until(company, campaign_id, lambda _, batches: any(each.candidates for each in batches), minutes=5)
    (by_hand,) = company.world.moments
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.candidates == [by_hand.moment_id]
    calls = company.calls(ADD)
    for _ in range(5):
        company.bot.clock.advance(timedelta(hours=1))
        await work(company)
    assert company.calls(ADD) == calls, "the program does not ask again by itself"
    now = company.bot.clock.now()
    await company.bot.db.write(lookup_rows.ask_again, batch.id, now, absent=None)
    with pytest.raises(ConflictError):
        await company.bot.db.write(lookup_rows.ask_again, batch.id, now, absent=None)
    await until(company, campaign_id, is_made)
    assert len(list(company.world.moments)) == 2


async def test_a_person_may_take_it(company: Company) -> None:
    await ready(company)
    fault(company, ADD, "lose_answer", count=1)
    campaign_id = await begin_posts(company)
    await work(company)
    (moment,) = company.world.moments
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    await company.bot.db.write(lookup_rows.leave_to_person, batch.id, [moment.moment_id], "")
    company.bot.clock.advance(timedelta(seconds=10))
    with pytest.raises(InvalidRuleError, match="momMistyped"):
        await batches.adopt(company.bot.context, batch.id or 0, "momMistyped")
    await batches.adopt(company.bot.context, batch.id or 0, moment.moment_id)
    publish(company.world, company.sandbox.machine)
    await until(company, campaign_id, is_ended, hours=8)
    assert (await agree(company))["published"] > 0


async def test_a_job_that_takes_long_is_waited_for(company: Company) -> None:
    await ready(company)
    company.sandbox.machine.settings.moment_job_seconds = 1500
    fault(company, ADD, "lose_answer", count=1)
    campaign_id = await begin_posts(company)
    await until(company, campaign_id, is_made, minutes=2)
    (batch,) = (await company.read(runs_and_batches, campaign_id))[1]
    assert batch.status == "reconciled"
    assert len(list(company.world.moments)) == 1


async def test_a_post_that_a_job_of_ours_may_be_making_is_not_taken_for_another(company: Company) -> None:
    await ready(company)
    blind = fault(company, JOB, "errcode", errcode=60020)
    one = await begin_posts(company)
    await until(company, one, lambda _, batches: any(each.jobid for each in batches))
    fault(company, ADD, "drop", count=1)
    other = await begin_posts(company)
    for _ in range(10):
        await work(company)
        company.bot.clock.advance(timedelta(minutes=10))
    (mine,), (theirs,) = [(await company.read(runs_and_batches, each))[1] for each in (one, other)]
    assert (mine.status, theirs.status, theirs.candidates) == ("making", "unknown", None)
    company.sandbox.machine.faults.clear(blind.id)
    await until(company, one, is_made)
    await until(company, other, is_made, minutes=5)
    assert len(list(company.world.moments)) == 2
    assert await agree(company) == {"waiting": 2 * len(company.followers)}
