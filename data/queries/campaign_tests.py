"""Tests of campaigns: each is a campaign of its own to the test customers, that names what it tests.

So its tasks are in the same ledger, and whatever can be done with a campaign can be done with a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.errors import ConflictError
from data.models import Batch, Campaign, PauseRule, Run, RunStatus, Wave, WaveCustomer
from data.queries.approvals import has_begun, hold_run
from data.queries.campaign_edits import lock_campaign, refuse_stale
from data.queries.campaigns import (
    get_campaign,
    get_run,
    list_runs,
    list_waves,
    lock_run,
    new_run,
    refuse_closed,
    timing_of,
    unpause,
)
from data.queries.testers import list_reachable
from data.rules.campaigns import NAME_MAX_LENGTH
from data.rules.senders import SenderPolicy
from data.rules.testers import TEST_HOURS, WAITS_FOR_TEST, is_held, waits_for_test
from data.rules.timings import Calendar
from data.rules.variants import said
from data.rules.waves import CUSTOMERS

_LISTED = BulkUpsert(WaveCustomer, ("wave_id", "external_userid", "userid"))


#: A customer with the staff member through whom they are reached.
Listed = tuple[str, str]
#: What a test is of that tests no campaign.
OF_NONE = 0


class CampaignTest(NamedTuple):
    """A test of a campaign: a campaign itself, of the `version` that it tests. `sent` of `recipients` have it."""

    campaign_id: int
    version: int
    made_by: str
    made_at: datetime
    status: str
    recipients: int
    sent: int


def add_test(
    session: Session, campaign_id: int, version: int, made_by: str, now: datetime, calendar: Calendar
) -> Campaign:
    """Have what a campaign says, in every variant, sent to the test customers now.

    Raises NotFoundError, and ConflictError when it was changed meanwhile, nothing of it is still to be sent to
    customers, no test customer can be reached, or it would be over before staff may be asked.
    """
    campaign = lock_campaign(session, campaign_id)
    refuse_stale(campaign, version)
    if campaign.test_of is not None:
        raise ConflictError(f"Campaign {campaign_id} is a test itself.", f"Test campaign {campaign.test_of}.")
    contents = list(_to_come(session, campaign_id))
    if not contents:
        raise ConflictError(
            f"Nothing that campaign {campaign_id} says to customers is still to come.",
            "Only waves to customers are tested, before they begin.",
        )
    listed = list_reachable(session)
    if not listed:
        raise ConflictError("There is no test customer who can be reached.", "siyu testers add names one.")
    test = Campaign(
        name=f"测试：{campaign.name}"[:NAME_MAX_LENGTH],
        made_by=made_by[:80],
        made_at=now,
        test_of=campaign_id,
        test_version=version,
    )
    session.add(test)
    session.flush()
    for wave, content in contents:
        added = _add_wave(session, test.id or 0, wave.valid_hours, content, listed)
        refuse_closed(added, now, calendar)
        session.add(new_run(added, now))
    session.flush()
    return test


def add_trial(
    session: Session, name: str, words: Mapping[str, Sequence[Listed]], made_by: str, now: datetime, calendar: Calendar
) -> Campaign:
    """Have words that are no campaign's sent now to test customers, each its own: by what they say to whom.

    Raises ConflictError when it would be over before staff may be asked.
    """
    test = Campaign(name=name[:NAME_MAX_LENGTH], made_by=made_by[:80], made_at=now, test_of=OF_NONE)
    session.add(test)
    session.flush()
    for text, listed in words.items():
        added = _add_wave(session, test.id or 0, TEST_HOURS, {"text": text, "attachments": []}, listed)
        refuse_closed(added, now, calendar)
        session.add(new_run(added, now))
    session.flush()
    return test


def _add_wave(session: Session, test_id: int, valid_hours: int, content: Any, listed: Sequence[Listed]) -> Wave:
    wave = Wave(
        campaign_id=test_id,
        kind=CUSTOMERS,
        content=dict(content),
        audience={"pairs": len(listed)},
        sender_policy=SenderPolicy.ALL,
        valid_hours=min(valid_hours, TEST_HOURS),
    )
    session.add(wave)
    session.flush()
    _LISTED.write(session, [(wave.id, external_userid, userid) for external_userid, userid in listed])
    return wave


def _to_come(session: Session, campaign_id: int) -> Iterator[tuple[Wave, Any]]:
    """What the waves of a campaign may still say to customers: each content once."""
    runs = list_runs(session, [campaign_id])
    for wave in list_waves(session, [campaign_id]):
        mine = [run for run in runs if run.wave_id == wave.id]
        open_ = [run for run in mine if run.ended_at is None and not has_begun(session, run.id or 0)]
        if wave.kind != CUSTOMERS or (mine and not open_):
            continue
        # Empty: nobody has written it yet. What is chosen for a run that has not begun may be undone.
        written = [(run.content, run.variant) for run in open_ if run.content != {}]
        timing = timing_of(wave)
        if not mine or (timing.repeats and not timing.fresh_words):
            written.append((None, ""))
        told: list[Any] = []
        for each, variant in written:
            words = said(wave.content, wave.variants, each, variant)
            told += [content for content in words.values() if content not in told]
        yield from ((wave, content) for content in told)


def list_tests(session: Session, campaign_ids: Sequence[int]) -> dict[int, list[CampaignTest]]:
    """The tests of some campaigns, each one's newest first."""
    sent = select(func.sum(col(Batch.sent))).where(col(Batch.run_id) == col(Run.id)).scalar_subquery()
    query = (
        select(Campaign, col(Run.status), col(Run.recipients), func.coalesce(sent, 0))
        .join(Run, col(Run.campaign_id) == col(Campaign.id))
        .where(col(Campaign.test_of).in_(campaign_ids))
        .order_by(col(Campaign.id).desc(), col(Run.id))
    )
    found: dict[int, CampaignTest] = {}
    whose: dict[int, int] = {}
    for campaign, status, recipients, number in session.execute(query):
        known = found.get(campaign.id)
        whose[campaign.id] = campaign.test_of
        if known is None:
            found[campaign.id] = CampaignTest(
                campaign.id, campaign.test_version, campaign.made_by, campaign.made_at, status, recipients, int(number)
            )
        else:
            found[campaign.id] = known._replace(
                status=", ".join(dict.fromkeys((*known.status.split(", "), status))),
                recipients=known.recipients + recipients,
                sent=known.sent + int(number),
            )
    told: dict[int, list[CampaignTest]] = {}
    for test in found.values():
        told.setdefault(whose[test.campaign_id], []).append(test)
    return told


