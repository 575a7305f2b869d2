"""`siyu backup`, `siyu restore` and `siyu resume`, with a bot that runs, is killed, and starts on what came back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlmodel import Session, col

from bot.app import Bot
from bot.config import load_settings
from data.db import open_database
from data.models import Alert, ApiToken
from tests.cli.conftest import Siyu
from tests.cli.test_program import forked
from tests.conftest import Urls


async def test_a_bot_that_was_killed_is_restored_and_sends_nothing_before_somebody_has_looked(
    siyu: Siyu, config: Path, urls: Urls, tmp_path: Path
) -> None:
    file = tmp_path / "siyu.zip"

    async def run(*words: object) -> tuple[int, str]:
        ended = await asyncio.to_thread(siyu, *words, config=config)
        return ended.code, ended.out + ended.err

    assert (await run("token", "create", "shop", "--scope", "welcomes:read"))[0] == 0
    async with forked(config, tmp_path / "said") as (process, _):
        code, told = await run("backup", "--to", file)
        assert (code, "configuration file is not in it" in told) == (0, True), told
        code, told = await run("restore", file, "--yes")
        assert code == 2
        assert "Stop" in told
        assert (await run("token", "create", "later", "--scope", "welcomes:read"))[0] == 0
        process.kill()
        await process.wait()
    code, told = await run("restore", file)
    assert code == 2
    assert "--yes" in told
    code, told = await run("restore", file, "--yes")
    assert code == 0, told
    assert "siyu resume" in told
    assert "later" not in (await run("token", "list"))[1]
    assert "siyu resume" in (await run("check"))[1], "the doctor says what is waited for"

    db = open_database(urls.main, pool_size=1)
    await db.write(add_alert)
    async with Bot(load_settings(config), bell=False) as bot:
        assert bot.context.restore is not None
        await bot.runner.run_now("send_alerts")
        assert await db.read(list_attempts) == [0], "it stands still"
        assert (await run("resume"))[0] == 0
        await bot.runner.run_now("read_settings")
        await bot.runner.run_now("send_alerts")
        assert await db.read(list_attempts) > [0]
    assert "Nothing waits" in (await run("resume"))[1]
    await db.close()


def add_alert(session: Session) -> None:
    assert session.execute(select(col(ApiToken.name))).scalars().all() == ["shop"]
    at = datetime.now(UTC) - timedelta(minutes=1)
    session.add(Alert(dedupe_key="a", kind="k", userid="u", words="w", created_at=at, due_at=at))


def list_attempts(session: Session) -> list[int]:
    return list(session.execute(select(col(Alert.attempts))).scalars())
