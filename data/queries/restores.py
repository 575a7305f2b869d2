"""What a restored database may not do by itself: it does not know what was sent after its backup was made."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import or_, select, update
from sqlmodel import Session, col

from data.models import (
    Alert,
    Campaign,
    Customer,
    Erasure,
    ErasureKey,
    JourneyRow,
    JourneyWave,
    PauseRule,
    Run,
    RunStatus,
)
from data.queries.audit import Actor, add_entry
from data.queries.campaigns import pause
from data.queries.erasures import begin_erasure, digest_of
from data.queries.journeys import pause_journey
from data.queries.kept import RESTORED, keep

WHY_RUN = "数据从备份恢复：备份之后可能已经发过。请在企业微信的群发记录里核对，没有发过再恢复，发过就停止。"
WHY_JOURNEY = "数据从备份恢复：当时有群发正在发出，可能已经发过。请在企业微信的群发记录里核对后再恢复。"
WHY_ALERT = "数据从备份恢复，可能已经发过"


class Gone(NamedTuple):
    """The tombstones of a database that is replaced, and their key."""

    key: str | None
    tombstones: list[Erasure]


class Held(NamedTuple):
    """What waits for a person after a restore, or was given up; and how many customers were erased once more."""

    runs: int
    journeys: int
    alerts: int
    erased: int


def read_gone(session: Session) -> Gone:
    """Who was erased, as far as a database knows."""
    key = session.execute(select(col(ErasureKey.key))).scalar()
    return Gone(key, list(session.execute(select(Erasure)).scalars()))


def erase_again(session: Session, gone: Gone, now: datetime) -> int:
    """Erase those who are in the backup and were erased since; how many. The job `finish_erasures` does the rest."""
    key = session.execute(select(col(ErasureKey.key))).scalar()
    if key is None and gone.key is not None:
        session.add(ErasureKey(key=gone.key, made_at=now))
        session.flush()
        key = gone.key
    if key is None or key != gone.key:
        return 0
    known = set(session.execute(select(col(Erasure.digest))).scalars())
    missing = {each.digest: each for each in gone.tombstones if each.digest not in known}
    if not missing:
        return 0
    customers = session.execute(select(col(Customer.external_userid)).order_by(col(Customer.external_userid))).scalars()
    there = {digest: each for each in customers.all() if (digest := digest_of(key, each)) in missing}
    for digest, external_userid in there.items():
        begin_erasure(session, external_userid, missing[digest].erased_by, now)
    for digest in missing.keys() - there.keys():
        session.add(Erasure(**missing[digest].model_dump()))
    session.flush()
    return len(there)


def settle_restored(session: Session, made_at: datetime, now: datetime, by: str, gone: Gone | None = None) -> Held:
    """Let wait for a person what may have been sent after `made_at`: sendings that were due or begun, and journeys
    whose broadcasts were being sent. Alerts that waited are given up. Nothing is sent before somebody says so.

    Who is erased in the database that is replaced (`gone`) is erased here.
    """
    begun = (RunStatus.PLANNING, RunStatus.SENDING)
    wanted = select(Run).where(
        or_(
            col(Run.status).in_(begun),
            (col(Run.status) == RunStatus.DUE) & (col(Run.due_at) <= now),
        )
    )
    runs = list(session.execute(wanted).scalars())
    for run in runs:
        # One that never began begins when it is resumed, however late.
        rule = PauseRule.LATE if run.started_at is None else None
        pause(run, now, WHY_RUN, by="" if rule else by, rule=rule)
    campaigns = {run.campaign_id for run in runs}
    sending = select(col(Campaign.journey_id)).where(col(Campaign.journey_id).is_not(None))
    journeys = set(session.execute(sending.where(col(Campaign.id).in_(campaigns))).scalars())
    waves = {run.wave_id for run in runs}
    together = select(col(JourneyWave.journey_id)).where(col(JourneyWave.sent_with).in_(waves))
    journeys |= set(session.execute(together).scalars())
    open_waves = select(col(JourneyWave.journey_id)).where(col(JourneyWave.closed_at).is_(None))
    journeys |= set(session.execute(open_waves).scalars())
    there = select(col(JourneyRow.id)).where(col(JourneyRow.id).in_(journeys)).order_by(col(JourneyRow.id))
    paused = [pause_journey(session, number or 0, WHY_JOURNEY) for number in session.execute(there).scalars().all()]
    waiting = update(Alert).where(col(Alert.status) == "waiting").values(status="failed", error=WHY_ALERT)
    alerts = session.connection().execute(waiting).rowcount
    erased = erase_again(session, gone, now) if gone else 0
    held = Held(len(runs), sum(row is not None for row in paused), alerts, erased)
    keep(session, RESTORED, {"at": now.isoformat(), "made_at": made_at.isoformat(), "waits": True}, by, now)
    after = {"made_at": made_at.isoformat(), **held._asdict()}
    add_entry(session, Actor(None, by), "backups.restore", "databases", None, after, now)
    return held
