"""Journeys and their versions: made, found, changed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import Campaign, JourneyRow, JourneyStatus, JourneyVersion, JourneyWave, Run
from data.queries import campaigns as campaign_rows
from data.queries.journey_versions import GOING_ON
from data.queries.journey_waves import list_together
from data.rules import campaigns
from data.rules.happenings import list_ears
from data.rules.journey_acts import ACTS, REPEATED, Act, after
from data.rules.journeys import Journey
from data.rules.problems import InvalidRuleError, parse


def add_journey(session: Session, journey: Journey, owner: str, made_by: str, now: datetime) -> JourneyRow:
    """A new journey, checked before. It is not started."""
    row = JourneyRow(
        name=journey.name, owner=owner, status=JourneyStatus.DRAFT, made_by=made_by[:80], made_at=now, version=1
    )
    session.add(row)
    session.flush()
    _add_version(session, row, journey, made_by, now)
    return row


def add_version(
    session: Session, journey_id: int, version: int, journey: Journey, made_by: str, now: datetime
) -> JourneyRow:
    """What a journey says from now on, for those who begin it; who is on it goes on as they began.

    Raises NotFoundError, and ConflictError when it is not at `version` any more.
    """
    row = lock_journey(session, journey_id)
    refuse_stale(row, version)
    if row.status == JourneyStatus.STOPPED:
        raise ConflictError(f"Journey {journey_id} was stopped: it cannot be changed.", "Make another one.")
    if get_version(session, journey_id, version).definition["trigger"] != journey.trigger.model_dump(mode="json"):
        # Another trigger begins it for nobody on the days before.
        row.scanned_until = row.scanned_until and now
    row.name, row.version = journey.name, version + 1
    _add_version(session, row, journey, made_by, now)
    return row


def _add_version(session: Session, row: JourneyRow, journey: Journey, made_by: str, now: datetime) -> None:
    # Whole: what is not said now would mean something else once a default changes.
    definition = journey.model_dump(mode="json")
    # Who began it by an older version goes on by that one.
    row.listens_to = sorted({*row.listens_to, *list_ears(journey)})
    session.add(
        JourneyVersion(
            journey_id=row.id or 0, version=row.version, definition=definition, made_by=made_by[:80], made_at=now
        )
    )
    session.flush()


def get_journey(session: Session, journey_id: int) -> JourneyRow:
    """One journey. Raises NotFoundError."""
    row = session.get(JourneyRow, journey_id)
    if row is None:
        raise NotFoundError(f"There is no journey {journey_id}.", "siyu journeys list, or GET /journeys.")
    return row


def lock_journey(session: Session, journey_id: int) -> JourneyRow:
    """The same, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(JourneyRow, journey_id, with_for_update=True, populate_existing=True)
    return row if row is not None else get_journey(session, journey_id)


def refuse_stale(row: JourneyRow, version: int) -> None:
    """Raises ConflictError when somebody has changed the journey since `version`."""
    if row.version != version:
        raise ConflictError(
            f"Journey {row.id} is at version {row.version}, not {version}: somebody has changed it.",
            "Read it again, and repeat what you wanted.",
        )


def get_version(session: Session, journey_id: int, version: int) -> JourneyVersion:
    """What a journey says in a version. Raises NotFoundError."""
    row = session.get(JourneyVersion, (journey_id, version))
    if row is None:
        raise NotFoundError(f"Journey {journey_id} has no version {version}.", "Its newest is told with it.")
    return row


def read_definition(session: Session, journey_id: int, version: int) -> Journey:
    """The same as a rule. Raises NotFoundError, and InvalidRuleError where this program does not understand it."""
    return parse(Journey, get_version(session, journey_id, version).definition)


def read_definitions(session: Session, journey_id: int) -> dict[int, Journey]:
    """The same of every version."""
    return {row.version: parse(Journey, row.definition) for row in list_versions(session, journey_id)}


def list_versions(session: Session, journey_id: int) -> list[JourneyVersion]:
    """What a journey has said, the newest first."""
    query = (
        select(JourneyVersion)
        .where(col(JourneyVersion.journey_id) == journey_id)
        .order_by(col(JourneyVersion.version).desc())
    )
    return list(session.execute(query).scalars())


def list_definitions(session: Session) -> list[tuple[int, str, Journey]]:
    """What all journeys say that were not stopped, in each of their versions, with number and name; but for what this
    program does not understand any more."""
    query = (
        select(col(JourneyRow.id), col(JourneyRow.name), col(JourneyVersion.definition))
        .join(JourneyVersion, col(JourneyVersion.journey_id) == col(JourneyRow.id))
        .where(col(JourneyRow.status) != JourneyStatus.STOPPED)
        .order_by(col(JourneyRow.id), col(JourneyVersion.version))
    )
    found = []
    for journey_id, name, said in session.execute(query):
        with suppress(InvalidRuleError):
            found.append((journey_id or 0, name, parse(Journey, said)))
    return found


