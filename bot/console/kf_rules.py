"""Rules of customer service: the list, the form, and a box that says what would be answered to a text, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.kf_forms import (
    ANSWER_TYPES,
    CONDITION_WORDS,
    HOURS,
    HOW,
    MSGTYPES,
    ON,
    VALUE_WORDS,
    menu_lines,
    read_answers,
    read_conditions,
)
from bot.console.rule_forms import chosen, local_instant, read_common, whole
from bot.console.rule_pages import Filled, RulePages
from bot.console.rule_words import OUTCOMES
from bot.kf_edits import KfTry, change_rule, rule_problems, save_rule, try_rules
from data.models import KfAccount
from data.queries import kf_accounts as account_rows
from data.queries import kf_rules as rows
from data.queries import media as media_rows
from data.rules.kf import Happening, KfRule, ranked
from data.rules.problems import InvalidRuleError, Problem, parse

PATH = "/console/kf/rules"


async def show_list(ask: Ask) -> web.Response:
    """The rules that are asked for one account, or all of them, in the order in which they are asked."""
    wanted = ask.request.query.get("account", "")[:64]

    def read(session: Session) -> Any:
        rules = rows.list_rules(session)
        broken = {rule.id: found for rule in rules if (found := rule_problems(session, rule))}
        return rules, broken, account_rows.list_accounts(session)

    rules, broken, accounts = await ask.db.read(read)
    shown = [rule for on in Happening for rule in in_order(rules, wanted, on)]
    return ask.show(
        "kf_rules", rules=shown, broken=broken, accounts=accounts, wanted=wanted, names=names_of(accounts), on=ON,
        hours=HOURS, how=HOW, answer_types=ANSWER_TYPES,
    )  # fmt: skip


def in_order(rules: Sequence[KfRule], open_kfid: str, on: Happening) -> list[KfRule]:
    """As they are asked; without an account all of them."""
    if open_kfid:
        return ranked(rules, open_kfid, on)
    return sorted(
        (rule for rule in rules if rule.on is on), key=lambda rule: (rule.is_default, -rule.priority, rule.id)
    )


def names_of(accounts: Sequence[KfAccount]) -> dict[str, str]:
    """Names of accounts by their ids."""
    return {each.open_kfid: each.name or each.open_kfid for each in accounts}


class KfPages(RulePages[KfRule]):
    """Rules of customer service, written and changed."""

    path = PATH
    noun = "kf rule"
    kind = KfRule

    def get(self, session: Session, rule_id: int) -> KfRule:
        return rows.get_rule(session, rule_id)

    def save(self, session: Session, ask: Ask, rule: KfRule, version: int | None) -> KfRule:
        return save_rule(session, rule, ask.now, version)

    def switch_to(self, session: Session, ask: Ask, rule_id: int, *, enabled: bool) -> KfRule:
        return change_rule(session, rule_id, {"enabled": enabled}, ask.now)

    def delete(self, session: Session, rule_id: int) -> None:
        rows.delete_rule(session, rule_id)

    def blank(self, ask: Ask) -> dict[str, Any]:
        return {"enabled": True, "on": "message", "open_kfid": ask.request.query.get("account", "")[:64]}

    def read(self, ask: Ask) -> dict[str, Any]:
        handed = ask.text("hand_over") == "yes"
        return {
            **read_common(ask),
            "open_kfid": ask.text("open_kfid", 64),
            "on": ask.text("on", 20) or "message",
            "conditions": read_conditions(ask),
            "again_minutes": whole(ask.text("again_minutes", 10) or "0"),
            "answers": read_answers(ask),
            "knowledge": ask.text("knowledge") == "yes",
            "put_on": chosen(ask, "put_on"),
            "hand_over": {"userid": ask.text("hand_over.userid", 64), "notice": ask.text("hand_over.notice", 3000)}
            if handed
            else None,
        }

    async def more(self, ask: Ask, filled: Filled) -> dict[str, Any]:
        def read(session: Session) -> tuple[list[KfAccount], list[tuple[str, str]]]:
            images = [(key, name) for key, kind, name, _ in media_rows.list_media(session) if kind == "image"]
            return account_rows.list_accounts(session), images[::-1]

        accounts, images = await ask.db.read(read)
        servicers = sorted({str(one["userid"]) for each in accounts for one in each.servicers})
        return {
            "accounts": accounts, "images": images, "on": ON, "how": HOW, "hours": HOURS, "msgtypes": MSGTYPES,
            "answer_types": ANSWER_TYPES, "menu_lines": menu_lines, "servicers": servicers,
        }  # fmt: skip

    def version_of(self, session: Session, rule_id: int) -> int:
        return rows.get_version(session, rule_id)


PAGES = KfPages()


async def show_trial(ask: Ask) -> web.Response:
    """What would be answered to a text, and why: by the function that answers customers."""
    query = {name: value.strip() for name, value in ask.request.query.items()}
    accounts = await ask.db.read(account_rows.list_accounts)
    told, problems = None, list[Problem]()
    if query.get("text") or query.get("menu_id") or query.get("on"):
        try:
            told = await try_rules(ask.ctx, _tried(ask, query))
        except InvalidRuleError as error:
            problems = list(error.problems)
    return ask.show(
        "kf_rules_try", 400 if problems else 200, typed=query, accounts=accounts, trial=told, problems=problems,
        outcomes={key.value: text for key, text in OUTCOMES.items()}, on=ON, answer_types=ANSWER_TYPES,
        why=lambda failed: why_words(ask, failed),
    )  # fmt: skip


def _tried(ask: Ask, query: Mapping[str, str]) -> KfTry:
    return parse(KfTry, {
        "open_kfid": query.get("account", ""), "text": query.get("text", ""), "menu_id": query.get("menu_id", ""),
        "first": query.get("first") == "yes", "scene": query.get("scene", ""), "on": query.get("on") or "message",
        "at": local_instant(ask, query.get("at", "")),
    })  # fmt: skip


def why_words(ask: Ask, failed: Mapping[str, Any]) -> str:
    """Why a condition did not hold."""
    what = ask._(CONDITION_WORDS.get(failed["condition"], failed["condition"]))
    wanted, got = _shown(ask, failed["wanted"]), _shown(ask, failed["got"])
    return ask._("%(what)s：要求 %(wanted)s，实际 %(got)s", what=what, wanted=wanted, got=got)


def _shown(ask: Ask, value: Any) -> str:
    if isinstance(value, list):
        return ask._("、").join(str(each) for each in value)
    return ask._(VALUE_WORDS[value]) if isinstance(value, str) and value in VALUE_WORDS else str(value)
