"""What a run of the tests leaves to the next one: of many that are alike each run draws some, and in time all.

Runs by one worker alone (somebody looks for something) and `make everywhere` leave nothing out.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def draw_number(about: str, below: int) -> int | None:
    """The same number in all workers of a run, from 0; another in the next run. None: nothing is to be left out."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None or "SIYU_EVERYWHERE" in os.environ:
        return None
    return zlib.crc32(f"{run} {about}".encode()) % below


def draw(items: Sequence[T], parts: int, about: str) -> Sequence[T]:
    """Every `parts`-th of them."""
    begin = draw_number(about, parts)
    return items if begin is None else items[begin::parts]
