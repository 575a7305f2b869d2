"""What journeys have promised a customer counts for the caps of campaigns, before anything of it is planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot import customer_waves
from bot.campaign_plans import calendar_of, plan_run
from bot.config import CampaignsSettings
from bot.config_caps import CapsSettings
from data.models import Run
from data.queries.runs import begin_due_run
from data.rules.campaigns import CustomerWave
from scheduler.journeys import run_due_steps
from tests.journeys.conftest import Company

NEWS = {"key": "news", "action": {"do": "broadcast", "content": {"text": "上新了"}}}
MINUTE = timedelta(minutes=1)


async def test_whoever_is_on_the_list_of_a_journeys_broadcast_has_no_room_for_a_campaign(
    open_company: Callable[..., Any],
) -> None:
    company: Company = await open_company()
    settings = company.ctx.settings.model_copy(
        update={"caps": CapsSettings(per_day=1), "campaigns": CampaignsSettings(hours="00:00-00:00")}
    )
    company.ctx = ctx = replace(company.ctx, settings=settings)
    for name, members in (("an", ["li", "wu"]), ("bo", ["li"])):
        await company.add_customer(name, *members)
    pairs = [{"userid": "wu", "external_userid": "an"}, {"userid": "li", "external_userid": "bo"}]
    draft = CustomerWave.model_validate(
        {"kind": "customers", "content": {"text": "节日快乐"}, "audience": {"pairs": pairs}}
    )

    async def preview() -> tuple[int, dict[str, int]]:
        tally = (await customer_waves.preview_draft(ctx, draft)).tally
        return tally.recipients, dict(tally.left_out)

    assert await preview() == (2, {})
    await company.enrol(await company.add_journey(NEWS), "an")
    await run_due_steps(ctx)
    assert await company.all(Run) == []
    assert await preview() == (1, {"capped": 1}), "nothing of it is planned yet"
    company.clock.advance(10 * MINUTE)
    await run_due_steps(ctx)
    assert await preview() == (1, {"capped": 1})
    await ctx.db.write(begin_due_run, company.clock.now(), calendar_of(ctx.settings))
    (run,) = await company.all(Run)
    await plan_run(ctx, run.id or 0)
    (run,) = await company.all(Run)
    assert (run.recipients, run.left_out) == (1, {}), "its own list takes no room from it"
    assert await preview() == (1, {"capped": 1}), "it waits for the member to send it"
