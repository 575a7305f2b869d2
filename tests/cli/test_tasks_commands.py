"""`siyu tasks`: a member's list from a terminal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from bot.clock import Clock
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import Database
from tests.cli.conftest import Siyu, siyu_beside, write_config
from tests.conftest import Urls
from tests.staff_tasks import add_contact, add_journey, add_staff, add_task


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_list_is_read_and_answered(siyu: Siyu, config: Path, db: Database) -> None:
    def fill(session: Session) -> None:
        now = datetime.now(UTC)
        add_journey(session, now)
        add_staff(session, now, "ann")
        for number in (1, 2, 3):
            add_contact(session, now, f"wm{number}", "ann", name="\x1b[31m小鱼")
            add_task(session, now, "ann", f"wm{number}", id=number, content={"text": f"早上好 {number}\n再见"})

    await db.write(fill)
    await asyncio.to_thread(_act, siyu, config)


def _act(siyu: Siyu, config: Path) -> None:
    told = siyu("tasks", "list", "ann", config=config).out
    assert "早上好 2" in told
    assert "新客 7 天" in told
    assert "\x1b" not in told, "a customer's name is hostile"
    assert siyu("tasks", "done", 1, config=config).out == "Task 1 was done by ann.\n"
    assert siyu("tasks", "done", 1, config=config).code == 0
    assert siyu("tasks", "later", 3, "--until", "never", config=config).code == 2
    assert siyu("tasks", "later", 3, config=config).out.startswith("Task 3 was put off until 20")
    assert "Put off: 1." in siyu("tasks", "list", "ann", config=config).out
    assert siyu("tasks", "refuse", 2, "--why", "  ", config=config).code == 2
    assert siyu("tasks", "refuse", 2, "--why", "刚买过", config=config).out == "Task 2 was refused by ann.\n"
    refused = siyu("tasks", "done", 2, config=config)
    assert (refused.code, "was refused by ann" in refused.err) == (2, True)
    assert siyu("tasks", "done", 3, "--by", "bo", config=config).code == 2
    assert [each["id"] for each in siyu("tasks", "list", "ann", "--json", config=config).json] == [3]
    assert "Done today: 1." in siyu("tasks", "list", "ann", config=config).out


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_commands_go_by_the_local_wecoms_clock(urls: Urls, db: Database, tmp_path: Path) -> None:
    async with Sandbox(World(clock=Clock())) as sandbox:
        config = write_config(tmp_path / "config.toml", urls, wecom=f'api_base_url = "{sandbox.api_base_url}"')
        sandbox.world.clock.advance(timedelta(days=400))

        def fill(session: Session) -> None:
            now = sandbox.world.clock.now()
            add_journey(session, now)
            add_staff(session, now, "ann")
            add_contact(session, now, "wm1", "ann")
            add_task(session, now, "ann", "wm1", id=1, content={"text": "早上好"})

        await db.write(fill)
        assert "早上好" in (await siyu_beside("tasks", "list", "ann", "--config", config)).out
