"""Rosters made of files: all of a file is good, or nothing of it is kept unless its faulty rows are to be skipped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlmodel import Session

from bot.phrases import Phrase
from bot.roster_files import Named, read_rows
from bot.rule_edits import unwritable
from data.db import Database
from data.errors import ConflictError
from data.models import Roster
from data.queries import rosters as rows
from data.queries.roster_uses import list_uses
from data.rules.problems import InvalidRuleError, Problem

#: Rows that are looked up and written in one go.
CHUNK = 1000
#: Faults that are told; how many there are besides is told too.
PROBLEMS_TOLD = 100
NAME_MAX_LENGTH = 64


async def make_roster(
    db: Database, file: Path, name: str, made_by: str, now: Callable[[], datetime], *, skip_faulty: bool = False
) -> Roster:
    """Keep the customers whom a file names, each once.

    Raises InvalidRuleError with the row and column of each fault (the first of them, and how many there are), unless
    faulty rows are skipped; and for what is no such file at all.
    """
    _check_name(name)
    await sweep(db, now())
    roster_id = await db.write(rows.begin_roster, name, made_by, now())
    try:
        read, customers, problems, faulty = 0, 0, list[Problem](), 0
        reader = read_rows(file)
        while chunk := await asyncio.to_thread(lambda: list(islice(reader, CHUNK))):
            read += len(chunk)
            added, found = await db.write(_keep, roster_id, chunk)
            customers += added
            faulty += len(found)
            problems += found[: PROBLEMS_TOLD - len(problems)]
        if problems and not skip_faulty:
            more = (
                [Problem("file", Phrase("还有 %(count)s 行有问题", count=f"{faulty - len(problems):,}"))]
                if faulty > len(problems)
                else []
            )
            raise InvalidRuleError(problems + more)
        if not customers:
            raise InvalidRuleError(problems or [Problem("file", Phrase("文件里没有一个客户"))])
        return await db.write(rows.finish_roster, roster_id, read, customers, faulty, now())
    except BaseException:
        await db.write(rows.drop_roster, roster_id)
        await sweep(db, now())
        raise


def _check_name(name: str) -> None:
    found = list(unwritable(name, "name"))
    if not 1 <= len(name) <= NAME_MAX_LENGTH:
        found.append(Problem("name", Phrase("1 到 %(most)s 个字", most=NAME_MAX_LENGTH)))
    if found:
        raise InvalidRuleError(found)


def _keep(session: Session, roster_id: int, chunk: Iterable[Named | Problem]) -> tuple[int, list[Problem]]:
    """Put those on the roster whom rows name; how many were not on it, and what is wrong with the others."""
    found: list[Problem] = []
    by_kind: dict[str, list[Named]] = {}
    for each in chunk:
        if isinstance(each, Problem):
            found.append(each)
        else:
            by_kind.setdefault(each.kind, []).append(each)
    members: list[str] = []
    for kind, named in by_kind.items():
        known = rows.map_customers(session, kind, {each.value for each in named})
        for each in named:
            whom = known.get(each.value, set())
            if len(whom) == 1:
                members += whom
            else:
                why = Phrase("有几个客户都是这个") if whom else Phrase("没有这样的客户")
                found.append(Problem(f"file[{each.row}].{kind}", why))
    return rows.add_members(session, roster_id, members), sorted(found, key=_row_of)


def _row_of(problem: Problem) -> int:
    return int(problem.path.removeprefix("file[").partition("]")[0])


def tell_rosters(session: Session, rosters: Iterable[Roster]) -> list[dict[str, Any]]:
    """Rosters as they are shown, with who uses them."""
    uses = list_uses(session)
    return [
        {
            **each.model_dump(exclude={"begun_at"}),
            "used_by": [use._asdict() for use in uses.get(each.id or 0, ())],
        }
        for each in rosters
    ]


async def remove_roster(db: Database, roster_id: int, now: datetime, *, force: bool = False) -> None:
    """Remove a roster, bit by bit. `force`: also while it is used; what asks for it is nobody then.

    Raises NotFoundError, and ConflictError naming who uses it.
    """
    await db.write(_drop, roster_id, force)
    await sweep(db, now)


def _drop(session: Session, roster_id: int, force: bool) -> None:
    roster = rows.get_roster(session, roster_id)
    used_by = [] if force else list_uses(session).get(roster_id, [])
    if used_by:
        who = ", ".join(f"{use.kind} {use.id} {use.name}".rstrip() for use in used_by)
        raise ConflictError(
            f"Roster {roster_id} {roster.name} is used by {who}.",
            "Change those first; or remove it by force: what asks for it is nobody then.",
        )
    rows.drop_roster(session, roster_id)


async def sweep(db: Database, now: datetime) -> None:
    """Remove what was dropped or given up."""
    while await db.write(rows.sweep_roster, now):
        pass
