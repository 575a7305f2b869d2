"""`python -m benchmarks [--only name]`: run the benchmarks, print one table, write `var/bench.json`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    assistant,
    beside,
    callbacks,
    campaigns,
    channels,
    drain,
    enrolling,
    footprint,
    kf,
    marking,
    month,
    pages,
    segments,
    sync,
    ticks,
    welcome,
)
from benchmarks.processes import ROOT
from benchmarks.results import Result, save, table

BENCHMARKS: dict[str, Callable[[Path], list[Result]]] = {
    "callback": callbacks.durable,
    "flask": callbacks.flask,
    "welcome": welcome.welcome,
    "drain": drain.drain,
    "footprint": footprint.footprint,
    "segments-sqlite": segments.segments_sqlite,
    "segments-postgres": segments.segments_postgres,
    "sync-sqlite": sync.sync_sqlite,
    "sync-postgres": sync.sync_postgres,
    "marking-sqlite": marking.marking_sqlite,
    "marking-postgres": marking.marking_postgres,
    "campaigns-sqlite": campaigns.campaigns_sqlite,
    "campaigns-postgres": campaigns.campaigns_postgres,
    "ticks-sqlite": ticks.ticks_sqlite,
    "ticks-postgres": ticks.ticks_postgres,
    "enrolling-sqlite": enrolling.enrolling_sqlite,
    "enrolling-postgres": enrolling.enrolling_postgres,
    "month-sqlite": month.month_sqlite,
    "month-postgres": month.month_postgres,
    "channels-sqlite": channels.channels_sqlite,
    "channels-postgres": channels.channels_postgres,
    "pages-sqlite": pages.pages_sqlite,
    "pages-postgres": pages.pages_postgres,
    "kf-sqlite": kf.kf_sqlite,
    "kf-postgres": kf.kf_postgres,
    "assistant-sqlite": assistant.assistant_sqlite,
    "beside-sqlite": beside.beside_sqlite,
    "beside-postgres": beside.beside_postgres,
}


def main() -> int:
    """0 when every benchmark ran and met its goal, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, help="run one of them")
    only = parser.parse_args().only
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results: list[Result] = []
    broken = 0
    for name, measure in BENCHMARKS.items():
        if only in (None, name):
            started = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="siyu-bench-") as folder:
                try:
                    results += measure(Path(folder))
                except Exception as error:  # noqa: BLE001 - one that breaks must not cost the others their figures
                    broken += 1
                    print(f"{name}: broke off ({type(error).__name__}: {error})", file=sys.stderr)
            print(f"{name}: measured in {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(table(results))
    save(results, ROOT / "var" / "bench.json")
    return 0 if not broken and all(result.met is not False for result in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
