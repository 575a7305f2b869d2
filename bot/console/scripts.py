"""Scripts (话术库): found, written and switched off; handed in and out as files; and who uses which."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import scripts as work
from bot.console.asks import Ask, number_of
from bot.console.message_forms import make_editor, place, read_message
from bot.console.rule_forms import Overtaken, find_overtaken, problems_at, read_offered
from bot.console.sheets import send_rows
from bot.spreadsheets import XlsxWriter
from data.errors import ConflictError, NotFoundError, StaleError
from data.queries import scripts as rows
from data.queries import staff as staff_rows
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.schedule import local_datetime
from data.rules.scripts import Script

PATH = "/console/scripts"
PAGE = 50
#: Uses of so many days are shown.
DAYS = 30
USES_SHOWN = 200
#: What is sent besides the file.
UPLOAD_MAX_BYTES = work.FILE_BYTES_MAX + 100_000
CATEGORY_MAX = 32


async def show_list(ask: Ask) -> web.Response:
    """Scripts by words and category, newest first, with how often they were used."""
    return await _list(ask)


async def _list(ask: Ask, status: int = 200, fault: str = "", imported: work.Imported | None = None) -> web.Response:
    query = ask.request.query
    words, category = query.get("q", "").strip()[:100], query.get("category", "")[:CATEGORY_MAX]

    def read(session: Session) -> Any:
        found = rows.list_page(
            session, words, category=category or None, before_id=ask.asked_number("before"), limit=PAGE
        )
        uses = rows.map_uses(session, [each.id for each in found], _since(ask))
        departments = {each.id: each.name for each in staff_rows.list_departments(session)}
        return found, uses, departments, rows.list_categories(session), rows.count_scripts(session)

    found, uses, departments, categories, total = await ask.db.read(read)
    return ask.show(
        "scripts", status, scripts=found, uses=uses, departments=departments, categories=categories, total=total,
        words=words, category=category, days=DAYS, fault=fault, imported=imported,
        last=found[-1].id if len(found) == PAGE and not words else None,
    )  # fmt: skip


def _since(ask: Ask) -> Any:
    return local_datetime(ask.now, ask.zone).date() - timedelta(days=DAYS - 1)


async def show_uses(ask: Ask) -> web.Response:
    """Who uses which script: of those members whom the reader sees."""

    def read(session: Session) -> Any:
        visible = ask.visible(session)
        return rows.list_uses(
            session, _since(ask), userids=visible, script_id=ask.asked_number("script"), limit=USES_SHOWN
        )

    return ask.show("scripts_uses", uses=await ask.db.read(read), days=DAYS)


# -- written


async def show_new(ask: Ask) -> web.Response:
    """A script to be made."""
    return await _form(ask, 0, {"enabled": True, "content": {}})


async def show_one(ask: Ask) -> web.Response:
    """A script to be changed."""
    script, version = await ask.db.read(_read, ask.path_number())
    return await _form(ask, script.id, script.model_dump(mode="json"), version)


async def make(ask: Ask) -> web.Response:
    """A script was written."""
    return await _save(ask, 0)


async def change(ask: Ask) -> web.Response:
    """A script was changed."""
    return await _save(ask, ask.path_number())


async def switch(ask: Ask) -> web.Response:
    """A script was switched on or off."""
    script_id, on = ask.path_number(), ask.text("enabled") == "yes"

    def do(session: Session) -> None:
        work.change_script(session, script_id, {"enabled": on}, ask.ctx.renderer, ask.now)

    await ask.change("scripts.switch", f"script {script_id}", do, partial(_look, script_id))
    return ask.go(PATH, "switched_on" if on else "switched_off")


async def remove(ask: Ask) -> web.Response:
    """A script is no more."""
    script_id = ask.path_number()
    do = partial(rows.delete_script, script_id=script_id)
    await ask.change("scripts.remove", f"script {script_id}", do, partial(_look, script_id))
    return ask.go(PATH, "removed")


def _read(session: Session, script_id: int) -> tuple[Script, int]:
    return rows.get_script(session, script_id), rows.get_version(session, script_id)


def _look(script_id: int, session: Session) -> dict[str, Any] | None:
    try:
        return rows.get_script(session, script_id).model_dump(mode="json")
    except NotFoundError:
        return None


def _typed(ask: Ask) -> dict[str, Any]:
    departments = [number_of(each) for each in ask.texts("department_ids")]
    return {
        "title": " ".join(ask.text("title", 200).split()),
        "category": " ".join(ask.text("category", 200).split()),
        "enabled": ask.text("enabled") == "yes",
        "department_ids": [each for each in departments if each is not None],
        "content": read_message(ask.form, "content", "script"),
    }


async def _save(ask: Ask, script_id: int) -> web.Response:
    typed = _typed(ask)
    version = ask.number("version") if script_id else None
    if ask.text("preview"):
        return await _form(ask, script_id, typed, version)
    made: list[int] = [script_id] if script_id else []

    def do(session: Session) -> None:
        script = parse(Script, {**typed, "id": script_id})
        made[:] = [work.save_script(session, script, ask.ctx.renderer, ask.now, version).id]

    def look(session: Session) -> dict[str, Any] | None:
        return _look(made[0], session) if made else None

    what = f"script {script_id}" if script_id else f"script {typed['title']}"
    try:
        await ask.change("scripts.change" if script_id else "scripts.make", what, do, look)
    except InvalidRuleError as error:
        return await _form(ask, script_id, typed, version, error.problems, status=400)
    except StaleError:
        now, version = await ask.db.read(_read, script_id)
        told = await ask.db.read(find_overtaken, f"script {script_id}", now.model_dump(mode="json"), typed)
        return await _form(ask, script_id, typed, version, overtaken=told, status=409)
    except ConflictError as error:
        return await _form(ask, script_id, typed, version, [Problem("title", ask.told(error))], status=409)
    return ask.go(PATH, "saved" if script_id else "made")


async def _form(
    ask: Ask,
    script_id: int,
    typed: Mapping[str, Any],
    version: int | None = None,
    problems: Sequence[Problem] = (),
    *,
    overtaken: Overtaken | None = None,
    status: int = 200,
) -> web.Response:
    of_content = (each for each in problems if each.path == "content" or each.path.startswith("content."))
    editor = await make_editor(ask, "script", typed.get("content"), place(of_content))
    offered = await ask.db.read(read_offered)
    categories = await ask.db.read(rows.list_categories)
    return ask.show(
        "script", status, script_id=script_id, script=typed, version=version, problems=problems, overtaken=overtaken,
        at=partial(problems_at, problems), offered=offered, categories=categories, editor=editor,
    )  # fmt: skip


# -- files


async def export(ask: Ask) -> web.StreamResponse:
    """All scripts as a file that can be handed in again."""

    def read(session: Session) -> Any:
        departments = {each.id: each.name for each in staff_rows.list_departments(session)}
        return work.to_rows(rows.list_all(session), departments)

    return await send_rows(ask, "siyu-scripts", work.HEAD, await ask.db.read(read))


async def example(ask: Ask) -> web.Response:
    """A file to fill in."""
    writer = XlsxWriter(work.HEAD)
    content = writer.write([work.EXAMPLE]) + writer.end()
    return web.Response(
        body=content, content_type=XlsxWriter.content_type,
        headers={
            "Content-Disposition": 'attachment; filename="siyu-scripts-example.xlsx"', "Cache-Control": "no-store",
        },
    )  # fmt: skip


async def upload(ask: Ask) -> web.Response:
    """A file was handed in: its scripts are made and changed, and it is said what is wrong with other rows."""
    file = ask.form.get("file")
    if not isinstance(file, web.FileField) or not file.filename:
        return await _list(ask, 400, ask._("请先选择一个文件。"))
    content = await asyncio.to_thread(file.file.read)

    try:
        found = await work.import_file(ask.db, content, ask.ctx.renderer, ask.now)
    except InvalidRuleError as error:
        return await _list(ask, 400, ask.told(error.problems))
    done = {"made": found.made, "changed": found.changed}
    await ask.note("scripts.import", f"file {file.filename[:80]}", done)
    return await _list(ask, 200, imported=found)
