"""Welcome rules: who is greeted how, in the order in which they are asked, and which would match a made-up customer."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.message_forms import KINDS, make_editor, place, read_message
from bot.console.message_previews import preview_of
from bot.console.rule_forms import CUSTOMERS, local_instant, read_common, read_conditions, read_offered
from bot.console.rule_pages import Filled, RulePages
from bot.console.rule_words import OUTCOMES, condition_words, failed_words
from bot.rule_edits import change_welcome_rule, save_welcome_rule, welcome_problems
from bot.rule_trials import WelcomeTry, try_welcome
from data.queries import rules as rows
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.welcome import WelcomeRule

PATH = "/console/welcome-rules"


async def show_list(ask: Ask) -> web.Response:
    """All rules, in the order in which they are asked."""

    def read(session: Session) -> Any:
        rules = sorted(rows.list_welcome_rules(session), key=lambda rule: (rule.is_default, -rule.priority, rule.id))
        broken = {
            rule.id: found
            for rule in rules
            if (found := welcome_problems(session, rule, ask.ctx.renderer, ask.settings.server.public_url))
        }
        return rules, broken, read_offered(session).names()

    rules, broken, names = await ask.db.read(read)
    told = {rule.id: condition_words(ask, rule.conditions, names) for rule in rules}
    return ask.show("welcome_rules", rules=rules, told=told, broken=broken)


class WelcomePages(RulePages[WelcomeRule]):
    """Welcome rules, written and changed."""

    path = PATH
    noun = "welcome rule"
    kind = WelcomeRule

    def get(self, session: Session, rule_id: int) -> WelcomeRule:
        return rows.get_welcome_rule(session, rule_id)

    def save(self, session: Session, ask: Ask, rule: WelcomeRule, version: int | None) -> WelcomeRule:
        return save_welcome_rule(session, rule, ask.ctx.renderer, ask.settings.server.public_url, ask.now, version)

    def switch_to(self, session: Session, ask: Ask, rule_id: int, *, enabled: bool) -> WelcomeRule:
        public_url = ask.settings.server.public_url
        return change_welcome_rule(session, rule_id, {"enabled": enabled}, ask.ctx.renderer, public_url, ask.now)

    def delete(self, session: Session, rule_id: int) -> None:
        rows.delete_welcome_rule(session, rule_id)

    def version_of(self, session: Session, rule_id: int) -> int:
        return rows.get_version(session, WelcomeRule, rule_id)

    def blank(self, ask: Ask) -> dict[str, Any]:
        slug = ask.request.query.get("template", "")
        if slug not in ask.ctx.renderer.slugs("welcome"):
            return {"enabled": True}
        return {"enabled": True, "content": {"text": ask.ctx.renderer.source("welcome", slug)}}

    def read(self, ask: Ask) -> dict[str, Any]:
        return {
            **read_common(ask),
            "conditions": {**read_conditions(ask), "customer": ask.text("conditions.customer", 20) or None},
            "content": read_message(ask.form, "content", "welcome"),
            "fallback_text": ask.text("fallback_text", 20_000).replace("\r\n", "\n"),
        }

    async def more(self, ask: Ask, filled: Filled) -> dict[str, Any]:
        problems = (each for each in filled.problems if each.path == "content" or each.path.startswith("content."))
        editor = await make_editor(ask, "welcome", filled.typed.get("content"), place(problems))
        return {"editor": editor, "customers": CUSTOMERS}


PAGES = WelcomePages()


async def show_trial(ask: Ask) -> web.Response:
    """Which rule would match a made-up customer, what would be said, and why not the others."""
    query = ask.request.query
    offered = await ask.db.read(read_offered)
    names, told, preview, problems = offered.names(), None, None, list[Problem]()
    if query.get("userid", "").strip():
        try:
            told = await ask.db.read(try_welcome, _tried(ask), ask.ctx.renderer, ask.settings, ask.now)
        except InvalidRuleError as error:
            problems = list(error.problems)
    if told is not None and told.match.rule is not None:
        kind = KINDS["welcome"]
        preview = await preview_of(ask, "", kind.max_bytes, told.words, told.attachments)
        preview = preview._replace(sender=names["staff"].get(query["userid"].strip(), preview.sender))
    return ask.show(
        "welcome_rules_try", 400 if problems else 200, offered=offered, trial=told, preview=preview, typed=query,
        kind=KINDS["welcome"], outcomes=OUTCOMES, customers=CUSTOMERS, problems=problems,
        why=lambda failed: failed_words(ask, failed, names),
    )  # fmt: skip


def _tried(ask: Ask) -> WelcomeTry:
    query = ask.request.query
    return parse(WelcomeTry, {
        "userid": query.get("userid", "").strip(), "state": query.get("state", "").strip(),
        "customer": query.get("customer") or None, "customer_name": query.get("customer_name", "").strip(),
        "at": local_instant(ask, query.get("at", "")),
    })  # fmt: skip
