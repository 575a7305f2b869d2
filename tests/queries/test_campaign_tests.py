"""Tests of campaigns that repeat: what each of their runs waits for, and what a test says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from data.db import Database
from data.errors import ConflictError
from data.models import Batch, Campaign, Customer, Follow, PauseRule, Run, RunStatus, Staff, Wave
from data.queries import campaign_edits as edit_rows
from data.queries import campaign_tests as rows
from data.queries import campaigns as campaign_rows
from data.queries import recipients as recipient_rows
from data.queries import runs as run_rows
from data.queries import testers as tester_rows
from data.rules.campaigns import CampaignDraft
from data.rules.schedule import TimeWindow
from data.rules.timings import Calendar

DAILY = "0 10 * * *"
CALENDAR = Calendar(UTC, TimeWindow(), ())


def make(session: Session, now: datetime, **timing: Any) -> int:
    """A campaign that repeats and is tested first, started; and a test customer."""
    session.add(Staff(userid="ann", name="ann", follows_customers=True, seen_at=now))
    session.add(Customer(external_userid="wm1", first_seen_at=now))
    session.add(Follow(userid="ann", external_userid="wm1", status="present", changed_at=now))
    session.flush()
    tester_rows.add_tester(session, "ann", "wm1", "test", now)
    wave = {"content": {"text": "周一"}, "audience": {"everyone": True}, "timing": {"cron": DAILY, **timing}}
    draft = CampaignDraft.model_validate({"name": "每天", "test_first": True, "waves": [wave]})
    campaign = campaign_rows.add_campaign(session, draft, "test", now)
    assert campaign.id is not None
    campaign_rows.start_campaign(session, campaign.id, now, CALENDAR)
    return campaign.id


def plan_next(session: Session) -> int:
    """The run that is due next begins and is planned; it rests, and nothing of it is asked for yet."""
    run = (
        session.execute(select(Run).where(col(Run.status) == RunStatus.DUE).order_by(col(Run.due_at))).scalars().first()
    )
    assert run is not None
    begun = run_rows.begin_due_run(session, run.due_at, CALENDAR)
    assert begun is not None
    assert begun.id == run.id
    recipient_rows.end_planning(session, begun.id or 0, 0, run.due_at)
    run_rows.rest_run(session, begun.id or 0, run.due_at + timedelta(days=9), "")
    session.flush()
    return begun.id or 0


def write_words(session: Session, run_id: int, text: str) -> int:
    """The words of a run are new; the campaign's version since then."""
    campaign = edit_rows.lock_campaign(session, campaign_rows.get_run(session, run_id).campaign_id)
    campaign.version += 1
    run_rows.write_words(session, run_id, {"text": text, "attachments": []}, campaign.version)
    session.flush()
    return campaign.version


def have_tested(session: Session, campaign_id: int, now: datetime) -> list[str]:
    """A test of the campaign as it is, that the test customers have received; what it says."""
    version = session.get_one(Campaign, campaign_id).version
    test = rows.add_test(session, campaign_id, version, "test", now, CALENDAR)
    session.flush()
    for run in campaign_rows.list_runs(session, [test.id or 0]):
        run.status, run.ended_at = RunStatus.FINISHED, now
        session.add(
            Batch(
                run_id=run.id or 0,
                batch_no=1,
                userid="ann",
                recipients=1,
                status="created",
                sent=1,
                first_called_at=now,
            )
        )
    session.flush()
    waves = session.execute(select(Wave).where(col(Wave.campaign_id) == test.id).order_by(col(Wave.id))).scalars()
    return [str(wave.content["text"]) for wave in waves]


def go(session: Session, campaign_id: int) -> None:
    rows.give_go(session, campaign_id, session.get_one(Campaign, campaign_id).version, "boss")
    session.flush()


def holds(session: Session, run_id: int, now: datetime) -> bool:
    return rows.hold_untested(session, campaign_rows.get_run(session, run_id).campaign_id, run_id, now)


