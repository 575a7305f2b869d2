"""Channels of ours: what is wanted of them, and the calls that bring it to WeCom, one at a time for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Text, bindparam, cast, delete, exists, func, insert, or_, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import among
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import Channel, ChannelImage, ChannelKind, ChannelMember, ChannelPlan, ChannelStatus
from data.queries.channels import ENDED as ENDED
from data.queries.channels import apply_fetched, is_stranded, mark_deleted, needs_member
from data.rules.channels import CLAIM_SECONDS, ChannelPlanned, Duty, Step, next_step

P: Any = ChannelPlan.__table__  # type: ignore[attr-defined]
NEEDS_PERSON = (ChannelStatus.REFUSED, ChannelStatus.GONE)
INTERRUPTED = "The program ended, or stalled, while WeCom was asked to make it."
GONE = "Somebody has deleted it in WeCom: its code leads nowhere. Make it again, and print the new code."


def find_plan(session: Session, id_: int) -> ChannelPlan | None:
    return session.get(ChannelPlan, id_)


def get_plan(session: Session, id_: int, visible: Collection[str] | None = None) -> ChannelPlan:
    """One of them. `visible`: of those alone that name one of these. Raises NotFoundError."""
    row = session.get(ChannelPlan, id_)
    if row is None or (visible is not None and not set(row.named) & set(visible)):
        raise NotFoundError(f"没有编号为 {id_} 的渠道。", "请在渠道列表里核对（siyu channels list）。")
    return row


def lock_plan(session: Session, id_: int) -> ChannelPlan:
    """One of them, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(ChannelPlan, id_, with_for_update=True, populate_existing=True)
    return row if row is not None else get_plan(session, id_)


def find_plan_by_state(session: Session, state: str) -> ChannelPlan | None:
    """The channel of ours whose customers bring this state."""
    return session.execute(select(ChannelPlan).where(col(ChannelPlan.state) == state)).scalar_one_or_none()


_TAKEN = select(
    or_(
        exists(select(P.c.id).where(P.c.state == bindparam("state"))),
        exists(select(col(Channel.config_id)).where(col(Channel.state) == bindparam("state"))),
    )
)


def is_state_taken(session: Session, state: str) -> bool:
    """Whether a channel has this state already, ours or one that was made elsewhere."""
    return bool(session.execute(_TAKEN, {"state": state}).scalar())


class PlanFilter(NamedTuple):
    """Which to list: of whom (None: all), archived ones, those whose name holds a text, of an import, of a kind, those
    that need a `member` (or may)."""

    visible: Collection[str] | None = None
    archived: bool = False
    text: str = ""
    import_id: int | None = None
    trouble: bool = False
    kind: str = ""
    member: str = ""


def list_plans(
    session: Session, wanted: PlanFilter, limit: int | None = None, before_id: int | None = None
) -> list[ChannelPlan]:
    """Channels of ours, the newest first."""
    query = select(ChannelPlan).where(*_filtered(session, wanted)).order_by(col(ChannelPlan.id).desc())
    if before_id is not None:
        query = query.where(col(ChannelPlan.id) < before_id)
    return list(session.execute(query.limit(limit), _given(wanted)).scalars())


def count_plans(session: Session, wanted: PlanFilter) -> int:
    """How many there are."""
    query = select(func.count()).select_from(ChannelPlan).where(*_filtered(session, wanted))
    return int(session.execute(query, _given(wanted)).scalar_one())


def map_caps(session: Session, visible: Collection[str] | None) -> dict[str, int]:
    """How many customers each member may be given a day, by the state of the channel, where that is limited."""
    wanted = PlanFilter(visible)
    cap = P.c.definition["daily_cap"].as_integer()
    query = select(P.c.state, cap).where(*_filtered(session, wanted), cap > 0)
    return dict(session.execute(query, _given(wanted)).all())


