"""Syncs: asked for, resumed, finished; how far they are and what they changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert
from data.errors import NotFoundError
from data.models import SyncPart, SyncRun, SyncStage, SyncStatus
from data.queries.erasures import list_erased
from data.queries.locks import lock_names

#: Runs that are kept to look at.
KEEP_RUNS = 60
OPEN = (SyncStatus.WAITING, SyncStatus.RUNNING)
_NEW_PARTS = BulkUpsert(
    SyncPart, ("run_id", "stage", "key", "rows", "report", "problems"), keep=("rows", "report", "problems")
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `parts` and `parts_done` are of the stage that is being read."""

    run: SyncRun
    stage: str
    parts: int
    parts_done: int
    rows: int


def find_open_run(session: Session) -> SyncRun | None:
    """The run that was asked for or begun and is not finished: the oldest."""
    return session.execute(
        select(SyncRun).where(col(SyncRun.status).in_(OPEN)).order_by(col(SyncRun.id)).limit(1)
    ).scalar_one_or_none()


def find_last_run(session: Session) -> SyncRun | None:
    """The newest run, whatever became of it."""
    return session.execute(select(SyncRun).order_by(col(SyncRun.id).desc()).limit(1)).scalar_one_or_none()


def list_runs(session: Session, limit: int = 20, before_id: int | None = None) -> list[SyncRun]:
    """Runs, newest first."""
    runs = select(SyncRun).order_by(col(SyncRun.id).desc()).limit(limit)
    if before_id is not None:
        runs = runs.where(col(SyncRun.id) < before_id)
    return list(session.execute(runs).scalars())


def ask_for_run(session: Session, cause: str, now: datetime) -> SyncRun:
    """The open run if there is one, else a new one that waits to be begun. Of two who ask at once one makes it."""
    lock_names(session, "sync", ["ask"])
    run = find_open_run(session)
    if run is None:
        run = SyncRun(cause=cause, status=SyncStatus.WAITING, stages=[], asked_at=now)
        session.add(run)
        session.flush()
    return run


def ask_after(session: Session, last_id: int | None, cause: str, now: datetime) -> SyncRun | None:
    """The same for whoever found one due after run `last_id` (None: there was none). None: another is over since."""
    lock_names(session, "sync", ["ask"])
    last = find_last_run(session)
    if (last.id if last else None) != last_id:
        return find_open_run(session)
    return ask_for_run(session, cause, now)


def get_run(session: Session, run_id: int) -> SyncRun:
    """One run. Raises NotFoundError."""
    run = session.get(SyncRun, run_id)
    if run is None:
        raise NotFoundError(f"There is no sync {run_id}.", "List them with: siyu sync log")
    return run


def begin_run(session: Session, run_id: int, now: datetime) -> SyncRun:
    """The run is being worked on from now on, for the first time or again; one that is over stays so."""
    run = get_run(session, run_id)
    if run.status not in OPEN:
        return run
    run.status = SyncStatus.RUNNING
    run.started_at = run.started_at or now
    run.error = ""
    return run


def end_run(session: Session, run_id: int, status: SyncStatus, error: str, now: datetime) -> None:
    """How a run ended; runs of long ago are forgotten."""
    run = get_run(session, run_id)
    run.status, run.error, run.ended_at = status, error, now
    kept = select(col(SyncRun.id)).order_by(col(SyncRun.id).desc()).limit(KEEP_RUNS)
    oldest = min(session.execute(kept).scalars(), default=None)
    if oldest is not None:
        session.execute(delete(SyncPart).where(col(SyncPart.run_id) < oldest))
        session.execute(delete(SyncRun).where(col(SyncRun.id) < oldest))


def note_error(session: Session, run_id: int, error: str) -> None:
    """Why a run rests for a while; it stays open."""
    get_run(session, run_id).error = error


def end_stage(session: Session, run_id: int, stage: SyncStage) -> None:
    """A stage is finished: a run that is resumed goes on behind it."""
    run = get_run(session, run_id)
    run.stages = [*run.stages, stage.value]


def add_parts(session: Session, run_id: int, stage: SyncStage, keys: Iterable[str]) -> None:
    """What a stage has to read; parts that are there already stay as they are."""
    rows: list[tuple[object, ...]] = [(run_id, stage.value, key, 0, {}, []) for key in sorted(set(keys))]
    for start in range(0, len(rows), 5000):
        _NEW_PARTS.write(session, rows[start : start + 5000])


def list_open_parts(session: Session, run_id: int, stage: SyncStage) -> list[str]:
    """Keys of the parts that are not finished."""
    return list(
        session.execute(
            select(col(SyncPart.key))
            .where(col(SyncPart.run_id) == run_id, col(SyncPart.stage) == stage.value, col(SyncPart.done_at).is_(None))
            .order_by(col(SyncPart.key))
        ).scalars()
    )


def note_part(
    session: Session,
    run_id: int,
    stage: SyncStage,
    key: str,
    *,
    changes: Mapping[str, int] | None = None,
    problems: Sequence[str] = (),
    rows: int | None = None,
    done_at: datetime | None = None,
) -> None:
    """Add to what a part changed; with `done_at` it is finished."""
    part = session.get_one(SyncPart, (run_id, stage.value, key))
    _add(session, part, changes or {}, problems)
    if rows is not None:
        part.rows = rows
    part.done_at = done_at


def note_changes(
    session: Session,
    run_id: int,
    stage: SyncStage,
    changes: Mapping[str, Mapping[str, int]],
    problems: Mapping[str, Sequence[str]],
) -> None:
    """Add to what some parts, by their keys, changed and could not use."""
    keys = {*changes, *problems}
    if keys:
        parts = select(SyncPart).where(
            col(SyncPart.run_id) == run_id, col(SyncPart.stage) == stage.value, col(SyncPart.key).in_(keys)
        )
        for part in session.execute(parts).scalars():
            _add(session, part, changes.get(part.key, {}), problems.get(part.key, ()))


def _add(session: Session, part: SyncPart, changes: Mapping[str, int], problems: Sequence[str]) -> None:
    if changes:
        part.report = dict(Counter(part.report) + Counter(changes))
    if problems:
        erased = list_erased(session, [what.split(":", 1)[0] for what in problems])
        problems = [what for what in problems if what.split(":", 1)[0] not in erased]
        part.problems = list(dict.fromkeys([*part.problems, *problems]))[:1000]


def find_progress(session: Session, run_id: int) -> Progress:
    """How far a run is. Raises NotFoundError."""
    run = get_run(session, run_id)
    stage = next((stage.value for stage in SyncStage if stage.value not in run.stages), "")
    parts, done, rows = session.execute(
        select(func.count(), func.count(col(SyncPart.done_at)), func.coalesce(func.sum(SyncPart.rows), 0)).where(
            col(SyncPart.run_id) == run_id, col(SyncPart.stage) == stage
        )
    ).one()
    return Progress(run, stage, parts, done, rows)


def sum_report(session: Session, run_id: int) -> tuple[dict[str, int], list[dict[str, str]]]:
    """What a run changed, in numbers, and the records it could not use: where, and why."""
    counts: Counter[str] = Counter()
    problems: list[dict[str, str]] = []
    for part in session.execute(select(SyncPart).where(col(SyncPart.run_id) == run_id)).scalars():
        counts.update(part.report)
        problems += [{"stage": part.stage, "key": part.key, "what": what} for what in part.problems]
    return dict(sorted(counts.items())), problems