async def test_words_for_the_next_run_keep_none_that_was_tested_from_being_sent(db: Database, now: datetime) -> None:
    def act(session: Session) -> None:
        campaign_id = make(session, now, fresh_words=True)
        assert have_tested(session, campaign_id, now) == ["周一"]
        go(session, campaign_id)
        first = plan_next(session)
        (_, second) = campaign_rows.list_runs(session, [campaign_id])
        assert second.status == RunStatus.WORDS_DUE
        write_words(session, second.id or 0, "周二")
        assert not holds(session, first, now), "it was tested, and its words are what they were"

        assert plan_next(session) == second.id
        assert holds(session, second.id or 0, now), "nobody has seen these"
        assert not holds(session, first, now)
        assert have_tested(session, campaign_id, now) == ["周一", "周二"]
        go(session, campaign_id)
        assert second.status == RunStatus.SENDING
        assert not holds(session, second.id or 0, now)

    await db.write(act)


async def test_who_has_seen_the_next_words_has_seen_those_that_wait_as_well(db: Database, now: datetime) -> None:
    def act(session: Session) -> None:
        campaign_id = make(session, now, fresh_words=True)
        first = plan_next(session)
        assert holds(session, first, now)
        (run, second) = campaign_rows.list_runs(session, [campaign_id])
        assert (run.status, run.pause_rule) == (RunStatus.PAUSED, PauseRule.TEST)
        write_words(session, second.id or 0, "周二")
        assert have_tested(session, campaign_id, now) == ["周一", "周二"]
        go(session, campaign_id)
        assert run.status == RunStatus.SENDING

        write_words(session, first_held(session, run, now), "周一，改过")
        assert holds(session, first, now), "other words than those that were tested"
        assert plan_next(session) == second.id
        assert not holds(session, second.id or 0, now), "its own were"

    await db.write(act)


def first_held(session: Session, run: Run, now: datetime) -> int:
    """A run that waits for a test, whatever was tested: its words can be written."""
    campaign_rows.pause(run, now, "", rule=PauseRule.TEST)
    session.flush()
    return run.id or 0


async def test_words_for_one_run_alone_are_no_test_of_what_is_said_after_it(db: Database, now: datetime) -> None:
    def act(session: Session) -> None:
        campaign_id = make(session, now)
        (first,) = campaign_rows.list_runs(session, [campaign_id])
        write_words(session, first.id or 0, "只这一次")
        assert have_tested(session, campaign_id, now) == ["只这一次", "周一"]
        go(session, campaign_id)
        for _ in range(2):
            assert not holds(session, plan_next(session), now)

    await db.write(act)


async def test_an_edit_takes_the_word_back(db: Database, now: datetime) -> None:
    def act(session: Session) -> None:
        campaign_id = make(session, now, fresh_words=True)
        for run in campaign_rows.list_runs(session, [campaign_id]):
            session.delete(run)
        session.flush()
        assert have_tested(session, campaign_id, now) == ["周一"]
        go(session, campaign_id)
        (wave,) = campaign_rows.list_waves(session, [campaign_id])
        draft = {"content": {"text": "改过"}, "audience": {"everyone": True}}
        changed = CampaignDraft.model_validate({"name": "每天", "test_first": True, "waves": [draft]})
        edit_rows.replace_draft(session, campaign_id, 1, changed, [wave.id])
        campaign = session.get_one(Campaign, campaign_id)
        assert (campaign.version, campaign.go_version, campaign.go_by) == (2, None, "")
        campaign_rows.start_campaign(session, campaign_id, now, CALENDAR)
        run_id = plan_next(session)
        assert holds(session, run_id, now)
        with pytest.raises(ConflictError, match="waits for its test"):
            rows.refuse_untested(session, campaign_id)

    await db.write(act)


async def test_nothing_is_tested_while_its_words_are_to_be_written(db: Database, now: datetime) -> None:
    def act(session: Session) -> None:
        campaign_id = make(session, now, fresh_words=True)
        (first,) = campaign_rows.list_runs(session, [campaign_id])
        plan_next(session)
        first.status, first.ended_at = RunStatus.FINISHED, now + timedelta(days=1)
        session.flush()
        with pytest.raises(ConflictError, match="still to come"):
            have_tested(session, campaign_id, now)

    await db.write(act)
