"""Recipients of a run: found span by span of the follows, written with the batches that will carry them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, func, literal, or_, select
from sqlmodel import Session, col

from data.bulk import BulkUpsert, among
from data.models import (
    Batch,
    BatchStatus,
    Follow,
    FollowStatus,
    Recipient,
    RecipientState,
    Run,
    RunStatus,
    Staff,
    WaveCustomer,
)
from data.queries.campaigns import lock_run
from data.queries.preferences import cap_windows, join_preferences, refusal_of
from data.queries.segment_plans import prepare
from data.queries.segment_sql import Plan, selected
from data.rules.campaigns import BATCH_RECIPIENTS, Batches, Candidate, Tally

F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = F.alias("siblings")
R: Any = Recipient.__table__  # type: ignore[attr-defined]
W: Any = WaveCustomer.__table__  # type: ignore[attr-defined]
B: Any = Batch.__table__  # type: ignore[attr-defined]

_ACTIVE = 1
_WHO = (F.c.id, F.c.userid, F.c.external_userid, F.c.added_at)

_NEW = BulkUpsert(Recipient, ("run_id", "follow_id", "batch_no", "state"), keep=("batch_no", "state"))
_BATCH_COLUMNS = (
    "run_id", "batch_no", "userid", "recipients", "status", "error", "sent", "not_friend", "over_cap", "refused",
    "stopped",
)  # fmt: skip
_BATCHES = BulkUpsert(
    Batch,
    _BATCH_COLUMNS,
    key=("run_id", "batch_no"),
    keep=[name for name in _BATCH_COLUMNS if name not in ("run_id", "batch_no", "recipients")],
)
_SPAN_DECIDED = select(R.c.follow_id).where(
    R.c.run_id == bindparam("run_id"), R.c.follow_id > bindparam("after"), R.c.follow_id <= bindparam("upto")
)


@dataclass(frozen=True, slots=True)
class Source:
    """Whom a wave is for: a segment's `plan`, or the follows of a list, ascending.

    `unable`: staff who cannot send. `not_bought_hours`: who has bought within so many hours is left out.
    """

    plan: Plan | None
    listed: tuple[int, ...]
    unable: frozenset[str]
    last: int
    not_bought_hours: int | None = None


class Span(NamedTuple):
    """The audience among some follows, with what others of the audience follow the same customers.

    `shared`: of all these customers' follows, whether of the audience or not, the customer.
    """

    follows: list[Candidate]
    shared: dict[int, str]


def list_unable(session: Session) -> frozenset[str]:
    """Members who cannot send to customers. WeCom decides of those whom we do not know."""
    able = (col(Staff.gone_at).is_(None), col(Staff.status) == _ACTIVE, col(Staff.follows_customers).is_(True))
    return frozenset(session.execute(select(col(Staff.userid)).where(or_(*(~each for each in able)))).scalars())


def list_of_wave(session: Session, wave_id: int) -> tuple[tuple[int, ...], int]:
    """The follows of a wave's list that are contacts, and how many entries are nobody's contact."""
    entries = session.execute(
        select(W.c.external_userid, W.c.userid, F.c.id)
        .select_from(W)
        .outerjoin(F, _on_list())
        .where(W.c.wave_id == wave_id)
    ).all()
    found = {follow_id for _, _, follow_id in entries if follow_id is not None}
    known = {(whom, who) for whom, who, follow_id in entries if follow_id is not None}
    return tuple(sorted(found)), len({(whom, who) for whom, who, _ in entries} - known)


def list_of_draft(session: Session, entries: Sequence[tuple[str, str]]) -> tuple[tuple[int, ...], int]:
    """The same for a list that is not kept: (external_userid, userid or empty) each."""
    wanted: dict[str, set[str]] = {}
    for whom, who in entries:
        wanted.setdefault(whom, set()).add(who)
    query = select(F.c.id, F.c.external_userid, F.c.userid).where(
        among(session.get_bind().dialect.name, F.c.external_userid, "whom"), F.c.status == FollowStatus.PRESENT
    )
    found: set[int] = set()
    known: set[tuple[str, str]] = set()
    for follow_id, whom, userid in session.execute(query, {"whom": list(wanted)}):
        mine = wanted[whom] & {"", userid}
        known |= {(whom, who) for who in mine}
        if mine:
            found.add(follow_id)
    return tuple(sorted(found)), len(set(entries) - known)


def _on_list() -> Any:
    return (
        (F.c.external_userid == W.c.external_userid)
        & or_(W.c.userid == literal(""), W.c.userid == F.c.userid)
        & (F.c.status == FollowStatus.PRESENT)
    )


def read_span(session: Session, source: Source, after: int, upto: int, now: datetime, zone: Any) -> Span:
    """The audience among the follows in (after, upto], and what is to be known to decide about their customers."""
    dialect = session.get_bind().dialect.name
    reason = reason_of(session, now, zone, source.not_bought_hours)
    if source.plan is not None:
        prepare(session)
        base, given = selected(source.plan, *_WHO, reason, within=(after, upto)), {}
    else:
        ids = [each for each in source.listed if after < each <= upto]
        base, given = select(*_WHO, reason).select_from(F).where(among(dialect, F.c.id, "ids")), {"ids": ids}
    base = join_preferences(base, F.c.external_userid).where(F.c.status == FollowStatus.PRESENT)
    follows = [_candidate(row) for row in session.execute(base, given)]
    mine = {each.follow_id for each in follows}
    shared_query = (
        select(S.c.id, S.c.external_userid)
        .select_from(F)
        .join(S, S.c.external_userid == F.c.external_userid)
        .where(among(dialect, F.c.id, "ids"), S.c.id != F.c.id)
    )
    shared = {row[0]: row[1] for row in session.execute(shared_query, {"ids": sorted(mine)})}
    elsewhere = [each for each in shared if each not in mine and not after < each <= upto]
    if elsewhere:
        follows += _of_audience(session, source, elsewhere, reason)
    whom = set(shared.values())
    return Span(follows, shared | {each.follow_id: each.external_userid for each in follows
                                   if each.external_userid in whom})  # fmt: skip


def _of_audience(session: Session, source: Source, follow_ids: list[int], reason: Any) -> list[Candidate]:
    """Those of some follows that the audience has too."""
    if source.plan is not None:
        base = selected(source.plan, *_WHO, reason, in_order=True)
    else:
        listed = set(source.listed)
        follow_ids = [each for each in follow_ids if each in listed]
        base = select(*_WHO, reason).select_from(F)
    base = join_preferences(base, F.c.external_userid).where(
        F.c.status == FollowStatus.PRESENT, among(session.get_bind().dialect.name, F.c.id, "ids")
    )
    return [_candidate(row) for row in session.execute(base, {"ids": follow_ids})]


def _candidate(row: Any) -> Candidate:
    follow_id, userid, external_userid, added_at, reason = row
    return Candidate(follow_id, userid, external_userid, added_at, state_of(reason))


def reason_of(session: Session, now: datetime, zone: Any, not_bought_hours: int | None) -> Any:
    """Why nothing is sent to a follow's customer now, as SQL; `state_of` reads it."""
    refusal = refusal_of(F.c.external_userid, now, cap_windows(session, now, zone))
    if not_bought_hours is None:
        return refusal
    since = now - timedelta(hours=not_bought_hours)
    return func.coalesce(refusal, case((F.c.bought_at >= since, literal(RecipientState.BOUGHT.name.lower()))))


