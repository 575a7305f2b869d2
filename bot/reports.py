"""The report of a week or month as it is shown: on the console's page, as CSV and XLSX, by the API and by `siyu`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bot.context import Context
from bot.spreadsheets import XlsxWriter
from bot.staff_words import ZH, render
from data.queries.reports import Figures, Line, Report
from data.rules.reports import Period

#: Marks texts that the console translates.
N_ = str

Say = Callable[[str], str]
Cell = str | int | float | None
#: Of money there are hundredths.
FEN = 100
#: The message's template, and its kind.
SLUG = "weekly_report"
PATH = "/console/reports"


class Column(NamedTuple):
    """One figure: its name in `Figures`, its head, what it is (count, percent, minutes or fen), and whether a page has
    room for it."""

    key: str
    head: str
    kind: str = "count"
    is_shown: bool = True


COLUMNS = (
    Column("added", N_("新增关系")),
    Column("people", N_("新客户")),
    Column("left", N_("流失")),
    Column("net", N_("净增")),
    Column("welcomed", N_("欢迎语已发"), is_shown=False),
    Column("missed", N_("欢迎语错过"), is_shown=False),
    Column("welcome_percent", N_("欢迎语及时率"), "percent"),
    Column("tasks", N_("群发任务"), is_shown=False),
    Column("confirmed", N_("群发已确认"), is_shown=False),
    Column("confirmed_percent", N_("群发确认率"), "percent"),
    Column("reached", N_("群发送达人次")),
    Column("done", N_("完成任务")),
    Column("orders", N_("订单数")),
    Column("amount_fen", N_("订单金额（元）"), "fen"),
    Column("chats", N_("聊天数")),
    Column("messages", N_("发送消息数")),
    Column("reply_percent", N_("回复率"), "percent"),
    Column("reply_minutes", N_("首次回复（分钟）"), "minutes"),
    Column("deletions", N_("删除/拉黑")),
    Column("group_messages", N_("群消息数"), is_shown=False),
    Column("group_members", N_("群新成员"), is_shown=False),
)


def value_of(figures: Figures, column: Column) -> int | float | None:
    """A figure as a number for a spreadsheet: money in yuan."""
    value: int | float | None = getattr(figures, column.key)
    return value / FEN if column.kind == "fen" and value is not None else value


def words_of(figures: Figures, column: Column) -> str:
    """A figure as people read it."""
    value = value_of(figures, column)
    if value is None:
        return "—"
    if column.kind == "percent":
        return f"{value:.1f}%"
    return f"{value:,.2f}" if column.kind == "fen" else f"{value:,}"


def report_to_json(report: Report) -> dict[str, Any]:
    """All of a report; amounts in hundredths of a yuan."""
    before = report.period.before
    return {
        "kind": report.period.kind,
        "first": report.period.first,
        "last": report.period.last,
        "is_over": report.is_over,
        "before": {"first": before.first, "last": before.last},
        "told_until": report.told_until,
        "total": _both(report.total),
        "departments": [{**_place(each), **_both(each)} for each in report.departments],
        "members": [{"userid": each.userid, "name": each.name, **_place(each), **_both(each)} for each in report.lines],
    }


def _place(line: Line) -> dict[str, Any]:
    return {"department_id": line.department_id, "department": line.department}


def _both(line: Line) -> dict[str, Any]:
    return {
        "now": {each.key: getattr(line.now, each.key) for each in COLUMNS},
        "before": {each.key: getattr(line.before, each.key) for each in COLUMNS},
    }


def weekly_words(ctx: Context, report: Report, language: str = ZH) -> str:
    """What somebody is told of a week: the main figures, and where all are."""
    total, told = report.total, {each.key: each for each in COLUMNS}

    def now(key: str) -> str:
        return words_of(total.now, told[key])

    def before(key: str) -> str:
        return words_of(total.before, told[key])

    public_url = ctx.settings.server.public_url
    return render(
        ctx,
        SLUG,
        language,
        period=f"{report.period.first} – {report.period.last}",
        **{key: now(key) for key in ("people", "added", "left", "reached", "done", "orders", "chats", "messages")},
        **{f"{key}_before": before(key) for key in ("people", "added", "left")},
        deletions=now("deletions"),
        amount=now("amount_fen"),
        amount_before=before("amount_fen"),
        welcomes=now("welcome_percent"),
        confirmed=now("confirmed_percent"),
        reply_rate=now("reply_percent"),
        reply_minutes=now("reply_minutes"),
        address=f"{public_url}{PATH}?day={report.period.first}" if public_url else None,
    )


# -- as a spreadsheet


def head_of(say: Say) -> list[Cell]:
    """The heads of `rows_of`."""
    before = say(N_("上期"))
    heads = [*(say(each.head) for each in COLUMNS), *(f"{before} {say(each.head)}" for each in COLUMNS)]
    return [say(N_("部门")), say(N_("成员")), "userid", *heads]


def rows_of(report: Report, say: Say) -> list[list[Cell]]:
    """All together, then each department with its members below it."""
    sum_ = say(N_("合计"))
    rows: list[list[Cell]] = [[sum_, sum_, "", *_cells(report.total)]]
    for department in report.departments:
        name = department.department or say(N_("没有部门"))
        rows.append([name, sum_, "", *_cells(department)])
        members = report.of_department(department.department_id).lines
        rows += [[name, each.name, each.userid, *_cells(each)] for each in members]
    return rows


def _cells(line: Line) -> list[Cell]:
    return [value_of(figures, each) for figures in (line.now, line.before) for each in COLUMNS]


def name_of(period: Period) -> str:
    """What a file with a report is called, without its ending."""
    return f"report-{period.kind}-{period.first}"


def to_xlsx(report: Report, say: Say) -> bytes:
    """A report as a workbook. Takes some hundred milliseconds for a thousand members: call it in a thread."""
    writer = XlsxWriter(head_of(say))
    return writer.write(rows_of(report, say)) + writer.end()
