"""Who uses files of the media library, from real rows, until nothing does any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.util import await_only
from sqlmodel import Session

from bot.media_files import list_media, remove_media
from bot.render import Renderer
from bot.rule_edits import save_welcome_rule
from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import Campaign, Run, RunStatus, Wave
from data.queries import media as rows
from data.queries import rules as rule_rows
from data.queries.media_uses import hold_files, list_soon_needed, list_uses
from data.rules.media import MediaUse, Upload
from data.rules.problems import InvalidRuleError
from data.rules.welcome import WelcomeRule

HOUR = timedelta(hours=1)


def picture(media: str) -> dict[str, Any]:
    return {"msgtype": "image", "image": {"media": media}}


def add_wave(session: Session, name: str, kind: str, *attachments: dict[str, Any]) -> Wave:
    campaign = Campaign(name=name, made_by="test", made_at=datetime.fromisoformat("2026-03-04T00:00:00+00:00"))
    session.add(campaign)
    session.flush()
    wave = Wave(
        campaign_id=campaign.id or 0, kind=kind, content={"text": "x", "attachments": list(attachments)}, audience={},
        sender_policy="", valid_hours=72,
    )  # fmt: skip
    session.add(wave)
    session.flush()
    return wave


def add_run(session: Session, wave: Wave, due_at: datetime, **more: Any) -> int:
    values = {"status": RunStatus.DUE, "valid_until": due_at + 72 * HOUR, **more}
    run = Run(wave_id=wave.id or 0, campaign_id=wave.campaign_id, due_at=due_at, **values)
    session.add(run)
    session.flush()
    return run.id or 0


def end_run(session: Session, run_id: int, now: datetime) -> None:
    run = session.get_one(Run, run_id)
    run.status, run.ended_at = RunStatus.FINISHED, now


async def test_who_uses_a_file_is_told_until_nobody_does(db: Database, now: datetime) -> None:
    key = await db.write(rows.add_media, "image", "poster.png", b"picture", now)
    await db.write(rows.record_upload, key, "upload", "wx1", now)
    rule = WelcomeRule.model_validate({"name": "默认", "enabled": False, "content": {"attachments": [picture(key)]}})
    saved = await db.write(rule_rows.save_welcome_rule, rule, now)

    def furnish(session: Session) -> tuple[int, int, int, int]:
        link = {"msgtype": "link", "link": {"title": "新", "url": "https://shop.example/", "media": key}}
        planned = add_wave(session, "未开始", "moments", link)
        wave = add_wave(session, "三月", "customers", picture(key), picture(key))
        again = add_wave(session, "每周", "customers")
        add_run(session, wave, now, status=RunStatus.FINISHED, ended_at=now)
        runs = (add_run(session, wave, now + HOUR), add_run(session, again, now, content=dict(wave.content)))
        return planned.campaign_id, wave.campaign_id, *runs

    planned, campaign, running, written = await db.write(furnish)
    expected = [
        MediaUse("welcome_rule", saved.id, "默认"), MediaUse("campaign", planned, "未开始"),
        MediaUse("campaign", campaign, "三月"), MediaUse("campaign", campaign + 1, "每周"),
    ]  # fmt: skip
    assert await db.read(list_uses) == {key: expected}
    with pytest.raises(ConflictError, match=r"welcome rule \d+ 默认, campaign \d+ 未开始, campaign \d+ 三月"):
        await db.write(remove_media, key)

    await db.write(end_run, running, now)
    await db.write(end_run, written, now)
    assert await db.read(list_uses) == {key: expected[:2]}
    await db.write(rule_rows.delete_welcome_rule, saved.id)
    with pytest.raises(ConflictError):
        await db.write(remove_media, key)
    await db.write(lambda session: add_run(session, session.get_one(Wave, 1), now, ended_at=now))
    assert (await db.read(list_media))[0]["used_by"] == []
    assert (await db.write(remove_media, key))["filename"] == "poster.png"
    assert await db.read(list_media) == []
    assert await db.read(rows.find_upload, key, "upload", now - HOUR) is None
    with pytest.raises(NotFoundError):
        await db.write(remove_media, key)


async def test_what_is_sent_soon_needs_its_files_by_the_right_upload(db: Database, now: datetime) -> None:
    def furnish(session: Session) -> None:
        for name, enabled in (("on", True), ("off", False)):
            rule = {"name": name, "enabled": enabled, "content": {"attachments": [picture(name)]}}
            rule_rows.save_welcome_rule(session, WelcomeRule.model_validate(rule), now)
        video = {"msgtype": "video", "video": {"media": "film"}}
        post = add_wave(session, "moments", "moments", video)
        add_run(session, post, now + HOUR)
        wave = add_wave(session, "planned", "customers", picture("planned"))
        add_run(session, wave, now + 2 * HOUR, content={"attachments": [picture("written")]})
        add_run(session, wave, now - 48 * HOUR, status=RunStatus.SENDING)
        for status, due_at in (
            (RunStatus.DUE, now + 9 * HOUR), (RunStatus.PAUSED, now), (RunStatus.FINISHED, now - HOUR),
        ):  # fmt: skip
            add_run(session, add_wave(session, status, "customers", picture(status)), due_at, status=status)

    await db.write(furnish)
    assert await db.read(list_soon_needed, now + 6 * HOUR) == {
        Upload("on", "image", "upload"), Upload("film", "video", "upload_attachment/1"),
        Upload("planned", "image", "upload"), Upload("written", "image", "upload"),
    }  # fmt: skip


async def test_a_file_is_not_removed_while_somebody_saves_its_use(db: Database, now: datetime) -> None:
    key = await db.write(rows.add_media, "image", "poster.png", b"picture", now)
    rule = WelcomeRule.model_validate({"name": "默认", "content": {"text": "您好", "attachments": [picture(key)]}})

    def save(session: Session) -> int:
        return save_welcome_rule(session, rule, Renderer(), "", now).id

    saved = await meanwhile(db, save, remove_media, key)
    assert isinstance(saved, ConflictError)
    assert (await db.read(list_media))[0]["used_by"]
    await db.write(rule_rows.delete_welcome_rule, (await db.read(rules))[0].id)

    def remove(session: Session) -> None:
        remove_media(session, key)

    refused = await meanwhile(db, remove, save)
    assert isinstance(refused, ConflictError | InvalidRuleError)
    assert await db.read(rules) == []
    assert await db.read(list_media) == []


async def test_a_draft_is_not_kept_whose_file_was_removed(db: Database, now: datetime) -> None:
    key = await db.write(rows.add_media, "image", "poster.png", b"picture", now)
    wave = await db.write(add_wave, "三月", "customers", picture(key))
    await db.write(hold_files, "campaign", wave.campaign_id)
    await db.write(rows.delete_media, key)
    with pytest.raises(ConflictError, match=key[:12]):
        await db.write(hold_files, "campaign", wave.campaign_id)


def rules(session: Session) -> list[WelcomeRule]:
    return rule_rows.list_welcome_rules(session)


async def meanwhile(
    db: Database, first: Callable[[Session], object], then: Callable[..., object], *args: str
) -> object:
    """Begin `then` when `first` has written and not committed (SQLite has one writer); what `then` raised."""
    loop = asyncio.get_running_loop()
    begun: list[asyncio.Task[object]] = []

    def unit(session: Session) -> None:
        first(session)
        if session.get_bind().dialect.name == "postgresql":
            begun.append(loop.create_task(db.write(then, *args)))
            await_only(asyncio.wait(begun, timeout=0.3))

    await db.write(unit)
    results = await asyncio.gather(begun[0] if begun else db.write(then, *args), return_exceptions=True)
    return results[0]
