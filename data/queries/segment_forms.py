"""What a segment asks of customers' answers to forms; of several answers to one form the last one counts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, and_, exists, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from data.models import FormAnswer
from data.queries.segment_terms import UNSURE, Asking, Condition, Is, SetTerm, Sql, opposite
from data.rules.segment_leaves import Answered, FormLeaf


def form_answered(leaf: FormLeaf, asking: Asking) -> Condition:
    """What a leaf asks of a form."""
    form = asking.known.forms.get(leaf.form)
    if form is None:
        return UNSURE
    rows: Any = FormAnswer.__table__.alias()  # type: ignore[attr-defined]
    where: list[Sql] = [rows.c.form_id == form.form_id]
    if leaf.within_days is not None:
        where.append(rows.c.answered_at >= asking.days_ago(leaf.within_days))
    if leaf.question is not None:
        where += [_is_last(rows), _says(rows, leaf, asking.dialect)]
    found = Is(SetTerm("external_userid", rows.c.external_userid, tuple(where), findable=True))
    return opposite(found) if leaf.did is Answered.NOT_ANSWERED else found


def _is_last(rows: Any) -> Sql:
    newer: Any = FormAnswer.__table__.alias()  # type: ignore[attr-defined]
    same = and_(newer.c.external_userid == rows.c.external_userid, newer.c.form_id == rows.c.form_id)
    return ~exists().where(same, newer.c.id > rows.c.id).correlate(rows)


def _says(rows: Any, leaf: FormLeaf, dialect: str) -> Sql:
    """That the question was answered, with one of what is asked for: one text, or one of several that were chosen."""
    values: list[Any] = [leaf.ticked] if leaf.ticked is not None else sorted(leaf.one_of or ())
    if dialect != "sqlite":
        # An array contains what a part of it is, and so does an object.
        entries: list[dict[str, Any]] = [{"key": leaf.question}]
        if values:
            entries = [{"key": leaf.question, "value": each} for value in values for each in (value, [value])]
        return or_(*(type_coerce(rows.c.answers, JSONB).contains([each]) for each in entries))
    entry = func.json_each(rows.c.answers).table_valued("value", name=f"{rows.name}_entry")
    is_it = func.json_extract(entry.c.value, "$.key", type_=Text) == leaf.question
    if not values:
        return exists(select(entry.c.value).where(is_it).correlate(rows))
    said = func.json_each(entry.c.value, "$.value").table_valued("value", name=f"{rows.name}_said")
    return exists(
        select(said.c.value).select_from(entry).join(said, is_it).where(said.c.value.in_(values)).correlate(rows)
    )
