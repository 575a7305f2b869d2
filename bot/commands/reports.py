"""`siyu report`: a week or month by department and member."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.terminal import AsJson, Config, Workplace, cut, refuse, say, say_json, say_table, work

if TYPE_CHECKING:
    from data.queries.reports import Report


def report(
    month: Annotated[bool, typer.Option("--month", help="A month instead of a week.")] = False,
    day: Annotated[
        str, typer.Option("--day", metavar="DAY", help="The one that this day is in.", show_default="the last one")
    ] = "",
    members: Annotated[bool, typer.Option("--members", help="Also member by member.")] = False,
    xlsx: Annotated[
        Path | None, typer.Option("--xlsx", metavar="FILE", help="Write all of it into a workbook.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """What a week or month brought, by department and member, beside the one before."""
    from bot.reports import report_to_json, to_xlsx

    found = work(config, lambda place: _read(place, month=month, day=day))
    if xlsx is not None:
        xlsx.write_bytes(to_xlsx(found, str))
        say(f"Written: {xlsx}")
    elif as_json:
        say_json(report_to_json(found))
    else:
        _say(found, members=members)


async def _read(place: Workplace, *, month: bool, day: str) -> Report:
    from datetime import date

    from data.queries.reports import read_report
    from data.rules.reports import Kind, last_over, period_of

    kind: Kind = "month" if month else "week"
    try:
        period = period_of(kind, date.fromisoformat(day)) if day else last_over(kind, place.now, place.settings.zone)
    except ValueError:
        refuse(f"{day!r} is no day: write 2026-03-04.")
    return await place.db.read(read_report, period, place.now, place.settings.zone)


def _say(report: Report, *, members: bool) -> None:
    from bot.reports import COLUMNS, words_of

    shown = [each for each in COLUMNS if each.is_shown]
    before = report.period.before
    over = "" if report.is_over else ", not over"
    say(f"{report.period.first} to {report.period.last}{over}; before: {before.first} to {before.last}")
    head = [each.key.removesuffix("_fen").upper() for each in shown]
    named = [(each.department or "(none)", each) for each in report.departments]
    lines = [*named, ("all", report.total), ("before", None)]
    rows = [
        [cut(name, 30), *(words_of(line.now if line else report.total.before, each) for each in shown)]
        for name, line in lines
    ]
    say_table(["DEPARTMENT", *head], rows, "")
    if members:
        listed = [[cut(each.name or each.userid or "(nobody)", 30), cut(each.department, 30),
                   *(words_of(each.now, column) for column in shown)] for each in report.lines]  # fmt: skip
        say_table(["MEMBER", "DEPARTMENT", *head], listed, "Nobody is known.")
