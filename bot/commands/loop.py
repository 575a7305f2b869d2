"""The event loop that the program's long-running commands use."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where there is one: a third faster than asyncio's own."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end on a new loop."""
    # What a request or a page of WeCom's makes is gone by counting references; looking for cycles each 700 objects,
    # as is usual, takes an eighth of the time.
    gc.set_threshold(20_000, 20, 50)
    # A thread that works on many rows gives way to the loop after this, not after the usual 5 ms: an acknowledgement
    # asks for its turn several times.
    sys.setswitchinterval(0.001)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main)
