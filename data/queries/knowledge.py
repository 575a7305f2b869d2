"""Knowledge (知识库): answers found by a question, on both databases through pairs of characters.

The rarest pairs of what the question says, and of what means the same, name the phrasings that are compared, so that a
search looks at some thousands of rows however many there are; the comparison itself is `data.rules.knowledge.compare`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlmodel import Session, col

from bot.phrases import Phrase
from data.bulk import BulkUpsert, among
from data.errors import NotFoundError, StaleError
from data.models import KnowledgeGram, KnowledgePairRow, KnowledgePhrasing, KnowledgeRarity
from data.queries.synonyms import get_vocabulary
from data.queries.upsert import insert_into
from data.rules.grams import grams
from data.rules.knowledge import (
    ENOUGH,
    QUESTION_MAX_LENGTH,
    Answer,
    KnowledgePair,
    Likeness,
    compare,
    digest_of,
    pairs_of,
)
from data.rules.problems import parse

G: Any = KnowledgeGram.__table__  # type: ignore[attr-defined]
P: Any = KnowledgePhrasing.__table__  # type: ignore[attr-defined]
R: Any = KnowledgeRarity.__table__  # type: ignore[attr-defined]
K: Any = KnowledgePairRow.__table__  # type: ignore[attr-defined]

#: Rows of the index that a search reads, and phrasings that it compares.
READ_MAX = 2000
COMPARED_MAX = 80
#: Pairs of a question that are looked up.
GRAMS_MAX = 160
#: What is less like a question is not shown either.
LEAST = 0.01
#: Stands for all phrasings among the rarities.
ALL = ""

_NEW_GRAMS = BulkUpsert(KnowledgeGram, ("gram", "phrasing_id"))


# -- finding


def find_answers(
    session: Session, question: str, *, open_kfid: str | None = None, limit: int = 3, enough: float = ENOUGH
) -> list[Answer]:
    """The answers to a question, the most like it first; none where nothing is like enough.

    `open_kfid`: those that this account of customer service may give; None: those of any account.
    """
    question = question[:QUESTION_MAX_LENGTH]
    vocabulary = get_vocabulary(session)
    asked = vocabulary.sought_for(question)
    if not asked:
        return []
    rarities = _rarities(session, [*asked[:GRAMS_MAX], ALL])
    total = rarities.pop(ALL, 0)
    ids = _candidates(session, question, rarities)
    if not ids:
        return []
    dialect = session.get_bind().dialect.name
    query = select(P.c.pair_id, P.c.words).where(among(dialect, P.c.id, "ids"))
    phrasings: list[tuple[int, str]] = [(row[0], row[1]) for row in session.execute(query, {"ids": ids})]
    theirs = {gram for _, words in phrasings for term in vocabulary.terms_of(words) for gram in grams(term)}
    rarities |= _rarities(session, sorted(theirs - rarities.keys()))
    best: dict[int, tuple[Likeness, str]] = {}
    for pair_id, words in phrasings:
        likeness = compare(question, words, rarities, total, vocabulary)
        if likeness.score >= max(enough, LEAST) and (pair_id not in best or _rank(likeness) > _rank(best[pair_id][0])):
            best[pair_id] = likeness, words
    pairs = _pairs(session, best)
    ranked = sorted(sorted(best), key=lambda pair_id: _rank(best[pair_id][0]), reverse=True)
    found: list[Answer] = []
    for pair_id in ranked:
        row = pairs.get(pair_id)
        if (
            row is None
            or not row.enabled
            or not (open_kfid is None or not row.open_kfids or open_kfid in row.open_kfids)
        ):
            continue
        likeness, words = best[pair_id]
        pair = parse(KnowledgePair, {"phrasings": [words], "text": row.text, "attachment": row.attachment})
        found.append(Answer(pair_id, words, pair.text, pair.attachment, likeness))
        if len(found) == limit:
            break
    return found


def _rank(likeness: Likeness) -> tuple[float, float]:
    """Of two that say the same the one that is written alike."""
    return round(likeness.score, 6), likeness.by_letter


def _candidates(session: Session, question: str, rarities: Mapping[str, int]) -> list[int]:
    """The phrasings worth comparing: those that share most of the rarest pairs, and any that is the question itself."""
    chosen: list[str] = []
    read = 0
    for gram, phrasings in sorted(rarities.items(), key=lambda each: (each[1], each[0])):
        if chosen and read + phrasings > READ_MAX:
            break
        chosen.append(gram)
        read += phrasings
    counted: Counter[int] = Counter()
    if chosen:
        dialect = session.get_bind().dialect.name
        query = select(G.c.gram, G.c.phrasing_id).where(among(dialect, G.c.gram, "grams")).limit(READ_MAX)
        total = max(rarities.values())
        for gram, phrasing_id in session.execute(query, {"grams": chosen}):
            # Cheaper than the weight, and of the same order.
            counted[phrasing_id] += 1 + total // max(rarities[gram], 1)
    same = select(P.c.id).join(K, K.c.id == P.c.pair_id)
    same = same.where(P.c.digest == digest_of(question), K.c.enabled.is_(True)).limit(COMPARED_MAX)
    exact = list(session.execute(same).scalars())
    return list(dict.fromkeys(exact + [id_ for id_, _ in counted.most_common(COMPARED_MAX)]))


def _rarities(session: Session, grams: Sequence[str]) -> dict[str, int]:
    if not grams:
        return {}
    query = select(R.c.gram, R.c.phrasings).where(among(session.get_bind().dialect.name, R.c.gram, "grams"))
    found = session.execute(query, {"grams": list(grams)})
    return {row.gram: row.phrasings for row in found}


def _pairs(session: Session, ids: Collection[int]) -> dict[int, KnowledgePairRow]:
    if not ids:
        return {}
    query = select(KnowledgePairRow).where(col(KnowledgePairRow.id).in_(sorted(ids)))
    return {row.id or 0: row for row in session.execute(query).scalars()}


def count_use(session: Session, pair_id: int, at: datetime) -> None:
    """An answer was given."""
    change = update(KnowledgePairRow).where(col(KnowledgePairRow.id) == pair_id)
    session.execute(change.values(uses=col(KnowledgePairRow.uses) + 1, used_at=at))


# -- keeping


def add_pair(session: Session, pair: KnowledgePair, by: str, now: datetime) -> int:
    """Keep a pair; its number."""
    (id_,) = add_pairs(session, [pair], by, now)
    return id_


def add_pairs(session: Session, pairs: Sequence[KnowledgePair], by: str, now: datetime) -> list[int]:
    """Keep some pairs, each as a new one; their numbers."""
    rows = [KnowledgePairRow(changed_by=by[:80], changed_at=now, **_columns(pair)) for pair in pairs]
    session.add_all(rows)
    session.flush()
    made = [
        KnowledgePhrasing(pair_id=row.id or 0, place=place, words=words, digest=digest_of(words))
        for row, pair in zip(rows, pairs, strict=True)
        for place, words in enumerate(pair.phrasings)
    ]
    session.add_all(made)
    session.flush()
    on = {row.id for row in rows if row.enabled}
    _index(session, [(each.id or 0, each.words) for each in made if each.pair_id in on])
    return [row.id or 0 for row in rows]


def change_pair(
    session: Session, id_: int, pair: KnowledgePair, by: str, now: datetime, version: int | None = None
) -> None:
    """Let a pair be this one. Raises NotFoundError, and StaleError where it is not at `version` any more."""
    row = lock_pair(session, id_)
    if version is not None and row.version != version:
        raise StaleError(Phrase("这条问答在您打开之后被修改过。"), Phrase("请核对后再保存。"))
    _drop_phrasings(session, row)
    for name, value in _columns(pair).items():
        setattr(row, name, value)
    row.version, row.changed_by, row.changed_at = row.version + 1, by[:80], now
    made = [
        KnowledgePhrasing(pair_id=id_, place=place, words=words, digest=digest_of(words))
        for place, words in enumerate(pair.phrasings)
    ]
    session.add_all(made)
    session.flush()
    if pair.enabled:
        _index(session, [(each.id or 0, each.words) for each in made])


def remove_pair(session: Session, id_: int) -> None:
    """Remove a pair. Raises NotFoundError."""
    row = lock_pair(session, id_)
    _drop_phrasings(session, row)
    session.delete(row)
    session.flush()


def lock_pair(session: Session, id_: int) -> KnowledgePairRow:
    """A pair that is to be changed. Raises NotFoundError."""
    row = session.get(KnowledgePairRow, id_, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(Phrase("没有问答 %(id)s。", id=id_), Phrase("请从知识库里选择。"))
    return row


def _columns(pair: KnowledgePair) -> dict[str, Any]:
    told = pair.model_dump(mode="json")
    return {name: told[name] for name in ("text", "attachment", "open_kfids", "enabled")}


def _drop_phrasings(session: Session, row: KnowledgePairRow) -> None:
    there = session.execute(select(P.c.id, P.c.words).where(P.c.pair_id == row.id)).all()
    if row.enabled:
        _unindex(session, [(id_, words) for id_, words in there])
    session.execute(delete(P).where(P.c.pair_id == row.id))


def _index(session: Session, phrasings: Sequence[tuple[int, str]]) -> None:
    found = [(gram, id_) for id_, words in phrasings for gram in sorted(pairs_of(words))]
    _NEW_GRAMS.write(session, found)
    _count(session, [gram for gram, _ in found], len(phrasings), 1)


def _unindex(session: Session, phrasings: Sequence[tuple[int, str]]) -> None:
    ids = [id_ for id_, _ in phrasings]
    # As they were written: what pairs a text has may have changed with the program.
    there = session.execute(select(G.c.gram).where(G.c.phrasing_id.in_(ids))).scalars().all()
    session.execute(delete(G).where(G.c.phrasing_id.in_(ids)))
    _count(session, there, len(phrasings), -1)


def _count(session: Session, grams: Iterable[str], phrasings: int, sign: int) -> None:
    """Count pairs in, or out, in the order of their text: whoever counts at the same time waits and does not lock."""
    counts = Counter(grams)
    counts[ALL] = phrasings
    rows = [{"gram": gram, "phrasings": sign * count} for gram, count in sorted(counts.items()) if count]
    if not rows:
        return
    statement = insert_into(session, KnowledgeRarity)
    more = R.c.phrasings + statement.excluded.phrasings
    session.execute(statement.on_conflict_do_update(index_elements=["gram"], set_={"phrasings": more}), rows)
    if sign < 0:
        session.execute(delete(R).where(R.c.phrasings <= 0))


# -- reading


def get_pair(session: Session, id_: int) -> tuple[KnowledgePairRow, tuple[str, ...]]:
    """A pair and its phrasings. Raises NotFoundError."""
    row = session.get(KnowledgePairRow, id_)
    if row is None:
        raise NotFoundError(Phrase("没有问答 %(id)s。", id=id_), Phrase("请从知识库里选择。"))
    return row, phrasings_of(session, [id_]).get(id_, ())


def phrasings_of(session: Session, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The phrasings of some pairs, in order."""
    query = select(P.c.pair_id, P.c.words).where(P.c.pair_id.in_(sorted(ids))).order_by(P.c.pair_id, P.c.place)
    found: dict[int, list[str]] = {}
    for pair_id, words in session.execute(query):
        found.setdefault(pair_id, []).append(words)
    return {pair_id: tuple(words) for pair_id, words in found.items()}


