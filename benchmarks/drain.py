"""Events that wait when the bot starts: how fast the inbox hands them out and records what came of them.

100,000 for a handler that neither writes nor calls (the inbox alone), and fewer for the handlers that ship
(`del_follow_user` of distinct customers: the follow's end and the unsent alert of observe mode are written).
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import del_follow_user
from benchmarks.processes import ROOT, Identity, bot, python
from benchmarks.results import Result, at_least, at_most
from data import migrate
from data.db import open_database
from data.models.inbox import Lane
from data.queries.inbox import NewEvent, NewTask, digest_of, store_events

EVENTS = 100_000
EVENTS_OF_HANDLERS = 3_000
GROUP = 1_000
LIMIT_SECONDS = 200.0
MIB = 1024 * 1024


def drain(folder: Path) -> list[Result]:
    """Goals: 1,000 events a second, and memory that does not grow with them."""
    inbox = folder / "light-inbox.db"
    asyncio.run(_fill(inbox, EVENTS))
    command = python("benchmarks.light", inbox)
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=LIMIT_SECONDS)
    light = json.loads(ended.stdout)
    return [
        at_least(f"drain: {EVENTS:,} waiting, a light handler, SQLite", EVENTS / light["seconds"], "events/s", 1000),
        at_most("drain: growth of resident memory", (light["peak"] - light["settled"]) / MIB, "MiB", 30),
        _handlers(folder),
    ]


def _handlers(folder: Path) -> Result:
    inbox = folder / "siyu-inbox.db"
    asyncio.run(_fill(inbox, EVENTS_OF_HANDLERS))
    with bot(folder, mode="observe", inbox=f"sqlite:///{inbox}"):
        started, before = time.monotonic(), _waiting(inbox)
        while (left := _waiting(inbox)) and time.monotonic() - started < LIMIT_SECONDS:
            time.sleep(0.1)
        rate = (before - left) / (time.monotonic() - started)
    return Result(f"drain: {before:,} waiting del_follow_user, the shipped handlers, SQLite", rate, "events/s")


async def _fill(inbox: Path, count: int) -> None:
    await migrate.prepare(f"sqlite:///{inbox}", "inbox")
    db, identity, now = open_database(f"sqlite:///{inbox}"), Identity(), datetime.now(UTC)
    for start in range(0, count, GROUP):
        events = [_event(identity, number) for number in range(start, start + GROUP)]
        await db.write(store_events, events, now, "", now, 0)
    await db.close()


def _event(identity: Identity, number: int) -> NewEvent:
    customer = f"wmbench{number:025}"
    body = del_follow_user(identity, f"staff{number % 50}", customer)
    return NewEvent(
        digest=digest_of(body, 1_770_000_000), callback="app",
        kind="change_external_contact.del_follow_user",
        subject=f"customer:{customer}", body=body, disposition="queued",
        tasks=(NewTask(Lane.NORMAL, f"customer:{customer}"),),
    )  # fmt: skip


def _waiting(inbox: Path) -> int:
    connection = sqlite3.connect(f"file:{inbox}?mode=ro", uri=True, timeout=30)
    try:
        return int(
            connection.execute("SELECT count(*) FROM inbox_tasks WHERE status IN ('waiting', 'claimed')").fetchone()[0]
        )
    finally:
        connection.close()
