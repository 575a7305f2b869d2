"""Load from asyncio, as a process: where wrk is not installed, and where the rate matters.

Arguments: URL, file, skip, seconds, connections, requests per second (0: as many as are answered).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import urlsplit


async def connection(
    host: str, port: int, requests: Iterator[bytes], until: float, taken: list[float], every: float
) -> int:
    """Send and wait, over one connection; the number of answers that were not 200."""
    reader, writer = await asyncio.open_connection(host, port)
    other, due = 0, time.perf_counter()
    while (started := time.perf_counter()) < until:
        if every:
            due += every
            await asyncio.sleep(max(due - started, 0))
            started = time.perf_counter()
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        await reader.readexactly(int(length))
        taken.append(time.perf_counter() - started)
        other += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return other


async def load(url: str, file: Path, skip: int, seconds: float, connections: int, rate: float) -> None:
    """Run all connections and print one line of JSON."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    prepared = []
    with file.open("rb") as lines:
        for line in islice(lines, skip, None):
            query, body = line.rstrip(b"\n").split(b"\t")
            head = f"Host: {host}:{port}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            prepared.append(b"POST " + parts.path.encode() + b"?" + query + b" HTTP/1.1\r\n" + head + body)
    requests, taken, started = cycle(prepared), list[float](), time.perf_counter()
    every = connections / rate if rate else 0.0
    others = await asyncio.gather(
        *(connection(host, port, requests, started + seconds, taken, every) for _ in range(connections))
    )
    elapsed = time.perf_counter() - started
    taken.sort()
    result = {"requests": len(taken), "seconds": elapsed, "other": sum(others)}
    for percent in (50, 99):
        result[f"p{percent}_ms"] = taken[len(taken) * percent // 100] * 1000
    print(json.dumps(result))


if __name__ == "__main__":
    import uvloop

    skip, seconds, connections, rate = map(float, sys.argv[3:7])
    uvloop.run(load(sys.argv[1], Path(sys.argv[2]), int(skip), seconds, int(connections), rate))
