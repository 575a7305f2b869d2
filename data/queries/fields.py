"""Custom fields: definitions, and customers' values with their birthdays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from data.errors import ConflictError, NotFoundError
from data.models import Birthday, Customer, CustomerField, FieldDefinition
from data.queries.follow_facts import Facts, note_facts
from data.queries.upsert import upsert
from data.rules import fields as rules
from data.rules.fields import (
    BIRTHDAY,
    DEFINITIONS_MAX,
    CustomerValues,
    FieldKind,
    StoredValue,
    read_values,
    told_value,
)
from data.rules.problems import InvalidRuleError

DELETED_AT_ONCE = 1_000


def list_definitions(session: Session) -> list[FieldDefinition]:
    """The fields that the company has defined, by name."""
    return list(session.execute(select(FieldDefinition).order_by(col(FieldDefinition.name))).scalars())


def add_definition(session: Session, given: rules.FieldDefinition, now: datetime) -> FieldDefinition:
    """Define a field, or give it another title.

    Raises InvalidRuleError, and ConflictError where it holds values of another kind or there are too many fields.
    """
    if problems := given.problems():
        raise InvalidRuleError(problems)
    row = session.get(FieldDefinition, given.name, with_for_update=True)
    if row is not None:
        if row.kind != given.kind:
            raise ConflictError(
                f"The field {given.name} holds values of the kind {row.kind}.",
                "Delete it first, or choose another name.",
            )
        row.title = given.title
        return row
    if session.execute(select(func.count()).select_from(FieldDefinition)).scalar_one() >= DEFINITIONS_MAX:
        raise ConflictError(f"There are {DEFINITIONS_MAX} fields already.", "Delete one that nobody uses.")
    row = FieldDefinition(name=given.name, title=given.title, kind=given.kind.value, created_at=now)
    session.add(row)
    session.flush()
    return row


def delete_values(session: Session, name: str) -> int:
    """Delete some values of a field; how many. Raises NotFoundError for a field that is not defined."""
    if session.get(FieldDefinition, name) is None:
        raise NotFoundError(f"There is no field {name!r}.")
    some = select(col(CustomerField.external_userid)).where(col(CustomerField.name) == name).limit(DELETED_AT_ONCE)
    deleted: Any = session.execute(
        delete(CustomerField).where(col(CustomerField.name) == name, col(CustomerField.external_userid).in_(some))
    )
    return int(deleted.rowcount)


def delete_definition(session: Session, name: str) -> None:
    """Remove a field, with what values are left of it. Raises NotFoundError."""
    row = session.get(FieldDefinition, name, with_for_update=True)
    if row is None:
        raise NotFoundError(f"There is no field {name!r}.")
    session.execute(delete(CustomerField).where(col(CustomerField.name) == name))
    session.delete(row)


def list_values(session: Session, external_userids: Collection[str]) -> dict[str, dict[str, Any]]:
    """The values of customers' fields by customer and field, birthdays among them, as they are told."""
    ids = list(external_userids)
    found: dict[str, dict[str, Any]] = {}
    rows = session.execute(
        select(CustomerField, col(FieldDefinition.kind))
        .join(FieldDefinition, col(FieldDefinition.name) == col(CustomerField.name))
        .where(col(CustomerField.external_userid).in_(ids))
        .order_by(col(CustomerField.name))
    )
    for row, kind in rows:
        value = told_value(kind, StoredValue(row.text, row.number))
        found.setdefault(row.external_userid, {})[row.name] = value
    for row in session.execute(select(Birthday).where(col(Birthday.external_userid).in_(ids))).scalars():
        month, day = divmod(row.month_day, 100)
        found.setdefault(row.external_userid, {})[BIRTHDAY] = {
            "calendar": row.calendar, "month": month, "day": day, "leap_month": row.is_leap_month, "year": row.year,
        }  # fmt: skip
    return found


def get_values(session: Session, external_userid: str) -> dict[str, Any]:
    """The values of one customer. Raises NotFoundError for a customer whom we do not know."""
    _known(session, external_userid)
    return list_values(session, [external_userid]).get(external_userid, {})


def save_values(
    session: Session, external_userid: str, given: Mapping[str, Any], now: datetime, *, replace: bool
) -> dict[str, Any]:
    """Write values as somebody sent them; null removes one. `replace`: what is not among them is removed.

    All values afterwards. Raises NotFoundError for a customer whom we do not know (a typing error would be kept for
    ever, and somebody who was erased would come back), InvalidRuleError with a path per fault.
    """
    kinds = {row.name: FieldKind(row.kind) for row in list_definitions(session)}
    values = read_values(given, kinds)
    _known(session, external_userid, lock=True)
    gone = (set(kinds) if replace else set(values.fields)) - {
        name for name, value in values.fields.items() if value is not None
    }
    if gone:
        session.execute(
            delete(CustomerField).where(
                col(CustomerField.external_userid) == external_userid, col(CustomerField.name).in_(sorted(gone))
            )
        )
    if values.birthday is None and (values.has_birthday or replace):
        session.execute(delete(Birthday).where(col(Birthday.external_userid) == external_userid))
    _write(session, {external_userid: values}, now)
    if values.has_birthday or replace:
        note_facts(session, [external_userid], Facts.BIRTHDAY)
    return list_values(session, [external_userid]).get(external_userid, {})


def add_values(session: Session, given: Mapping[str, Mapping[str, Any]], now: datetime) -> dict[str, str]:
    """Write values of many customers at once, each as `save_values` takes them, and remove none; why not, by customer,
    where they could not be written."""
    kinds = {row.name: FieldKind(row.kind) for row in list_definitions(session)}
    query = select(col(Customer.external_userid)).where(col(Customer.external_userid).in_(sorted(given)))
    known = set(session.execute(query.order_by(col(Customer.external_userid)).with_for_update()).scalars())
    faults, values = dict[str, str](), dict[str, CustomerValues]()
    for external_userid, each in given.items():
        try:
            if external_userid not in known:
                raise NotFoundError("There is no such customer.")
            values[external_userid] = read_values(each, kinds)
        except (InvalidRuleError, NotFoundError) as error:
            faults[external_userid] = error.message
    _write(session, values, now)
    note_facts(session, [each for each, value in values.items() if value.has_birthday], Facts.BIRTHDAY)
    return faults


def _write(session: Session, values: Mapping[str, CustomerValues], now: datetime) -> None:
    upsert(
        session,
        CustomerField,
        [
            {"external_userid": external_userid, "name": name, "text": value.text, "number": value.number,
             "changed_at": now}
            for external_userid, each in values.items()
            for name, value in sorted(each.fields.items())
            if value is not None
        ],
    )  # fmt: skip
    upsert(
        session,
        Birthday,
        [
            {"external_userid": external_userid, "calendar": born.calendar, "month_day": born.month_day,
             "is_leap_month": born.leap_month, "year": born.year, "changed_at": now}
            for external_userid, each in values.items()
            if (born := each.birthday) is not None
        ],
    )  # fmt: skip


def _known(session: Session, external_userid: str, *, lock: bool = False) -> None:
    query = select(col(Customer.external_userid)).where(col(Customer.external_userid) == external_userid)
    if session.execute(query.with_for_update() if lock else query).first() is None:
        raise NotFoundError("There is no such customer.", "Check the id; siyu sync reads all customers from WeCom.")
