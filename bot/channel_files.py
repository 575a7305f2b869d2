"""Files of channels (XLSX and CSV): read and checked row by row, then worked off in the background.

A wrong row never stops the others. A row's state is made of what stands in it, so that the same row, in whatever file,
is the same channel: a second upload makes nothing twice, and of a mended file only what was mended.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.channels import Editing, Known, check, make, read_known
from bot.context import Context
from bot.logs import get_logger
from bot.table_files import open_table
from data.errors import ConflictError
from data.queries import accounts as account_rows
from data.queries import channel_imports as rows
from data.queries import channel_plans as plan_rows
from data.queries import staff as staff_rows
from data.queries import tags as tag_rows
from data.rules.channels import ChannelDraft, read_shift, state_of_row
from data.rules.import_cells import read_flag
from data.rules.problems import InvalidRuleError, Problem, parse

log = get_logger("channels")

FILE_BYTES_MAX = 5 * 1024 * 1024
ROWS_MAX = 2_000
FAULTS_KEPT = 500
#: Rows that are made in one transaction.
PIECE = 10
CELL_MAX_LENGTH = 4_000

#: What a column may be called, in lower case.
HEADERS: Mapping[str, str] = {
    "渠道名称": "name", "名称": "name", "name": "name",
    "员工": "userids", "接待员工": "userids", "userids": "userids", "members": "userids",
    "部门": "departments", "departments": "departments",
    "兜底员工": "fallback", "fallback": "fallback",
    "每人每天上限": "daily_cap", "每日上限": "daily_cap", "daily_cap": "daily_cap",
    "标签": "tags", "tags": "tags", "欢迎语": "welcome", "welcome": "welcome", "备注": "remark", "remark": "remark",
    "海报标题": "title", "title": "title", "标识": "state", "state": "state",
    "排班": "shifts", "shifts": "shifts", "类型": "kind", "kind": "kind",
    "自动通过": "skip_verify", "skip_verify": "skip_verify",
}  # fmt: skip
#: What a row may call its kind; a code where it says nothing.
KINDS = {
    "活码": "code", "渠道活码": "code", "二维码": "code", "code": "code",
    "链接": "link", "获客链接": "link", "link": "link",
}  # fmt: skip
EXAMPLE = (
    (
        "渠道名称", "员工", "部门", "兜底员工", "每人每天上限", "标签", "欢迎语", "备注", "海报标题", "标识", "类型",
        "自动通过", "排班",
    ),
    ("城西店前台", "ZhangSan、LiSi", "", "WangWu", "50", "", "欢迎！", "城西-{name}", "扫码领券", "", "活码", "是", ""),
    (
        "朋友圈广告", "ZhangSan", "", "WangWu", "", "", "欢迎！", "", "", "", "获客链接", "否",
        "周一至周五 18:00-23:00 LiSi\n周末 09:00-18:00 LiSi",
    ),
)  # fmt: skip
_BETWEEN = re.compile(r"[,，、;；\n]+")
_BETWEEN_SHIFTS = re.compile(r"[;；\n]+")


class Read(NamedTuple):
    """What a file says: rows that can be made, how many of these are there already, and what is wrong with others."""

    rows: list[dict[str, Any]]
    present: int
    faults: list[dict[str, Any]]


class _Names(NamedTuple):
    """What members, departments and tags are called: of a name that several have, nobody knows who is meant."""

    staff: Mapping[str, str]
    departments: Mapping[str, int]
    tags: Mapping[str, str]


def read_file(session: Session, content: bytes, editing: Editing, background: str = "") -> Read:
    """Read and check a file. `background`: the picture behind all of its posters.

    Raises InvalidRuleError for what is no such file at all.
    """
    if len(content) > FILE_BYTES_MAX:
        raise InvalidRuleError([Problem("file", f"最大 {FILE_BYTES_MAX // 1024 // 1024} MB：请分成几个文件")])
    known, names = read_known(session, editing.now, editing.zone), _read_names(session)
    found, faults, seen, states = list[dict[str, Any]](), list[dict[str, Any]](), Counter[str](), set[str]()
    present = 0
    for number, cells, wrong in _read_cells(content):
        if wrong:
            faults += [{"row": number, "path": field, "message": message} for field, message in wrong.items()]
            continue
        cells = _spelled(cells)
        alike = repr(sorted(cells.items()))
        state = cells.get("state") or state_of_row(cells, seen[alike])
        seen[alike] += 1
        try:
            draft = _draft(cells, names, background)
            if state in states:
                raise InvalidRuleError([Problem("state", "文件里有两行是同一个标识")])
            checked = check(session, draft, editing, known)
        except InvalidRuleError as error:
            faults += [{"row": number, "path": each.path, "message": each.message} for each in error.problems]
            continue
        states.add(state)
        present += plan_rows.is_state_taken(session, state)
        found.append({"row": number, "state": state, "draft": checked.model_dump(mode="json")})
    return Read(found, present, faults[:FAULTS_KEPT])


def example_file() -> bytes:
    """A file to fill in."""
    from openpyxl import Workbook

    book = Workbook()
    sheet: Any = book.active
    for row in EXAMPLE:
        sheet.append(row)
    for column in "ABCDEFGHIJKLM":
        sheet.column_dimensions[column].width = 18
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _read_cells(content: bytes) -> Iterator[tuple[int, dict[str, str], dict[str, str]]]:
    """(number, values by field, what is wrong with some by field) of the rows behind the heading."""
    columns: dict[int, str] | None = None
    count = 0
    for row in open_table(io.BytesIO(content), lambda heading: heading.casefold() in HEADERS).rows:
        if row.is_blank:
            continue
        if columns is None:
            columns = _columns(row.cells)
            continue
        count += 1
        if count > ROWS_MAX:
            raise InvalidRuleError([Problem(f"file[{row.line}]", f"超过 {ROWS_MAX:,} 行：请分成几个文件")])
        cells = row.cells
        values = {field: cells[place] for place, field in columns.items() if place < len(cells) and cells[place]}
        yield row.line, values, {columns.get(place, ""): fault for place, fault in row.faults.items()}
    if not count:
        raise InvalidRuleError([Problem("file", "文件是空的")])


def _columns(cells: Sequence[str]) -> dict[int, str]:
    columns = {place: HEADERS[cell.casefold()] for place, cell in enumerate(cells) if cell.casefold() in HEADERS}
    for field in ("name", "fallback"):
        if field not in columns.values():
            heading = next(each for each, meant in HEADERS.items() if meant == field)
            raise InvalidRuleError(
                [Problem("file", f"第一行应是列名，其中要有「{heading}」一列。可以下载示例文件对照")]
            )
    twice = [field for field, count in Counter(columns.values()).items() if count > 1]
    if twice:
        raise InvalidRuleError([Problem("file", f"有两列都是 {twice[0]}")])
    return columns


def _read_names(session: Session) -> _Names:
    staff, departments, tags = Counter[str](), Counter[str](), Counter[str]()
    who: dict[str, str] = {}
    for member in staff_rows.list_staff(session):
        staff[member.name] += 1
        who[member.name] = member.userid
    where: dict[str, int] = {}
    for department in staff_rows.list_departments(session):
        departments[department.name] += 1
        where[department.name] = department.id
    which: dict[str, str] = {}
    for tag in tag_rows.list_tags(session):
        for name in (tag["name"], f"{tag['group_name']}/{tag['name']}"):
            tags[name] += 1
            which[name] = tag["tag_id"]
    return _Names(
        {name: userid for name, userid in who.items() if staff[name] == 1},
        {name: id_ for name, id_ in where.items() if departments[name] == 1},
        {name: tag_id for name, tag_id in which.items() if tags[name] == 1},
    )


def _spelled(cells: Mapping[str, str]) -> dict[str, str]:
    """A row with its kind and its yes as they are kept; what it would be without a word is left out, so that the row
    is the same channel whether its file has those columns or not."""
    kind = KINDS.get(cells.get("kind", "").casefold())
    flag = read_flag(cells.get("skip_verify", ""))
    told = {**cells, **({"kind": kind} if kind else {}), **({"skip_verify": "no"} if flag is False else {})}
    return {
        field: text
        for field, text in told.items()
        if not (field == "kind" and kind == "code") and not (field == "skip_verify" and flag)
    }


def _draft(cells: Mapping[str, str], names: _Names, background: str) -> ChannelDraft:
    """A row as a channel. Raises InvalidRuleError."""
    faults = [
        Problem(field, f"最多 {CELL_MAX_LENGTH} 个字") for field, text in cells.items() if len(text) > CELL_MAX_LENGTH
    ]
    departments = _read_departments(cells.get("departments", ""), names, faults)
    tags = _read_tags(cells.get("tags", ""), names, faults)
    shifts = _read_shifts(cells.get("shifts", ""), names, faults)
    cap = cells.get("daily_cap", "")
    if cap and not (cap.isascii() and cap.isdecimal() and len(cap) < 7):
        faults.append(Problem("daily_cap", "应为整数"))
    if (kind := cells.get("kind", "code")) not in KINDS.values():
        faults.append(Problem("kind", "应为 活码 或 获客链接"))
    if (skips := cells.get("skip_verify", "yes")) not in ("yes", "no"):
        faults.append(Problem("skip_verify", "应为 是 或 否"))
    if faults:
        raise InvalidRuleError(faults)
    fallback = cells.get("fallback", "")
    return parse(ChannelDraft, {
        "name": cells.get("name", ""), "state": cells.get("state", ""), "department_ids": departments, "tag_ids": tags,
        "kind": kind, "skip_verify": skips == "yes", "shifts": shifts,
        "userids": [names.staff.get(each, each) for each in _split(cells.get("userids", ""))],
        "fallback": names.staff.get(fallback, fallback), "daily_cap": int(cap) if cap else None,
        "remark": cells.get("remark", ""), "welcome": {"text": text} if (text := cells.get("welcome", "")) else None,
        "poster": {"title": cells.get("title", ""), "background": background},
    })  # fmt: skip


def _read_departments(text: str, names: _Names, faults: list[Problem]) -> list[int]:
    found = []
    for each in _split(text):
        if each.isascii() and each.isdecimal() and len(each) < 10:
            found.append(int(each))
        elif each in names.departments:
            found.append(names.departments[each])
        else:
            faults.append(Problem("departments", f"没有（或有几个）叫 {each[:20]} 的部门：请写部门编号"))
    return found


def _read_tags(text: str, names: _Names, faults: list[Problem]) -> list[str]:
    found = []
    for each in _split(text):
        if each in names.tags:
            found.append(names.tags[each])
        else:
            faults.append(Problem("tags", f"没有（或有几个）叫 {each[:20]} 的标签：请写成 标签组/标签"))
    return found


def _read_shifts(text: str, names: _Names, faults: list[Problem]) -> list[dict[str, Any]]:
    found = []
    for each in _BETWEEN_SHIFTS.split(text):
        written = read_shift(each)
        if written is not None:
            found.append({"windows": [written.window], **_on_duty(written.names, names)})
        elif each.strip():
            words = f"看不懂「{each.strip()[:40]}」：请写成 1-5 09:00-18:00 张三、李四，几班之间换行"
            faults.append(Problem("shifts", words))
    return found


def _on_duty(written: Sequence[str], names: _Names) -> dict[str, list[Any]]:
    """Whom a shift names: members, and departments that are called so where no member is."""
    departments = [names.departments[each] for each in written if each not in names.staff and each in names.departments]
    members = [names.staff.get(each, each) for each in written if each in names.staff or each not in names.departments]
    return {"userids": members, "department_ids": departments}


def _split(text: str) -> list[str]:
    return [each.strip() for each in _BETWEEN.split(text) if each.strip()]


# -- in the background


async def work_on_imports(ctx: Context) -> int:
    """Make the channels of files that were started, piece by piece; how many rows. It goes on where it stopped."""
    count = 0
    while (id_ := await ctx.db.read(rows.find_running)) is not None:
        count += await ctx.db.write_many(_make_piece, id_, editing_for(ctx, ctx.clock.now()))
    return count


def editing_for(ctx: Context, now: datetime) -> Editing:
    """What making channels needs, for whoever sees everybody."""
    return Editing(ctx.renderer, ctx.settings.server.public_url, ctx.settings.zone, now)


def _make_piece(session: Session, id_: int, editing: Editing) -> int:
    row = rows.lock_import(session, id_)
    if row.status != rows.RUNNING:
        return 0
    if row.account_id is not None:
        account = account_rows.find_account(session, row.account_id)
        visible = account_rows.list_visible(session, account) if account is not None else frozenset[str]()
        editing = replace(editing, visible=visible)
    piece = row.rows[row.made : row.made + PIECE]
    known: Known = read_known(session, editing.now, editing.zone)
    faults, present = [], 0
    for each in piece:
        if plan_rows.is_state_taken(session, each["state"]):
            present += 1
            continue
        try:
            with session.begin_nested():
                draft = parse(ChannelDraft, each["draft"])
                make(session, draft, row.made_by, editing, state=each["state"], import_id=id_, known=known)
        except (InvalidRuleError, ConflictError) as error:
            found = error.problems if isinstance(error, InvalidRuleError) else [Problem("", error.message)]
            faults += [{"row": each["row"], "path": one.path, "message": one.message} for one in found]
    row.made += len(piece)
    row.present += present
    if faults:
        row.faults = [*row.faults, *faults][:FAULTS_KEPT]
    if row.made >= len(row.rows):
        row.status = rows.DONE
        log.info("channels_imported", channel_import=id_, rows=row.made, present=row.present)
    return len(piece)