def state_of(reason: str | None) -> RecipientState | None:
    """The state of a recipient to whom nothing is sent for this reason."""
    return None if reason is None else RecipientState[reason.upper()]


def list_decided(
    session: Session, run_id: int, after: int, upto: int, follow_ids: Collection[int]
) -> tuple[AbstractSet[int], AbstractSet[int]]:
    """Which follows in (after, upto] or of `follow_ids` a run has decided about, and which of these it reaches."""
    span = {"run_id": run_id, "after": after, "upto": upto}
    decided = set(session.execute(_SPAN_DECIDED, span).scalars())
    reached: set[int] = set()
    if follow_ids:
        query = select(R.c.follow_id, R.c.state).where(
            R.c.run_id == run_id, among(session.get_bind().dialect.name, R.c.follow_id, "ids")
        )
        for follow_id, state in session.execute(query, {"ids": sorted(follow_ids)}):
            decided.add(follow_id)
            if state < RecipientState.OPTED_OUT:
                reached.add(follow_id)
    return decided, reached


def load_batches(session: Session, run_id: int, most: int = BATCH_RECIPIENTS) -> Batches:
    """The batches of a run as planning left them."""
    query = select(B.c.userid, B.c.batch_no, B.c.recipients).where(B.c.run_id == run_id).order_by(B.c.batch_no)
    rows = [(row[0], row[1], row[2]) for row in session.execute(query)]
    return Batches([row for row in rows if row[2] < most], rows[-1][1] if rows else 0, most)


def write_span(
    session: Session,
    run_id: int,
    rows: Sequence[tuple[int, int | None, int]],
    grown: Mapping[int, tuple[str, int]],
    tally: Tally,
    after: int,
    upto: int,
) -> Run:
    """Write what was decided about a span, once: whoever comes second changes nothing. The run as it stands."""
    run = lock_run(session, run_id)
    if run.planned_until != after or run.status != RunStatus.PLANNING:
        return run
    _NEW.write(session, [(run_id, *row) for row in sorted(rows)])
    _BATCHES.write(
        session,
        [
            (run_id, batch_no, userid, recipients, BatchStatus.PLANNED.value, "", 0, 0, 0, 0, 0)
            for batch_no, (userid, recipients) in sorted(grown.items())
        ],
    )
    run.planned_until = upto
    _add(run, tally)
    return run


def end_planning(session: Session, run_id: int, unknown: int, now: datetime) -> Run:
    """All recipients are found; `unknown` entries of its list are nobody's contact. The run as it stands."""
    run = lock_run(session, run_id)
    if run.status == RunStatus.PLANNING:
        _add(run, Tally(matched=unknown, left_out=Counter({"unknown": unknown} if unknown else {})))
        run.planned_at, run.status = now, RunStatus.SENDING
    return run


def _add(run: Run, tally: Tally) -> None:
    run.matched += tally.matched
    run.recipients += tally.recipients
    run.left_out = dict(Counter(run.left_out) + tally.left_out)


def list_recipients(
    session: Session, run_id: int, limit: int, after: int = 0, state: RecipientState | None = None
) -> list[dict[str, Any]]:
    """Recipients of a run by the number of their follow, and what became of each."""
    query = (
        select(R.c.follow_id, F.c.userid, F.c.external_userid, R.c.state, R.c.batch_no)
        .join_from(R, F, F.c.id == R.c.follow_id)
        .where(R.c.run_id == run_id, R.c.follow_id > after)
        .order_by(R.c.follow_id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(R.c.state == int(state))
    return [{**row, "state": RecipientState(row["state"]).name.lower()} for row in session.execute(query).mappings()]
