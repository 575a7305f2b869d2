"""What callbacks and new customers notice of a sync that the same bot runs: acknowledgements and welcomes beside it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.load import enter_agent, write_requests
from benchmarks.processes import ROOT, Identity, Server, bot, python, siyu
from benchmarks.results import Result, at_most
from benchmarks.sync import postgres
from benchmarks.welcome import identity_of, percentile, sandbox, seconds

STAFF = int(os.environ.get("SIYU_BENCH_STAFF", "500"))
CUSTOMERS = int(os.environ.get("SIYU_BENCH_CUSTOMERS", "500000"))
CALLBACKS_PER_SECOND = 200
SECONDS = 30.0
WELCOMES = 40


def beside_sqlite(folder: Path) -> list[Result]:
    """Goals: acknowledged with p99 under 100 ms, welcomes within a second, while a sync runs."""
    return _beside(folder, "", "SQLite")


def beside_postgres(folder: Path) -> list[Result]:
    """The same on PostgreSQL."""
    with postgres() as url:
        return _beside(folder, url, "PostgreSQL")


def _beside(folder: Path, database: str, name: str) -> list[Result]:
    with sandbox(folder, STAFF, CUSTOMERS) as wecom:
        identity = identity_of(wecom)
        with bot(folder, identity=identity, api=f"{wecom.url}/cgi-bin/", database=database) as ours:
            api = Api(ours)
            _command(folder, "welcome", "add", "--name", "bench", "--text", "您好")
            wecom.call("/sandbox/apps", callback_url=f"{ours.url}/callback")
            seconds(wecom, 5)  # the first ones fill caches and open connections
            run = api.call("POST", "/syncs")["id"]
            api.wait_until_running(run)
            with _loader(folder, identity, ours) as loader:
                welcomes = seconds(wecom, WELCOMES, rest_seconds=0.3)
                said = json.loads(loader.communicate(timeout=SECONDS + 30)[0])
            running = api.call("GET", f"/syncs/{run}")
    if running["status"] != "running":
        raise RuntimeError(f"the sync had ended before the load did: {running}")
    if said["other"]:
        raise RuntimeError(f"not all callbacks were acknowledged: {said}")
    return [
        at_most(f"beside a sync: acknowledgement, p99, {name}", said["p99_ms"], "ms", 100),
        Result(f"beside a sync: acknowledgement, p50, {name}", said["p50_ms"], "ms"),
        at_most(f"beside a sync: event to welcome, slowest, {name}", max(welcomes) * 1000, "ms", 1000),
        Result(f"beside a sync: event to welcome, p50, {name}", percentile(welcomes, 50) * 1000, "ms"),
        Result(f"beside a sync: rows read meanwhile, {name}", running["rows"], "rows"),
    ]


class Api:
    """The bot's API, with a token that may start a sync."""

    def __init__(self, ours: Server) -> None:
        self._url = f"{ours.url}/api/v1"
        scopes = ["--scope", "sync:read", "--scope", "sync:write"]
        made = _command(ours.folder, "token", "create", "bench", *scopes)
        self._token = next(word for word in made.split() if word.startswith("siyu_"))

    def call(self, method: str, path: str) -> Any:
        """The decoded answer."""
        request = urllib.request.Request(
            self._url + path, method=method, headers={"Authorization": f"Bearer {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def wait_until_running(self, run: int) -> None:
        """Until customers are being read."""
        while not self.call("GET", f"/syncs/{run}")["rows"]:
            time.sleep(0.2)


def _command(folder: Path, *words: str) -> str:
    command = siyu(*words, "--config", folder / "config.toml")
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout


@contextlib.contextmanager
def _loader(folder: Path, identity: Identity, ours: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Distinct events at a steady pace, from a process of its own."""
    number = int(CALLBACKS_PER_SECOND * SECONDS * 1.2)
    write_requests(folder / "events.txt", identity, (enter_agent(identity, each) for each in range(number)))
    command = python(
        "benchmarks.loader", f"{ours.url}/callback", folder / "events.txt", 0, SECONDS, 32, CALLBACKS_PER_SECOND
    )
    loader = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        yield loader
    finally:
        loader.kill()
        loader.wait()