def list_pairs(
    session: Session, *, words: str = "", enabled: bool | None = None, before: int | None = None, limit: int = 50
) -> list[tuple[KnowledgePairRow, tuple[str, ...]]]:
    """Pairs with their phrasings, the newest first, behind number `before`; of those that say `words`, if any."""
    query = select(KnowledgePairRow).order_by(col(KnowledgePairRow.id).desc()).limit(limit)
    if before is not None:
        query = query.where(col(KnowledgePairRow.id) < before)
    if enabled is not None:
        query = query.where(col(KnowledgePairRow.enabled).is_(enabled))
    if words:
        asked = select(P.c.pair_id).where(P.c.words.icontains(words, autoescape=True))
        said = col(KnowledgePairRow.text).icontains(words, autoescape=True)
        query = query.where(or_(said, col(KnowledgePairRow.id).in_(asked)))
    rows = list(session.execute(query).scalars())
    phrasings = phrasings_of(session, [row.id or 0 for row in rows]) if rows else {}
    return [(row, phrasings.get(row.id or 0, ())) for row in rows]


def iterate_pairs(session: Session, after: int, limit: int) -> list[tuple[KnowledgePairRow, tuple[str, ...]]]:
    """The next pairs behind number `after`, the oldest first: all of them, page by page."""
    query = select(KnowledgePairRow).where(col(KnowledgePairRow.id) > after).order_by(col(KnowledgePairRow.id))
    rows = list(session.execute(query.limit(limit)).scalars())
    phrasings = phrasings_of(session, [row.id or 0 for row in rows]) if rows else {}
    return [(row, phrasings.get(row.id or 0, ())) for row in rows]


