"""Campaigns: planned and previewed over a million follows, sent within WeCom's budget, results pulled to the end."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.beside import ADD, Api, count_made, start_campaign
from benchmarks.processes import ROOT, Server, bot, python, siyu
from benchmarks.results import Result, at_least, at_most
from benchmarks.segments import fill
from benchmarks.sync import configure, postgres
from benchmarks.welcome import identity_of, sandbox
from bot.wecom.windows import MINUTE_SECONDS
from data.rules.batches import pull_pause

MIB = 1024 * 1024
SENDERS = int(os.environ.get("SIYU_BENCH_SENDERS", "1500"))
CALLS_PER_MINUTE = 600
STAFF = int(os.environ.get("SIYU_BENCH_STAFF", "1000"))
CUSTOMERS = int(os.environ.get("SIYU_BENCH_CUSTOMERS", "1000000"))

Bot = Callable[..., AbstractContextManager[Server]]


def campaigns_sqlite(folder: Path) -> list[Result]:
    """Goals: planned in 15 s and 400 MB, previewed in 3 s, 90 % of the budget used, 10,000 results a second."""
    return [
        *_plan(folder, f"sqlite:///{folder}/planned.db", "SQLite"),
        *_send(folder, f"sqlite:///{folder}/sent.db", "SQLite"),
        *_pull(folder, f"sqlite:///{folder}/pulled.db", "SQLite"),
    ]


def campaigns_postgres(folder: Path) -> list[Result]:
    """The same goals."""
    found: list[Result] = []
    for measure in (_plan, _send, _pull):
        with postgres() as url:
            found += measure(folder, url, "PostgreSQL")
    return found


def _plan(folder: Path, database: str, name: str) -> list[Result]:
    fill(database)
    config = folder / "planner.toml"
    config.write_text(
        f'[company]\ncorpid = "wwbench"\n[app]\nagentid = 1\nsecret = "bench"\n[database]\nurl = "{database}"\n'
        '[wecom]\napi_base_url = "http://127.0.0.1:9/cgi-bin/"\n',
        "utf-8",
    )
    config.chmod(0o600)
    previews = _told(config, "preview")
    told = _told(config)
    planned = at_most(f"campaigns: {told['follows']:,} planned, {name}", told["seconds"], "s", 15)
    complete = told["rows"] == told["follows"] and told["waiting"] == told["in_batches"] == told["recipients"]
    return [
        *(
            at_most(f"campaigns: preview of {which}, {name}", seconds, "s", 3)
            for which, seconds in previews["previews"].items()
        ),
        planned if name == "SQLite" else dataclasses.replace(planned, goal="", met=None),  # the goal is one of SQLite
        at_most(f"campaigns: peak of resident memory, {name}", told["peak"] / MIB, "MiB", 400),
        at_least(f"campaigns: the ledger of {told['batches']:,} calls is complete, {name}", float(complete), "", 1),
    ]


def _told(config: Path, *words: str) -> Any:
    command = python("benchmarks.planner", config, *words)
    return json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=600).stdout)


@contextlib.contextmanager
def _company(folder: Path, database: str, staff: int, customers: int) -> Iterator[tuple[Server, Bot]]:
    """The local WeCom, all of it read, and what starts a bot for it."""
    with sandbox(folder, staff, customers) as wecom:
        identity, api = identity_of(wecom), f"{wecom.url}/cgi-bin/"
        configure(folder / "sync.toml", identity, api, database)
        sync = siyu("sync", "--config", folder / "sync.toml")
        subprocess.run(sync, check=True, capture_output=True, cwd=ROOT, timeout=900)
        yield wecom, functools.partial(bot, folder, identity=identity, api=api, database=database)


def _send(folder: Path, database: str, name: str) -> list[Result]:
    with _company(folder, database, SENDERS, 2 * SENDERS) as (wecom, start):
        wecom.call("/sandbox/limits", path=ADD, limits={"minute": CALLS_PER_MINUTE, "hour": 100_000})
        with start(calls_per_minute=CALLS_PER_MINUTE) as ours:
            api = Api(ours)
            campaign = start_campaign(api)
            began = _wait(lambda: count_made(wecom))
            first = count_made(wecom)
            time.sleep(2 * MINUTE_SECONDS - (time.monotonic() - began))
            calls, seconds = count_made(wecom) - first, time.monotonic() - began
            told = api.call("GET", f"/campaigns/{campaign}/results")["items"][0]
    if not told["batches"].get("planned"):
        raise RuntimeError(f"all was sent before the measurement ended: {told}")
    return [
        at_least(
            f"campaigns: share of {CALLS_PER_MINUTE} calls a minute that was used, {name}",
            100 * calls / (CALLS_PER_MINUTE * seconds / 60), "%", 90,
        )
    ]  # fmt: skip


def _pull(folder: Path, database: str, name: str) -> list[Result]:
    """All of it is due when the bot starts again: what staff do not confirm at once is read after a pause, and the
    pauses are not what is measured."""
    with _company(folder, database, STAFF, CUSTOMERS) as (wecom, start):
        with start() as ours:
            api = Api(ours)
            path = f"/campaigns/{start_campaign(api)}/results"
            api.wait_for(path, lambda told: (items := told["items"]) and items[0]["status"] == "awaiting")
        wecom.call("/sandbox/settings", staff_confirm_share=1.0, staff_confirm_half_seconds=1.0)
        time.sleep(pull_pause(0) + 5)
        with start() as ours:
            api = Api(ours)
            began = _wait(lambda: _sent(api, path))
            first = _sent(api, path)
            told = api.wait_for(path, lambda told: told["items"][0]["status"] == "finished")["items"][0]
            seconds = time.monotonic() - began
            before = wecom.call("/sandbox/calls?limit=1")["counts"]
            time.sleep(pull_pause(0) + 10)
            after = wecom.call("/sandbox/calls?limit=1")["counts"]
    pulled, again = told["sent"] - first, _results_asked(after) - _results_asked(before)
    return [
        at_least(f"campaigns: results of {pulled:,} recipients pulled, {name}", pulled / seconds, "rows/s", 10_000),
        at_most(f"campaigns: calls about final results afterwards, {name}", float(again), "calls", 1),
    ]


def _wait(holds: Any) -> float:
    """When it first held."""
    deadline = time.monotonic() + 300
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("nothing began within five minutes")
        time.sleep(0.05)
    return time.monotonic()


def _sent(api: Api, path: str) -> int:
    return int(api.call("GET", path)["items"][0]["sent"])


def _results_asked(counts: list[dict[str, Any]]) -> int:
    return sum(int(each["calls"]) for each in counts if "groupmsg" in each["path"])
