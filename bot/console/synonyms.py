"""Synonyms of the knowledge: which words mean the same when an answer is looked for."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from bot import synonyms
from bot.console.asks import Ask
from bot.console.rule_forms import problems_at
from data.errors import StaleError
from data.queries import synonyms as rows
from data.rules.knowledge_words import BUILT_IN_WORDS
from data.rules.problems import InvalidRuleError, Problem
from data.rules.synonyms import Synonyms, words_from

PATH = "/console/knowledge/synonyms"


async def show_list(ask: Ask) -> web.Response:
    """All groups that are in use, or those that have a word."""
    words = ask.request.query.get("q", "").strip()[:100]
    found = await ask.db.read(synonyms.list_all, words)
    own = [each for each in found if each.id]
    return ask.show("synonyms", words=words, own=own, shipped=[each for each in found if not each.id])


async def show_new(ask: Ask) -> web.Response:
    """A group to be made; `replaces`: in the place of one in the program."""
    name = ask.request.query.get("replaces", "")[:64]
    group = Synonyms(BUILT_IN_WORDS[name], replaces=name) if name in BUILT_IN_WORDS else Synonyms(())
    return await _form(ask, group, "\n".join(group.words))


async def show_one(ask: Ask) -> web.Response:
    """A group to be changed."""
    group = await ask.db.read(rows.get_synonyms, ask.path_number())
    return await _form(ask, group, "\n".join(group.words))


async def save(ask: Ask) -> web.Response:
    """A group was written."""
    typed = ask.text("words", 10_000)
    id_ = ask.path_number() if "id" in ask.request.match_info else 0
    group = Synonyms(words_from(typed), id_, ask.text("replaces", 64))
    try:
        await ask.db.write(synonyms.save, group, ask.actor, ask.now, ask.number("version") if id_ else None)
    except InvalidRuleError as error:
        return await _form(ask, group, typed, 400, error.problems)
    except StaleError as error:
        return await _form(ask, group, typed, 409, (Problem("", ask.told(error)),))
    return ask.go(PATH, "saved" if id_ else "made")


async def remove(ask: Ask) -> web.Response:
    """A group is no more; what it took the place of is in use again."""
    await ask.db.write(synonyms.remove, ask.path_number(), ask.actor, ask.now)
    return ask.go(PATH, "removed")


async def _form(
    ask: Ask, group: Synonyms, typed: str, status: int = 200, problems: tuple[Problem, ...] = ()
) -> web.Response:
    if group.id:
        group = await ask.db.read(rows.get_synonyms, group.id)
    return ask.show(
        "synonyms_group", status, group=group, typed=typed, problems=problems, at=partial(problems_at, list(problems))
    )