def list_numbered(session: Session, ids: Collection[int]) -> dict[int, tuple[KnowledgePairRow, tuple[str, ...]]]:
    """Those of some numbers that are pairs, with their phrasings."""
    wanted = sorted({id_ for id_ in ids if id_ < 2**53})
    if not wanted:
        return {}
    found = _pairs(session, wanted)
    phrasings = phrasings_of(session, wanted)
    return {id_: (row, phrasings.get(id_, ())) for id_, row in found.items()}


def count_pairs(session: Session) -> tuple[int, int]:
    """(all pairs, those that are switched on)."""
    on = func.count().filter(col(KnowledgePairRow.enabled).is_(True))
    total, switched_on = session.execute(select(func.count(), on).select_from(KnowledgePairRow)).one()
    return int(total), int(switched_on)


def map_by_question(session: Session, questions: Collection[str]) -> dict[str, int]:
    """By digest the oldest pair that has a question among its phrasings."""
    digests = sorted({digest_of(words) for words in questions})
    query = select(P.c.digest, func.min(P.c.pair_id)).where(P.c.digest.in_(digests)).group_by(P.c.digest)
    return {digest: int(pair_id) for digest, pair_id in session.execute(query)}


def list_with_media(session: Session, *, enabled: bool = False) -> list[tuple[int, str, dict[str, Any]]]:
    """(number, first phrasing, attachment) of the pairs that have one; `enabled`: of those that are switched on."""
    query = select(K.c.id, P.c.words, K.c.attachment).join(P, P.c.pair_id == K.c.id).where(P.c.place == 0)
    query = query.where(K.c.attachment.is_not(None), *([K.c.enabled.is_(True)] if enabled else []))
    return [(id_, words, attachment) for id_, words, attachment in session.execute(query) if attachment]
