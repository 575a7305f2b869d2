"""Message templates: edited as drafts, published, and brought back to what they said before."""

from __future__ import annotations

import difflib
import re
from functools import partial
from typing import Any, NamedTuple

from aiohttp import web
from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.console.asks import Ask
from bot.console.campaign_acts import by
from bot.console.message_forms import Chip
from bot.console.message_previews import Preview, preview_of
from bot.console.template_words import KINDS, SAMPLES, words_for
from bot.delivery import add_words
from bot.errors import ObservingError
from bot.links import UnusableLinkError, addresses
from bot.phrases import Phrase
from bot.published import refresh
from bot.render import Problem as Fault
from bot.render import contract_for
from data.errors import ConflictError, NotFoundError, StaleError
from data.models import TemplateRow, TemplateVersion
from data.queries import rules as rule_rows
from data.queries import templates as rows
from data.queries.campaign_tests import add_trial
from data.queries.preview_people import list_people, list_test_follows

PATH = "/console/templates"
SOURCE_MAX = 40_000


class Listed(NamedTuple):
    """A template in the list."""

    slug: str
    name: str
    when: str
    row: TemplateRow | None
    is_broken: bool
    is_english: bool = False


_MARKUP = re.compile(r"\{[{%#]")


def literal(words: str) -> str:
    """Words as a template that says them: what a customer's name has of template syntax stays what it is."""
    return _MARKUP.sub(lambda found: "{{ '" + found[0] + "' }}", words)


class Line(NamedTuple):
    """A line of a comparison: `mark` is `+`, `-` or blank."""

    mark: str
    text: str


async def show_list(ask: Ask) -> web.Response:
    """All templates, by kind."""
    edited, published = await ask.db.read(lambda session: (rows.list_edited(session), rows.map_published(session)))
    renderer = ask.ctx.renderer
    kinds = []
    for kind, title in KINDS.items():
        listed = []
        for slug in renderer.slugs(kind):
            name, when, english = words_for(kind, slug)
            source = published.get((kind, slug))
            broken = source is not None and bool(renderer.check(kind, source, slug))
            listed.append(Listed(slug, name, when, edited.get((kind, slug)), broken, english))
        kinds.append((kind, title, listed))
    return ask.show("templates", kinds=kinds)


async def show_one(ask: Ask) -> web.Response:
    """A template to be edited, and what it said before. `version`: how that differs from what it says now."""
    return await _page(ask, *_named(ask))


async def preview(ask: Ask) -> web.Response:
    """A template while it is written: how it will look, and what is wrong with it."""
    kind, slug = _known(ask, ask.text("kind", 32), ask.text("slug", 64))
    source = _source(ask)
    shown = await _preview(ask, kind, slug, source, ask.number("preview_as"))
    faults = ask.ctx.renderer.check(kind, source, slug)
    return ask.show("template_preview", preview=shown, faults=faults, kind={"name": kind})


