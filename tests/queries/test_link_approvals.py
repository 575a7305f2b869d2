"""What was approved of a campaign is void once a link that it names leads elsewhere."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from bot import campaigns
from bot.assembly import open_context
from bot.clock import FrozenClock
from bot.config import AppSettings, CompanySettings, ServerSettings, Settings
from bot.links import change_link, make_link
from bot.metrics import Metrics
from data.db import Database
from data.models import Approval, ApprovalStatus, Run, RunStatus
from data.rules.campaigns import CampaignDraft
from data.rules.links import LinkDraft, LinkEdit

OURS = "https://bot.example.com"


async def test_another_address_of_a_link_wants_another_approval(db: Database, now: datetime) -> None:
    settings = Settings(
        company=CompanySettings(corpid="ww0123456789abcdef", name="云杉生活"),
        app=AppSettings.model_validate({"agentid": 1, "secret": "s" * 43}),
        server=ServerSettings(public_url=OURS),
    )
    draft = LinkDraft(name="shop", url="https://shop.example.com/")
    link = await db.write(make_link, draft, OURS, "test", now)
    card = {"msgtype": "link", "link": {"title": "看看", "tracked": "shop"}}
    contents: dict[str, Any] = {
        "text": {"text": "看看 {{ link_shop }}"}, "card": {"text": "看看", "attachments": [card]},
        "plain": {"text": "周末好"}, "ended": {"text": "看看 {{ link_shop }}"},
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        ctx = await open_context(stack, settings, FrozenClock(now), db, Metrics())
        ids: dict[str, int] = {}
        for name, content in contents.items():
            said = {"name": name, "waves": [{"content": content, "audience": {"everyone": True}}]}
            ids[name] = (await campaigns.make_campaign(ctx, CampaignDraft.model_validate(said), "test")).id or 0

        def approve(session: Session) -> None:
            for name, number in ids.items():
                session.add(
                    Approval(
                        campaign_id=number, campaign_name=name, version=1, status=ApprovalStatus.APPROVED, counts={},
                        recipients=9, senders=1, submitted_by="test", approvers=[], submitted_at=now,
                        expires_at=now + timedelta(days=1),
                    )
                )  # fmt: skip
            run = Run(wave_id=1, campaign_id=ids["ended"], status=RunStatus.FINISHED, due_at=now, valid_until=now)
            run.ended_at = now
            session.add(run)

        def stands(session: Session) -> dict[str, str]:
            query = select(Approval.campaign_name, Approval.status).order_by(col(Approval.id))
            return {name: status for name, status in session.exec(query)}  # noqa: C416

        await db.write(approve)
        renderer, edit = ctx.renderer, LinkEdit(tells_staff=True)
        await db.write(change_link, link.id or 0, edit, OURS, renderer, now)
        assert set((await db.read(stands)).values()) == {"approved"}, "it leads where it led"
        await db.write(change_link, link.id or 0, LinkEdit(url="https://other.example.com/"), OURS, renderer, now)
        assert await db.read(stands) == {"text": "void", "card": "void", "plain": "approved", "ended": "approved"}
