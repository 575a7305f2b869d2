"""Recipients of a run: found span by span of the follows, written with the batches that will carry them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import to_json
from sqlalchemy import Integer, Text, and_, cast, exists, func, null, select, text
from sqlmodel import Session

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
    Touch,
)
from data.queries.campaigns import lock_run
from data.queries.caps import Limits, reason_of, room_of, state_of
from data.queries.erasures import Mark, hold_mark
from data.queries.preferences import join_preferences
from data.queries.segment_plans import prepare
from data.queries.segment_sql import Plan, selected
from data.queries.senders import tag_place
from data.rules.campaigns import BATCH_RECIPIENTS, Assigned, Batches, Filled, Tally
from data.rules.senders import Candidate, SenderPolicy, Senders, list_stand_ins
from data.rules.variants import Split

F: Any = Follow.__table__  # type: ignore[attr-defined]
S: Any = F.alias("siblings")
R: Any = Recipient.__table__  # type: ignore[attr-defined]
T: Any = Touch.__table__  # type: ignore[attr-defined]
B: Any = Batch.__table__  # type: ignore[attr-defined]


#: Many rows from few values: nearly all of one staff member's go into the same batch.
_ADD_ON_SQLITE = text(
    "INSERT INTO recipients (run_id, follow_id, batch_no, state) SELECT :run_id, value, :batch_no, :state "
    "FROM json_each(:ids) WHERE true ON CONFLICT (run_id, follow_id) DO NOTHING"
)
_ADD_ON_POSTGRES = text(
    "INSERT INTO recipients (run_id, follow_id, batch_no, state) "
    "SELECT CAST(:run_id AS BIGINT), CAST(unnest(string_to_array(ids, ',')) AS BIGINT), batch_no, state "
    "FROM json_to_recordset(CAST(:rows AS JSON)) AS given (batch_no INTEGER, state INTEGER, ids TEXT) "
    "ON CONFLICT (run_id, follow_id) DO NOTHING"
)
_REPEATABLE = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_BATCH_COLUMNS = (
    "run_id", "batch_no", "userid", "variant", "recipients", "status", "error", "sent", "not_friend", "over_cap",
    "refused", "stopped",
)  # fmt: skip
_BATCHES = BulkUpsert(
    Batch,
    _BATCH_COLUMNS,
    key=("run_id", "batch_no"),
    keep=[name for name in _BATCH_COLUMNS if name not in ("run_id", "batch_no", "recipients")],
)


@dataclass(frozen=True, slots=True)
class Source:
    """Whom a wave is for: a segment's `plan`, or the follows of a list, ascending.

    `senders`: who of the staff may reach them. `limits`: who is left out beside those who want to hear nothing.
    `split`: how the rest are split, where not all get the same.
    """

    plan: Plan | None
    listed: tuple[int, ...]
    senders: Senders
    last: int
    limits: Limits
    split: Split | None = None


class Span(NamedTuple):
    """The audience among some follows, with what others of the audience follow the same customers.

    Of those whose customer nobody else follows: `alike`, each standing for all of one staff member to whom the same
    applies; or, where the audience is split, `single` follows. `shared`: the others. Of the customers of these,
    `decided` follows the run has decided about before, and the customers it has `reached` by so many of them.
    """

    alike: list[Alike]
    single: list[Single]
    shared: list[Candidate]
    decided: AbstractSet[int]
    reached: Mapping[str, int]


class Alike(NamedTuple):
    """A sender, why nothing is sent, and how many follows that is about; `ids` as a Group of `rules` has them."""

    userid: str
    refusal: RecipientState | None
    number: int
    ids: str


class Single(NamedTuple):
    """A follow, and why nothing is sent."""

    follow_id: int
    userid: str
    external_userid: str
    refusal: RecipientState | None


def read_span(session: Session, source: Source, run_id: int, after: int, upto: int, now: datetime, zone: Any) -> Span:
    """The audience among the follows in (after, upto], and what is to be known to decide about their customers.

    `run_id`: whose decisions count; 0 where nothing was decided yet.
    """
    _at_one_instant(session)
    span, reason = (after, upto), reason_of(session, now, zone, source.limits).label("reason")
    shared, customers = _read_shared(session, source, run_id, span, reason, now, zone)
    alone = F.c.shared.is_(False)
    if source.split is None:
        query, given = _of_source(session, source, span, F.c.userid, reason, F.c.id, where=alone)
        each = query.subquery()
        ids = func.aggregate_strings(cast(each.c.id, Text), ",")
        several = select(each.c.userid, each.c.reason, func.count(), ids).group_by(each.c.userid, each.c.reason)
        alike = [Alike(row[0], state_of(row[1]), *row[2:]) for row in session.execute(several, given).all()]
        return Span(alike, [], shared, *customers)
    query, given = _of_source(session, source, span, F.c.id, F.c.userid, F.c.external_userid, reason, where=alone)
    single = [Single(row[0], row[1], row[2], state_of(row[3])) for row in session.execute(query, given).all()]
    return Span([], single, shared, *customers)


def _at_one_instant(session: Session) -> None:
    """Let all statements of the transaction see the same rows: one that is alone in the eyes of the first must not be
    shared in those of the second, and be neither. On SQLite they do."""
    if session.get_bind().dialect.name != "sqlite":
        session.execute(_REPEATABLE)


def _read_shared(
    session: Session, source: Source, run_id: int, span: tuple[int, int], reason: Any, now: datetime, zone: Any
) -> tuple[list[Candidate], tuple[AbstractSet[int], Mapping[str, int]]]:
    """Those of a span whose customer several follow, as far as they are undecided, with the others of the audience that
    follow these; and what was decided and reached of all of them."""
    dialect, room = session.get_bind().dialect.name, room_in(session, source, now, zone)
    columns = (
        F.c.id, F.c.userid, F.c.external_userid, F.c.added_at, tag_place(source.senders, dialect),
        cast(null(), Integer) if room is None else room, reason,
    )  # fmt: skip
    decided_too = exists().where(R.c.run_id == run_id, R.c.follow_id == F.c.id)
    query, given = _of_source(session, source, span, *columns, where=and_(F.c.shared.is_(True), ~decided_too))
    shared = [_candidate(row) for row in session.execute(query, given).all()]
    if not shared:
        return [], (frozenset(), {})
    mine = {each.follow_id for each in shared}
    stand_in = source.senders.substitutes
    siblings = (
        select(S.c.id, S.c.external_userid, R.c.state, *((S.c.userid, S.c.status) if stand_in else ()))
        .outerjoin(R, and_(R.c.run_id == run_id, R.c.follow_id == S.c.id))
        .where(among(dialect, S.c.external_userid, "whom"))
    )
    follows = session.execute(siblings, {"whom": list({each.external_userid for each in shared})}).all()
    decided = {row[0] for row in follows if row[2] is not None}
    reached = Counter(row[1] for row in follows if row[2] is not None and row[2] < RecipientState.OPTED_OUT)
    elsewhere = [row[0] for row in follows if row[0] not in mine and row[2] is None]
    if elsewhere:
        query, given = _of_source(session, source, elsewhere, *columns)
        shared += [_candidate(row) for row in session.execute(query, given).all()]
    if stand_in:
        everybody = [(follow_id, userid, whom, status) for follow_id, whom, _, userid, status in follows]
        shared += list_stand_ins(source.senders, shared, everybody)
    return shared, (decided, reached)


def room_in(session: Session, source: Source, now: datetime, zone: Any) -> Any:
    """How many more messages may reach a follow's customer, where a wave may send them several; None: any number."""
    return room_of(session, now, zone, source.limits) if source.senders.policy is SenderPolicy.ALL else None