async def save(ask: Ask) -> web.Response:
    """A draft is kept, dropped, published or tried, or the shipped text comes back."""
    kind, slug = _named(ask)
    source, act, revision = _source(ask), ask.text("act", 20), ask.number("revision") or 0
    faults = ask.ctx.renderer.check(kind, source, slug) if source else [Fault(1, "empty", ask._("内容不能为空。"))]
    who, what = ask.actor.who, f"template {kind}/{slug}"
    if act == "preview":
        return await _page(ask, kind, slug, source=source, revision=revision)
    if act == "try":
        if faults or not ask.account.userid:
            return await _page(ask, kind, slug, 400, source=source, revision=revision, faults=faults)
        return await _try(ask, kind, slug, source)
    if act == "test":
        if faults or kind not in SAMPLES:
            return await _page(ask, kind, slug, 400, source=source, revision=revision, faults=faults)
        try:
            return await _test(ask, kind, slug, source)
        except (ConflictError, ObservingError, UnusableLinkError) as error:
            return await _page(ask, kind, slug, 409, source=source, revision=revision, fault=ask.told(error))
    if act in ("publish", "draft") and faults and (act == "publish" or not source):
        return await _page(ask, kind, slug, 400, source=source, revision=revision, faults=faults)
    do: Any
    match act:
        case "publish":
            do = partial(rows.publish, kind=kind, slug=slug, source=source, revision=revision, by=who, now=ask.now)
            said = "published"
        case "reset":
            do = partial(rows.publish, kind=kind, slug=slug, source=None, revision=revision, by=who, now=ask.now)
            said = "reset"
        case "drop":
            do = partial(rows.save_draft, kind=kind, slug=slug, draft=None, revision=revision, by=who, now=ask.now)
            said = "dropped"
        case _:
            act = "draft"
            do = partial(rows.save_draft, kind=kind, slug=slug, draft=source, revision=revision, by=who, now=ask.now)
            said = "drafted"
    try:
        await ask.change(f"templates.{act}", what, do, partial(_look, ask, kind, slug))
    except StaleError:
        return await _page(ask, kind, slug, 409, source=source, overtaken=True)
    await refresh(ask.db, ask.ctx.renderer)
    return ask.go(f"{PATH}/{kind}/{slug}", said)


async def restore(ask: Ask) -> web.Response:
    """It says again what it said in a version."""
    kind, slug = _named(ask)
    version = await ask.db.read(rows.get_version, kind, slug, ask.number("version") or 0)
    faults = ask.ctx.renderer.check(kind, version.source, slug) if version.source is not None else []
    revision = ask.number("revision") or 0
    if faults:
        return await _page(ask, kind, slug, 400, source=version.source, revision=revision, faults=faults)
    do = partial(
        rows.publish, kind=kind, slug=slug, source=version.source, revision=revision, by=ask.actor.who, now=ask.now
    )
    try:
        await ask.change("templates.restore", f"template {kind}/{slug}", do, partial(_look, ask, kind, slug))
    except StaleError:
        return await _page(ask, kind, slug, 409, source=version.source, overtaken=True)
    await refresh(ask.db, ask.ctx.renderer)
    return ask.go(f"{PATH}/{kind}/{slug}", "published")


async def _try(ask: Ask, kind: str, slug: str, source: str) -> web.Response:
    """Send it to whoever edits it, as an app message with sample values."""
    shown = await _preview(ask, kind, slug, source, None)
    words, userid = ask._("【试发】%(words)s", words=shown.words), ask.account.userid or ""

    def do(session: Session) -> None:
        add_words(session, ask.ctx, slug, userid, words, dedupe_key=f"try:{ask.account.id}:{ask.now.isoformat()}")

    await ask.change("templates.try", f"template {kind}/{slug}", do)
    return ask.go(f"{PATH}/{kind}/{slug}", "tried")


async def _test(ask: Ask, kind: str, slug: str, source: str) -> web.Response:
    """Send it to the test customers, each with their own values, as a broadcast: nobody is welcomed twice.

    Raises ObservingError, UnusableLinkError, and ConflictError where nobody can be reached now.
    """
    if ask.ctx.observes:
        raise ObservingError
    named = ask.ctx.renderer.links_of(kind, source, slug)
    links = {name: each.url for name, each in (await addresses(ask.ctx, sorted(named))).items()} if named else {}
    most = contract_for(kind, slug).max_output_bytes
    words: dict[str, list[tuple[str, str]]] = {}
    for follow_id, external_userid, userid in await ask.db.read(list_test_follows):
        shown = await preview_of(ask, kind, most, source, (), follow_id, slug=slug, links=links)
        words.setdefault(literal(shown.words), []).append((external_userid, userid))
    if not words:
        raise ConflictError(Phrase("还没有能收到的测试客户。"), Phrase("请先用 siyu testers add 添加。"))
    name = ask._("试发：%(name)s", name=ask._(words_for(kind, slug)[0]))
    made = await ask.change(
        "templates.test", f"template {kind}/{slug}",
        partial(add_trial, name=name, words=words, made_by=by(ask), now=ask.now, calendar=calendar_of(ask.settings)),
    )  # fmt: skip
    return ask.go(f"/console/campaigns/{made.id}", "tested")


