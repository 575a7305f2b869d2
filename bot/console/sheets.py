"""Numbers as CSV, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from aiohttp import web

#: What CSV begins a cell with may be read as a formula by a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def sheet(name: str, rows: Iterable[Sequence[object]]) -> web.Response:
    """Rows as a file to keep; texts of others are no formulas in it."""
    out = io.StringIO()
    csv.writer(out).writerows([plain(each) if isinstance(each, str) else each for each in row] for row in rows)
    # A spreadsheet takes UTF-8 for what it is only by this mark.
    return web.Response(
        body=("\ufeff" + out.getvalue()).encode(),
        content_type="text/csv",
        charset="utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="siyu-{name}.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