def _candidate(row: Any) -> Candidate:
    return Candidate(row[0], row[1], row[2], row[3], state_of(row[6]), row[4], room=row[5])


def _of_source(
    session: Session, source: Source, place: tuple[int, int] | list[int], *columns: Any, where: Any = None
) -> tuple[Any, dict[str, Any]]:
    """SELECT of the audience among the follows of a span or of a list of ids, and its parameters.

    `where`: what is asked of each before anything else is.
    """
    span = place if isinstance(place, tuple) else None
    ids = None if span is not None else place
    if source.plan is not None:
        prepare(session)
        # Of so few, what leads would be listed whole for each span.
        plan = source.plan if span is not None else replace(source.plan, leader=None, few=True)
        query = selected(plan, *columns, within=span, in_order=span is None)
    else:
        query = select(*columns).select_from(F)
        listed = source.listed if span is None else [each for each in source.listed if span[0] < each <= span[1]]
        ids = list(listed) if ids is None else sorted(set(listed) & set(ids))
    query = join_preferences(query, F.c.external_userid).where(F.c.status == FollowStatus.PRESENT)
    if where is not None:
        query = query.where(where)
    if ids is not None:
        query = query.where(among(session.get_bind().dialect.name, F.c.id, "ids"))
    return query, {} if ids is None else {"ids": ids}


