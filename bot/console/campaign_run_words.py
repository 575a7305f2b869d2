"""What one sending says that has not begun: written because it is due, or instead of what its wave says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import campaigns
from bot.console import campaign_words as words
from bot.console.asks import Ask
from bot.console.campaign_forms import EDITORS
from bot.console.campaigns import PATH
from bot.console.message_forms import Editor, make_editor, place, read_message
from bot.phrases import Phrase
from data.errors import ConflictError
from data.models import Campaign, Run, Wave
from data.queries import campaign_views as rows
from data.queries.campaigns import variant_of
from data.rules import variants
from data.rules.problems import InvalidRuleError, Problem


async def show(ask: Ask) -> web.Response:
    """The words as they are, to be changed."""
    return await _page(ask, *await ask.db.read(_find, ask.account, ask.path_number()))


async def save(ask: Ask) -> web.Response:
    """They were written."""
    run_id = ask.path_number()
    campaign, wave, run, alone = await ask.db.read(_find, ask.account, run_id)
    source = _typed(ask, wave, alone)
    if "preview" in ask.form:
        return await _page(ask, campaign, wave, run, alone, source=source)
    try:
        content = await campaigns.parse_words(ask.ctx, run_id, source)
        await campaigns.write_words(ask.ctx, run_id, content)
    except InvalidRuleError as error:
        found = error.problems if "variants" in source else place(error.problems)
        return await _page(ask, campaign, wave, run, alone, 400, source=source, problems=found)
    except ConflictError as error:
        found = [Problem("content", ask.told(error))]
        return await _page(ask, campaign, wave, run, alone, 409, source=source, problems=found)
    await ask.note("campaigns.words", f"run {run_id}", content.model_dump(mode="json"), run.content)
    return ask.go(f"{PATH}/{campaign.id}", "saved")


def _find(session: Session, account: Any, run_id: int) -> tuple[Campaign, Wave, Run, str]:
    """The run, and which version it sends alone."""
    sight = rows.read_sight(session, account)
    campaign, wave, run = rows.campaign_of_run(session, sight, run_id)
    if not sight.made(campaign):
        raise ConflictError(Phrase("这个群发计划是别人创建的，您只能查看。"), Phrase("请联系创建人或管理员。"))
    return campaign, wave, run, variant_of(session, run)


def _names(wave: Wave, alone: str) -> list[str]:
    return [str(each["name"]) for each in wave.variants if not alone or each["name"] == alone]


def _typed(ask: Ask, wave: Wave, alone: str) -> dict[str, Any]:
    names = _names(wave, alone)
    if not names:
        return read_message(ask.form, "content", EDITORS[wave.kind])
    return {
        "variants": [
            {"name": name, "content": read_message(ask.form, f"variants[{number}].content", "broadcast")}
            for number, name in enumerate(names)
        ]
    }


async def _page(
    ask: Ask,
    campaign: Campaign,
    wave: Wave,
    run: Run,
    alone: str,
    status: int = 200,
    *,
    source: Mapping[str, Any] | None = None,
    problems: Sequence[Problem] = (),
) -> web.Response:
    kind, editors = EDITORS[wave.kind], list[tuple[str, Editor]]()
    names = _names(wave, alone)
    said = variants.said(wave.content, wave.variants, run.content or None, alone)
    for number, name in enumerate(names):
        content = source["variants"][number]["content"] if source else said.get(name)
        prefix = f"variants[{number}].content"
        editors.append((name, await make_editor(ask, kind, content, problems, prefix=prefix)))
    if not names:
        content = source or run.content or wave.content
        editors = [("", await make_editor(ask, kind, content, problems))]
    beside = {each.path for each in problems if each.path.startswith(("content", "variants["))}
    wrong = [each.message for each in problems if each.path not in beside]
    return ask.show(
        "campaign_run_words", status, campaign=campaign, wave=wave, run=run, editors=editors, words=words, wrong=wrong
    )
