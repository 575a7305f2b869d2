"""Webhooks made, changed and tried out: the same for whoever does it."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from bot.config import JourneysSettings
from bot.context import Context
from bot.errors import ObservingError
from bot.phrases import Phrase
from bot.webhooks import WebhookCaller
from data.errors import ConflictError
from data.models import Webhook
from data.queries import webhook_targets as rows
from data.queries.tags import list_live_ids
from data.rules.problems import InvalidRuleError, Problem
from data.rules.webhooks import WebhookDraft, call_id, draft_problems, secret_of


def check_draft(session: Session, settings: JourneysSettings, draft: WebhookDraft) -> None:
    """Raises InvalidRuleError, and ConflictError where there is no secret to sign with."""
    if not settings.webhook_secret.get_secret_value():
        raise ConflictError(
            Phrase("要通知其他程序，请先在配置里设置 journeys.webhook_secret。"), Phrase("至少 16 个字，然后重启。")
        )
    found = draft_problems(draft, private=settings.webhook_private)
    unknown = draft.tag_ids - set(list_live_ids(session))
    found += [Problem("tag_ids", Phrase("没有标签 %(each)s", each=each)) for each in sorted(unknown)]
    if found:
        raise InvalidRuleError(found)


def add_webhook(
    session: Session, settings: JourneysSettings, draft: WebhookDraft, by: str, now: datetime
) -> tuple[Webhook, str]:
    """A new webhook, and the secret that signs its calls: it is shown to whoever makes it. Raises as `check_draft`."""
    check_draft(session, settings, draft)
    row = rows.add_webhook(session, draft, by, now)
    return row, secret_for(settings, row)


def change_webhook(
    session: Session, settings: JourneysSettings, webhook_id: int, draft: WebhookDraft, now: datetime
) -> Webhook:
    """Change one. Raises NotFoundError, and as `check_draft`."""
    rows.get_webhook(session, webhook_id)
    check_draft(session, settings, draft)
    return rows.change_webhook(session, webhook_id, draft, now)


def renew_secret(session: Session, settings: JourneysSettings, webhook_id: int) -> tuple[Webhook, str]:
    """Another secret signs from now on. Raises NotFoundError."""
    row = rows.renew_secret(session, webhook_id)
    return row, secret_for(settings, row)


def secret_for(settings: JourneysSettings, row: Webhook) -> str:
    """What signs the calls of a webhook."""
    return secret_of(settings.webhook_secret.get_secret_value(), row.id or 0, row.salt)


async def try_webhook(ctx: Context, row: Webhook) -> None:
    """Send one call with the event `test`, now. Raises WebhookError when it is not taken, ObservingError."""
    if ctx.observes:
        raise ObservingError
    settings, now = ctx.settings.journeys, ctx.clock.now()
    body = {"event": "test", "webhook_id": row.id, "at": now.isoformat()}
    async with WebhookCaller(
        settings.webhook_secret.get_secret_value(), ctx.clock, private=settings.webhook_private
    ) as caller:
        await caller.tell(row.url, f"test-{call_id(row.id or 0, now)}", body, secret_for(settings, row))
