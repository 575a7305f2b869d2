"""What is sent when: runs that were and that are to come, and waves that a campaign not yet started has a time for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, func, literal, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import among
from data.errors import ConflictError
from data.models import Campaign, Run, RunStatus, Wave
from data.queries.campaign_views import Sight, seen
from data.queries.campaigns import get_wave, lock_run, refuse_closed, timing_of
from data.rules.schedule import day_began, local_datetime
from data.rules.timings import Calendar, Timing


class Entry(NamedTuple):
    """Something in the calendar. `run`: None for what has none yet; `is_draft`: its campaign was not started."""

    at: datetime
    campaign_id: int
    name: str
    wave_id: int
    kind: str
    run: Run | None
    is_draft: bool = False
    journey_id: int | None = None


class Day(NamedTuple):
    """The first entries of a day, and how many more there are."""

    entries: list[Entry]
    more: int


class _Place(NamedTuple):
    """Where an entry stands. `run_id`: 0 for what has no run yet."""

    at: datetime
    campaign_id: int
    wave_id: int
    run_id: int
    is_draft: bool = False


#: So many waves at most are looked at that repeat, and as many of drafts.
MOST = 1000


def read_days(session: Session, sight: Sight, days: Sequence[date], calendar: Calendar, most: int) -> dict[date, Day]:
    """Of days that follow each other, the first `most` entries of each, of the campaigns that somebody sees."""
    bounds = [day_began(each, calendar.zone) for each in (*days, days[-1] + timedelta(days=1))]
    found: dict[date, list[_Place]] = defaultdict(list)
    left_out: Counter[date] = Counter()
    for number, rank, total, *place in _runs(session, sight, bounds, most):
        found[days[number]].append(_Place(*place))
        left_out[days[number]] = total - rank
    for each in (*_repeats(session, sight, bounds, calendar), *_drafts(session, sight, bounds)):
        found[local_datetime(each.at, calendar.zone).date()].append(each)
    kept = {day: sorted(places)[:most] for day, places in found.items()}
    told = _tell(session, [place for places in kept.values() for place in places])
    return {
        day: Day([told[place] for place in places], left_out[day] + len(found[day]) - len(places))
        for day, places in sorted(kept.items())
    }


def _runs(session: Session, sight: Sight, bounds: Sequence[datetime], most: int) -> Iterable[Any]:
    """The first runs of each day: the day's number, the place in it, how many it has, and the columns of `_Place`."""
    is_seen, given = seen(session, sight)
    at = col(Run.due_at)
    ends = [(at < bound, number) for number, bound in enumerate(bounds[1:-1])]
    day: Any = case(*ends, else_=len(ends)) if ends else literal(0)
    runs = (
        select(
            day.label("day"),
            func.row_number().over(partition_by=day, order_by=(at, col(Run.campaign_id), col(Run.id))).label("rank"),
            func.count().over(partition_by=day).label("total"),
            at.label("at"), col(Run.campaign_id), col(Run.wave_id), col(Run.id),
        )
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        # By every status, so that the index of status and time serves.
        .where(col(Run.status).in_(list(RunStatus)), at >= bounds[0], at < bounds[-1])
        .where(col(Campaign.test_of).is_(None), is_seen)
        .subquery()
    )  # fmt: skip
    return session.execute(select(runs).where(runs.c.rank <= most).order_by(runs.c.day, runs.c.rank), given)


def _repeats(session: Session, sight: Sight, bounds: Sequence[datetime], calendar: Calendar) -> Iterable[_Place]:
    """What follows the last run of a wave that repeats: a run of it is made only when the one before begins."""
    is_seen, given = seen(session, sight)
    query = (
        select(col(Wave.id), col(Wave.campaign_id), col(Wave.timing), func.max(col(Run.due_at)))
        .join(Run, col(Run.wave_id) == col(Wave.id))
        .join(Campaign, col(Campaign.id) == col(Wave.campaign_id))
        .where(col(Run.ended_at).is_(None), col(Run.started_at).is_(None), col(Run.status) != RunStatus.CANCELLED)
        .where(_said("cron"), col(Campaign.test_of).is_(None), is_seen)
        .group_by(col(Wave.id))
        .order_by(col(Wave.id).desc())
        .limit(MOST)
    )
    for wave_id, campaign_id, said, last in session.execute(query, given):
        timing = Timing.model_validate(said)
        for at in timing.list_due(bounds[0], bounds[-1], calendar):
            if at > last:
                yield _Place(at, campaign_id, wave_id, 0)


