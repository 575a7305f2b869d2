"""The clock by which a command goes: the machine's, or the local WeCom's, which somebody may have moved."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from bot.clock import Clock
    from bot.config import Settings

#: Only here does a local WeCom stand; nobody else is asked for the time.
LOCAL = ("127.0.0.1", "localhost", "::1")
ASK_SECONDS = 2.0


def clock_of(settings: Settings) -> Clock:
    """The machine's clock; where WeCom is the local one, moved to its instant, so that a command means the same now as
    the bot that plays with it."""
    from bot.clock import Clock

    clock = Clock()
    wecom = urlsplit(settings.wecom.api_base_url)
    if wecom.scheme != "http" or wecom.hostname not in LOCAL:
        return clock
    # Without an answer there is no local WeCom just now, and nobody whose clock could be another.
    with suppress(OSError, HTTPException, ValueError, KeyError, TypeError):
        with closing(HTTPConnection(wecom.hostname, wecom.port or 80, timeout=ASK_SECONDS)) as http:
            http.request("GET", "/sandbox/clock")
            ahead = datetime.fromisoformat(json.loads(http.getresponse().read())["now"]) - clock.now()
        if abs(ahead) > timedelta(seconds=ASK_SECONDS):
            clock.advance(ahead)
    return clock
