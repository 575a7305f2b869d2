"""Synonyms of the knowledge: what a company has of its own. A search reads them with the rest of what it reads, so that
a change is in force at every replica as soon as it is kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.errors import NotFoundError, StaleError
from data.models import KnowledgeSynonyms
from data.rules.knowledge_words import Vocabulary, vocabulary_of
from data.rules.synonyms import Synonyms

S: Any = KnowledgeSynonyms.__table__  # type: ignore[attr-defined]


def get_vocabulary(session: Session) -> Vocabulary:
    """What words mean the same to this company."""
    query = select(S.c.replaces, S.c.words).order_by(S.c.id)
    return vocabulary_of(tuple((replaces, _words_of(kept)) for replaces, kept in session.execute(query)))


def list_synonyms(session: Session) -> list[Synonyms]:
    """A company's own groups, the first made first."""
    found = session.execute(select(KnowledgeSynonyms).order_by(col(KnowledgeSynonyms.id))).scalars()
    return [_told(row) for row in found]


def get_synonyms(session: Session, id_: int) -> Synonyms:
    """A group of a company's own. Raises NotFoundError."""
    return _told(_get(session, id_))


def add_synonyms(session: Session, group: Synonyms, by: str, now: datetime) -> int:
    """Keep a group; its number."""
    row = KnowledgeSynonyms(
        replaces=group.replaces, words="\n".join(group.words), changed_by=by[:80], changed_at=now
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id or 0


def change_synonyms(session: Session, group: Synonyms, by: str, now: datetime, version: int | None = None) -> None:
    """Let a group have these words. Raises NotFoundError, and StaleError where it is not at `version` any more."""
    row = _get(session, group.id)
    if version is not None and row.version != version:
        raise StaleError(Phrase("这组同义词在您打开之后被修改过。"), Phrase("请核对后再保存。"))
    row.words, row.version, row.changed_by, row.changed_at = "\n".join(group.words), row.version + 1, by[:80], now
    session.flush()


def remove_synonyms(session: Session, id_: int) -> None:
    """Remove a group of a company's own; what it took the place of is in use again. Raises NotFoundError."""
    session.delete(_get(session, id_))
    session.flush()


def _get(session: Session, id_: int) -> KnowledgeSynonyms:
    row = session.get(KnowledgeSynonyms, id_, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(Phrase("没有同义词 %(id)s。", id=id_), Phrase("请从列表里选择。"))
    return row


def _told(row: KnowledgeSynonyms) -> Synonyms:
    """A group as it is kept."""
    return Synonyms(_words_of(row.words), row.id or 0, row.replaces, row.version, row.changed_by)


def _words_of(kept: str) -> tuple[str, ...]:
    return tuple(word for word in kept.split("\n") if word)
