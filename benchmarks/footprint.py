"""What the programs take: time to start and resident memory."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import psutil

from benchmarks.processes import bot
from benchmarks.results import Result, at_most
from benchmarks.welcome import sandbox

STARTS = 3
MIB = 1024 * 1024


def footprint(folder: Path) -> list[Result]:
    """Goals: ready within 2.5 s, under 180 MB. The local WeCom with a million customers has no goal."""
    starts, memories = [], []
    for _ in range(STARTS):
        began = time.monotonic()
        with bot(folder) as ours:
            starts.append(time.monotonic() - began)
            time.sleep(1)
            memories.append(psutil.Process(ours.pid).memory_info().rss / MIB)
    began = time.monotonic()
    with sandbox(folder, 1000, 1_000_000) as wecom:
        wecom_start = time.monotonic() - began
        wecom_memory = psutil.Process(wecom.pid).memory_info().rss / MIB
    return [
        at_most("siyu serve: start to /readyz, SQLite", median(starts), "s", 2.5),
        at_most("siyu serve: resident memory, SQLite", max(memories), "MiB", 180),
        Result("siyu sandbox, 1,000,000 customers: start", wecom_start, "s"),
        Result("siyu sandbox, 1,000,000 customers: resident memory", wecom_memory, "MiB"),
    ]