def _filtered(session: Session, wanted: PlanFilter) -> list[Any]:
    found: list[Any] = [col(ChannelPlan.archived_at).is_not(None) if wanted.archived else P.c.archived_at.is_(None)]
    if wanted.visible is not None:
        theirs = select(col(ChannelMember.plan_id)).where(
            col(ChannelMember.plan_id) == P.c.id,
            among(session.get_bind().dialect.name, col(ChannelMember.userid), "visible"),  # type: ignore[arg-type]
        )
        found.append(exists(theirs))
    if wanted.text:
        found.append(or_(col(ChannelPlan.name).contains(wanted.text, autoescape=True), P.c.state == wanted.text))
    if wanted.import_id is not None:
        found = [*found[1:], P.c.import_id == wanted.import_id]
    if wanted.kind:
        found.append(P.c.kind == wanted.kind)
    if wanted.member:
        found = [*found[1:], needs_member(wanted.member), P.c.status.not_in(ENDED)]
    if wanted.trouble:
        found.append(or_(P.c.status.in_(NEEDS_PERSON), P.c.error != "", is_stranded()))
    return found


def _given(wanted: PlanFilter) -> dict[str, Any]:
    return {} if wanted.visible is None else {"visible": sorted(wanted.visible)}


def add_plan(
    session: Session, name: str, state: str, planned: ChannelPlanned, made_by: str, now: datetime,
    import_id: int | None = None, kind: str = ChannelKind.CODE,
) -> ChannelPlan:  # fmt: skip
    """Keep one that WeCom is to get. Raises ConflictError where its state is taken."""
    if is_state_taken(session, state):
        raise ConflictError(f"已经有标识（state）为 {state} 的渠道。", "请换一个，或者不填，由程序生成。")
    row = ChannelPlan(
        kind=kind, state=state, name=name, definition=planned.model_dump(mode="json"), status=ChannelStatus.PLANNED,
        wanted={}, duty={}, background=planned.poster.background, made_by=made_by[:80], made_at=now, changed_at=now,
        import_id=import_id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def change_plan(
    session: Session, row: ChannelPlan, name: str, planned: ChannelPlanned, now: datetime, version: int | None
) -> None:
    """Put something else in its place. Raises StaleError when it has another version by now."""
    if version is not None and row.version != version:
        raise StaleError(f"渠道 {row.id} 在您打开之后被修改过。", "请核对后再保存。")
    row.name, row.definition, row.changed_at = name, planned.model_dump(mode="json"), now
    row.background = planned.poster.background
    row.version += 1
    if row.status == ChannelStatus.REFUSED:
        row.status = ChannelStatus.PLANNED
    row.tries, row.cause, row.error = 0, None, ""


def write_duty(
    session: Session, row: ChannelPlan, duty: Duty, named: Collection[str], wanted: Mapping[str, Any], now: datetime
) -> None:
    """Who is to be on a code now. Without anybody it stays as it is."""
    row.duty = duty.to_json()
    if duty.userids and dict(wanted) != row.wanted:
        row.wanted, row.tries = dict(wanted), 0
    if sorted(named) != row.named:
        row.named = sorted(named)
        session.execute(delete(ChannelMember).where(col(ChannelMember.plan_id) == row.id))
        if named:
            session.execute(insert(ChannelMember), [{"plan_id": row.id, "userid": each} for each in row.named])
    _renew(row, now)


def make_again(session: Session, id_: int, now: datetime) -> ChannelPlan:
    """Have WeCom asked once more for one that it refused or that is gone. Raises NotFoundError, ConflictError."""
    row = lock_plan(session, id_)
    if row.status not in (*NEEDS_PERSON, ChannelStatus.DELETED):
        raise ConflictError("这个渠道不需要重新创建。", "只有被拒绝的，或者在企业微信里被删掉的，才需要。")
    if row.status == ChannelStatus.DELETED:
        row.archived_at = None
    row.status, row.config_id, row.qr_code, row.written = ChannelStatus.PLANNED, None, "", None
    row.tries, row.cause, row.error = 0, None, ""
    session.execute(delete(ChannelImage).where(col(ChannelImage.plan_id) == id_))
    _renew(row, now)
    return row


def delete_link(session: Session, row: ChannelPlan, now: datetime) -> None:
    """Have WeCom delete a link. Raises ConflictError for a code, which may be printed, and while it is being made."""
    if row.kind != ChannelKind.LINK:
        raise ConflictError(
            Phrase("渠道活码不能删除：印出去的码要一直有效。"), Phrase("可以归档，由兜底员工接待。")
        )  # fmt: skip
    row.archived_at = row.archived_at or now
    match row.status:
        case ChannelStatus.MADE:
            row.status, row.next_at, row.tries, row.cause, row.error = ChannelStatus.DELETING, now, 0, None, ""
        case ChannelStatus.PLANNED | ChannelStatus.REFUSED | ChannelStatus.GONE:
            row.status, row.next_at, row.cause, row.error = ChannelStatus.DELETED, None, None, ""
        case ChannelStatus.MAKING | ChannelStatus.UNKNOWN:
            raise ConflictError(Phrase("企业微信还在创建这个获客链接。"), Phrase("请过几分钟再删除。"))


# -- calls


def list_due(session: Session, now: datetime, limit: int) -> list[int]:
    """Those for which WeCom is to be called, the longest waiting first."""
    free = or_(P.c.calling_until.is_(None), P.c.calling_until <= now)
    query = select(P.c.id).where(P.c.next_at <= now, free).order_by(P.c.next_at, P.c.id).limit(limit)
    return list(session.execute(query).scalars())


def find_step(session: Session, id_: int, now: datetime) -> tuple[ChannelPlan, Step] | None:
    """A channel and the call that it needs now; None while one is under way, or nothing is to be done."""
    row = session.get(ChannelPlan, id_)
    if row is None or row.next_at is None or row.next_at > now or not _may_call(row, now):
        return None
    step = next_step(row.status, row.wanted, row.written)
    return (row, step) if step is not None else None


def is_interrupted(session: Session, id_: int, now: datetime) -> bool:
    """Whether the call that makes one had to be over by now."""
    row = session.get(ChannelPlan, id_)
    return row is not None and row.status == ChannelStatus.MAKING and _may_call(row, now)


def note_interrupted(session: Session, id_: int, now: datetime) -> bool:
    """One whose making had to be over by now is unknown: whoever asked is gone. False: it is another case."""
    row = lock_plan(session, id_)
    if row.status != ChannelStatus.MAKING or not _may_call(row, now):
        return False
    row.status, row.error, row.calling_until, row.next_at = ChannelStatus.UNKNOWN, INTERRUPTED, None, now
    return True


def claim(session: Session, id_: int, step: Step, wanted: Mapping[str, Any], now: datetime) -> bool:
    """Take the call of a channel, right before it is made. False: something has changed meanwhile."""
    row = lock_plan(session, id_)
    if not _may_call(row, now) or row.wanted != wanted or next_step(row.status, row.wanted, row.written) is not step:
        return False
    if step is Step.MAKE:
        row.status = ChannelStatus.MAKING
    if step is not Step.LOOK:
        # Looking goes by when the call was made that it looks for.
        row.called_at = now
    row.calling_until = now + timedelta(seconds=CLAIM_SECONDS)
    row.next_at = row.calling_until
    return True


def note_made(
    session: Session, id_: int, called_at: datetime | None, config_id: str, address: str, written: Mapping[str, Any],
    now: datetime,
) -> bool:  # fmt: skip
    """WeCom has made one. False: another call has been made for it meanwhile, and this one is too many."""
    row = lock_plan(session, id_)
    waiting = (ChannelStatus.MAKING, ChannelStatus.UNKNOWN, ChannelStatus.PLANNED)
    if row.called_at != called_at or row.status not in waiting:
        return False
    row.status, row.config_id, row.qr_code = ChannelStatus.MADE, config_id, address[:512]
    _written(session, row, written, now)
    return True


def note_written(session: Session, id_: int, called_at: datetime, written: Mapping[str, Any], now: datetime) -> None:
    """WeCom has taken who is on the code."""
    row = lock_plan(session, id_)
    if row.called_at == called_at and row.status == ChannelStatus.MADE:
        _written(session, row, written, now)


def note_deleted(session: Session, id_: int, called_at: datetime, now: datetime) -> None:
    """WeCom has deleted a link, as was wanted."""
    row = lock_plan(session, id_)
    if row.called_at == called_at and row.status == ChannelStatus.DELETING:
        row.status, row.calling_until, row.next_at, row.error, row.changed_at = (
            ChannelStatus.DELETED, None, None, "", now,
        )  # fmt: skip
        mark_deleted(session, row.config_id or "", now)


def note_unknown(session: Session, id_: int, called_at: datetime, error: str, now: datetime) -> None:
    """No answer came to the call that makes one: WeCom's list will say."""
    row = lock_plan(session, id_)
    if row.called_at == called_at and row.status == ChannelStatus.MAKING:
        row.status, row.error, row.calling_until, row.next_at = ChannelStatus.UNKNOWN, error, None, now


def note_absent(session: Session, id_: int, again_at: datetime | None, now: datetime) -> None:
    """WeCom's list does not show an unknown one: it is read again at `again_at`, or None: it was not made."""
    row = lock_plan(session, id_)
    if row.status != ChannelStatus.UNKNOWN:
        return
    row.calling_until, row.next_at = None, again_at
    if again_at is None:
        row.status, row.error, row.next_at = ChannelStatus.PLANNED, "", now


def note_failed(
    session: Session, id_: int, called_at: datetime | None, cause: int | None, error: str, again_at: datetime | None,
    now: datetime,
) -> None:  # fmt: skip
    """WeCom made nothing of a call: tried `again_at`; None: not before a person has looked."""
    row = lock_plan(session, id_)
    if called_at is not None and row.called_at != called_at:
        return
    if row.status == ChannelStatus.MAKING:
        row.status = ChannelStatus.PLANNED if again_at is not None else ChannelStatus.REFUSED
    row.tries += 1
    row.calling_until, row.next_at, row.cause, row.error = None, again_at, cause, error


def note_gone(session: Session, id_: int, config_id: str, now: datetime) -> None:
    """WeCom has one no more, which nobody here wanted."""
    row = lock_plan(session, id_)
    if row.status == ChannelStatus.MADE and row.config_id == config_id:
        row.status, row.error, row.changed_at = ChannelStatus.GONE, GONE, now
        row.calling_until = row.next_at = None


def list_vanished(session: Session) -> list[tuple[int, str]]:
    """(number, config_id) of those that the hourly reading did not find in WeCom any more."""
    query = (
        select(P.c.id, P.c.config_id)
        .join(Channel, col(Channel.config_id) == P.c.config_id)
        .where(P.c.status == ChannelStatus.MADE, col(Channel.deleted_at).is_not(None))
    )
    return list(session.execute(query).all())


# -- duty


class Standing(NamedTuple):
    """What decides about who is on a code."""

    id: int
    version: int
    state: str
    name: str
    definition: str
    paused: bool
    archived: bool
    kind: str
    wanted: dict[str, Any]
    duty: dict[str, Any]
    named: list[str]


_STANDINGS = (
    select(
        P.c.id, P.c.version, P.c.state, P.c.name, cast(P.c.definition, Text), P.c.paused_at.is_not(None),
        P.c.archived_at.is_not(None), P.c.kind, P.c.wanted, P.c.duty, P.c.named,
    )
    .where(P.c.id > bindparam("after"), P.c.status.not_in(ENDED))
    .order_by(P.c.id)
    .limit(bindparam("most"))
)  # fmt: skip


def list_standings(session: Session, after: int, most: int) -> list[Standing]:
    """The next channels behind a number."""
    return [Standing(*row) for row in session.execute(_STANDINGS, {"after": after, "most": most})]


def has_plans(session: Session) -> bool:
    """Whether there is any channel of ours."""
    return session.execute(select(P.c.id).limit(1)).first() is not None


def settle_unchanged(session: Session, id_: int, version: int) -> ChannelPlan | None:
    """A channel, locked, where nobody has changed it since it was looked at."""
    row = session.get(ChannelPlan, id_, with_for_update=True, populate_existing=True)
    return row if row is not None and row.version == version else None


def _may_call(row: ChannelPlan, now: datetime) -> bool:
    return row.calling_until is None or row.calling_until <= now


def _renew(row: ChannelPlan, now: datetime) -> None:
    """What is wanted of it has changed: the next call, if it needs one, is due, unless one failed just now."""
    if row.status == ChannelStatus.MAKING:
        return
    if next_step(row.status, row.wanted, row.written) is None:
        row.next_at = None
    elif row.next_at is None or not row.tries:
        row.next_at = min(row.next_at or now, now)


def _written(session: Session, row: ChannelPlan, written: Mapping[str, Any], now: datetime) -> None:
    row.written, row.written_at, row.calling_until = dict(written), now, None
    row.tries, row.cause, row.error, row.next_at = 0, None, "", None
    _renew(row, now)
    told = {**written, "config_id": row.config_id, "state": row.state, "qr_code": row.qr_code}
    apply_fetched(session, told, now, row.kind)
