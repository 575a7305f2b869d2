"""Knowledge: questions with their answers, a box to try them, files of them, and what was asked without an answer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import knowledge
from bot.console.asks import Ask
from bot.console.painting import N_, moment
from bot.console.rule_forms import Option, problems_at
from bot.console.sheets import send_pieces
from bot.phrases import Phrase
from bot.table_files import FILE_BYTES_MAX
from data.errors import ConflictError, NotFoundError, StaleError
from data.queries import drafts as draft_rows
from data.queries import kf_accounts
from data.queries import knowledge as rows
from data.queries import media as media_rows
from data.queries import unanswered as unanswered_rows
from data.rules.drafts import Outcome
from data.rules.knowledge import ENOUGH, QUESTION_MAX_LENGTH, KnowledgePair, meant
from data.rules.problems import InvalidRuleError, Problem, parse

PATH = "/console/knowledge"
ROWS = 50
FILES_OFFERED = 200
#: What is sent besides the file.
UPLOAD_MAX_BYTES = FILE_BYTES_MAX + 100_000
ATTACHMENTS = {"image": N_("图片"), "link": N_("图文链接"), "miniprogram": N_("小程序")}
#: The fields of each kind of attachment.
PARTS: Mapping[str, tuple[str, ...]] = {
    "image": ("media",),
    "link": ("media", "title", "desc", "url"),
    "miniprogram": ("media", "title", "appid", "page"),
}
OUTCOMES = {
    Outcome.DRAFTED: N_("给接待人员看"), Outcome.READY: N_("可以发出"), Outcome.SENT: N_("已发出"),
    Outcome.NO_ANSWER: N_("资料里没有答案"), Outcome.REFUSED: N_("没有通过检查"), Outcome.FAILED: N_("没有成功"),
}  # fmt: skip


async def show_list(ask: Ask) -> web.Response:
    """The newest pairs, or those that say something."""
    query = ask.request.query
    words, state, before = query.get("q", "").strip()[:100], query.get("state", ""), ask.asked_number("before")
    enabled = {"on": True, "off": False}.get(state)

    def read(session: Session) -> Any:
        found = rows.list_pairs(session, words=words, enabled=enabled, before=before, limit=ROWS + 1)
        waiting = unanswered_rows.count_unanswered(session) if ask.may("admin") else 0
        return found, rows.count_pairs(session), waiting

    found, (total, on), waiting = await ask.db.read(read)
    older = found[ROWS - 1][0].id if len(found) > ROWS else None
    return ask.show(
        "knowledge", pairs=found[:ROWS], older=older, words=words, state=state, total=total, on=on, waiting=waiting
    )


async def show_new(ask: Ask) -> web.Response:
    """A pair to be made; `from`: of a question without an answer."""
    id_ = ask.asked_number("from")
    asked = await ask.db.read(unanswered_rows.find_unanswered, id_) if id_ and ask.may("admin") else None
    return await _form(ask, None, {"enabled": True, "phrasings": [asked] if asked else []})


async def make(ask: Ask) -> web.Response:
    """A pair was written."""
    typed = _read(ask)
    try:
        pair = parse(KnowledgePair, typed)
        await ask.change(
            "knowledge.make", f"knowledge {pair.phrasings[0][:60] if pair.phrasings else ''}",
            partial(knowledge.make, pair=pair, by=ask.actor.who, now=ask.now),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, None, typed, 400, problems=error.problems)
    except ConflictError as error:
        return await _form(ask, None, typed, 409, problems=[Problem("", ask.told(error))])
    return ask.go(PATH, "made")


async def show_one(ask: Ask) -> web.Response:
    """A pair to be changed."""
    row, phrasings = await ask.db.read(rows.get_pair, ask.path_number())
    return await _form(ask, row, knowledge.to_json(row, phrasings))


async def change(ask: Ask) -> web.Response:
    """A pair was changed."""
    id_, typed = ask.path_number(), _read(ask)
    row, _ = await ask.db.read(rows.get_pair, id_)
    try:
        await ask.change(
            "knowledge.change", f"knowledge {id_}",
            partial(
                knowledge.change, id_=id_, changes=typed, by=ask.actor.who, now=ask.now, version=ask.number("version")
            ),
            partial(_look, id_),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _form(ask, row, typed, 400, problems=error.problems)
    except StaleError as error:
        return await _form(ask, row, typed, 409, problems=[Problem("", ask.told(error))])
    return ask.go(PATH, "saved")


async def switch(ask: Ask) -> web.Response:
    """A pair is to be given, or not any more."""
    id_, on = ask.path_number(), ask.text("enabled", 5) == "yes"

    def do(session: Session) -> None:
        pair = knowledge.pair_of(*rows.get_pair(session, id_)).model_copy(update={"enabled": on})
        rows.change_pair(session, id_, pair, ask.actor.who, ask.now)

    await ask.change("knowledge.switch", f"knowledge {id_}", do, partial(_look, id_))
    return ask.go(PATH, "saved")


async def remove(ask: Ask) -> web.Response:
    """A pair is no more."""
    id_ = ask.path_number()
    await ask.change("knowledge.remove", f"knowledge {id_}", partial(rows.remove_pair, id_=id_), partial(_look, id_))
    return ask.go(PATH, "removed")


async def show_trial(ask: Ask) -> web.Response:
    """Which answer a question gets, and why."""
    question = ask.request.query.get("question", "").strip()[:QUESTION_MAX_LENGTH]
    account = ask.request.query.get("account", "").strip()[:64]
    found = await ask.db.read(
        partial(rows.find_answers, question=question, open_kfid=account or None, limit=8, enough=0.0)
    )
    accounts = await ask.db.read(_accounts)
    return ask.show(
        "knowledge_try", question=question, account=account, found=found, given=meant(found), enough=ENOUGH,
        accounts=accounts,
    )  # fmt: skip


async def export(ask: Ask) -> web.StreamResponse:
    """All pairs as a file, which can be brought in again."""

    async def pieces() -> AsyncIterator[Iterable[list[Any]]]:
        after = 0
        while found := await ask.db.read(rows.iterate_pairs, after, 500):
            yield [list(knowledge.cells_of(*each, partial(moment, zone=ask.zone))) for each in found]
            after = found[-1][0].id or 0

    return await send_pieces(ask, f"knowledge-{ask.now:%Y%m%d}", knowledge.HEAD, pieces())


async def show_import(ask: Ask) -> web.Response:
    """Where a file is handed in."""
    return ask.show("knowledge_import", problems=(), fault="")


async def upload(ask: Ask) -> web.Response:
    """A file was handed in."""
    field = ask.form.get("file")
    if not isinstance(field, web.FileField) or not field.filename:
        return ask.show("knowledge_import", 400, problems=(), fault=ask._("请先选择一个文件。"))
    skip = ask.text("skip_faulty", 5) == "yes"
    with tempfile.TemporaryDirectory(prefix="siyu-knowledge-") as folder:
        file = Path(folder) / "file"
        await asyncio.to_thread(lambda: file.write_bytes(field.file.read()))
        try:
            done = await knowledge.import_file(ask.db, file, ask.actor.who, ask.ctx.clock.now, skip_faulty=skip)
        except InvalidRuleError as error:
            return ask.show("knowledge_import", 400, problems=error.problems, fault="")
    told = {"made": done.made, "changed": done.changed, "skipped": done.skipped}
    await ask.note("knowledge.import", f"knowledge file {field.filename[:60]}", told)
    return ask.show("knowledge_import", problems=(), fault="", done=done)


async def show_unanswered(ask: Ask) -> web.Response:
    """What was asked without an answer, what is asked most first."""
    page = max(0, min(ask.asked_number("page") or 0, 1000))
    found = await ask.db.read(unanswered_rows.list_unanswered, ROWS + 1, page * ROWS)
    return ask.show("knowledge_unanswered", found=found[:ROWS], page=page, more=len(found) > ROWS)


async def dismiss(ask: Ask) -> web.Response:
    """A question needs no answer."""
    id_ = ask.path_number()

    def do(session: Session) -> None:
        words = unanswered_rows.find_unanswered(session, id_)
        if words is None:
            raise NotFoundError(Phrase("这个问题已经不在列表里。"))
        unanswered_rows.forget_unanswered(session, words)

    await ask.change("knowledge.dismiss", f"unanswered question {id_}", do)
    return ask.go(f"{PATH}/unanswered", "removed")


async def show_drafts(ask: Ask) -> web.Response:
    """What the language model was asked and wrote."""
    found = await ask.db.read(partial(draft_rows.list_drafts, before=ask.asked_number("before"), limit=ROWS + 1))
    older = found[ROWS - 1].id if len(found) > ROWS else None
    mode = ask.settings.drafts.mode
    return ask.show("knowledge_drafts", drafts=found[:ROWS], older=older, mode=mode, outcomes=OUTCOMES)


async def _form(
    ask: Ask, row: Any, typed: Mapping[str, Any], status: int = 200, *, problems: Iterable[Problem] = ()
) -> web.Response:
    listed = list(problems)
    media, accounts = await ask.db.read(lambda session: (media_rows.list_media(session), _accounts(session)))
    pictures = [(sha256, filename) for sha256, kind, filename, _ in reversed(media) if kind == "image"]
    attachment = typed.get("attachment") or {}
    chosen = attachment.get("media", "")
    offered = pictures[:FILES_OFFERED] + [each for each in pictures[FILES_OFFERED:] if each[0] == chosen]
    return ask.show(
        "knowledge_pair", status, row=row, typed=typed, attachment=attachment, kinds=ATTACHMENTS, pictures=offered,
        accounts=accounts, problems=listed, at=partial(problems_at, listed),
    )  # fmt: skip


def _accounts(session: Session) -> list[Option]:
    return [Option(each.open_kfid, each.name or each.open_kfid) for each in kf_accounts.list_accounts(session)]


def _read(ask: Ask) -> dict[str, Any]:
    kind = ask.text("attachment.msgtype", 20)
    attachment = None
    if kind in PARTS:
        attachment = {"msgtype": kind, **{name: ask.text(f"attachment.{name}") for name in PARTS[kind]}}
    accounts = [*ask.texts("open_kfids"), *ask.text("open_kfids.more", 10_000).splitlines()]
    return {
        "phrasings": [line.strip() for line in ask.text("phrasings", 20_000).splitlines() if line.strip()],
        "text": ask.text("text", 10_000).replace("\r\n", "\n"),
        "attachment": attachment,
        "open_kfids": sorted({each.strip() for each in accounts if each.strip()}),
        "enabled": ask.text("enabled", 5) == "yes",
    }


def _look(id_: int, session: Session) -> dict[str, Any] | None:
    try:
        row, phrasings = rows.get_pair(session, id_)
    except NotFoundError:
        return None
    return {"phrasings": list(phrasings), "text": row.text, "enabled": row.enabled, "open_kfids": row.open_kfids}
