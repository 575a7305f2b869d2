"""Webhooks: the programs that are told, and what they are told of."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError
from data.models import Campaign, Run, Webhook, WebhookCall
from data.rules.happenings import Happened
from data.rules.webhooks import WebhookDraft, ears_of

SWITCHED_OFF = "The webhook was switched off."


def list_webhooks(session: Session) -> list[Webhook]:
    """All of them."""
    return list(session.execute(select(Webhook).order_by(col(Webhook.id))).scalars())


def get_webhook(session: Session, webhook_id: int) -> Webhook:
    """One of them. Raises NotFoundError."""
    found = session.get(Webhook, webhook_id, with_for_update=True)
    if found is None:
        raise NotFoundError(
            Phrase("没有编号为 %(webhook_id)s 的对外通知。", webhook_id=webhook_id), Phrase("它可能已经删除。")
        )
    return found


def count_given_up(session: Session) -> dict[int, int]:
    """How many calls of each were given up."""
    query = select(col(WebhookCall.webhook_id), func.count()).where(
        col(WebhookCall.webhook_id).is_not(None),
        col(WebhookCall.next_at).is_(None),
        col(WebhookCall.taken_at).is_(None),
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(col(WebhookCall.webhook_id)))}


def map_salts(session: Session) -> dict[int, str]:
    """What the secret of each is made with."""
    return {row[0]: row[1] for row in session.execute(select(col(Webhook.id), col(Webhook.salt)))}


def add_webhook(session: Session, draft: WebhookDraft, by: str, now: datetime) -> Webhook:
    """A new one; it is told of what happens from now on."""
    row = Webhook(
        name=draft.name, url=draft.url, events=sorted(draft.events), tag_ids=sorted(draft.tag_ids), since=_from(now),
        salt=secrets.token_hex(16), made_by=by[:80], made_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def change_webhook(session: Session, webhook_id: int, draft: WebhookDraft, now: datetime) -> Webhook:
    """Change one. What waits goes where it was to go. Of what is new it is told from now on."""
    row = get_webhook(session, webhook_id)
    if set(draft.events) - set(row.events) or set(draft.tag_ids) - set(row.tag_ids):
        row.since = _from(now)
    row.name, row.url = draft.name, draft.url
    row.events, row.tag_ids = sorted(draft.events), sorted(draft.tag_ids)
    return row


def switch_webhook(session: Session, webhook_id: int, now: datetime, *, on: bool) -> Webhook:
    """Let one be told again, from now on; or of nothing, also not of what waits: that is given up."""
    row = get_webhook(session, webhook_id)
    if on and not row.enabled:
        row.since = _from(now)
    row.enabled = on
    if not on:
        _give_up(session, webhook_id)
    return row


def renew_secret(session: Session, webhook_id: int) -> Webhook:
    """From now on another secret signs."""
    row = get_webhook(session, webhook_id)
    row.salt = secrets.token_hex(16)
    return row


def remove_webhook(session: Session, webhook_id: int) -> None:
    """It is told of nothing any more; what it was told stays listed for a month."""
    row = get_webhook(session, webhook_id)
    _give_up(session, webhook_id)
    session.delete(row)
    session.flush()


def _from(now: datetime) -> datetime:
    """WeCom dates what happens in whole seconds."""
    return now.replace(microsecond=0)


def _give_up(session: Session, webhook_id: int) -> None:
    waiting = update(WebhookCall).where(
        col(WebhookCall.webhook_id) == webhook_id, col(WebhookCall.next_at).is_not(None)
    )
    session.execute(waiting.values(next_at=None, error=SWITCHED_OFF))


def list_heard(session: Session) -> list[tuple[list[str], datetime]]:
    """Which happenings each of them is told of, and since when."""
    query = select(col(Webhook.events), col(Webhook.tag_ids), col(Webhook.since)).where(col(Webhook.enabled))
    return [(ears_of(events, tag_ids), since) for events, tag_ids, since in session.connection().execute(query)]


def tell(session: Session, happened: Sequence[Happened], now: datetime) -> int:
    """Write the calls for what happened; how many."""
    listening = [row for row in list_webhooks(session) if row.enabled] if happened else []
    calls = [
        _call(row, each.external_userid, _told(each), now)
        for row in listening
        for ears in (set(ears_of(row.events, row.tag_ids)),)
        for each in happened
        if each.ear in ears and each.happened_at >= row.since
    ]
    session.add_all(calls)
    session.flush()
    return len(calls)


def tell_finished(session: Session, run: Run, now: datetime) -> None:
    """A sending is over: whoever wants to know is told. Not of tests, and not of what journeys send."""
    listening = [row for row in list_webhooks(session) if row.enabled and "campaign_finished" in row.events]
    campaign = session.get(Campaign, run.campaign_id) if listening else None
    if campaign is None or campaign.journey_id is not None or campaign.test_of is not None:
        return
    body = {
        "event": "campaign_finished", "campaign_id": run.campaign_id, "wave_id": run.wave_id, "run_id": run.id,
        "status": str(run.status), "recipients": run.recipients, "at": now.isoformat(),
    }  # fmt: skip
    session.add_all([_call(row, "", body, now) for row in listening if now >= row.since])


def _call(row: Webhook, external_userid: str, body: Mapping[str, Any], now: datetime) -> WebhookCall:
    return WebhookCall(
        webhook_id=row.id, enrolment_id=0, external_userid=external_userid, url=row.url, body=dict(body), made_at=now,
        next_at=now,
    )  # fmt: skip


def _told(happened: Happened) -> dict[str, Any]:
    """What is said of a happening: ids and numbers, no names and no words."""
    names = {"added": ("state", "known"), "tagged": ("tag_id", "put"), "ordered": ("nth", "fen", "source")}
    more = {name: happened.detail[name] for name in names.get(happened.kind, ()) if name in happened.detail}
    return {
        "event": happened.kind, "external_userid": happened.external_userid, "userid": happened.userid, **more,
        "at": happened.happened_at.isoformat(),
    }  # fmt: skip
