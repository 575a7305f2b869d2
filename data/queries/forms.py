"""Forms, and how often they were answered."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import FormAnswer, FormRow, Link
from data.queries import links as link_rows
from data.rules.forms import PATH, Form
from data.rules.links import LinkDraft

A: Any = FormAnswer.__table__  # type: ignore[attr-defined]


class Counted(NamedTuple):
    """So many customers have sent a form, so many times together."""

    customers: int = 0
    times: int = 0


def add_form(session: Session, form: Form, code: str, made_by: str, now: datetime) -> FormRow:
    """Keep a form that was checked, with the link that leads to it. Raises ConflictError when there is a form, or a
    link, of this name."""
    if find_form(session, form.name) is not None:
        raise ConflictError(f"There is a form {form.name} already.", "Choose another name: closed forms keep theirs.")
    link = link_rows.add_link(session, LinkDraft(name=form.name, url=f"{PATH}{form.name}"), code, made_by, now)
    row = FormRow(
        name=form.name, definition=form.model_dump(mode="json"), link_id=link.id or 0, made_by=made_by[:80], made_at=now
    )
    session.add(row)
    session.flush()
    return row


def get_form(session: Session, form_id: int) -> FormRow:
    """One form. Raises NotFoundError."""
    row = session.get(FormRow, form_id)
    if row is None:
        raise NotFoundError(f"There is no form {form_id}.", "siyu forms list shows them.")
    return row


def find_form(session: Session, name: str) -> FormRow | None:
    """The form of a name."""
    return session.execute(select(FormRow).where(col(FormRow.name) == name)).scalars().first()


def list_forms(session: Session, limit: int, before_id: int | None = None) -> list[FormRow]:
    """Forms, newest first."""
    query = select(FormRow).order_by(col(FormRow.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(FormRow.id) < before_id)
    return list(session.execute(query).scalars())


def change_form(session: Session, form_id: int, version: int, form: Form) -> FormRow:
    """Have it ask something else, as its next version. Raises NotFoundError, and ConflictError when it is not at
    `version` any more."""
    row = session.get(FormRow, form_id, with_for_update=True, populate_existing=True) or get_form(session, form_id)
    refuse_stale(row, version)
    row.definition, row.version = form.model_dump(mode="json"), version + 1
    session.flush()
    return row


def refuse_stale(row: FormRow, version: int) -> None:
    """Raises ConflictError when somebody has changed the form since `version`."""
    if row.version != version:
        raise ConflictError(
            f"Form {row.id} is at version {row.version}, not {version}: somebody has changed it.",
            "Read it again, and repeat what you wanted.",
        )


def close_form(session: Session, form_id: int, closed_at: datetime | None) -> FormRow:
    """Nobody can fill it in any more, from an instant on; None: everybody can again. Raises NotFoundError."""
    row = get_form(session, form_id)
    row.closed_at = closed_at and (row.closed_at or closed_at)
    session.flush()
    return row


def count_answers(session: Session, form_ids: Collection[int]) -> dict[int, Counted]:
    """By form: how often it was sent."""
    query = (
        select(A.c.form_id, func.count(A.c.external_userid.distinct()), func.count())
        .where(A.c.form_id.in_(sorted(form_ids)))
        .group_by(A.c.form_id)
    )
    return {form_id: Counted(customers, times) for form_id, customers, times in session.execute(query)}


def map_codes(session: Session, link_ids: Collection[int]) -> dict[int, str]:
    """The codes of the links that lead to forms."""
    query = select(col(Link.id), col(Link.code)).where(col(Link.id).in_(sorted(link_ids)))
    return {row.id: row.code for row in session.execute(query)}
