"""Welcome rules and auto-tagging rules: rows in, typed rules out."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Text, bindparam, cast, or_, select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import TagRuleRow, WelcomeRuleRow
from data.rules.problems import parse
from data.rules.tagging import TagRule
from data.rules.welcome import WelcomeRule

Row = TypeVar("Row", WelcomeRuleRow, TagRuleRow)
Rule = TypeVar("Rule", WelcomeRule, TagRule)

#: What a row keeps in columns of its own; the rest of the rule is its definition.
COLUMNS = ("id", "name", "priority", "enabled")


def _list(model: type[WelcomeRuleRow | TagRuleRow]) -> tuple[Any, Any]:
    columns = [getattr(model, name) for name in COLUMNS]
    query = select(*columns, cast(model.definition, Text)).order_by(col(model.id))
    return query, query.where(or_(col(model.own_of).is_(None), col(model.own_of) == bindparam("state")))


_WELCOME_RULES, _WELCOME_RULES_OF = _list(WelcomeRuleRow)
_TAG_RULES, _TAG_RULES_OF = _list(TagRuleRow)


def list_welcome_rules(session: Session, state: str | None = None) -> list[WelcomeRule]:
    """All welcome rules, by id. `state`: without those that are other channels' own, of which there may be hundreds."""
    found = _read(session, _WELCOME_RULES, _WELCOME_RULES_OF, state)
    return [_parse(WelcomeRule, *row) for row in found]


def list_tag_rules(session: Session, state: str | None = None) -> list[TagRule]:
    """The same of auto-tagging rules."""
    return [_parse(TagRule, *row) for row in _read(session, _TAG_RULES, _TAG_RULES_OF, state)]


def _read(session: Session, every: Any, narrowed: Any, state: str | None) -> Any:
    return session.execute(every) if state is None else session.execute(narrowed, {"state": state})


def own_by_channel(session: Session, rule: WelcomeRule | TagRule, state: str) -> None:
    """A rule is a channel's own: as long as it asks for this state alone, no other customer's event reads it."""
    model = WelcomeRuleRow if isinstance(rule, WelcomeRule) else TagRuleRow
    if _is_for(rule, state):
        session.execute(update(model).where(col(model.id) == rule.id).values(own_of=state))


@lru_cache(maxsize=16_384)
def _parse(rule: type[Rule], rule_id: int, name: str, priority: int, enabled: bool, definition: str) -> Rule:
    """The rule that a row spells. Every event reads all rules, and the same text is always the same rule."""
    return parse(
        rule, {**json.loads(definition), "id": rule_id, "name": name, "priority": priority, "enabled": enabled}
    )


def get_welcome_rule(session: Session, rule_id: int) -> WelcomeRule:
    """One rule. Raises NotFoundError."""
    return _rule(WelcomeRule, _get(session, WelcomeRuleRow, rule_id))


def get_tag_rule(session: Session, rule_id: int) -> TagRule:
    """One rule. Raises NotFoundError."""
    return _rule(TagRule, _get(session, TagRuleRow, rule_id))


def find_welcome_rule(session: Session, rule_id: int) -> WelcomeRule | None:
    """One rule, if it is still there."""
    row = session.get(WelcomeRuleRow, rule_id)
    return None if row is None else _rule(WelcomeRule, row)


def find_tag_rule(session: Session, rule_id: int) -> TagRule | None:
    """The same for one that puts tags on."""
    row = session.get(TagRuleRow, rule_id)
    return None if row is None else _rule(TagRule, row)


def save_welcome_rule(session: Session, rule: WelcomeRule, now: datetime, version: int | None = None) -> WelcomeRule:
    """Make a rule (id 0) or replace the one with its id. Raises NotFoundError, ConflictError (name taken).

    With `version` also StaleError, when the rule has another one by now.
    """
    return _rule(WelcomeRule, _save(session, WelcomeRuleRow, rule, now, version))


def save_tag_rule(session: Session, rule: TagRule, now: datetime, version: int | None = None) -> TagRule:
    """Make a rule (id 0) or replace the one with its id. Raises NotFoundError, ConflictError (name taken).

    With `version` also StaleError, when the rule has another one by now.
    """
    return _rule(TagRule, _save(session, TagRuleRow, rule, now, version))


def get_version(session: Session, rule: type[WelcomeRule] | type[TagRule], rule_id: int) -> int:
    """How often a rule was written. Raises NotFoundError."""
    if rule is WelcomeRule:
        return _get(session, WelcomeRuleRow, rule_id).version
    return _get(session, TagRuleRow, rule_id).version


def delete_welcome_rule(session: Session, rule_id: int) -> None:
    """Remove a rule. Raises NotFoundError."""
    session.delete(_get(session, WelcomeRuleRow, rule_id))


def delete_tag_rule(session: Session, rule_id: int) -> None:
    """Remove a rule. Raises NotFoundError."""
    session.delete(_get(session, TagRuleRow, rule_id))


def _get(session: Session, model: type[Row], rule_id: int, *, locked: bool = False) -> Row:
    row = session.get(model, rule_id, with_for_update=locked, populate_existing=locked)
    if row is None:
        raise NotFoundError(Phrase("没有编号为 %(rule_id)s 的规则。", rule_id=rule_id), Phrase("请先列出现有的规则。"))
    return row


def _rule(rule: type[Rule], row: WelcomeRuleRow | TagRuleRow) -> Rule:
    columns = {name: getattr(row, name) for name in COLUMNS}
    return parse(rule, {**row.definition, **columns})


def _save(session: Session, model: type[Row], rule: WelcomeRule | TagRule, now: datetime, version: int | None) -> Row:
    columns: dict[str, Any] = {"name": rule.name, "priority": rule.priority, "enabled": rule.enabled}
    namesake = session.execute(select(col(model.id)).where(col(model.name) == rule.name)).scalar_one_or_none()
    if namesake is not None and namesake != rule.id:
        raise ConflictError(
            Phrase("已经有名为“%(name)s”的规则（编号 %(namesake)s）。", name=rule.name, namesake=namesake),
            Phrase("请换一个名称。"),
        )
    definition = rule.model_dump(mode="json", exclude=set(COLUMNS))
    if rule.id:
        row = _get(session, model, rule.id, locked=True)
        if version is not None and row.version != version:
            raise StaleError(Phrase("规则 %(id)s 在您打开之后被修改过。", id=rule.id), Phrase("请核对后再保存。"))
        for name, value in columns.items():
            setattr(row, name, value)
        row.definition = definition
        if row.own_of is not None and not _is_for(rule, row.own_of):
            row.own_of = None
        row.version += 1
        row.changed_at = now
    else:
        row = model(**columns, definition=definition, changed_at=now)
        session.add(row)
    session.flush()
    return row


def _is_for(rule: WelcomeRule | TagRule, state: str) -> bool:
    """Whether a rule asks for this channel alone."""
    return rule.conditions.states == {state} and not rule.conditions.state_prefixes
