"""Knowledge (知识库) made, changed, removed and brought in by files: one way for the API, commands and the console."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlmodel import Session

from bot.knowledge_files import FileRow, read_rows
from bot.phrases import Phrase
from bot.rule_edits import file_problems, merged, unwritable
from bot.spreadsheets import Cells
from data.db import Database
from data.models import KnowledgePairRow
from data.queries import knowledge as rows
from data.queries.media_uses import hold_files
from data.queries.unanswered import forget_unanswered
from data.rules import knowledge as rules
from data.rules.kf_answers import media_of
from data.rules.knowledge import Answer, KnowledgePair, digest_of
from data.rules.problems import InvalidRuleError, Problem, parse

#: Rows of a file that are written in one go.
CHUNK = 50
#: Faults that are told; how many there are besides is told too.
PROBLEMS_TOLD = 100
HEAD = ("编号", "问题", "答案", "客服账号", "启用", "使用次数", "最近使用")


def make(session: Session, pair: KnowledgePair, by: str, now: datetime) -> int:
    """Check and keep a pair; its number. What it answers is not asked without an answer any more.

    Raises InvalidRuleError.
    """
    _refuse_faulty(session, pair)
    id_ = rows.add_pair(session, pair, by, now)
    _kept(session, id_, pair)
    return id_


def change(
    session: Session, id_: int, changes: Mapping[str, Any], by: str, now: datetime, version: int | None = None
) -> None:
    """Change a pair; `changes` as a JSON merge patch, but an attachment as a whole.

    Raises InvalidRuleError, NotFoundError, and StaleError where it is not at `version` any more.
    """
    before = pair_of(*rows.get_pair(session, id_)).model_dump(mode="json", exclude={"id"})
    after = merged(before, changes)
    if "attachment" in changes:
        after["attachment"] = changes["attachment"]
    pair = parse(KnowledgePair, after)
    _refuse_faulty(session, pair)
    rows.change_pair(session, id_, pair, by, now, version)
    _kept(session, id_, pair)


def pair_of(row: KnowledgePairRow, phrasings: Sequence[str]) -> KnowledgePair:
    """A pair as it is kept."""
    told = {"id": row.id or 0, "phrasings": phrasings, "text": row.text, "attachment": row.attachment,
            "open_kfids": row.open_kfids, "enabled": row.enabled}  # fmt: skip
    return parse(KnowledgePair, told)


def to_json(row: KnowledgePairRow, phrasings: Sequence[str]) -> dict[str, Any]:
    """A pair as the API and the commands tell of it."""
    return {**row.model_dump(), "phrasings": list(phrasings)}


def answers_json(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """Answers that were found, with why; `given`: the one that a customer gets."""
    given = rules.meant(found)
    return [{**_answer_json(each), "given": each is given} for each in found]


def _answer_json(answer: Answer) -> dict[str, Any]:
    likeness = answer.likeness
    return {
        "pair_id": answer.pair_id, "phrasing": answer.phrasing, "text": answer.text,
        "attachment": answer.attachment.model_dump(mode="json") if answer.attachment else None,
        "score": round(likeness.score, 4), "of_phrasing": round(likeness.of_phrasing, 4),
        "of_question": round(likeness.of_question, 4), "shared": list(likeness.shared),
        "enough": likeness.score >= rules.ENOUGH,
    }  # fmt: skip


def problems_of(session: Session, pair: KnowledgePair) -> list[Problem]:
    """Everything that is wrong with a pair, by field."""
    found = [*unwritable(pair.model_dump(mode="json")), *rules.problems(pair)]
    if pair.attachment is not None and (media := media_of(pair.attachment)) is not None:
        faults = file_problems(session, [("attachment.media", *media)])
        found += [Problem(each.path.removeprefix("content."), each.message) for each in faults]
    return list(dict.fromkeys(found))


def _refuse_faulty(session: Session, pair: KnowledgePair) -> None:
    if found := problems_of(session, pair):
        raise InvalidRuleError(found)


def _kept(session: Session, id_: int, pair: KnowledgePair) -> None:
    if pair.attachment is not None:
        hold_files(session, "knowledge", id_)
    for words in pair.phrasings:
        forget_unanswered(session, words)


# -- files


@dataclass(slots=True)
class Imported:
    """What became of the rows of a file."""

    rows: int = 0
    made: int = 0
    changed: int = 0
    same: int = 0
    skipped: int = 0


async def import_file(
    db: Database, file: Path, by: str, now: Callable[[], datetime], *, skip_faulty: bool = False
) -> Imported:
    """Keep the pairs of a file. A row with the number of a pair, or with a question of one, changes that; its
    attachment stays.

    Raises InvalidRuleError with the row of each fault, and then nothing is kept, unless faulty rows are skipped; and
    for what is no such file at all.
    """
    found, problems = await asyncio.to_thread(_read, file)
    if problems and not skip_faulty:
        told = problems[:PROBLEMS_TOLD]
        if len(problems) > PROBLEMS_TOLD:
            count = f"{len(problems) - PROBLEMS_TOLD:,}"
            told.append(Problem("file", Phrase("还有 %(count)s 行有问题", count=count)))
        raise InvalidRuleError(told)
    if not found:
        raise InvalidRuleError(problems[:PROBLEMS_TOLD] or [Problem("file", Phrase("文件里没有一条问答"))])
    done = Imported(rows=len(found) + len(problems), skipped=len(problems))
    for some in _chunks(found):
        made, changed = await db.write(partial(_write, some=some, by=by, now=now()))
        done.made += made
        done.changed += changed
    done.same = len(found) - done.made - done.changed
    return done


def _read(file: Path) -> tuple[list[FileRow], list[Problem]]:
    """The rows that can be kept, and what is wrong with the others."""
    found: list[FileRow] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for row in read_rows(file):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        faults = [*unwritable(row.pair.model_dump(mode="json")), *rules.problems(row.pair)]
        first = digest_of(row.pair.phrasings[0]) if row.pair.phrasings else ""
        if not faults and first in seen:
            why = Phrase("与第 %(line)s 行的问题相同", line=seen[first])
            problems.append(Problem(f"file[{row.line}]", why))
        elif faults:
            problems.append(Problem(f"file[{row.line}].{faults[0].path}", faults[0].message))
        else:
            seen[first] = row.line
            found.append(row)
    return found, problems


def _chunks(found: Iterable[FileRow]) -> Iterator[list[FileRow]]:
    rest = iter(found)
    while some := list(islice(rest, CHUNK)):
        yield some


def _write(session: Session, some: Sequence[FileRow], by: str, now: datetime) -> tuple[int, int]:
    """How many pairs are new, and how many were changed."""
    known = rows.map_by_question(session, [row.pair.phrasings[0] for row in some])
    there = rows.list_numbered(session, [row.id for row in some if row.id] + list(known.values()))
    fresh: list[KnowledgePair] = []
    changed = 0
    for row in some:
        id_ = row.id if row.id in there else known.get(digest_of(row.pair.phrasings[0]))
        if id_ is None or id_ not in there:
            fresh.append(row.pair)
            continue
        before = pair_of(*there[id_])
        after = row.pair.model_copy(update={"id": before.id, "attachment": before.attachment})
        if after != before:
            rows.change_pair(session, id_, after, by, now)
            changed += 1
    rows.add_pairs(session, fresh, by, now)
    for row in some:
        for words in row.pair.phrasings:
            forget_unanswered(session, words)
    return len(fresh), changed


def cells_of(row: KnowledgePairRow, phrasings: Sequence[str], tell: Callable[[datetime], str]) -> Cells:
    """A pair as a row under `HEAD`; it can be read again by `import_file`."""
    return [
        row.id, "\n".join(phrasings), row.text, "\n".join(row.open_kfids), "是" if row.enabled else "否", row.uses,
        tell(row.used_at) if row.used_at else "",
    ]  # fmt: skip
