"""Welcome rules: who is greeted how, in the order in which they are asked, and which would match a made-up customer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.message_forms import KINDS, make_editor, place, read_message
from bot.console.message_previews import preview_of
from bot.console.rule_forms import (
    CUSTOMERS,
    WEEKDAYS,
    Overtaken,
    find_overtaken,
    local_instant,
    problems_at,
    read_common,
    read_conditions,
    read_offered,
)
from bot.console.rule_words import OUTCOMES, condition_words, failed_words
from bot.rule_edits import change_welcome_rule, save_welcome_rule, welcome_problems
from bot.rule_trials import WelcomeTry, try_welcome
from data.errors import ConflictError, NotFoundError, StaleError
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


async def show_new(ask: Ask) -> web.Response:
    """A rule to be made, like another one where `copy` says so."""
    typed: dict[str, Any] = {"enabled": True}
    if copied := ask.asked_number("copy"):
        rule = await ask.db.read(rows.get_welcome_rule, copied)
        typed = rule.model_dump(mode="json") | {"name": ask._("%(name)s 副本", name=rule.name)[:64], "enabled": False}
    elif (slug := ask.request.query.get("template", "")) in ask.ctx.renderer.slugs("welcome"):
        typed["content"] = {"text": ask.ctx.renderer.source("welcome", slug)}
    return await _form(ask, 0, typed)


async def show_one(ask: Ask) -> web.Response:
    """A rule to be changed."""
    rule, version = await ask.db.read(_read, ask.path_number())
    return await _form(ask, rule.id, rule.model_dump(mode="json"), version=version)


async def make(ask: Ask) -> web.Response:
    """A rule was written."""
    return await _save(ask, 0)


async def change(ask: Ask) -> web.Response:
    """A rule was changed."""
    return await _save(ask, ask.path_number())


async def switch(ask: Ask) -> web.Response:
    """A rule was switched on or off."""
    rule_id, on = ask.path_number(), ask.text("enabled") == "yes"
    public_url = ask.settings.server.public_url

    def do(session: Session) -> WelcomeRule:
        return change_welcome_rule(session, rule_id, {"enabled": on}, ask.ctx.renderer, public_url, ask.now)

    await ask.change("welcome_rules.switch", _what(rule_id), do, partial(_look, rule_id))
    return ask.go(PATH, "switched_on" if on else "switched_off")


async def remove(ask: Ask) -> web.Response:
    """A rule is no more."""
    rule_id = ask.path_number()
    do = partial(rows.delete_welcome_rule, rule_id=rule_id)
    await ask.change("welcome_rules.remove", _what(rule_id), do, partial(_look, rule_id))
    return ask.go(PATH, "removed")


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


async def _save(ask: Ask, rule_id: int) -> web.Response:
    typed = _typed(ask)
    version = ask.number("version") if rule_id else None
    if ask.text("preview"):
        return await _form(ask, rule_id, typed, version=version)
    made: list[int] = [rule_id] if rule_id else []

    def do(session: Session) -> None:
        rule = parse(WelcomeRule, {**typed, "id": rule_id})
        public_url = ask.settings.server.public_url
        made[:] = [save_welcome_rule(session, rule, ask.ctx.renderer, public_url, ask.now, version).id]

    def look(session: Session) -> dict[str, Any] | None:
        return _look(made[0], session) if made else None

    try:
        await ask.change(
            "welcome_rules.change" if rule_id else "welcome_rules.make",
            _what(rule_id) if rule_id else f"welcome rule {typed['name']}", do, look,
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, rule_id, typed, 400, problems=error.problems, version=version)
    except StaleError:
        return await _form(ask, rule_id, typed, 409, overtaken=True)
    except ConflictError as error:
        return await _form(ask, rule_id, typed, 409, problems=[Problem("", ask.told(error))], version=version)
    return ask.go(PATH, "saved" if rule_id else "made")


def _typed(ask: Ask) -> dict[str, Any]:
    """What was typed, as the JSON of a rule."""
    return {
        **read_common(ask),
        "conditions": {**read_conditions(ask), "customer": ask.text("conditions.customer", 20) or None},
        "content": read_message(ask.form, "content", "welcome"),
        "fallback_text": ask.text("fallback_text", 20_000).replace("\r\n", "\n"),
    }


async def _form(
    ask: Ask,
    rule_id: int,
    rule: Mapping[str, Any],
    status: int = 200,
    *,
    problems: Any = (),
    version: int | None = None,
    overtaken: bool = False,
) -> web.Response:
    """The form. `overtaken`: somebody else has saved it meanwhile; what was typed is saved when it is sent again."""
    offered = await ask.db.read(read_offered)
    told: Overtaken | None = None
    if overtaken:
        now, version = await ask.db.read(_read, rule_id)
        told = await ask.db.read(find_overtaken, _what(rule_id), now.model_dump(mode="json"), rule)
    editor = await make_editor(ask, "welcome", rule.get("content"), place_all(problems))
    return ask.show(
        "welcome_rule", status, rule_id=rule_id, rule=rule, version=version, offered=offered, editor=editor,
        problems=problems, at=partial(problems_at, problems), overtaken=told, customers=CUSTOMERS, weekdays=WEEKDAYS,
        path_of=PATH,
    )  # fmt: skip


def place_all(problems: Any) -> list[Problem]:
    """The problems of a rule's content by the paths of the editor's fields."""
    return place(each for each in problems if each.path == "content" or each.path.startswith("content."))


def _read(session: Session, rule_id: int) -> tuple[WelcomeRule, int]:
    return rows.get_welcome_rule(session, rule_id), rows.get_version(session, WelcomeRule, rule_id)


def _look(rule_id: int, session: Session) -> dict[str, Any] | None:
    try:
        return rows.get_welcome_rule(session, rule_id).model_dump(mode="json")
    except NotFoundError:
        return None


def _what(rule_id: int) -> str:
    return f"welcome rule {rule_id}"