def is_waiting(session: Session, run_id: int) -> bool:
    """Whether a run may not be sent before it was tested."""
    run = get_run(session, run_id)
    return _waits(get_campaign(session, run.campaign_id), run)


def _waits(campaign: Campaign, run: Run) -> bool:
    return waits_for_test(
        test_first=campaign.test_first, go_version=campaign.go_version, words_version=run.words_version
    )


def hold_untested(session: Session, campaign_id: int, run_id: int, now: datetime) -> bool:
    """A run that may not be sent before it was tested waits for that, if nothing of it was asked. Whether it does."""
    campaign = lock_campaign(session, campaign_id)
    if not _waits(campaign, lock_run(session, run_id)) or has_begun(session, run_id):
        return False
    hold_run(session, run_id, WAITS_FOR_TEST, PauseRule.TEST, now)
    return True


def refuse_untested(session: Session, campaign_id: int) -> None:
    """Raises ConflictError when a run of a campaign waits for its test."""
    campaign = get_campaign(session, campaign_id)
    runs = list_runs(session, [campaign_id])
    if any(is_held(run.status, run.pause_rule) and _waits(campaign, run) for run in runs):
        raise ConflictError(f"Campaign {campaign_id} waits for its test.", "siyu campaigns test, then go.")


def give_go(session: Session, campaign_id: int, version: int, by: str) -> None:
    """A person has seen the test of this version and found it right: what waited for that is sent.

    Raises NotFoundError, and ConflictError when it is at another version, or nobody has received a test of this one.
    """
    campaign = lock_campaign(session, campaign_id)
    refuse_stale(campaign, version)
    tests = list_tests(session, [campaign_id]).get(campaign_id, [])
    if not any(each.version == version and each.sent for each in tests):
        raise ConflictError(
            f"Nobody has received a test of version {version} of campaign {campaign_id}.",
            "siyu campaigns test sends one; staff confirm it on the phone.",
        )
    campaign.go_version, campaign.go_by = version, by[:80]
    for run in list_runs(session, [campaign_id]):
        locked = lock_run(session, run.id or 0)
        if is_held(locked.status, locked.pause_rule):
            locked.status, locked.error = RunStatus.SENDING, ""
            unpause(locked)
