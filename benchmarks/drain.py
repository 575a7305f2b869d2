"""100,000 events that wait when the bot starts, drained by handlers that write and call nothing.

The events are `del_follow_user` of distinct customers, handled by the handlers that ship (the follow's end is written,
the alert to the staff member stays unsent in observe mode).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.load import del_follow_user
from benchmarks.processes import Identity, bot
from benchmarks.results import Result, at_least, at_most
from data import migrate
from data.db import open_database
from data.models.inbox import Lane
from data.queries.inbox import NewEvent, NewTask, digest_of, store_events

EVENTS = 100_000
GROUP = 2_000
#: What is not drained by then is not waited for; the rate is that of this time.
LIMIT_SECONDS = 100.0
MIB = 1024 * 1024


def drain(folder: Path) -> list[Result]:
    """Goals: 1,000 events a second, and memory that does not grow with them."""
    inbox = folder / "siyu-inbox.db"
    asyncio.run(_fill(inbox))
    with bot(folder, mode="observe", inbox=f"sqlite:///{inbox}") as ours:
        started, before, memory = time.monotonic(), _waiting(inbox), psutil.Process(ours.pid)
        settled = peak = 0
        while (left := _waiting(inbox)) and time.monotonic() - started < LIMIT_SECONDS:
            if not settled and left < before * 0.95:  # caches are full and every handler has run
                settled = memory.memory_info().rss
            peak = max(peak, memory.memory_info().rss)
            time.sleep(0.25)
        rate = (before - left) / (time.monotonic() - started)
    if not settled:
        raise RuntimeError(f"only {before - left} of {before} events were handled within {LIMIT_SECONDS:.0f} s")
    return [
        at_least(f"drain: {before - left:,} waiting del_follow_user, SQLite", rate, "events/s", 1000),
        at_most("drain: growth of resident memory", (peak - settled) / MIB, "MiB", 30),
    ]


async def _fill(inbox: Path) -> None:
    await migrate.prepare(f"sqlite:///{inbox}", "inbox")
    db, identity, now = open_database(f"sqlite:///{inbox}"), Identity(), datetime.now(UTC)
    for start in range(0, EVENTS, GROUP):
        events = [_event(identity, number) for number in range(start, start + GROUP)]
        await db.write(store_events, events, now, "", now, 0)
    await db.close()


def _event(identity: Identity, number: int) -> NewEvent:
    customer = f"wmbench{number:025}"
    body = del_follow_user(identity, f"staff{number % 50}", customer)
    return NewEvent(
        digest=digest_of(body, datetime.fromtimestamp(1_770_000_000, UTC)), callback="app",
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
