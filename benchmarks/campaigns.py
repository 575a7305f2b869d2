"""Campaigns: planned and previewed over a million follows, sent within WeCom's budget, results pulled to the end."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.beside import Api, start_campaign
from benchmarks.processes import ROOT, Server, bot, python, siyu
from benchmarks.results import Result, at_least, at_most
from benchmarks.segments import fill
from benchmarks.sync import configure, postgres
from benchmarks.welcome import identity_of, sandbox
from bot.wecom.windows import MINUTE_SECONDS

MIB = 1024 * 1024
SENDERS = int(os.environ.get("SIYU_BENCH_SENDERS", "1500"))
CALLS_PER_MINUTE = 600
STAFF = int(os.environ.get("SIYU_BENCH_STAFF", "1000"))
CUSTOMERS = int(os.environ.get("SIYU_BENCH_CUSTOMERS", "1000000"))
ADD = "externalcontact/add_msg_template"


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
    complete = told["rows"] == told["follows"] and told["waiting"] == told["in_batches"] == told["recipients"]
    return [
        *(
            at_most(f"campaigns: preview of {which}, {name}", seconds, "s", 3)
            for which, seconds in previews["previews"].items()
        ),
        at_most(f"campaigns: {told['follows']:,} planned, {name}", told["seconds"], "s", 15),
        at_most(f"campaigns: peak of resident memory, {name}", told["peak"] / MIB, "MiB", 400),
        at_least(f"campaigns: the ledger of {told['batches']:,} calls is complete, {name}", float(complete), "", 1),
    ]


def _told(config: Path, *words: str) -> Any:
    command = python("benchmarks.planner", config, *words)
    return json.loads(subprocess.run(command, check=True, capture_output=True, cwd=ROOT, timeout=600).stdout)


@contextlib.contextmanager
def _company(
    folder: Path, database: str, staff: int, customers: int, calls_per_minute: int = 10_000
) -> Iterator[tuple[Server, Api]]:
    """The local WeCom and a bot that has read it."""
    with sandbox(folder, staff, customers) as wecom:
        identity, api = identity_of(wecom), f"{wecom.url}/cgi-bin/"
        configure(folder / "sync.toml", identity, api, database)
        sync = siyu("sync", "--config", folder / "sync.toml")
        subprocess.run(sync, check=True, capture_output=True, cwd=ROOT, timeout=900)
        with bot(folder, identity=identity, api=api, database=database, calls_per_minute=calls_per_minute) as ours:
            yield wecom, Api(ours)


def _send(folder: Path, database: str, name: str) -> list[Result]:
    with _company(folder, database, SENDERS, 2 * SENDERS, CALLS_PER_MINUTE) as (wecom, api):
        wecom.call("/sandbox/limits", path=ADD, limits={"minute": CALLS_PER_MINUTE, "hour": 100_000})
        campaign = start_campaign(api)
        began = _wait(lambda: _calls(wecom))
        first = _calls(wecom)
        time.sleep(2 * MINUTE_SECONDS - (time.monotonic() - began))
        calls, seconds = _calls(wecom) - first, time.monotonic() - began
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
    with _company(folder, database, STAFF, CUSTOMERS) as (wecom, api):
        wecom.call("/sandbox/settings", staff_confirm_share=1.0, staff_confirm_half_seconds=1.0)
        campaign = start_campaign(api)
        path = f"/campaigns/{campaign}/results"
        began = _wait(lambda: _sent(api, path))
        recipients = api.call("GET", path)["items"][0]["recipients"]
        while (sent := _sent(api, path)) < 0.98 * recipients and time.monotonic() - began < 600:
            time.sleep(0.25)
        seconds = time.monotonic() - began
        told = api.wait_for(path, lambda told: told["items"][0]["status"] == "finished")["items"][0]
        before = wecom.call("/sandbox/calls?limit=1")["counts"]
        time.sleep(70)  # longer than the pause between two pulls of what is young
        after = wecom.call("/sandbox/calls?limit=1")["counts"]
    again = _results_asked(after) - _results_asked(before)
    return [
        at_least(f"campaigns: results of {told['sent']:,} recipients pulled, {name}", sent / seconds, "rows/s", 10_000),
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


def _calls(wecom: Server) -> int:
    counts = wecom.call("/sandbox/calls?limit=1")["counts"]
    return sum(int(each["calls"]) for each in counts if each["path"] == ADD and each["errcode"] == 0)


def _results_asked(counts: list[dict[str, Any]]) -> int:
    return sum(int(each["calls"]) for each in counts if "groupmsg" in each["path"])
