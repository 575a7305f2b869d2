"""Forms made, checked and changed: what the API and the commands share."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlmodel import Session

from bot.phrases import Phrase
from bot.rule_edits import merged
from data.models import FormRow
from data.queries import fields as field_rows
from data.queries import forms as rows
from data.queries import tags as tag_rows
from data.rules import forms
from data.rules.fields import FieldDefinition
from data.rules.forms import Form
from data.rules.links import address_of, new_code
from data.rules.problems import InvalidRuleError, Problem, RuleModel, parse


class FormVersionRead(RuleModel):
    """Which version of a form somebody has read."""

    version: int = Field(ge=1, le=2**31 - 1)


def check_form(session: Session, source: Mapping[str, Any]) -> Form:
    """A form, if all that it names is there. Raises InvalidRuleError with a path per fault."""
    form = parse(Form, source)
    if found := [*forms.problems(form), *_unknown(session, form)]:
        raise InvalidRuleError(found)
    return form


def _unknown(session: Session, form: Form) -> Iterable[Problem]:
    kinds = {each.name: each.kind for each in field_rows.list_definitions(session)}
    for path, field, kind, _ in forms.list_fields(form):
        if field not in kinds:
            yield Problem(
                path,
                Phrase(
                    "没有自定义字段 %(field)s，请先定义：siyu fields define %(field)s --kind %(kind)s",
                    field=field,
                    kind=kind.value,
                ),
            )
        elif kinds[field] != kind:
            yield Problem(
                path,
                Phrase(
                    "自定义字段 %(field)s 的类型是 %(kind)s，这里要用 %(wanted)s",
                    field=field,
                    kind=kinds[field],
                    wanted=kind.value,
                ),
            )
    tags = set(tag_rows.list_live_ids(session))
    for path, tag_id in forms.list_tags(form):
        if tag_id not in tags:
            yield Problem(path, Phrase("企业标签里没有 %(tag_id)s（已被删除，或还没有从企业微信读到）", tag_id=tag_id))


def define_fields(session: Session, source: Mapping[str, Any], now: datetime) -> list[str]:
    """Define the fields that a form writes into and that are not there, by the titles of its questions; which.

    Raises InvalidRuleError, ConflictError.
    """
    known = {each.name for each in field_rows.list_definitions(session)}
    missing = [each for each in forms.list_fields(parse(Form, source)) if each[1] not in known]
    for _, field, kind, title in missing:
        field_rows.add_definition(session, FieldDefinition(name=field, title=title[:64], kind=kind), now)
    return [field for _, field, _, _ in missing]


def make_form(session: Session, source: Mapping[str, Any], made_by: str, now: datetime) -> FormRow:
    """Check and keep a form, which customers can fill in from now on. Raises InvalidRuleError, ConflictError."""
    return rows.add_form(session, check_form(session, source), new_code(secrets.choice), made_by, now)


def change_form(session: Session, form_id: int, source: Mapping[str, Any]) -> FormRow:
    """Have a form ask something else: `source` as a JSON merge patch (lists as a whole), with the `version` that was
    read. Raises InvalidRuleError, NotFoundError, ConflictError when somebody else was faster."""
    version = parse(FormVersionRead, {"version": source["version"]} if "version" in source else {}).version
    row = rows.get_form(session, form_id)
    rows.refuse_stale(row, version)
    changes = {name: value for name, value in source.items() if name != "version"}
    if changes.get("name", row.name) != row.name:
        raise InvalidRuleError([Problem("name", Phrase("名称不能改：链接、旅程和文字里写着它，请另建一张表单"))])
    form = check_form(session, merged(row.definition, changes))
    return row if form.model_dump(mode="json") == row.definition else rows.change_form(session, form_id, version, form)


def export_form(session: Session, form_id: int) -> dict[str, Any]:
    """What a form asks, with its version, to be changed. Raises NotFoundError."""
    row = rows.get_form(session, form_id)
    return {"version": row.version, **row.definition}


def tell_forms(session: Session, found: Iterable[FormRow], public_url: str) -> list[dict[str, Any]]:
    """Forms as they are shown, with how often they were answered."""
    shown = list(found)
    counted = rows.count_answers(session, [each.id or 0 for each in shown])
    codes = rows.map_codes(session, [each.link_id for each in shown])
    return [
        {
            **each.model_dump(),
            "address": address_of(public_url, codes[each.link_id]) if public_url and each.link_id in codes else "",
            "customers": counted.get(each.id or 0, rows.Counted()).customers,
            "answers": counted.get(each.id or 0, rows.Counted()).times,
        }
        for each in shown
    ]
