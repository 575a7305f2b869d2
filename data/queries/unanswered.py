"""Questions that customers asked and nobody had an answer for, to be answered once and for all."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select
from sqlmodel import Session

from data.models import UnansweredQuestion
from data.queries.upsert import insert_into
from data.rules.knowledge import digest_of, pairs_of

U: Any = UnansweredQuestion.__table__  # type: ignore[attr-defined]

WORDS_MAX = 200


class Unanswered(NamedTuple):
    """A question: as it was asked last, by how many, how often, and when last."""

    id: int
    words: str
    people: int
    times: int
    asked_at: datetime


def note_unanswered(session: Session, question: str, *, open_kfid: str, external_userid: str, at: datetime) -> None:
    """A customer asked what has no answer. What says nothing, like a face or a mark, is left out."""
    words = question.strip()[:WORDS_MAX]
    if not pairs_of(words):
        return
    statement = insert_into(session, UnansweredQuestion).values(
        digest=digest_of(words), words=words, open_kfid=open_kfid, external_userid=external_userid, times=1, asked_at=at
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["digest", "external_userid"],
            set_={"times": U.c.times + 1, "asked_at": at, "words": words, "open_kfid": open_kfid},
        )
    )


def list_unanswered(session: Session, limit: int = 50, offset: int = 0) -> list[Unanswered]:
    """What is asked most, the latest first of those asked as often."""
    last = func.max(U.c.asked_at)
    people = func.count()
    grouped = (
        select(
            func.max(U.c.id).label("id"), people.label("people"), func.sum(U.c.times).label("times"), last.label("at")
        )
        .group_by(U.c.digest)
        .order_by(people.desc(), last.desc(), func.max(U.c.id).desc())
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    query = (
        select(U.c.id, U.c.words, grouped.c.people, grouped.c.times, U.c.asked_at)
        .join(grouped, grouped.c.id == U.c.id)
        .order_by(grouped.c.people.desc(), grouped.c.at.desc(), U.c.id.desc())
    )
    return [Unanswered(id_, words, people, int(times), at) for id_, words, people, times, at in session.execute(query)]


def find_unanswered(session: Session, id_: int) -> str | None:
    """The words of one; None: it is not there any more."""
    found: str | None = session.execute(select(U.c.words).where(U.c.id == id_)).scalar()
    return found


def forget_unanswered(session: Session, question: str) -> int:
    """A question is answered now, or never will be; how many rows went."""
    done: Any = session.execute(delete(U).where(U.c.digest == digest_of(question)))
    return int(done.rowcount)


def count_unanswered(session: Session) -> int:
    """How many different questions there are."""
    return int(session.execute(select(func.count(func.distinct(U.c.digest)))).scalar_one())