def _said(name: str) -> Any:
    """A wave's timing says something of this name."""
    return col(Wave.timing)[name].as_string().is_not(None)


def _drafts(session: Session, sight: Sight, bounds: Sequence[datetime]) -> Iterable[_Place]:
    is_seen, given = seen(session, sight)
    started = select(col(Run.id)).where(col(Run.campaign_id) == col(Campaign.id)).exists()
    query = (
        select(col(Wave.id), col(Wave.campaign_id), col(Wave.timing))
        .join(Campaign, col(Campaign.id) == col(Wave.campaign_id))
        .where(~started, col(Campaign.journey_id).is_(None), col(Campaign.test_of).is_(None), _said("at"), is_seen)
        .order_by(col(Wave.id).desc())
        .limit(MOST)
    )
    for wave_id, campaign_id, said in session.execute(query, given):
        at = Timing.model_validate(said).at
        if at is not None and bounds[0] <= at < bounds[-1]:
            yield _Place(at, campaign_id, wave_id, 0, is_draft=True)


def _tell(session: Session, places: Collection[_Place]) -> dict[_Place, Entry]:
    """What is shown of entries."""
    dialect = session.get_bind().dialect.name

    def read(query: Any, column: Any, ids: Iterable[int]) -> Any:
        return session.execute(query.where(among(dialect, column, "ids")), {"ids": sorted({*ids})})

    names = select(col(Campaign.id), col(Campaign.name), col(Campaign.journey_id))
    campaigns = {row[0]: row for row in read(names, col(Campaign.id), (each.campaign_id for each in places))}
    waves = (each.wave_id for each in places)
    kinds = dict(read(select(col(Wave.id), col(Wave.kind)), col(Wave.id), waves).all())
    runs = {run.id: run for run in read(select(Run), col(Run.id), (each.run_id for each in places)).scalars()}
    found = {}
    for each in places:
        _, name, journey_id = campaigns[each.campaign_id]
        kind, run = kinds[each.wave_id], runs.get(each.run_id)
        found[each] = Entry(each.at, each.campaign_id, name, each.wave_id, kind, run, each.is_draft, journey_id)
    return found


def move_run(session: Session, run_id: int, at: datetime, now: datetime, calendar: Calendar) -> Run:
    """Let a sending begin at another time. What was approved of its campaign was approved for the time that it had.

    One that repeats only moves further away, and before the next: else its old time would come up again. Raises
    NotFoundError, and ConflictError where it has begun, or the time will not do.
    """
    run = lock_run(session, run_id)
    if run.status not in (RunStatus.DUE, RunStatus.WORDS_DUE) or run.started_at is not None:
        raise ConflictError(Phrase("这次发送已经开始或结束，不能再改时间。"), Phrase("请刷新页面看看它的状态。"))
    if at <= now:
        raise ConflictError(Phrase("时间已经过去。"), Phrase("请选择以后的时间。"))
    wave = get_wave(session, run.wave_id)
    timing = timing_of(wave)
    if timing.repeats:
        following = timing.due_after(run.due_at, calendar)
        if at < run.due_at or (following is not None and at >= following):
            raise ConflictError(
                Phrase("重复发送中的一次只能往后改，而且要在下一次之前。"),
                Phrase("要改以后每一次的时间，请复制一份计划，修改后重新开始。"),
            )
    if not calendar.hours.holds(at, calendar.zone):
        hours = calendar.hours
        raise ConflictError(
            Phrase(
                "不在允许发送的时间（%(start)s–%(end)s）之内。", start=f"{hours.start:%H:%M}", end=f"{hours.end:%H:%M}"
            ),
            Phrase("请选择其他时间。"),
        )
    refuse_closed(wave, at, calendar)
    run.due_at, run.valid_until = at, at + timedelta(hours=wave.valid_hours)
    session.flush()
    return run
