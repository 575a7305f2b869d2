"""Thousands of mutated callbacks: each is accepted or refused, none breaks anything. `SIYU_MUTATIONS` sets how many."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from io import StringIO

import pytest

from tests.callback.conftest import Target, log, make_settings, running  # noqa: F401
from tests.callback.wecom import Sender, edit
from tests.conftest import Urls
from tests.faults.mutate import attack

COUNT = int(os.environ.get("SIYU_MUTATIONS", "700"))
SEED = int(os.environ.get("SIYU_MUTATION_SEED", "1"))


@pytest.fixture
async def target(urls: Urls, log: StringIO) -> AsyncIterator[Target]:  # noqa: F811
    async with running(make_settings(urls), log) as target:
        yield target


@pytest.mark.slow
async def test_mutated_callbacks_never_cause_a_5xx(target: Target) -> None:
    statuses = await attack(f"{target.bot.url}/callback", COUNT, SEED)
    assert sum(statuses.values()) == COUNT
    assert {status for status in statuses if status >= 500} == set()
    assert statuses[0] == 0, "every one is answered"
    assert {200, 400, 403} <= set(statuses)
    text = target.log.getvalue()
    assert "Error handling request" not in text
    assert "Unhandled exception" not in text
    assert "not_stored" not in text
    assert (await target.post(*Sender().post(edit())))[0] == 200
