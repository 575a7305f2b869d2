"""Imports: a table of another tool is uploaded, its columns looked over, doubtful rows decided, then it is applied."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import imports
from bot.console.asks import Ask
from bot.console.customers import asked_by, is_own
from bot.console.import_words import GROUPS, ORDERS, STATES, STATUSES
from bot.console.painting import N_
from bot.console.rule_forms import whole
from bot.console.sheets import send_pieces
from bot.phrases import Phrase
from bot.table_files import FILE_BYTES_MAX
from data.errors import NotFoundError
from data.models import Import, ImportStatus, RowState
from data.queries import import_rows
from data.queries import imports as rows
from data.queries import markings as marking_rows
from data.queries.segment_choices import read_tags
from data.rules.imports import FIELD, Options
from data.rules.problems import InvalidRuleError, Problem, parse

PATH = "/console/imports"
ROWS, SAMPLES = 50, 3
UPLOAD_MAX_BYTES = FILE_BYTES_MAX + 100_000
#: Rows that are listed by what became of them.
LISTED = (RowState.REVIEW, RowState.BAD, RowState.FAILED, RowState.LEFT_OUT)
_OPTIONS = ("tag_group", "order_source")
#: What may be done, in which status: its name, its text, what is asked before.
_BUTTONS = (
    (
        "start", (ImportStatus.READY,), N_("开始导入"),
        N_("开始导入？有错误的行、没有核对的行不会导入，可以以后再传。标签和备注会写到企业微信里。"),
    ),
    ("start", (ImportStatus.PAUSED,), N_("继续"), ""),
    (
        "cancel",
        (
            ImportStatus.READING, ImportStatus.DRAFT, ImportStatus.CHECKING, ImportStatus.READY, ImportStatus.RUNNING,
            ImportStatus.PAUSED,
        ),
        N_("取消"), N_("取消后不再继续；已经导入的不会撤回。"),
    ),
)  # fmt: skip


async def show_list(ask: Ask) -> web.Response:
    """The latest, and the way to a new one."""
    return await _list(ask)


async def upload(ask: Ask) -> web.Response:
    """A file was chosen."""
    field = ask.form.get("file")
    if not isinstance(field, web.FileField) or not field.filename:
        return await _list(ask, 400, fault=ask._("请先选择一个文件。"))
    try:
        made = await imports.take_file(
            ask.db, field.file, field.filename[-128:], asked_by(ask), _options(ask, Options()), ask.ctx.clock.now,
            account_id=ask.account.id, orders=ask.may("admin"),
        )  # fmt: skip
    except InvalidRuleError as error:
        return await _list(ask, 400, fault=f"{field.filename[:60]}：{ask.told(error)}")
    await ask.note("imports.add", f"import {made.id}", {"name": made.name, "read_as": made.read_as})
    return ask.go(f"{PATH}/{made.id}", "read")


async def _list(ask: Ask, status: int = 200, *, fault: str = "") -> web.Response:
    mine = None if ask.may("admin") else f"(#{ask.account.id})"

    def read(session: Session) -> list[Any]:
        found = rows.list_imports(session, ROWS + 1, ask.asked_number("before"), mine)
        return [(each, imports.count_states(session, each)) for each in found]

    found = await ask.db.read(read)
    older = found[ROWS - 1][0].id if len(found) > ROWS else None
    return ask.show(
        "imports", status, imports=found[:ROWS], older=older, statuses=STATUSES, fault=fault, asked=Options(),
        days=ask.settings.privacy.imports_days,
    )  # fmt: skip


async def show_one(ask: Ask) -> web.Response:
    """One: what its columns are taken for, what it would change, how far it is."""
    return await _page(ask)


async def _page(ask: Ask, status: int = 200, **more: Any) -> web.Response:
    def read(session: Session) -> dict[str, Any]:
        found = _require_own(ask, rows.get_import(session, ask.path_number()))
        marking = None
        if found.marking_id is not None:
            marking = marking_rows.find_marking(session, found.marking_id)
        return {
            "found": found,
            "states": imports.count_states(session, found),
            "changeable": found.status in rows.DESCRIBED or rows.is_unchecked(session, found),
            "converted": imports.count_converted(session, found),
            "samples": import_rows.list_rows(session, found.id or 0, limit=SAMPLES),
            "fields": imports.map_fields(session),
            "names": read_tags(session) if found.tally else {},
            "marking": marking,
        }

    told = await ask.db.read(read)
    found: Import = told["found"]
    # Of a file of which no row is right there is nothing to begin.
    idle = found.status == ImportStatus.READY and not told["states"]["ready"]
    acts = [
        (name, text, words)
        for name, when, text, words in _BUTTONS
        if found.status in when and (name, idle) != ("start", True)
    ]
    groups = [*GROUPS, *([ORDERS] if ask.may("admin") else [])]
    return ask.show(
        "import_part" if ask.is_htmx else "import", status, **told, acts=acts, groups=groups, statuses=STATUSES,
        row_states=STATES, listed=LISTED, field=FIELD, days=ask.settings.privacy.imports_days,
        **{"fault": "", "faults": {}, "targets": found.targets, "asked": parse(Options, found.options), **more},
    )  # fmt: skip


async def describe(ask: Ask) -> web.Response:
    """What the columns are was changed, or how it is to be done."""
    import_id = ask.path_number()
    found = await ask.db.read(lambda session: _require_own(ask, rows.get_import(session, import_id)))
    given = [each[:80] for each in ask.texts("target")]
    try:
        options = _options(ask, parse(Options, found.options))

        def do(session: Session) -> None:
            imports.describe(session, import_id, given, options, orders=ask.may("admin"))

        await ask.change("imports.describe", f"import {import_id}", do, _look(import_id))
    except InvalidRuleError as error:
        faults = {each.path: each.message for each in error.problems}
        kept = (given + [""] * len(found.headings))[: len(found.headings)]
        return await _page(ask, 400, fault=ask.told(error), faults=faults, targets=kept)
    return ask.go(f"{PATH}/{import_id}", "checking")


async def act(ask: Ask) -> web.Response:
    """Start, cancel, or leave out all rows that nobody has decided about."""
    import_id, name = ask.path_number(), ask.request.match_info["act"]
    await ask.db.read(lambda session: _require_own(ask, rows.get_import(session, import_id)))
    if name == "leave-out":
        count = await imports.leave_out_all(ask.db, import_id)
        await ask.note("imports.leave_out", f"import {import_id}", {"rows": count})
    else:
        await ask.change(
            f"imports.{name[:20]}", f"import {import_id}",
            lambda session: imports.act(session, import_id, name, ask.now), _look(import_id),
        )  # fmt: skip
    return ask.go(f"{PATH}/{import_id}", "saved")


async def show_rows(ask: Ask) -> web.Response:
    """Rows that were not taken, with why; of those in doubt, whom each may be about."""
    try:
        state = RowState(ask.request.query.get("state", RowState.REVIEW))
    except ValueError:
        state = RowState.REVIEW

    def read(session: Session) -> Any:
        found = _require_own(ask, rows.get_import(session, ask.path_number()))
        after = ask.asked_number("after") or 0
        some = import_rows.list_rows(session, found.id or 0, state, after=min(after, 2**31 - 1), limit=ROWS + 1)
        shown = some[:ROWS]
        doubtful = (
            imports.find_people(session, found, shown, ask.visible(session), ask.zone)
            if state in import_rows.UNDECIDED
            else [imports.Doubtful(row, []) for row in shown]
        )
        return found, doubtful, shown[-1].line if len(some) > ROWS else None, imports.count_states(session, found)

    found, doubtful, further, states = await ask.db.read(read)
    return ask.show(
        "import_rows", found=found, rows=doubtful, further=further, state=state.value, states=states, listed=LISTED,
        row_states=STATES, why=partial(imports.why, language=ask.language), undecided=state in import_rows.UNDECIDED,
        open=found.status in (ImportStatus.READY, ImportStatus.CHECKING), fault="",
    )  # fmt: skip


async def decide(ask: Ask) -> web.Response:
    """Whom a row is about, says a person; or that it is left out."""
    import_id, line = ask.path_number(), ask.path_number("line")
    whose = None if ask.text("do") == "leave-out" else ask.text("other", 64) or ask.text("external_userid", 64)
    if whose == "":
        raise InvalidRuleError([Problem("external_userid", ask._("请选一位客户，或者填写 external_userid"))])

    def do(session: Session) -> None:
        _require_own(ask, rows.get_import(session, import_id))
        imports.decide(session, import_id, line, whose, ask.visible(session))

    await ask.change("imports.decide", f"import {import_id}", do, external_userid=whose)
    return ask.go(
        f"{PATH}/{import_id}/rows", "saved", state=ask.text("state", 10) or "review", after=str(max(line - 1, 0))
    )


async def export(ask: Ask) -> web.StreamResponse:
    """The rows that were not taken, with why, to be mended and uploaded again."""
    found = await ask.db.read(lambda session: _require_own(ask, rows.get_import(session, ask.path_number())))
    await ask.note("imports.export", f"import {found.id}")
    head = [*found.headings, ask._("行号"), ask._("原因")]
    return await send_pieces(ask, f"siyu-import-{found.id}", head, imports.not_taken(ask.db, found, ask.language))


def _options(ask: Ask, before: Options) -> Options:
    given: dict[str, Any] = {"overwrite": ask.text("overwrite") == "yes", "make_tags": ask.text("make_tags") == "yes"}
    given |= {name: ask.text(name, 64) or getattr(before, name) for name in _OPTIONS}
    typed = ask.text("source_agentid", 10) or "0"
    given["source_agentid"] = whole(typed) if "source_agentid" in ask.form else before.source_agentid
    return parse(Options, given)


def _look(import_id: int) -> Any:
    def look(session: Session) -> dict[str, Any]:
        found = rows.get_import(session, import_id)
        return {"status": found.status, "targets": list(found.targets), "options": dict(found.options)}

    return look


def _require_own(ask: Ask, found: Import) -> Import:
    """All but admins see what they have uploaded themselves. Raises NotFoundError."""
    if not ask.may("admin") and not is_own(ask, found.asked_by):
        raise NotFoundError(Phrase("没有编号为 %(id)s 的导入。", id=found.id), Phrase("请从导入列表进入。"))
    return found
