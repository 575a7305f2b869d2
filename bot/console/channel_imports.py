"""Many channels from a file: what it says is shown first, then they are made in the background, then there is a ZIP."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import channel_files
from bot.channel_zips import zipped
from bot.channels import Editing
from bot.console.asks import Ask
from bot.console.channel_forms import read_offered
from bot.console.channels import editing, read_visible
from bot.console.pages import HEADERS
from bot.console.painting import N_
from data.models import ChannelImport, ChannelStatus, Role
from data.queries import channel_imports as rows
from data.queries.channel_plans import PlanFilter
from data.rules.problems import InvalidRuleError

PATH = "/console/channels/import"
#: What is sent besides the file.
UPLOAD_MAX_BYTES = channel_files.FILE_BYTES_MAX + 100_000
ROWS_SHOWN = 50
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
STATUS = {"previewed": N_("等您确认"), "running": N_("正在创建"), "done": N_("已完成")}


def _own(ask: Ask) -> int | None:
    """Whose files whoever asks sees: their own, admins all."""
    return None if ask.may(Role.ADMIN) else ask.account.id


async def show_form(ask: Ask) -> web.Response:
    """Where a file is handed in."""
    return await _form(ask)


async def _form(ask: Ask, status: int = 200, fault: str = "") -> web.Response:
    def read(session: Session) -> Any:
        pictures = read_offered(session, ask.account, read_visible(session, ask)).pictures
        return rows.list_imports(session, _own(ask)), pictures

    found, pictures = await ask.db.read(read)
    return ask.show(
        "channel_import_new", status, found=found, pictures=pictures, fault=fault, status_words=STATUS,
        rows_max=channel_files.ROWS_MAX,
    )  # fmt: skip


async def upload(ask: Ask) -> web.Response:
    """A file was handed in: it is read and checked, and nothing is made yet."""
    file = ask.form.get("file")
    if not isinstance(file, web.FileField) or not file.filename:
        return await _form(ask, 400, ask._("请先选择一个文件。"))
    content, background = await asyncio.to_thread(file.file.read), ask.text("background", 64)

    def read(session: Session) -> channel_files.Read:
        given: Editing = editing(ask, read_visible(session, ask))
        return channel_files.read_file(session, content, given, background)

    try:
        found = await ask.db.read(read)
    except InvalidRuleError as error:
        return await _form(ask, 400, "；".join(each.message for each in error.problems))
    id_ = await ask.db.write(
        rows.add_import, file.filename, found.rows, found.faults, ask.actor.who, ask.account.id, ask.now
    )
    return ask.go(f"{PATH}/{id_}")


async def show_one(ask: Ask) -> web.Response:
    """What a file says, or how far its channels are."""

    def read(session: Session) -> Any:
        row = rows.get_import(session, ask.path_number(), _own(ask))
        return row, rows.count_statuses(session, row.id or 0), rows.count_present(session, row)

    row, counts, present = await ask.db.read(read)
    ready = counts.get(ChannelStatus.MADE, 0)
    total = sum(counts.values()) + (len(row.rows) - row.made if row.status != "previewed" else 0)
    return ask.show(
        "channel_import", row=row, counts=counts, present=present, ready=ready, total=total,
        refused=counts.get(ChannelStatus.REFUSED, 0), is_over=_is_over(row, counts), shown=ROWS_SHOWN,
        status_words=STATUS,
    )  # fmt: skip


def _is_over(row: ChannelImport, counts: dict[str, int]) -> bool:
    waiting = (ChannelStatus.PLANNED, ChannelStatus.MAKING, ChannelStatus.UNKNOWN)
    return row.status == "done" and not any(counts.get(each) for each in waiting)


async def start(ask: Ask) -> web.Response:
    """Its channels are made, in the background."""
    id_ = ask.path_number()

    def do(session: Session) -> None:
        rows.get_import(session, id_, _own(ask))
        rows.start_import(session, id_)

    def look(session: Session) -> dict[str, Any]:
        row = rows.get_import(session, id_)
        return {"status": row.status, "rows": len(row.rows), "file": row.filename}

    await ask.change("channels.import", f"channel import {id_}", do, look)
    return ask.go(f"{PATH}/{id_}", "started")


async def show_zip(ask: Ask) -> web.StreamResponse:
    """The codes and posters of a file's channels, as one file."""

    def read(session: Session) -> PlanFilter:
        row = rows.get_import(session, ask.path_number(), _own(ask))
        return PlanFilter(read_visible(session, ask), import_id=row.id)

    wanted = await ask.db.read(read)
    async with zipped(ask.ctx, wanted) as (size, pieces):
        answer = web.StreamResponse(headers={
            **HEADERS, "Cache-Control": "no-store", "Content-Length": str(size), "Content-Type": "application/zip",
            "Content-Disposition": f'attachment; filename="siyu-channels-{ask.path_number()}.zip"',
        })  # fmt: skip
        await answer.prepare(ask.request)
        async for piece in pieces:
            await answer.write(piece)
        await answer.write_eof()
    return answer


async def show_example(ask: Ask) -> web.Response:
    """A file to fill in."""
    content = await asyncio.to_thread(channel_files.example_file)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="siyu-channels.xlsx"'}
    return web.Response(body=content, content_type=XLSX, headers=headers)
