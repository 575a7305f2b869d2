"""`siyu events` and `siyu replay` beside a running bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import structlog

from bot.app import Bot
from bot.config import load_settings
from bot.logs import configure_logs
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.db import Database
from data.models.inbox import TaskStatus
from data.queries import events as event_rows
from data.queries import inbox as inbox_rows
from data.queries.inbox import NewEvent, digest_of
from tests.cli.conftest import Siyu, write_config
from tests.conftest import Urls


@dataclass
class Running:
    """A bot, its WeCom and its configuration."""

    bot: Bot
    sandbox: Sandbox
    config: Path

    async def settle(self) -> None:
        async with asyncio.timeout(60):
            await self.sandbox.machine.callbacks.idle()
            await self.bot.inbox.wait_until_idle()

    async def until_done(self, event_id: int) -> None:
        """Wait until another process's order has been carried out."""
        async with asyncio.timeout(60):
            while True:
                (event,) = await self.bot.inbox.db.read(event_rows.list_events, event_id=event_id)
                if event["tasks"] and all(task["status"] == TaskStatus.DONE for task in event["tasks"]):
                    return
                await self.bot.inbox.wait_until_idle()


@pytest.fixture
async def running(tmp_path: Path, urls: Urls) -> AsyncIterator[Running]:
    """The pair, with one try per event: what fails rests at once. Its log keeps out of what commands print."""
    configure_logs("ERROR", stream=StringIO())
    async with Sandbox(World()) as sandbox:
        app = sandbox.world.app
        config = write_config(
            tmp_path / "config.toml",
            urls,
            company=f'corpid = "{sandbox.world.company.corpid}"\nname = "云杉生活"',
            app=f'agentid = {app.agentid}\nsecret = "{app.secret}"',
            wecom=f'api_base_url = "{sandbox.api_base_url}"\ntimeout_seconds = 3',
            inbox="max_attempts = 1",
            callbacks=f'token = "{app.callback_token}"\nencoding_aes_key = "{app.encoding_aes_key}"',
        )
        async with Bot(load_settings(config)) as bot:
            app.callback_url = f"{bot.url}/callback"
            sandbox.world.put_app(app)
            yield Running(bot, sandbox, config)
    structlog.reset_defaults()


async def test_what_was_given_up_is_shown_and_replayed_in_a_running_bot(siyu: Siyu, running: Running) -> None:
    refused = Fault(id=0, target="api", kind="errcode", on="externalcontact/get", errcode=48002)
    running.sandbox.machine.faults.add(refused)
    await asyncio.to_thread(siyu, "welcome", "add", "--name", "默认", "--text", "您好", config=running.config)
    added = running.sandbox.machine.people.scan(state="store_poster", name="不可见的名字")
    await running.settle()
    customer = added.follow.external_userid

    listed = await asyncio.to_thread(siyu, "events", "list", "--status", "dead", config=running.config)
    assert customer in listed.out
    assert "dead" in listed.out
    (event,) = await running.bot.inbox.db.read(event_rows.list_events, status="dead")
    shown = await asyncio.to_thread(siyu, "events", "show", event["id"], config=running.config)
    assert "Task " in shown.out
    assert "48002" in shown.out
    assert "✓ rule 1 默认 (priority 0) matched" in shown.out
    assert "<xml>" not in shown.out
    full = await asyncio.to_thread(siyu, "events", "show", event["id"], "--body", config=running.config)
    assert "<ExternalUserID>" in full.out
    asjson = await asyncio.to_thread(siyu, "events", "show", event["id"], "--json", config=running.config)
    assert asjson.json["id"] == event["id"]
    assert "body" not in asjson.json

    running.sandbox.machine.faults.clear()
    done = await asyncio.to_thread(siyu, "replay", "--dead", config=running.config)
    assert (done.code, done.out) == (0, "1 tasks will run again.\n")
    await running.until_done(event["id"])
    counts = running.sandbox.machine.calls.counts
    assert sum(count for (path, _), count in counts.items() if path == "externalcontact/send_welcome_msg") == 1
    again = await asyncio.to_thread(siyu, "replay", "--dead", config=running.config)
    assert again.out == "Nothing to handle again.\n"


async def test_an_event_that_had_no_handler_is_handled_once_there_is_one(siyu: Siyu, running: Running) -> None:
    await running.bot.runner.first_run["poll_directory"].wait()
    added = running.sandbox.machine.people.scan(state="store_poster")
    await running.settle()
    body = (
        "<xml><ToUserName>ww</ToUserName><FromUserName>sys</FromUserName><CreateTime>1700000000</CreateTime>"
        "<MsgType>event</MsgType><Event>change_external_contact</Event><ChangeType>edit_external_contact</ChangeType>"
        f"<UserID>{added.follow.userid}</UserID><ExternalUserID>{added.follow.external_userid}</ExternalUserID></xml>"
    )
    await store_idle(running.bot.inbox.db, running, body, "unhandled")
    await store_idle(running.bot.inbox.db, running, body.replace("change_external_contact", "odd_event"), "unhandled")
    (odd, event) = await running.bot.inbox.db.read(event_rows.list_events, status="unhandled")
    shown = await asyncio.to_thread(siyu, "events", "show", odd["id"], config=running.config)
    assert "Nobody handles this kind of event" in shown.out
    done = await asyncio.to_thread(siyu, "replay", "--since", "2h", config=running.config)
    assert done.out == "2 tasks will run again, and 1 events for the first time.\n", done.err
    await running.until_done(event["id"])
    (still,) = await running.bot.inbox.db.read(event_rows.list_events, status="unhandled")
    assert still["id"] == odd["id"]


async def store_idle(db: Database, running: Running, body: str, disposition: str) -> None:
    event = NewEvent(digest_of(body, None), "app", "kind", "", body, disposition)
    now = running.bot.clock.now()
    await db.write(inbox_rows.store_events, [event], now, "me-1", now + timedelta(seconds=8), 0)


@pytest.mark.parametrize(
    "args",
    [[], ["--event", 1, "--dead"], ["--event", 0], ["--event", 7], ["--since", "never"], ["--since", "x" * 40 + "h"]],
)
def test_a_replay_of_nothing_in_particular_is_refused(siyu: Siyu, ready_config: Path, args: list[object]) -> None:
    ended = siyu("replay", *args, config=ready_config)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err
    assert "Traceback" not in ended.err


def test_an_empty_inbox(siyu: Siyu, ready_config: Path) -> None:
    assert siyu("events", "list", config=ready_config).out == "No event fits.\n"
    assert siyu("events", "show", 1, config=ready_config).code == 2
    assert siyu("replay", "--until", "2h", config=ready_config).out == "Nothing to handle again.\n"
