"""`siyu tags mark` under WeCom's own limits: how much of the minute's budget it uses, and how much CPU it takes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import ROOT, Server, siyu
from benchmarks.results import Result, at_least, at_most
from benchmarks.sync import configure, postgres
from benchmarks.welcome import identity_of, sandbox

STAFF = int(os.environ.get("SIYU_BENCH_STAFF", "100"))
CUSTOMERS = int(os.environ.get("SIYU_BENCH_CUSTOMERS", "20000"))
MARK = "externalcontact/mark_tag"
CALLS_PER_MINUTE = 10_000
#: From the first calls on; the limit's own window is a minute.
MEASURED_SECONDS = 61.0


def marking_sqlite(folder: Path) -> list[Result]:
    """Goals: 90 % of the budget, 30 % of one CPU."""
    return _mark(folder, f"sqlite:///{folder}/siyu.db", "SQLite")


def marking_postgres(folder: Path) -> list[Result]:
    """Goals: 90 % of the budget, 30 % of one CPU."""
    with postgres() as url:
        return _mark(folder, url, "PostgreSQL")


def _mark(folder: Path, database: str, name: str) -> list[Result]:
    with sandbox(folder, STAFF, CUSTOMERS) as wecom:
        config = folder / "config.toml"
        configure(config, identity_of(wecom), f"{wecom.url}/cgi-bin/", database)
        subprocess.run(siyu("sync", "--config", config), check=True, capture_output=True, cwd=ROOT, timeout=120)
        tags = subprocess.run(
            siyu("tags", "list", "--json", "--config", config), check=True, capture_output=True, cwd=ROOT, timeout=60
        )
        tag_ids = [tag["tag_id"] for tag in json.loads(tags.stdout)]
        calls, share, seconds = measured(config, wecom, tag_ids[0])
    budget = CALLS_PER_MINUTE * seconds / 60
    return [
        at_least(f"marking: share of the minute's budget that was used, {name}", 100 * calls / budget, "%", 90),
        at_most(f"marking: our share of one CPU meanwhile, {name}", 100 * share, "%", 30),
        Result(f"marking: calls a minute, {name}", calls * 60 / seconds, "calls"),
    ]


def measured(config: Path, wecom: Server, tag_id: str) -> tuple[int, float, float]:
    """Begin a marking of everyone and end it after a while: calls that WeCom took, CPU seconds a second, seconds."""
    with config.with_name("mark.out").open("w+") as out:
        child = subprocess.Popen(
            siyu("tags", "mark", "--put-on", tag_id, "--everyone", "--config", config), cwd=ROOT, stdout=out
        )
        try:
            deadline = time.monotonic() + 60
            while not _calls(wecom):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the marking did not begin")
                time.sleep(0.05)
            process = psutil.Process(child.pid)
            first, began, spent = _calls(wecom), time.monotonic(), _cpu(process)
            time.sleep(MEASURED_SECONDS)
            last, seconds, spent = _calls(wecom), time.monotonic() - began, _cpu(process) - spent
            if child.poll() is not None:
                raise RuntimeError("the marking ended too early: there are too few customers")
            return last - first, spent / seconds, seconds
        finally:
            child.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(20)
            child.kill()


def _calls(wecom: Server) -> int:
    counts: list[dict[str, Any]] = wecom.call("/sandbox/calls?limit=1")["counts"]
    return sum(int(each["calls"]) for each in counts if each["path"] == MARK and each["errcode"] == 0)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
