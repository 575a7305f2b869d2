"""What customers have answered: written with all that follows from it in one transaction, and read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import Customer, FormAnswer, FormRow, LinkClick
from data.queries.fields import list_definitions, save_values
from data.queries.happenings import note
from data.queries.preferences import change_preference, find_rule
from data.rules.fields import BIRTHDAY
from data.rules.form_answers import Answers, fields_of, from_kept, is_opted_out, tags_of, to_kept
from data.rules.forms import Form, list_fields
from data.rules.happenings import FORM, Happened

A: Any = FormAnswer.__table__  # type: ignore[attr-defined]
K: Any = LinkClick.__table__  # type: ignore[attr-defined]

#: Of one customer for one form; nobody corrects theirs so often.
ANSWERS_MAX = 50


class ClosedFormError(ConflictError):
    """It cannot be filled in any more."""


class ChangedFormError(ConflictError):
    """It asks something else than what was answered."""


class TooManyAnswersError(ConflictError):
    """The customer has sent it too often."""


class Page(NamedTuple):
    """The page that an answer was sent from: which form in which version, and a key of the page's own."""

    form_id: int
    version: int
    key: str


def record_answer(session: Session, page: Page, external_userid: str, answers: Answers, now: datetime) -> FormAnswer:
    """A customer has sent a form: their fields, what they want to hear, what journeys listen for, and the answer.

    What was sent before from the same page is that one again; from a page that was opened anew it is another answer,
    whatever it says. Raises NotFoundError for a customer whom we do not know, ClosedFormError, ChangedFormError,
    TooManyAnswersError.
    """
    # One answer of a customer after the other.
    if session.get(Customer, external_userid, with_for_update=True) is None:
        raise NotFoundError("There is no such customer.", "They are known once they are a contact of the staff.")
    row = session.get(FormRow, page.form_id, populate_existing=True)
    if row is None or row.closed_at is not None:
        raise ClosedFormError("The form is closed.")
    if row.version != page.version:
        raise ChangedFormError("The form was changed meanwhile.", "Open it again.")
    form = Form.model_validate(row.definition)
    last = find_last(session, page.form_id, external_userid)
    kept = to_kept(form, answers)
    for sent in _list_of_page(session, page, external_userid):
        if sent.answers == kept:
            return sent
    if last is not None and _count(session, page.form_id, external_userid) >= ANSWERS_MAX:
        raise TooManyAnswersError("The customer has sent the form too often.", "Write their answers by hand.")
    before = from_kept(last.answers) if last is not None else {}
    # Whoever has a form for a goal has reached it, also where the answer is to hear nothing more.
    note(session, [Happened(FORM, external_userid, now, {"form": form.name})])
    _save_fields(session, external_userid, form, fields_of(form, answers, before), now)
    _save_wish(session, external_userid, form.name, is_opted_out(form, answers, before), now)
    put_on, take_off = tags_of(form, answers, before)
    if last is not None and last.due_at is not None:
        # What was to follow from the last one is not done yet, and this one comes in its place.
        take_off |= set(last.take_off) - put_on
        last.due_at = None
    answer = FormAnswer(
        form_id=page.form_id, version=page.version, external_userid=external_userid, page_key=page.key,
        userid=_find_sender(session, row.link_id, external_userid), answers=kept, answered_at=now,
        put_on=sorted(put_on), take_off=sorted(take_off),
        due_at=now if put_on or take_off or form.tells_staff else None,
    )  # fmt: skip
    session.add(answer)
    session.flush()
    return answer


def _list_of_page(session: Session, page: Page, external_userid: str) -> list[FormAnswer]:
    query = select(FormAnswer).where(
        col(FormAnswer.external_userid) == external_userid, col(FormAnswer.form_id) == page.form_id,
        col(FormAnswer.page_key) == page.key,
    )  # fmt: skip
    return list(session.execute(query).scalars())


def _save_fields(session: Session, external_userid: str, form: Form, values: Mapping[str, Any], now: datetime) -> None:
    """Write the values of those fields that are still as the form expects them: what a customer says is kept with
    their answer all the same."""
    kinds = {each.name: each.kind for each in list_definitions(session)}
    there = {BIRTHDAY, *(field for _, field, kind, _ in list_fields(form) if kinds.get(field) == kind)}
    known = {name: value for name, value in values.items() if name in there}
    if known:
        save_values(session, external_userid, known, now, replace=False)


def _save_wish(session: Session, external_userid: str, form: str, opted_out: bool | None, now: datetime) -> None:
    known = find_rule(session, external_userid)
    if opted_out is None or opted_out == (known is not None and known.opted_out):
        return
    changes = {"opted_out": opted_out, "reason": f"表单 {form}"}
    change_preference(session, external_userid, changes, f"form {form}", now)


def _find_sender(session: Session, link_id: int, external_userid: str) -> str:
    """Whose message the customer opened the form from last, where that is known."""
    query = (
        select(K.c.userid)
        .where(K.c.link_id == link_id, K.c.external_userid == external_userid)
        .order_by(K.c.last_at.desc())
        .limit(1)
    )
    return session.execute(query).scalar() or ""


def find_last(session: Session, form_id: int, external_userid: str) -> FormAnswer | None:
    """What a customer has answered last."""
    query = (
        select(FormAnswer)
        .where(col(FormAnswer.external_userid) == external_userid, col(FormAnswer.form_id) == form_id)
        .order_by(col(FormAnswer.id).desc())
        .limit(1)
    )
    return session.execute(query).scalars().first()


def _count(session: Session, form_id: int, external_userid: str) -> int:
    query = select(func.count()).where(A.c.external_userid == external_userid, A.c.form_id == form_id)
    return int(session.execute(query).scalar_one())


def list_answers(session: Session, form_id: int, limit: int, before_id: int | None = None) -> list[Mapping[str, Any]]:
    """What was answered to a form, newest first, corrections among them."""
    return _newest(session, _answers().where(A.c.form_id == form_id), limit, before_id)


def list_of_customer(
    session: Session, external_userid: str, limit: int, before_id: int | None = None
) -> list[Mapping[str, Any]]:
    """What a customer has answered to any form, newest first."""
    return _newest(session, _answers().where(A.c.external_userid == external_userid), limit, before_id)


def _answers() -> Select[Any]:
    columns = [column for column in A.c if column.name not in ("attempts", "page_key")]
    return select(*columns, col(FormRow.name).label("form")).join(FormRow, col(FormRow.id) == A.c.form_id)


def _newest(session: Session, query: Select[Any], limit: int, before_id: int | None) -> list[Mapping[str, Any]]:
    if before_id is not None:
        query = query.where(A.c.id < before_id)
    return [dict(row) for row in session.execute(query.order_by(A.c.id.desc()).limit(limit)).mappings()]
