"""What our own records show."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session

from bot.render import Renderer
from bot.rule_edits import change_tag_rule, save_welcome_rule
from data import migrate
from data.db import Database, open_database
from data.models import SyncStatus
from data.models.inbox import Lane, TaskStatus
from data.queries import channels as channel_rows
from data.queries import group_welcomes as group_welcome_rows
from data.queries import health as health_rows
from data.queries import inbox as inbox_rows
from data.queries import inbox_claims as claim_rows
from data.queries import rules as rule_rows
from data.queries import sync_runs as run_rows
from data.queries.health import Signs
from data.queries.inbox import ClaimedTask, NewEvent, NewTask, TaskResult
from data.rules.group_welcomes import GroupWelcomeDraft, Step
from data.rules.messages import MessageContent
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule
from tests.doctor.conftest import Patient, failures, warnings


def greeting(**more: object) -> WelcomeRule:
    return WelcomeRule.model_validate({"name": "默认", "content": MessageContent(text="您好"), **more})


async def test_databases_that_are_not_there_are_not_made_by_looking(alone: Patient, tmp_path: Path) -> None:
    found = await alone.examine()
    assert "not made yet" in found["database_main"].en
    assert not (tmp_path / "var").exists()


async def test_a_database_that_cannot_be_reached(alone: Patient) -> None:
    alone.change(database__url="postgresql://nobody@127.0.0.1:9/none")
    found = await alone.examine()
    assert {"database_main", "database_inbox"} <= failures(found)


async def test_a_database_of_another_version(patient: Patient, db: Database, inbox_db: Database) -> None:
    def set_revision(session: Session, tree: str, revision: str) -> None:
        session.execute(text(f"UPDATE alembic_version_{tree} SET version_num = :to"), {"to": revision})

    await db.write(set_revision, "main", "main_9999")
    found = await patient.examine()
    assert "newer version" in found["database_main"].en
    assert {"database_main"} <= failures(found)
    assert "no_welcome_rule" in found


async def test_a_company_that_was_never_read_whole(patient: Patient, db: Database) -> None:
    assert "no_sync" in warnings(await patient.examine())
    run = await db.write(run_rows.ask_for_run, "command", patient.clock.now() - timedelta(days=3))
    assert run.id is not None
    assert "sync" in await patient.examine(), "it is under way"
    await db.write(run_rows.end_run, run.id, SyncStatus.DONE, "", patient.clock.now())
    assert "3 days" in (await patient.examine())["sync_old"].en
    await db.write(run_rows.end_run, run.id, SyncStatus.FAILED, "WeCom refused the secret.", patient.clock.now())
    assert "refused the secret" in (await patient.examine())["sync_failed"].en


async def test_a_group_welcome_that_waits_for_a_person(patient: Patient, db: Database) -> None:
    now = patient.clock.now()
    draft = GroupWelcomeDraft.model_validate({"name": "新人", "content": {"text": "欢迎"}})
    id_ = await db.write(group_welcome_rows.add_group_welcome, draft, "test", now)
    assert "group_welcomes" not in await patient.examine()
    await db.write(group_welcome_rows.claim, id_, 1, Step.ADD, now)
    await db.write(group_welcome_rows.note_unknown, id_, now, "no answer")
    found = await patient.examine()
    assert "group_welcomes" in warnings(found)
    assert "新人" in found["group_welcomes"].zh


async def test_callbacks_that_never_showed_a_sign(patient: Patient) -> None:
    assert "never_verified" in failures(await patient.examine())


async def test_a_callback_that_was_verified_but_is_silent(patient: Patient, db: Database) -> None:
    await db.write(health_rows.record_signs, {"app": Signs(verified_at=patient.clock.now())})
    found = await patient.examine()
    assert "no_event" in warnings(found)
    assert "never_verified" not in found


async def test_events_but_never_one_about_a_customer(patient: Patient, db: Database, inbox_db: Database) -> None:
    await db.write(health_rows.record_signs, {"app": Signs(last_event_at=patient.clock.now())})
    assert "no_customer_events" in warnings(await patient.examine())
    await store(inbox_db, patient, "change_external_contact.edit_external_contact")
    found = await patient.examine()
    assert "no_customer_events" not in found
    assert "callback" in found


async def test_adds_that_bring_no_code(patient: Patient, db: Database) -> None:
    now = patient.clock.now()
    await db.write(health_rows.record_signs, {"app": Signs(last_event_at=now, last_add_at=now, adds_without_code=2)})
    assert "no_welcome_codes" not in await patient.examine()
    await db.write(health_rows.record_signs, {"app": Signs(last_add_at=now, adds_without_code=1)})
    found = await patient.examine()
    assert "no_welcome_codes" in warnings(found)
    assert "3" in found["no_welcome_codes"].zh


async def test_a_welcome_of_the_admin_console_is_noticed_end_to_end(patient: Patient) -> None:
    for member in patient.sandbox.world.directory:
        member.admin_welcome = True
    async with patient.bot() as bot:
        patient.app(callback_url=f"{bot.url}/callback")
        callbacks = patient.sandbox.machine.callbacks
        callbacks.settings.verify_deadline_seconds = 60  # WeCom's second is not what is tested here
        assert (await callbacks.verify(patient.sandbox.world.app))[0]
        for _ in range(3):
            patient.sandbox.machine.people.scan(state="store_poster")
        await patient.sandbox.machine.callbacks.idle()
        await bot.inbox.wait_until_idle()
    assert "no_welcome_codes" in warnings(await patient.examine())


async def test_no_rule_is_enabled(patient: Patient, db: Database) -> None:
    await db.write(rule_rows.save_welcome_rule, greeting(enabled=False), patient.clock.now())
    assert "no_welcome_rule" in warnings(await patient.examine())
    await db.write(save_welcome_rule, greeting(name="二"), Renderer(), "", patient.clock.now())
    found = await patient.examine()
    assert "no_welcome_rule" not in found
    assert "welcome_rules" in found


async def test_rules_that_became_unusable_are_named(patient: Patient, db: Database) -> None:
    rule = TagRule(name="门店标签", put_on=frozenset({"gone"}))
    await db.write(rule_rows.save_tag_rule, rule, patient.clock.now())
    found = await patient.examine()
    assert "rule_unusable" in warnings(found)
    assert "门店标签" in found["rule_unusable"].zh
    (saved,) = await db.read(rule_rows.list_tag_rules)
    await db.write(change_tag_rule, saved.id, {"enabled": False}, patient.clock.now())
    assert "rule_unusable" not in await patient.examine()


async def test_channels_that_name_members_who_cannot_have_customers(patient: Patient, db: Database) -> None:
    async with patient.bot() as bot:
        await bot.runner.run_now("poll_directory")
    told = {"config_id": "c1", "state": "web", "remark": "官网", "user": ["nobody"], "party": [], "skip_verify": True}
    await db.write(channel_rows.apply_fetched, told, patient.clock.now())
    found = await patient.examine()
    assert "channel_strangers" in warnings(found)
    assert "nobody" in found["channel_strangers"].en


async def test_dead_letters_and_events_that_wait_too_long(patient: Patient, inbox_db: Database) -> None:
    await store(inbox_db, patient, "kind.one")
    now = patient.clock.now()
    (task,) = await inbox_db.write(claim_rows.claim_tasks, now, "me-1", now + timedelta(seconds=60), 10)
    assert isinstance(task, ClaimedTask)
    await inbox_db.write(claim_rows.finish_tasks, [TaskResult(task, TaskStatus.DEAD, None, "why")], now)
    found = await patient.examine()
    assert "dead_letters" in warnings(found)
    assert "late" not in found
    await store(inbox_db, patient, "kind.two")
    patient.clock.advance(timedelta(minutes=5))
    found = await patient.examine()
    assert "late" in warnings(found)
    assert "5 minutes" in found["late"].en


async def store(inbox_db: Database, patient: Patient, kind: str) -> None:
    event = NewEvent(
        digest=kind.encode().ljust(32),
        callback="app",
        kind=kind,
        subject="",
        body="<xml/>",
        disposition="queued",
        tasks=(NewTask(Lane.NORMAL, ""),),
    )
    now = patient.clock.now()
    await inbox_db.write(inbox_rows.store_events, [event], now, "me-1", now + timedelta(seconds=8), 0)


@pytest.mark.parametrize("tree", list(migrate.TREES))
async def test_an_empty_database_is_in_order(alone: Patient, tree: migrate.Tree) -> None:
    Path(alone.settings.database.url.removeprefix("sqlite:///")).parent.mkdir()
    url = alone.settings.database.url if tree == "main" else alone.settings.inbox_url
    await open_database(url).close()
    assert f"database_{tree}" not in failures(await alone.examine())
