"""Auto-tagging rules: who gets which tags, which rules would match on a made-up occasion, and those who came before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import markings
from bot.console.asks import Ask
from bot.console.customer_words import ADD_WAYS
from bot.console.rule_forms import (
    SEARCH_IN,
    TRIGGERS,
    chosen,
    fen,
    local_instant,
    read_common,
    read_offered,
    read_tag_conditions,
    whole,
    yuan,
)
from bot.console.rule_pages import Filled, RulePages
from bot.console.rule_words import OUTCOMES, condition_words, failed_words
from bot.rule_edits import change_tag_rule, save_tag_rule, tag_problems
from bot.rule_trials import TagTry, try_tags
from data.queries import rules as rows
from data.queries import segment_names
from data.rules.markings import RulesDraft
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.tagging import TagRule

PATH = "/console/tag-rules"


async def show_list(ask: Ask) -> web.Response:
    """All rules, in the order in which they are asked."""

    def read(session: Session) -> Any:
        rules = sorted(rows.list_tag_rules(session), key=lambda rule: (-rule.priority, rule.id))
        broken = {rule.id: found for rule in rules if (found := tag_problems(session, rule))}
        return rules, broken, read_offered(session).names()

    rules, broken, names = await ask.db.read(read)
    told = {rule.id: condition_words(ask, rule.conditions, names) for rule in rules}
    return ask.show("tag_rules", rules=rules, told=told, broken=broken, names=names["tags"], triggers=TRIGGERS)


class TagPages(RulePages[TagRule]):
    """Auto-tagging rules, written and changed."""

    path = PATH
    noun = "tag rule"
    kind = TagRule

    def get(self, session: Session, rule_id: int) -> TagRule:
        return rows.get_tag_rule(session, rule_id)

    def save(self, session: Session, ask: Ask, rule: TagRule, version: int | None) -> TagRule:
        return save_tag_rule(session, rule, ask.now, version)

    def switch_to(self, session: Session, ask: Ask, rule_id: int, *, enabled: bool) -> TagRule:
        return change_tag_rule(session, rule_id, {"enabled": enabled}, ask.now)

    def delete(self, session: Session, rule_id: int) -> None:
        rows.delete_tag_rule(session, rule_id)

    def version_of(self, session: Session, rule_id: int) -> int:
        return rows.get_version(session, TagRule, rule_id)

    def blank(self, ask: Ask) -> dict[str, Any]:
        return {"enabled": True, "triggers": ["add"]}

    def read(self, ask: Ask) -> dict[str, Any]:
        return {
            **read_common(ask),
            "triggers": ask.texts("triggers"),
            "conditions": read_tag_conditions(ask),
            "put_on": chosen(ask, "put_on"),
            "take_off": chosen(ask, "take_off"),
        }

    async def more(self, ask: Ask, filled: Filled) -> dict[str, Any]:
        return {"triggers": TRIGGERS, "add_ways": ADD_WAYS, "search_in": SEARCH_IN, "yuan": yuan}


PAGES = TagPages()


async def show_trial(ask: Ask) -> web.Response:
    """What the rules would change on a made-up occasion, and why."""
    query = ask.request.query
    offered = await ask.db.read(read_offered)
    names, told, problems = offered.names(), None, list[Problem]()
    if query.get("userid", "").strip():
        try:
            told = await ask.db.read(try_tags, _tried(ask), ask.zone, ask.now)
        except InvalidRuleError as error:
            problems = list(error.problems)
    return ask.show(
        "tag_rules_try", 400 if problems else 200, offered=offered, trial=told, typed=query, triggers=TRIGGERS,
        add_ways=ADD_WAYS, outcomes=OUTCOMES, problems=problems, names=names["tags"],
        why=lambda failed: failed_words(ask, failed, names),
    )  # fmt: skip


def _tried(ask: Ask) -> TagTry:
    query = {name: value.strip() for name, value in ask.request.query.items()}
    asked: dict[str, Any] = {name: query.get(name, "") for name in ("userid", "state", "chat_id", "order_source")}
    asked |= {name: query[name] for name in ("name", "remark") if query.get(name)}
    asked |= {"trigger": query.get("trigger") or "add", "at": local_instant(ask, query.get("at", ""))}
    if query.get("add_way"):
        asked["add_way"] = whole(query["add_way"])
    if query.get("order_amount"):
        asked["order_amount_fen"] = fen(query["order_amount"])
    if query.get("order_count"):
        asked["order_count"] = whole(query["order_count"])
    return parse(TagTry, asked)


async def show_apply(ask: Ask) -> web.Response:
    """Rules to be applied to those who are here already."""
    return await _apply_form(ask, {"rule_ids": ask.request.query.getall("rule", []), "segment_id": ""})


async def apply(ask: Ask) -> web.Response:
    """Count whom the rules would change, or have them changed."""
    typed: dict[str, Any] = {"rule_ids": ask.texts("rule"), "segment_id": ask.text("segment_id", 20)}
    try:
        draft = parse(RulesDraft, {
            "rule_ids": [whole(each) for each in typed["rule_ids"]],
            "audience": {"segment_id": whole(typed["segment_id"])} if typed["segment_id"] else {"everyone": True},
        })  # fmt: skip
        if ask.text("act") != "apply":
            return await _apply_form(ask, typed, tally=await markings.count_rules(ask.ctx, draft))
        marking = await markings.apply_rules(ask.ctx, draft, ask.actor.who[:80])
    except InvalidRuleError as error:
        return await _apply_form(ask, typed, 400, problems=error.problems)
    await ask.note("tag_rules.apply", f"marking {marking.id}", after={**typed, "marking": marking.id})
    return ask.go(f"/console/markings/{marking.id}", "started")


async def _apply_form(
    ask: Ask, typed: Mapping[str, Any], status: int = 200, *, tally: Any = None, problems: Any = ()
) -> web.Response:
    def read(session: Session) -> Any:
        return (
            sorted(rows.list_tag_rules(session), key=lambda rule: (-rule.priority, rule.id)),
            segment_names.list_segments(session),
            read_offered(session).names()["tags"],
        )

    rules, segments, names = await ask.db.read(read)
    return ask.show(
        "tag_rules_apply", status, rules=rules, segments=segments, names=names, typed=typed, tally=tally,
        problems=problems,
    )  # fmt: skip