def load_batches(session: Session, run_id: int, most: int = BATCH_RECIPIENTS) -> Batches:
    """The batches of a run as planning left them."""
    query = (
        select(B.c.userid, B.c.batch_no, B.c.recipients, B.c.variant).where(B.c.run_id == run_id).order_by(B.c.batch_no)
    )
    filled = {row[1]: Filled(row[0], row[3], row[2]) for row in session.execute(query)}
    open_ = {number: each for number, each in filled.items() if each.recipients < most}
    return Batches(open_, max(filled, default=0), most)


def write_span(
    session: Session,
    run_id: int,
    assigned: Sequence[Assigned],
    grown: Mapping[int, Filled],
    tally: Tally,
    after: int,
    upto: int,
    mark: Mark,
) -> Run:
    """Write what was decided about a span, once: whoever comes second changes nothing, nor does what was decided before
    somebody was erased, after `mark`. The run as it stands."""
    is_current = hold_mark(session) == mark
    run = lock_run(session, run_id)
    if run.planned_until != after or run.status != RunStatus.PLANNING or not is_current:
        return run
    _add_recipients(session, run_id, assigned)
    _BATCHES.write(
        session,
        [
            (run_id, batch_no, each.userid, each.variant, each.recipients, BatchStatus.PLANNED.value, "", 0, 0, 0, 0, 0)
            for batch_no, each in sorted(grown.items())
        ],
    )
    run.planned_until = upto
    _add(run, tally)
    return run


def _add_recipients(session: Session, run_id: int, assigned: Sequence[Assigned]) -> None:
    """Write down what was decided about each, if nothing was before."""
    if session.get_bind().dialect.name == "sqlite":
        rows = [{"run_id": run_id, **each._asdict(), "ids": f"[{each.ids}]"} for each in assigned]
        if rows:
            session.connection().execute(_ADD_ON_SQLITE, rows)
        return
    given = to_json([each._asdict() for each in assigned]).decode()
    session.connection().execute(_ADD_ON_POSTGRES, {"run_id": run_id, "rows": given})


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
    session: Session,
    run_id: int,
    limit: int,
    after: int = 0,
    state: RecipientState | None = None,
    external_userid: str | None = None,
    userids: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Recipients of a run by the number of their follow, and what became of each; of one customer if it is given, of
    those of some members with `userids`."""
    query = (
        select(
            R.c.follow_id, F.c.userid, F.c.external_userid, R.c.state, R.c.batch_no,
            func.coalesce(B.c.variant, "").label("variant"),
        )
        .join_from(R, F, F.c.id == R.c.follow_id)
        .outerjoin(B, (B.c.run_id == R.c.run_id) & (B.c.batch_no == R.c.batch_no))
        .where(R.c.run_id == run_id, R.c.follow_id > after)
        .order_by(R.c.follow_id)
        .limit(limit)
    )  # fmt: skip
    if state is not None:
        query = query.where(R.c.state == int(state))
    if external_userid is not None:
        query = query.where(F.c.external_userid == external_userid)
    if userids is not None:
        query = query.where(among(session.get_bind().dialect.name, F.c.userid, "userids"))
    given = {} if userids is None else {"userids": sorted(userids)}
    rows = session.execute(query, given).mappings()
    return [{**row, "state": RecipientState(row["state"]).name.lower()} for row in rows]
