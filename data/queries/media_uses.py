"""Who uses a file of the media library, and which files will be needed soon."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import or_, select
from sqlmodel import Session, col

from data.errors import ConflictError
from data.models import Campaign, Run, RunStatus, Wave
from data.queries.channel_images import list_backgrounds
from data.queries.group_welcomes import list_group_welcomes
from data.queries.journeys import list_definitions
from data.queries.kf_rules import list_rules as list_kf_rules
from data.queries.knowledge import list_with_media
from data.queries.media import hold_media
from data.queries.rules import list_welcome_rules
from data.queries.scripts import list_all
from data.rules.group_welcomes import GroupWelcomeContent
from data.rules.kf_answers import media_needed
from data.rules.media import MediaUse, Upload, uploads_of, uploads_of_wave
from data.rules.problems import parse
from data.rules.variants import said


def list_uses(session: Session) -> dict[str, list[MediaUse]]:
    """By key: welcome rules, scripts and answers of the knowledge, also those that are switched off, group welcomes,
    campaigns that may still send, and journeys that were not stopped.

    A campaign may still send while a wave of it was not started or a run of it has not ended.
    """
    uses: dict[str, dict[MediaUse, None]] = {}

    def note(uploads: tuple[Upload, ...], use: MediaUse) -> None:
        for each in uploads:
            uses.setdefault(each.media, {})[use] = None

    for rule in list_welcome_rules(session):
        note(uploads_of(rule.content), MediaUse("welcome_rule", rule.id, rule.name))
    for script in list_all(session):
        note(uploads_of(script.content), MediaUse("script", script.id, script.title))
    for row in list_group_welcomes(session):
        content = parse(GroupWelcomeContent, row.content)
        note(uploads_of(content.as_message), MediaUse("group_welcome", row.id or 0, row.name))
    for media, use in _list_answers(session):
        uses.setdefault(media, {})[use] = None
    for plan_id, name, background in list_backgrounds(session):
        uses.setdefault(background, {})[MediaUse("channel", plan_id, name)] = None
    query = (
        select(Campaign.id, Campaign.name, Wave.kind, Wave.content, Wave.variants, Run.content)  # type: ignore[call-overload]
        .join(Wave, col(Wave.campaign_id) == col(Campaign.id))
        .outerjoin(Run, col(Run.wave_id) == col(Wave.id))
        .where(or_(col(Run.id).is_(None), col(Run.ended_at).is_(None)))
        .order_by(col(Campaign.id), col(Wave.id), col(Run.id))
    )
    for campaign_id, name, kind, planned, variants, written in session.execute(query):
        for words in (*said(planned, variants, None).values(), *said(planned, variants, written).values()):
            note(uploads_of_wave(kind, words), MediaUse("campaign", campaign_id, name))
    for journey_id, name, journey in list_definitions(session):
        for said_to in journey.contents:
            note(uploads_of(said_to), MediaUse("journey", journey_id, name))
    return {media: list(found) for media, found in uses.items()}


def _list_answers(session: Session) -> Iterator[tuple[str, MediaUse]]:
    """The files of what customer service answers."""
    for pair_id, name, attachment in list_with_media(session):
        yield str(attachment.get("media", "")), MediaUse("knowledge", pair_id, name)
    for rule in list_kf_rules(session):
        for media, _ in media_needed(rule.answers):
            yield media, MediaUse("kf_rule", rule.id, rule.name)


def hold_files(session: Session, kind: str, id_: int) -> None:
    """Whoever has written down what uses files calls this in the same transaction: none of them is removed meanwhile.

    Raises ConflictError for a file that was removed since it was looked for.
    """
    session.flush()
    hold_these(
        session,
        {media for media, uses in list_uses(session).items() if any((use.kind, use.id) == (kind, id_) for use in uses)},
    )


def hold_these(session: Session, used: Collection[str]) -> None:
    """The same where it is known which files they are: to look for all who use any takes long where there are many."""
    lost = set(used) - hold_media(session, used) if used else ()
    for media in sorted(lost):
        raise ConflictError(
            f"The file {media[:12]} was removed from the library just now.", "Add it again, or choose another."
        )


def list_soon_needed(session: Session, due_before: datetime) -> set[Upload]:
    """What welcomes and answers that are switched on need, and runs of campaigns that are sent now or due by then."""
    found = {upload for rule in list_welcome_rules(session) if rule.enabled for upload in uploads_of(rule.content)}
    found |= {
        Upload(str(attachment.get("media", "")), "image", "upload")
        for _, _, attachment in list_with_media(session, enabled=True)
    }
    found |= {
        Upload(media, kind, "upload")
        for each in list_kf_rules(session) if each.enabled for media, kind in media_needed(each.answers)
    }  # fmt: skip
    query = (
        select(Wave.kind, Wave.content, Wave.variants, Run.content)  # type: ignore[call-overload]
        .join(Run, col(Run.wave_id) == col(Wave.id))
        .where(
            col(Run.status).in_([RunStatus.DUE, RunStatus.PLANNING, RunStatus.SENDING]), col(Run.due_at) < due_before
        )
    )
    for kind, planned, variants, written in session.execute(query):
        for content in said(planned, variants, written).values():
            found.update(uploads_of_wave(kind, content))
    return found
