"""What a message says while it is being written: how it will look, and what is wrong with it, as saving would say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot import broadcasts, group_welcomes, moments
from bot.console.asks import Ask
from bot.console.message_forms import KINDS, Slot, beside, id_of, paths_of, place, read_message, read_slots
from bot.console.message_previews import preview_of
from bot.phrases import Phrase
from bot.rule_edits import welcome_problems
from data.errors import NotFoundError
from data.rules.group_welcomes import GroupWelcomeContent
from data.rules.messages import MessageContent
from data.rules.moments import MomentContent
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.welcome import WelcomeRule

_PREFIX = re.compile(r"[A-Za-z0-9_.\[\]-]{1,80}", re.ASCII)


async def preview(ask: Ask) -> web.Response:
    """The preview of an editor as it stands, and the problems beside its fields."""
    prefix, kind = ask.text("editor", 81), KINDS.get(ask.text("kind"))
    if kind is None or not _PREFIX.fullmatch(prefix):
        raise NotFoundError(Phrase("没有这样的编辑器。"), Phrase("请重新打开页面。"))
    source = read_message(ask.form, prefix, kind.name)
    slots = read_slots(ask.form, prefix)
    used = [slot for slot in slots if slot.kind]
    # What is left out moves the numbers: problems are told of places as they are in the form.
    compact = [slot._replace(path=f"{prefix}.attachments[{number}]") for number, slot in enumerate(used)]
    found = beside(place(await find_problems(ask, kind.name, source), prefix), paths_of(prefix, compact, kind), prefix)
    moved = {_moved(path, compact, used): messages for path, messages in found.items()}
    attachments = source.get("attachments") or [each for each in (source.get("attachment"),) if each]
    shown = await preview_of(
        ask, kind.contract, kind.max_bytes, source["text"], attachments, ask.number(f"{prefix}.preview_as")
    )
    places = {id_of(path): moved.get(path, ()) for path in sorted(paths_of(prefix, slots, kind))}
    return ask.show("message_preview", preview=shown, kind=kind, places=places, is_empty=not source["text"])


async def find_problems(ask: Ask, kind: str, source: Mapping[str, Any]) -> list[Problem]:
    """What saving would say of a content, by its paths."""
    ctx = ask.ctx
    try:
        match kind:
            case "moment":
                return await moments.content_problems(ctx, parse(MomentContent, source))
            case "group_welcome":
                content = parse(GroupWelcomeContent, source)
                return await ask.db.read(group_welcomes.content_problems, content)
            case "welcome":
                # The rule around it is not what is being looked at.
                rule = WelcomeRule(name="-", content=parse(MessageContent, source), fallback_text="-")
                public_url = ask.settings.server.public_url
                found = await ask.db.read(welcome_problems, rule, ctx.renderer, public_url)
                return [each for each in found if each.path.startswith("content")]
            case _:
                return await broadcasts.content_problems(ctx, parse(MessageContent, source), kind)
    except InvalidRuleError as error:
        return list(error.problems)


def _moved(path: str, compact: list[Slot], used: list[Slot]) -> str:
    for before, after in zip(compact, used, strict=True):
        if path == before.path or path.startswith(f"{before.path}."):
            return after.path + path[len(before.path) :]
    return path