async def _page(
    ask: Ask,
    kind: str,
    slug: str,
    status: int = 200,
    *,
    source: str | None = None,
    revision: int | None = None,
    faults: list[Fault] | None = None,
    fault: str = "",
    overtaken: bool = False,
) -> web.Response:
    """The editor. `source`: what was typed; without it the draft, or what is published, or shipped."""
    renderer = ask.ctx.renderer
    wanted = ask.asked_number("version")
    follow_id = ask.number("preview_as")

    def read(session: Session) -> Any:
        people = list_people(session, ask.visible(session)) if kind in SAMPLES else []
        compared = rows.get_version(session, kind, slug, wanted) if wanted else None
        same = rule_rows.list_welcome_rules(session) if kind in SAMPLES else []
        return rows.find_template(session, kind, slug), rows.list_versions(session, kind, slug), people, compared, same

    row, versions, people, compared, rules = await ask.db.read(read)
    shipped = renderer.shipped(kind, slug)
    now = next((each.source for each in versions if row and each.id == row.published), None) or shipped
    text = source if source is not None else (row.draft if row and row.draft is not None else now)
    name, when, _english = words_for(kind, slug)
    variables = contract_for(kind, slug).variables
    chips = [Chip(f"{{{{ {each.name} }}}}", each.en if ask.language == "en" else each.zh) for each in variables]
    return ask.show(
        "template", status, kind=kind, slug=slug, name=name, when_sent=when, title_of_kind=KINDS[kind], row=row,
        revision=(row.revision if row else 0) if revision is None else revision, source=text, versions=versions,
        is_sample=kind in SAMPLES, chips=chips, people=people, previewed_as=follow_id, compared=compared,
        lines=_compare((compared.source or shipped) if compared else "", now) if compared else [],
        changes=_compare(now, text) if text != now else [], faults=faults or [], fault=fault, overtaken=overtaken,
        preview=await _preview(ask, kind, slug, text, follow_id), message_kind={"name": kind},
        users=[rule for rule in rules if rule.content.text.strip() in (now.strip(), shipped.strip())],
        shown_faults=renderer.check(kind, text, slug),
    )  # fmt: skip


async def _preview(ask: Ask, kind: str, slug: str, source: str, follow_id: int | None) -> Preview:
    contract = contract_for(kind, slug)
    shown = await preview_of(ask, kind, contract.max_output_bytes, source, (), follow_id, slug=slug)
    # What is no sample is said by the app itself.
    return shown if kind in SAMPLES else shown._replace(sender="Siyu")


def _compare(before: str, after: str) -> list[Line]:
    found = difflib.ndiff(before.splitlines(), after.splitlines())
    return [Line(each[0].strip(), each[2:]) for each in found if each[0] in "+- "]


def _named(ask: Ask) -> tuple[str, str]:
    return _known(ask, ask.request.match_info["kind"], ask.request.match_info["slug"])


def _known(ask: Ask, kind: str, slug: str) -> tuple[str, str]:
    if kind not in KINDS or slug not in ask.ctx.renderer.slugs(kind):
        raise NotFoundError(Phrase("没有这个消息模板。"), Phrase("请从列表里选择。"))
    return kind, slug


def _source(ask: Ask) -> str:
    """What was typed, as the shipped files are written: one line end after the last line."""
    text = ask.text("source", SOURCE_MAX).replace("\r\n", "\n")
    return f"{text}\n" if text else ""


def _look(ask: Ask, kind: str, slug: str, session: Session) -> dict[str, Any]:
    row = rows.find_template(session, kind, slug)
    version: TemplateVersion | None = None
    if row is not None and row.published is not None:
        version = rows.get_version(session, kind, slug, row.published)
    said = version.source if version is not None and version.source is not None else None
    return {"draft": row.draft if row else None, "published": said or ask.ctx.renderer.shipped(kind, slug)}
