"""To how many WeCom would likely not deliver, and whom the company's own caps leave out: counted for a whole company as
for a few, by the day of the sending."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from bot import customer_waves
from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CampaignsSettings, CompanySettings, Settings
from bot.config_caps import CapsSettings
from bot.metrics import Metrics
from data.db import Database
from data.models import Customer, Follow, Staff
from data.queries.touches import NewTouch, record_many
from data.rules.campaigns import CustomerWave
from data.rules.preferences import TouchKind
from tests.facts import settle

#: What has reached each customer this week.
HAD = {
    "full": {TouchKind.BROADCAST: 7},
    "their_own": {TouchKind.BROADCAST: 3, TouchKind.OWN_SEND: 4},
    "nearly": {TouchKind.BROADCAST: 6, TouchKind.TASK: 5},
    "fresh": {TouchKind.WELCOME: 1},
    "nothing": {},
}  # fmt: skip


def fill(session: Session, now: datetime) -> None:
    session.add(Staff(userid="ann", name="ann", status=1, follows_customers=True, seen_at=now))
    for whom, had in HAD.items():
        session.add(Customer(external_userid=whom, first_seen_at=now))
        session.add(Follow(userid="ann", external_userid=whom, status="present", changed_at=now, added_at=now))
        session.flush()
        for kind, number in had.items():
            new = [NewTouch(f"{whom}:{kind}:{place}", whom, "ann", now) for place in range(number)]
            record_many(session, new, kind)
    settle(session)


async def test_the_week_of_the_sending_counts_for_whom_wecom_would_likely_not_deliver_to(
    db: Database, now: datetime
) -> None:
    settings = Settings(
        company=CompanySettings(corpid="ww0123456789abcdef", name="云杉生活"),
        app=AppSettings.model_validate({"agentid": 1, "secret": "s" * 43}),
        campaigns=CampaignsSettings(wecom_cap="week", hours="00:00-00:00"),
    )
    await db.write(fill, now)
    async with AsyncExitStack() as stack:
        ctx = await open_context(stack, settings, FrozenClock(now), db, Metrics())

        async def count(audience: dict[str, Any], **timing: Any) -> tuple[int, int]:
            said = {"content": {"text": "x"}, "audience": audience, "timing": timing}
            tally = (await customer_waves.preview_draft(ctx, CustomerWave.model_validate(said))).tally
            return tally.recipients, tally.likely_over_cap

        for audience in (
            {"everyone": True},
            {"external_userids": list(HAD)},
            {"segment": {"staff": {"userids": ["ann"]}}},
        ):
            assert await count(audience) == (5, 2)
            assert await count(audience, at=now + timedelta(days=1)) == (5, 2)
            assert await count(audience, at=now + timedelta(days=7)) == (5, 0), "then they have room again"
            assert await count(audience, cron="0 10 * * mon") == (5, 0)
            for caps, left in ((CapsSettings(per_day=1), 2), (CapsSettings(per_week=8, per_month=11), 4)):
                limited = replace(ctx, settings=settings.model_copy(update={"caps": caps}))
                said = {"content": {"text": "x"}, "audience": audience}
                tally = (await customer_waves.preview_draft(limited, CustomerWave.model_validate(said))).tally
                assert (tally.recipients, tally.left_out["capped"]) == (left, 5 - left), "a welcome is no touch of ours"
