"""Scripts (话术): one check for console, API and command, the words for one customer, and files of many scripts."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from bot.phrases import Phrase
from bot.render import Renderer, TemplateError
from bot.rule_edits import changed, media_problems, unwritable
from bot.spreadsheets import unguarded
from bot.table_files import open_table
from data.db import Database
from data.errors import ConflictError
from data.queries import scripts as rows
from data.queries import staff as staff_rows
from data.queries.media_uses import hold_files
from data.rules.media import uploads_of
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.scripts import Script, problems

FILE_BYTES_MAX = 5 * 1024 * 1024
ROWS_MAX = 5_000
#: Rows that are worked off in one transaction.
PIECE = 20
FAULTS_KEPT = 200
#: The heads of a file of scripts; others that are understood are in `HEADERS`.
HEAD = ("标题", "分类", "内容", "部门", "启用")
EXAMPLE = ("嫌贵", "异议处理", "{{ customer_name }}，这款是今年的头春茶，一斤要三万个芽头。", "华东一店", "是")
HEADERS: Mapping[str, str] = {
    "标题": "title", "title": "title", "分类": "category", "category": "category",
    "内容": "text", "话术": "text", "text": "text", "words": "text",
    "部门": "departments", "departments": "departments", "启用": "enabled", "enabled": "enabled",
}  # fmt: skip
_OFF = frozenset({"否", "停用", "no", "off", "false", "0"})
_ON = frozenset({"", "是", "启用", "yes", "on", "true", "1"})


def script_problems(session: Session, script: Script, renderer: Renderer) -> list[Problem]:
    """Everything that would keep a script from being used, by field; empty: it can be."""
    found = [*unwritable(script.model_dump(mode="json", exclude={"content"})), *problems(script)]
    if script.content.text:
        found += [
            Problem("content.text", Phrase("第 %(line)s 行：%(words)s", line=fault.line, words=fault.message))
            for fault in renderer.check("script", script.content.text)
        ]
    known = {each.id for each in staff_rows.list_departments(session)}
    found += [
        Problem("department_ids", Phrase("没有编号为 %(id)s 的部门", id=each))
        for each in sorted(script.department_ids - known)
    ]
    return found + media_problems(session, script.content)


def save_script(
    session: Session, script: Script, renderer: Renderer, now: datetime, version: int | None = None
) -> Script:
    """Check and write a script (id 0: a new one). Raises InvalidRuleError, NotFoundError, ConflictError, StaleError."""
    if found := script_problems(session, script, renderer):
        raise InvalidRuleError(found)
    saved = rows.save_script(session, script, now, version)
    if uploads_of(saved.content):
        hold_files(session, "script", saved.id)
    return saved


def change_script(
    session: Session, script_id: int, changes: Mapping[str, Any], renderer: Renderer, now: datetime
) -> Script:
    """Change some fields (JSON merge patch). To switch a script off is always possible. Raises as `save_script`."""
    script = changed(rows.get_script(session, script_id), changes)
    if changes == {"enabled": False}:
        return rows.save_script(session, script, now)
    return save_script(session, script, renderer, now)


def names_for(session: Session, userid: str, company: str, customer: str = "") -> dict[str, str | None]:
    """What scripts call the customer, the member who says them, and the company; None: not known."""
    card = staff_rows.get_card(session, userid)
    names = {
        "customer_name": customer, "staff_name": card.name, "staff_alias": card.alias,
        "staff_position": card.position, "department_name": card.department_name, "company_name": company,
    }  # fmt: skip
    return {name: value or None for name, value in names.items()}


def words_of(renderer: Renderer, script: Script, names: Mapping[str, str | None]) -> str:
    """A script's text with the names filled in that are known (`names_for`).

    A text that cannot be used any more, because a later version of the program knows other variables, stays as it is.
    """
    if not script.content.text:
        return ""
    try:
        return renderer.render_source("script", script.content.text, names)
    except TemplateError:
        return script.content.text


# -- files


#: (number, values by field, what is wrong with some by field) of a row.
_Cells = tuple[int, dict[str, str], dict[str, str]]


class Imported(NamedTuple):
    """What came of a file: scripts made and changed, and what is wrong with other rows."""

    made: int
    changed: int
    faults: list[dict[str, Any]]


async def import_file(db: Database, content: bytes, renderer: Renderer, now: datetime) -> Imported:
    """Make the scripts of a CSV or XLSX file; one whose title is there already is changed, its attachments stay.

    A wrong row never stops the others. Raises InvalidRuleError for what is no such file at all.
    """
    if len(content) > FILE_BYTES_MAX:
        raise InvalidRuleError(
            [Problem("file", Phrase("最大 %(most)s MB：请分成几个文件", most=FILE_BYTES_MAX // 1024 // 1024))]
        )
    read = await asyncio.to_thread(lambda: list(_read_cells(content)))
    found = Imported(0, 0, [])
    seen: set[str] = set()
    for start in range(0, len(read), PIECE):
        piece = await db.write(_import_piece, read[start : start + PIECE], renderer, now, seen)
        found = Imported(found.made + piece.made, found.changed + piece.changed, found.faults + piece.faults)
        seen |= {cells.get("title", "") for _, cells, _ in read[start : start + PIECE]}
    return found._replace(faults=found.faults[:FAULTS_KEPT])


def _import_piece(
    session: Session, read: Sequence[_Cells], renderer: Renderer, now: datetime, seen: Collection[str]
) -> Imported:
    """Some rows, in one transaction. `seen`: the titles of the rows before."""
    titles, departments = rows.map_titles(session), _departments(session)
    faults: list[dict[str, Any]] = []
    seen = set(seen)
    made = changed_ones = 0
    for number, cells, wrong in read:
        title = cells.get("title", "")
        try:
            if wrong:
                raise InvalidRuleError(Problem(field, message) for field, message in wrong.items())
            if title in seen:
                raise InvalidRuleError([Problem("title", Phrase("文件里有两行是同一个标题"))])
            before = rows.get_script(session, titles[title]) if title in titles else None
            save_script(session, _draft(cells, before, departments), renderer, now)
        except InvalidRuleError as error:
            faults += [{"row": number, "path": each.path, "message": each.message} for each in error.problems]
            continue
        except ConflictError as error:
            faults.append({"row": number, "path": "title", "message": error.message})
            continue
        finally:
            seen.add(title)
        made, changed_ones = made + (before is None), changed_ones + (before is not None)
    return Imported(made, changed_ones, faults)


def _draft(cells: Mapping[str, str], before: Script | None, departments: Mapping[str, int]) -> Script:
    """The script that a row spells: what it does not say stays as it was."""
    source: dict[str, Any] = before.model_dump(mode="json") if before is not None else {"content": {}}
    faults: list[Problem] = []
    for field in ("title", "category"):
        if field in cells:
            source[field] = cells[field]
    if "text" in cells:
        source["content"] = {**source["content"], "text": cells["text"]}
    if "departments" in cells:
        named = [
            each for each in cells["departments"].replace("，", "、").replace(",", "、").split("、") if each.strip()
        ]
        unknown = [each for each in named if each.strip() not in departments]
        faults += [
            Problem("departments", Phrase("没有叫“%(name)s”的部门，或者不止一个", name=each)) for each in unknown
        ]
        source["department_ids"] = sorted(departments[each.strip()] for each in named if each not in unknown)
    if (told := cells.get("enabled", "").casefold()) in _ON | _OFF:
        source["enabled"] = told not in _OFF if "enabled" in cells else source.get("enabled", True)
    else:
        faults.append(Problem("enabled", Phrase("请写“是”或“否”")))
    if faults:
        raise InvalidRuleError(faults)
    return parse(Script, source)


def _departments(session: Session) -> dict[str, int]:
    """Departments by name; of a name that several have, nobody knows which is meant."""
    listed = staff_rows.list_departments(session)
    counts = Counter(each.name for each in listed)
    return {each.name: each.id for each in listed if counts[each.name] == 1}


def _read_cells(content: bytes) -> Iterator[_Cells]:
    """The rows behind the heading."""
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
            raise InvalidRuleError(
                [Problem(f"file[{row.line}]", Phrase("超过 %(most)s 行：请分成几个文件", most=f"{ROWS_MAX:,}"))]
            )
        cells = {field: unguarded(row.cells[at]) for at, field in columns.items() if at < len(row.cells)}
        yield row.line, cells, {columns.get(place, ""): fault for place, fault in row.faults.items()}
    if not count:
        raise InvalidRuleError([Problem("file", Phrase("文件是空的"))])


def _columns(cells: Sequence[str]) -> dict[int, str]:
    columns = {place: HEADERS[cell.casefold()] for place, cell in enumerate(cells) if cell.casefold() in HEADERS}
    for field, head in (("title", HEAD[0]), ("text", HEAD[2])):
        if field not in columns.values():
            raise InvalidRuleError(
                [Problem("file", Phrase("第一行应是列名，其中要有「%(head)s」一列。可以下载示例文件对照", head=head))]
            )
    if len(set(columns.values())) < len(columns):
        raise InvalidRuleError([Problem("file", Phrase("有两列是同一个意思，请删掉一列"))])
    return columns


def to_rows(scripts: Iterable[Script], departments: Mapping[int, str]) -> list[list[str]]:
    """Scripts as the rows of a file that `import_file` reads."""
    return [
        [
            each.title, each.category, each.content.text,
            "、".join(departments.get(id_, str(id_)) for id_ in sorted(each.department_ids)),
            "是" if each.enabled else "否",
        ]
        for each in scripts
    ]  # fmt: skip
