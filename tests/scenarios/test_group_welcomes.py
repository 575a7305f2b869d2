"""Group welcomes beside the running bot: in observe mode none is written; a call that was cut off is never repeated."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.group_welcomes import bring, make
from bot.sandbox.faults import Fault
from data.queries import group_welcomes as rows
from data.rules.group_welcomes import CLAIM_SECONDS, GroupWelcomeDraft
from scheduler.group_welcomes import write_group_welcomes
from tests.scenarios.conftest import Company, Start

ADD = "externalcontact/group_welcome_template/add"
ON_SQLITE = pytest.mark.parametrize("urls", ["sqlite"], indirect=True)


async def kept(company: Company) -> int:
    draft = GroupWelcomeDraft.model_validate({"name": "新人", "content": {"text": "欢迎"}})
    return await company.bot.db.write(make, draft, "test", company.bot.clock.now())


@ON_SQLITE
async def test_in_observe_mode_they_wait(start: Start) -> None:
    company = await start("observe")
    id_ = await kept(company)
    await bring(company.bot.context, id_)
    assert await write_group_welcomes(company.bot.context) == 0
    assert (await company.read(rows.get_group_welcome, id_)).status == "planned"
    assert company.calls(ADD) == 0


@ON_SQLITE
async def test_a_call_that_was_cut_off_is_left_to_a_person(company: Company) -> None:
    company.sandbox.machine.faults.add(Fault(id=0, target="api", kind="latency", on=ADD, seconds=60, count=1))
    id_ = await kept(company)
    call = asyncio.create_task(bring(company.bot.context, id_))
    async with asyncio.timeout(60):
        while (await company.read(rows.get_group_welcome, id_)).status != "adding":
            await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert await write_group_welcomes(company.bot.context) == 0, "whoever called may still be waiting for the answer"
    company.bot.clock.advance(timedelta(seconds=CLAIM_SECONDS))
    await write_group_welcomes(company.bot.context)
    row = await company.read(rows.get_group_welcome, id_)
    assert (row.status, rows.needs_person(row)) == ("unknown", True)
