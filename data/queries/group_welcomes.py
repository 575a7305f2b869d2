"""Group welcomes: what is to be in WeCom's stock, and the calls that bring it there, one at a time for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import GroupWelcome, GroupWelcomeStatus
from data.rules.group_welcomes import (
    CLAIM_SECONDS,
    MAX_IN_STOCK,
    GroupWelcomeDraft,
    Standing,
    Step,
    next_step,
)

#: Those that are, or may be, in WeCom's stock.
IN_STOCK = (GroupWelcomeStatus.ADDING, GroupWelcomeStatus.UNKNOWN, GroupWelcomeStatus.MADE)
NEEDS_PERSON = (GroupWelcomeStatus.UNKNOWN, GroupWelcomeStatus.REFUSED, GroupWelcomeStatus.GONE)
INTERRUPTED = "The program ended, or stalled, while WeCom was asked to add it."


def standing_of(row: GroupWelcome) -> Standing:
    """What decides about its next call."""
    return Standing(row.status, row.version, row.written_version, row.retired_at is not None)


def list_group_welcomes(session: Session, *, retired: bool = False) -> list[GroupWelcome]:
    """Those that are in use, by number; or those that are over (`retired`), the latest first."""
    over = col(GroupWelcome.status) == GroupWelcomeStatus.RETIRED
    if retired:
        return list(session.scalars(select(GroupWelcome).where(over).order_by(col(GroupWelcome.id).desc())))
    return list(session.scalars(select(GroupWelcome).where(~over).order_by(col(GroupWelcome.id))))


def get_group_welcome(session: Session, id_: int) -> GroupWelcome:
    """One of them. Raises NotFoundError."""
    row = session.get(GroupWelcome, id_)
    if row is None:
        raise NotFoundError(f"There is no group welcome {id_}.", "siyu group-welcomes list shows which there are.")
    return row


def lock_group_welcome(session: Session, id_: int) -> GroupWelcome:
    """One of them, locked until the transaction ends. Raises NotFoundError."""
    row = session.get(GroupWelcome, id_, with_for_update=True, populate_existing=True)
    return row if row is not None else get_group_welcome(session, id_)


def count_in_stock(session: Session) -> int:
    """How many of WeCom's stock are ours, or will be."""
    wanted = (*IN_STOCK, GroupWelcomeStatus.PLANNED)
    query = select(func.count()).select_from(GroupWelcome).where(col(GroupWelcome.status).in_(wanted))
    return int(session.execute(query).scalar_one())


