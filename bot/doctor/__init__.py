"""`siyu check`: everything about a set-up that can be looked at, said in plain sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bot.clock import Clock
from bot.config import Settings
from bot.doctor.address import examine_address
from bot.doctor.configuration import examine_settings
from bot.doctor.findings import Finding, Level
from bot.doctor.records import examine_records, look_at_tables
from bot.doctor.wecom import examine_wecom

__all__ = ["Finding", "Level", "examine"]


async def examine(settings: Settings, clock: Clock, url: str = "") -> AsyncIterator[Finding]:
    """Findings in the order of looking: configuration, WeCom, our records, and the public address if given.

    WeCom is asked only with a corpid and a secret that can be right: wrong ones, asked often, get an address banned.
    """
    settings_found = examine_settings(settings)
    for finding in settings_found:
        yield finding
    tables = await look_at_tables(settings)
    hopeless = {"corpid_missing", "secret_missing", "secret_shape"}
    if not any(finding.code in hopeless for finding in settings_found):
        async for finding in examine_wecom(settings, clock, shares=tables["main"].ready):
            yield finding
    async for finding in examine_records(settings, clock, tables):
        yield finding
    if url:
        async for finding in examine_address(settings, url, clock):
            yield finding
