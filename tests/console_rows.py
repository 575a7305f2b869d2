"""A company with one of everything that the console has a page for, written as rows: for tests that walk through all
pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlmodel import Session, select

from bot.app import Bot
from bot.channel_files import editing_for
from bot.channels import Editing, make
from bot.journey_edits import make_journey
from data.models import (
    AcquisitionDay,
    BarredBeginning,
    Batch,
    Campaign,
    ChannelPlan,
    Enrolment,
    Follow,
    InboxEvent,
    InboxTask,
    JourneyRow,
    Recipient,
    RecipientState,
    Run,
    StaffTask,
    StepCount,
    StepRecord,
    Touch,
    Wave,
)
from data.models.inbox import Lane
from data.queries import rules as rule_rows
from data.queries import staff as staff_rows
from data.queries.acquisition import save_quota
from data.queries.segment_names import save_segment
from data.rules.acquisition import Part, Quota
from data.rules.channels import ChannelDraft
from data.rules.problems import parse
from data.rules.segments import Segment
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule
from tests.facts import settle
from tests.staff_tasks import add_contact

CUSTOMER = "wmone"


async def furnish(bot: Bot, name: str) -> list[str]:
    """Write them, everything called `name`; the pages."""
    now, userid = bot.clock.now(), (await bot.db.read(staff_rows.list_followers))[0]
    said: dict[str, Any] = {
        "name": name[:64], "trigger": {"on": "added"}, "goal": {"on": "ordered"}, "hold_out_percent": 10,
        "steps": [
            {"key": "hello", "action": {"do": "task", "content": {"text": "Hi {{ customer_name }}"}, "hint": name}},
            {"key": "which", "action": {"do": "branch", "cases": [{"segment": {"all": []}, "go": "bye"}]}},
            {"key": "bye", "when": {"days": 1, "at": "10:30"},
             "action": {"do": "broadcast", "content": {"text": "Bye"}}},
        ],
    }  # fmt: skip
    journey_id = (await make_journey(bot.context, said, "test")).id or 0
    rules = await bot.db.write(partial(_add_rules, name=name, now=now))
    await bot.db.write(add_contact, now, CUSTOMER, userid, name=name)
    run = await bot.db.write(partial(_add_campaign, name=name, now=now, userid=userid))
    await bot.db.write(partial(_add_journey, journey_id=journey_id, now=now, userid=userid))
    event_id = await bot.inbox.db.write(partial(_add_event, now=now, userid=userid))
    link = await bot.db.write(partial(_add_link, name=name, userid=userid, editing=editing_for(bot.context, now)))
    campaign, journey = f"/console/campaigns/{run.campaign_id}", f"/console/journeys/{journey_id}"
    return [
        campaign, *(f"{campaign}/{each}" for each in ("board", "preview", "edit", "freeze")),
        f"/console/campaigns/{run.campaign_id}?said=paused", f"/console/runs/{run.id}",
        journey, *(f"{journey}/{each}" for each in ("edit", "statistics", "people", "simulation", "existing", "move")),
        f"/console/customers/{CUSTOMER}", f"/console/customers/{CUSTOMER}/why", *rules,
        "/console/templates/welcome/default", "/console/templates/staff_alert/link_clicked",
        f"/console/events/{event_id}", f"/console/tasks/{userid}", "/console/accounts/1",
        link, f"{link}/edit", "/console/channels?kind=link", "/console/channels/new?kind=link",
    ]  # fmt: skip


def _add_link(session: Session, name: str, userid: str, editing: Editing) -> str:
    """A customer-acquisition link with a day of figures, and little that is left of the quota."""
    draft = parse(ChannelDraft, {"kind": "link", "name": name[:64], "userids": [userid], "fallback": userid})
    row = session.get_one(ChannelPlan, make(session, draft, "test", editing, state="walked"))
    row.status, row.config_id, row.qr_code = "made", "cawalked", "https://work.weixin.qq.com/ca/cawalked"
    row.written, row.next_at, today = row.wanted, None, editing.now.date()
    session.add(AcquisitionDay(link_id="cawalked", day=today, clicks=12_000, added=340, pulled_on=today))
    save_quota(session, Quota(500, 12, (Part(today + timedelta(days=9), 12),)), editing.now)
    return f"/console/channels/{row.id}"


def _add_rules(session: Session, name: str, now: datetime) -> list[str]:
    content = {"text": f"{name} {{{{ customer_name }}}}"}
    welcome = WelcomeRule.model_validate({"name": name[:64], "content": content})
    tags = TagRule.model_validate({"name": name[:64], "triggers": ["add"], "put_on": ["etnone"]})
    segment = Segment.model_validate({"name": name[:64], "definition": {"orders": {"count_at_least": 1}}})
    return [
        f"/console/welcome-rules/{rule_rows.save_welcome_rule(session, welcome, now).id}",
        f"/console/tag-rules/{rule_rows.save_tag_rule(session, tags, now).id}",
        f"/console/segments/{save_segment(session, segment, now).id}",
    ]


def _add_campaign(session: Session, name: str, now: datetime, userid: str) -> Run:
    """One that staff confirm: a customer has it, one has not, one gets none."""
    campaign = Campaign(name=name[:64], made_by="test", owner=userid, made_at=now)
    session.add(campaign)
    session.flush()
    wave = Wave(
        campaign_id=campaign.id or 0, kind="customers",
        content={"text": f"{name} {{{{ staff_name }}}}", "attachments": []},
        audience={"everyone": True}, sender_policy="first_added", valid_hours=72,
    )  # fmt: skip
    session.add(wave)
    session.flush()
    run = Run(
        wave_id=wave.id or 0, campaign_id=campaign.id or 0, status="awaiting", due_at=now, started_at=now,
        planned_as_of=now, planned_at=now, valid_until=now + timedelta(hours=72), matched=3, recipients=2,
        left_out={"opted_out": 1},
    )  # fmt: skip
    session.add(run)
    session.flush()
    batch = Batch(
        run_id=run.id or 0, batch_no=1, userid=userid, recipients=2, status="created", msgid="msg1", called_at=now,
        made_at=now, sent=1, body={"text": {"content": name}},
    )  # fmt: skip
    session.add(batch)
    for number, state in enumerate((RecipientState.SENT, RecipientState.WAITING, RecipientState.OPTED_OUT)):
        add_contact(session, now, f"wmto{number}", userid, name=name)
        follow = session.exec(select(Follow).where(Follow.external_userid == f"wmto{number}")).one()
        batch_no = None if state is RecipientState.OPTED_OUT else 1
        recipient = Recipient(run_id=run.id or 0, follow_id=follow.id or 0, batch_no=batch_no, state=state.value)
        session.add(recipient)
    touched = Touch(
        origin="test", userid=userid, external_userid=CUSTOMER, kind="broadcast", campaign_id=campaign.id,
        touched_at=now,
    )  # fmt: skip
    session.add(touched)
    settle(session)
    session.expunge(run)
    return run


def _add_journey(session: Session, journey_id: int, now: datetime, userid: str) -> None:
    """It runs, a customer is on it, two were; some steps were done and some not, and it did not begin once more."""
    row = session.get_one(JourneyRow, journey_id)
    row.status, row.started_at = "running", now
    session.add(
        BarredBeginning(
            journey_id=journey_id, version=1, external_userid=CUSTOMER, reason="on_it", day="2026-03-04", at=now,
            last_at=now, times=2, cause=f"event {userid}",
        )
    )  # fmt: skip
    for whom, ended in ((CUSTOMER, ""), ("wmto0", "goal"), ("wmto1", "finished")):
        on = Enrolment(
            journey_id=journey_id, version=1, external_userid=whom, userid=userid, cause="added", started_at=now,
            before_at=now, due_at=now + timedelta(days=1), step=2, end_reason=ended, ended_at=now if ended else None,
        )  # fmt: skip
        session.add(on)
        session.flush()
        for number, (key, reason) in enumerate((("hello", ""), ("which", "走到 bye"))):
            record = StepRecord(
                enrolment_id=on.id or 0, step=number, at=now, version=1, key=key, outcome="done", reason=reason
            )
            session.add(record)
        task = StaffTask(
            enrolment_id=on.id or 0, journey_id=journey_id, userid=userid, external_userid=whom, step=0,
            content={"text": "Hi"}, worth=50, due_at=now, status="open", valid_until=now + timedelta(hours=72),
            later_until=now + timedelta(hours=2) if ended else None,
        )  # fmt: skip
        session.add(task)
    for step, outcome, number in ((0, "done", 3), (0, "capped", 1), (1, "done", 3), (2, "moved", 2)):
        count = StepCount(
            journey_id=journey_id, version=1, step=step, outcome=outcome, number=number, converted=1
        )  # fmt: skip
        session.add(count)
    session.flush()


def _add_event(session: Session, now: datetime, userid: str) -> int:
    """One whose work has failed for good."""
    event = InboxEvent(
        digest=b"x" * 32, callback="main", kind="change_external_contact.add_external_contact",
        subject=f"{userid}:{CUSTOMER}", body="<xml/>", disposition="queued", received_at=now, last_received_at=now,
    )  # fmt: skip
    session.add(event)
    session.flush()
    task = InboxTask(
        event_id=event.id or 0, lane=Lane.WELCOME.value, subject=event.subject, status="dead", attempts=9, due_at=now,
        finished_at=now, note="没有符合的欢迎语规则",
    )  # fmt: skip
    session.add(task)
    return event.id or 0