def add_group_welcome(session: Session, draft: GroupWelcomeDraft, made_by: str, now: datetime) -> int:
    """Keep one that WeCom is to get; its number. Raises ConflictError when WeCom's stock is full of ours."""
    if count_in_stock(session) >= MAX_IN_STOCK:
        raise ConflictError(
            f"WeCom keeps {MAX_IN_STOCK} group welcomes of a company.", "Retire one that no group uses."
        )
    row = GroupWelcome(
        name=draft.name, content=draft.content.model_dump(mode="json"), notify=draft.notify, made_by=made_by,
        made_at=now, status=GroupWelcomeStatus.PLANNED, next_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def change_group_welcome(session: Session, id_: int, draft: GroupWelcomeDraft, now: datetime) -> None:
    """Put other words in the place of one's. Raises NotFoundError, and ConflictError when it is retired."""
    row = _lock_living(session, id_)
    content = draft.content.model_dump(mode="json")
    if content != row.content:
        row.version += 1
    row.name, row.content, row.notify = draft.name, content, draft.notify
    if row.status == GroupWelcomeStatus.REFUSED:
        row.status = GroupWelcomeStatus.PLANNED
    _renew(row, now)


def retire_group_welcome(session: Session, id_: int, now: datetime) -> None:
    """End one: what is in WeCom's stock is deleted there next. Raises NotFoundError, ConflictError when it is over.

    Of one whose making is unknown nothing can be deleted: without its template_id WeCom takes it from nobody.
    """
    row = _lock_living(session, id_)
    row.retired_at = row.retired_at or now
    if row.status in (GroupWelcomeStatus.MADE, GroupWelcomeStatus.ADDING):
        _renew(row, now)
    else:
        _end(row)


def add_again(session: Session, id_: int, now: datetime) -> None:
    """Somebody has looked: WeCom's stock has nothing of an unknown one. Raises NotFoundError, ConflictError."""
    row = _lock_living(session, id_)
    if row.status != GroupWelcomeStatus.UNKNOWN:
        raise ConflictError(f"Group welcome {id_} is {row.status}, not unknown.", "Only an unknown one is added again.")
    row.status = GroupWelcomeStatus.PLANNED
    _renew(row, now)


def write_again(session: Session, id_: int, now: datetime) -> None:
    """Have ours put in the place of what WeCom shows, or added where WeCom has it no more.

    Raises NotFoundError, and ConflictError where that cannot be.
    """
    row = _lock_living(session, id_)
    if row.status == GroupWelcomeStatus.UNKNOWN:
        raise ConflictError(
            f"Nobody knows whether WeCom has group welcome {id_}.",
            f"Look at the stock in WeCom (客户群 → 入群欢迎语). Is it not there: siyu group-welcomes again {id_}. "
            f"Is it there: delete it there first, or retire this one (siyu group-welcomes retire {id_}) and keep that.",
        )
    if row.status in (GroupWelcomeStatus.GONE, GroupWelcomeStatus.REFUSED):
        row.status = GroupWelcomeStatus.PLANNED
    elif row.retired_at is None:
        row.written_version = 0
    _renew(row, now)


def list_due(session: Session, now: datetime, limit: int = 100) -> list[int]:
    """Numbers of those for which WeCom is to be called, the longest waiting first."""
    free = or_(col(GroupWelcome.calling_until).is_(None), col(GroupWelcome.calling_until) <= now)
    query = (
        select(col(GroupWelcome.id))
        .where(col(GroupWelcome.next_at) <= now, free)
        .order_by(col(GroupWelcome.next_at), col(GroupWelcome.id))
        .limit(limit)
    )
    return [int(id_) for id_ in session.execute(query).scalars() if id_ is not None]


def find_step(session: Session, id_: int, now: datetime) -> tuple[GroupWelcome, Step] | None:
    """A group welcome and the call that it needs now; None while one is under way, or nothing is to be done."""
    row = session.get(GroupWelcome, id_)
    if row is None or row.next_at is None or row.next_at > now or not _may_call(row, now):
        return None
    step = next_step(standing_of(row))
    return (row, step) if step is not None else None


def note_interrupted(session: Session, id_: int, now: datetime) -> bool:
    """One whose adding had to be over by now is unknown: whoever asked is gone. False: it is another case."""
    row = lock_group_welcome(session, id_)
    if row.status != GroupWelcomeStatus.ADDING or not _may_call(row, now):
        return False
    _rest(row, GroupWelcomeStatus.UNKNOWN, None, INTERRUPTED)
    return True


def claim(session: Session, id_: int, version: int, step: Step, now: datetime) -> bool:
    """Take the call of a group welcome, right before it is made. False: something has changed meanwhile."""
    row = lock_group_welcome(session, id_)
    if not _may_call(row, now) or row.version != version or next_step(standing_of(row)) is not step:
        return False
    if step is Step.ADD:
        row.status = GroupWelcomeStatus.ADDING
    row.called_at, row.calling_until = now, now + timedelta(seconds=CLAIM_SECONDS)
    row.next_at = row.calling_until
    return True


def note_added(session: Session, id_: int, called_at: datetime, version: int, template_id: str, now: datetime) -> bool:
    """WeCom has added one. False: another call has been made for it meanwhile, and this one is too many."""
    row = lock_group_welcome(session, id_)
    waiting = (GroupWelcomeStatus.ADDING, GroupWelcomeStatus.UNKNOWN, GroupWelcomeStatus.PLANNED)
    if row.called_at != called_at or row.status not in waiting:
        return False
    row.status, row.template_id = GroupWelcomeStatus.MADE, template_id
    _written(row, version, now)
    return True


def note_edited(session: Session, id_: int, called_at: datetime, version: int, now: datetime) -> None:
    """WeCom has taken what one says."""
    row = lock_group_welcome(session, id_)
    if row.called_at == called_at and row.status == GroupWelcomeStatus.MADE:
        _written(row, version, now)


def note_deleted(session: Session, id_: int) -> None:
    """WeCom has one no more, as was wanted."""
    _end(lock_group_welcome(session, id_))


def note_gone(session: Session, id_: int, template_id: str, now: datetime) -> None:
    """WeCom has one no more, which nobody here wanted; or it was to be deleted, then it is over."""
    row = lock_group_welcome(session, id_)
    if row.status != GroupWelcomeStatus.MADE or row.template_id != template_id:
        return
    if row.retired_at is not None:
        _end(row)
        return
    row.template_id, row.written_version, row.drift, row.checked_at = None, 0, None, now
    _rest(row, GroupWelcomeStatus.GONE, None, "Somebody has deleted it in WeCom; groups that used it greet nobody.")


def note_unknown(session: Session, id_: int, called_at: datetime, error: str) -> None:
    """No answer came to the call that adds one."""
    row = lock_group_welcome(session, id_)
    if row.called_at == called_at and row.status == GroupWelcomeStatus.ADDING:
        _rest(row, GroupWelcomeStatus.UNKNOWN, None, error)


def note_failed(
    session: Session,
    id_: int,
    version: int,
    step: Step,
    cause: int | None,
    error: str,
    again_at: datetime | None,
    now: datetime,
    called_at: datetime | None,
) -> None:
    """WeCom made nothing of a call, or it could not be made: tried `again_at`, or not before a person has looked.

    `called_at`: when the call was claimed, None before that. What another call is under way for is left to that one.
    """
    row = lock_group_welcome(session, id_)
    if not (_may_call(row, now) if called_at is None else row.called_at == called_at):
        return
    if row.status == GroupWelcomeStatus.ADDING:
        row.status = GroupWelcomeStatus.PLANNED
    row.tries += 1
    row.calling_until, row.next_at, row.cause, row.error = None, again_at, cause, error
    if row.status == GroupWelcomeStatus.PLANNED and row.retired_at is not None:
        _end(row)
    elif row.version != version or next_step(standing_of(row)) is not step:
        _renew(row, now)
    elif again_at is None and row.status == GroupWelcomeStatus.PLANNED:
        row.status = GroupWelcomeStatus.REFUSED


def list_checkable(session: Session) -> list[tuple[int, str, int]]:
    """(number, template_id, version) of those that WeCom should show as we wrote them."""
    query = (
        select(col(GroupWelcome.id), col(GroupWelcome.template_id), col(GroupWelcome.version))
        .where(
            col(GroupWelcome.status) == GroupWelcomeStatus.MADE,
            col(GroupWelcome.retired_at).is_(None),
            col(GroupWelcome.version) == col(GroupWelcome.written_version),
        )
        .order_by(col(GroupWelcome.id))
    )
    return [(int(id_ or 0), str(template_id), version) for id_, template_id, version in session.execute(query)]


def note_checked(session: Session, id_: int, version: int, drift: Sequence[str], now: datetime) -> bool:
    """What WeCom shows of one differs in these fields. False: it was changed while it was read."""
    row = lock_group_welcome(session, id_)
    if row.status != GroupWelcomeStatus.MADE or row.version != version or row.written_version != version:
        return False
    row.drift, row.checked_at = list(drift) or None, now
    return True


def list_troubled(session: Session) -> list[GroupWelcome]:
    """Those that a person has to look at."""
    query = select(GroupWelcome).where(col(GroupWelcome.status) != GroupWelcomeStatus.RETIRED)
    rows = session.scalars(query.order_by(col(GroupWelcome.id)))
    return [row for row in rows if needs_person(row)]


def needs_person(row: GroupWelcome) -> bool:
    """Whether nothing will happen to one until a person decides."""
    if row.status != GroupWelcomeStatus.MADE:
        return row.status in NEEDS_PERSON
    return bool(row.drift) or (bool(row.error) and row.next_at is None)


def _lock_living(session: Session, id_: int) -> GroupWelcome:
    row = lock_group_welcome(session, id_)
    if row.status == GroupWelcomeStatus.RETIRED:
        raise ConflictError(f"Group welcome {id_} is retired.", "Make another one.")
    return row


def _may_call(row: GroupWelcome, now: datetime) -> bool:
    return row.calling_until is None or row.calling_until <= now


def _renew(row: GroupWelcome, now: datetime) -> None:
    """What is wanted of it has changed: the next call, if it needs one, is due."""
    row.next_at = None
    if row.status == GroupWelcomeStatus.ADDING or next_step(standing_of(row)) is not None:
        row.next_at, row.tries, row.cause, row.error = now, 0, None, ""


def _rest(row: GroupWelcome, status: GroupWelcomeStatus, cause: int | None, error: str) -> None:
    row.status, row.cause, row.error = status, cause, error
    row.calling_until = row.next_at = None


def _written(row: GroupWelcome, version: int, now: datetime) -> None:
    row.written_version, row.written_at, row.calling_until, row.drift = version, now, None, None
    row.tries, row.cause, row.error = 0, None, ""
    _renew(row, now)


def _end(row: GroupWelcome) -> None:
    _rest(row, GroupWelcomeStatus.RETIRED, None, row.error if row.status == GroupWelcomeStatus.UNKNOWN else "")
