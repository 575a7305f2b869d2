"""Rules of WeChat customer service: rows in, typed rules out."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Text, cast, select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import KfRuleRow
from data.rules.kf import KfRule
from data.rules.problems import InvalidRuleError, parse

#: What a row keeps in columns of its own; the rest of the rule is its definition.
COLUMNS = ("id", "name", "open_kfid", "priority", "enabled")
_ALL = select(*(getattr(KfRuleRow, name) for name in COLUMNS), cast(KfRuleRow.definition, Text)).order_by(
    col(KfRuleRow.id)
)


def list_rules(session: Session, open_kfid: str | None = None) -> list[KfRule]:
    """All rules, by id; or those that are asked for one account. One that this program cannot read any more keeps the
    others from nothing: it is left out."""
    parsed = (_parse(*row) for row in session.execute(_ALL))
    rules = [rule for rule in parsed if rule is not None]
    return rules if open_kfid is None else [rule for rule in rules if rule.open_kfid in ("", open_kfid)]


@lru_cache(maxsize=4_096)
def _parse(rule_id: int, name: str, open_kfid: str, priority: int, enabled: bool, definition: str) -> KfRule | None:
    """The rule that a row spells: the same text is always the same rule."""
    columns = {"id": rule_id, "name": name, "open_kfid": open_kfid, "priority": priority, "enabled": enabled}
    try:
        return parse(KfRule, {**json.loads(definition), **columns})
    except InvalidRuleError:
        return None


def get_rule(session: Session, rule_id: int) -> KfRule:
    """One rule. Raises NotFoundError."""
    return _rule(_get(session, rule_id))


def get_version(session: Session, rule_id: int) -> int:
    """How often a rule was written. Raises NotFoundError."""
    return _get(session, rule_id).version


def save_rule(session: Session, rule: KfRule, now: datetime, version: int | None = None) -> KfRule:
    """Make a rule (id 0) or replace the one with its id. Raises NotFoundError, ConflictError (name taken); with
    `version` also StaleError, when the rule has another one by now."""
    namesake = session.execute(select(col(KfRuleRow.id)).where(col(KfRuleRow.name) == rule.name)).scalar_one_or_none()
    if namesake is not None and namesake != rule.id:
        raise ConflictError(
            Phrase("已经有名为“%(name)s”的规则（编号 %(namesake)s）。", name=rule.name, namesake=namesake),
            Phrase("请换一个名称。"),
        )
    values: dict[str, Any] = {name: getattr(rule, name) for name in COLUMNS if name != "id"}
    definition = rule.model_dump(mode="json", exclude=set(COLUMNS))
    if rule.id:
        row = _get(session, rule.id, locked=True)
        if version is not None and row.version != version:
            raise StaleError(Phrase("规则 %(id)s 在您打开之后被修改过。", id=rule.id), Phrase("请核对后再保存。"))
        for name, value in values.items():
            setattr(row, name, value)
        row.definition, row.changed_at = definition, now
        row.version += 1
    else:
        row = KfRuleRow(**values, definition=definition, changed_at=now)
        session.add(row)
    session.flush()
    return _rule(row)


def delete_rule(session: Session, rule_id: int) -> None:
    """Remove a rule. Raises NotFoundError."""
    session.delete(_get(session, rule_id))


def _get(session: Session, rule_id: int, *, locked: bool = False) -> KfRuleRow:
    row = session.get(KfRuleRow, rule_id, with_for_update=locked, populate_existing=locked)
    if row is None:
        raise NotFoundError(Phrase("没有编号为 %(rule_id)s 的规则。", rule_id=rule_id), Phrase("请先列出现有的规则。"))
    return row


def _rule(row: KfRuleRow) -> KfRule:
    return parse(KfRule, {**row.definition, **{name: getattr(row, name) for name in COLUMNS}})