def list_journeys(session: Session, limit: int = 50, before_id: int | None = None) -> list[JourneyRow]:
    """Journeys, newest first."""
    query = select(JourneyRow).order_by(col(JourneyRow.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(JourneyRow.id) < before_id)
    return list(session.execute(query).scalars())


#: Of journeys that are offered to choose among, the newest.
OFFERED = 200
_RUNNING = (
    select(col(JourneyRow.id), col(JourneyRow.name))
    .where(col(JourneyRow.status) == JourneyStatus.RUNNING)
    .order_by(col(JourneyRow.id).desc())
    .limit(OFFERED)
)


def list_running(session: Session) -> list[tuple[int, str]]:
    """Journeys that customers may begin, newest first: their ids and names."""
    return [(id_, name) for id_, name in session.execute(_RUNNING)]


def pause_journey(session: Session, journey_id: int, why: str) -> JourneyRow | None:
    """Something is wrong with a journey: it stands still until a person has mended that. None: it does not run."""
    row = lock_journey(session, journey_id)
    if row.status not in GOING_ON:
        return None
    row.was_closed = row.status == JourneyStatus.CLOSED
    row.status, row.error = JourneyStatus.PAUSED, why
    return row


def act_on(session: Session, journey_id: int, act: Act, by: str, now: datetime) -> JourneyRow:
    """Start, pause, resume, close or stop a journey, and with it what it is sending; `by` whom.

    Of one that is stopped the enrolments are still to be ended. Raises NotFoundError, and ConflictError where it is
    not in a state for it; what it is already is no conflict.
    """
    row = lock_journey(session, journey_id)
    status = JourneyStatus(row.status)
    if status not in ACTS[act] and (act not in REPEATED or status is not after(act)):
        raise ConflictError(f"Journey {journey_id} is {status}: it cannot be {_BEEN[act]}.", _REMEDIES[act])
    row.status, row.error, row.was_closed = after(act, was_closed=row.was_closed), "", False
    if act is Act.START:
        row.started_at = now
    if row.status == JourneyStatus.RUNNING:
        # It has begun for nobody on the days before.
        row.scanned_until = now
    if act is Act.STOP:
        held = status is JourneyStatus.PAUSED
        _act_on_broadcasts(session, journey_id, campaigns.Act.CANCEL, by, now, held_others=held)
    elif act is Act.PAUSE:
        _act_on_broadcasts(session, journey_id, campaigns.Act.PAUSE, by, now)
    elif status is JourneyStatus.PAUSED:
        _act_on_broadcasts(session, journey_id, campaigns.Act.RESUME, by, now, held_others=True)
    session.flush()
    return row


_BEEN = {Act.START: "started", Act.PAUSE: "paused", Act.RESUME: "resumed", Act.CLOSE: "closed", Act.STOP: "stopped"}
_REMEDIES = {
    Act.START: "One that is paused or closed is resumed: siyu journeys resume, or POST /journeys/{id}/resume.",
    Act.PAUSE: "One that runs can be paused.",
    Act.RESUME: "One that is paused or closed can be resumed, one that was never started is started.",
    Act.CLOSE: "One that runs or is paused can be closed.",
    Act.STOP: "Look at it first: siyu journeys show, or GET /journeys/{id}.",
}


def _act_on_broadcasts(
    session: Session, journey_id: int, act: campaigns.Act, by: str, now: datetime, *, held_others: bool = False
) -> None:
    """The same with the journey's own campaign, and with what it sends together with others, as far as a run is in a
    state for it. `held_others`: it was paused until now, and those with it."""
    mine = select(col(Campaign.id)).where(col(Campaign.journey_id) == journey_id)
    for campaign_id in session.execute(mine).scalars().all():
        _act_on_campaign(session, campaign_id or 0, act, by, now)
    session.flush()
    for campaign_id, stand in list_together(session, journey_id):
        if JourneyStatus.PAUSED in stand:
            # It is one sending: it rests while one of them does.
            _act_on_campaign(session, campaign_id, campaigns.Act.PAUSE, by, now)
        elif stand == {JourneyStatus.STOPPED}:
            _act_on_campaign(session, campaign_id, campaigns.Act.CANCEL, by, now)
        elif held_others:
            # The one that is stopped takes out its customers of whom nothing was asked yet (`is_over_now`).
            is_resumed = act is campaigns.Act.RESUME
            _act_on_campaign(session, campaign_id, campaigns.Act.RESUME, by, now, also_ruled=is_resumed)
    if act is campaigns.Act.CANCEL:
        still_open = (col(JourneyWave.journey_id) == journey_id, col(JourneyWave.closed_at).is_(None))
        session.execute(update(JourneyWave).where(*still_open).values(closed_at=now))


def _act_on_campaign(
    session: Session, campaign_id: int, act: campaigns.Act, by: str, now: datetime, *, also_ruled: bool = True
) -> None:
    runs = select(col(Run.id)).where(
        col(Run.campaign_id) == campaign_id, col(Run.status).in_([each.value for each in campaigns.ACTS[act]])
    )
    if not also_ruled:  # what a rule has stopped waits for a person's word about that
        runs = runs.where(col(Run.pause_rule) == "")
    if session.execute(runs.limit(1)).first() is not None:
        campaign_rows.act_on(session, campaign_id, act, now, by)
