"""Knowledge (知识库): questions with their answers, what was asked and not answered, what a language model wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Float, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items


class KnowledgePairRow(SQLModel, table=True):
    """An answer, for the accounts of customer service in `open_kfids`, or with none of them for all."""

    __tablename__ = "knowledge_pairs"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    text: str = Field(default="", sa_column=Column(Text, nullable=False))
    attachment: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
    open_kfids: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    enabled: bool = True
    uses: int = 0
    used_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    version: int = 1
    changed_by: str = Field(default="", max_length=80)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class KnowledgePhrasing(SQLModel, table=True):
    """One way to ask for an answer. `digest`: of its pairs of characters: equal questions have equal ones."""

    __tablename__ = "knowledge_phrasings"
    __table_args__ = (
        Index("ix_knowledge_phrasings_pair_id", "pair_id", "place"),
        Index("ix_knowledge_phrasings_digest", "digest"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    pair_id: int = Field(sa_column=Column(BigInt, nullable=False))
    place: int = 0
    words: str = Field(sa_column=Column(Text, nullable=False))
    digest: str = Field(max_length=32)


class KnowledgeGram(SQLModel, table=True):
    """A pair of characters of a phrasing, of answers that are switched on alone."""

    __tablename__ = "knowledge_grams"
    __table_args__ = (
        Index("ix_knowledge_grams_phrasing_id", "phrasing_id"),
        {"sqlite_with_rowid": False},
    )

    gram: str = Field(primary_key=True, max_length=16)
    phrasing_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))


class KnowledgeRarity(SQLModel, table=True):
    """In how many phrasings a pair of characters is; the empty one: how many phrasings there are."""

    __tablename__ = "knowledge_rarities"

    gram: str = Field(primary_key=True, max_length=16)
    phrasings: int = 0


class KnowledgeSynonyms(SQLModel, table=True):
    """Words that mean the same, a line each; `replaces`: the group in the program that they take the place of."""

    __tablename__ = "knowledge_synonyms"
    __table_args__ = (
        Index(
            "uq_knowledge_synonyms_replaces", "replaces", unique=True, sqlite_where=text("replaces <> ''"),
            postgresql_where=text("replaces <> ''"),
        ),
    )  # fmt: skip

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    replaces: str = Field(default="", max_length=64)
    words: str = Field(sa_column=Column(Text, nullable=False))
    version: int = 1
    changed_by: str = Field(default="", max_length=80)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class UnansweredQuestion(SQLModel, table=True):
    """What a customer asked and no answer was found for; asked again by the same, it counts."""

    __tablename__ = "unanswered_questions"
    __table_args__ = (
        UniqueConstraint("digest", "external_userid", name="uq_unanswered_questions_asked"),
        Index("ix_unanswered_questions_external_userid", "external_userid"),
        Index("ix_unanswered_questions_asked_at", "asked_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    digest: str = Field(max_length=32)
    words: str = Field(sa_column=Column(Text, nullable=False))
    open_kfid: str = Field(default="", max_length=64)
    external_userid: str = Field(max_length=64)
    times: int = 1
    asked_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class DraftRow(SQLModel, table=True):
    """What a language model was asked and wrote. `sources`: the ids of the answers that it was given.

    `outcome`: drafted, sent, or why there is nothing of it (`data.rules.drafts.Outcome`). `question` and `answer` are
    as they went and came: with marks in the place of what is personal.
    """

    __tablename__ = "knowledge_drafts"
    __table_args__ = (
        Index("ix_knowledge_drafts_external_userid", "external_userid"),
        Index("ix_knowledge_drafts_made_at", "made_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    open_kfid: str = Field(default="", max_length=64)
    external_userid: str = Field(default="", max_length=64)
    question: str = Field(sa_column=Column(Text, nullable=False))
    answer: str = Field(default="", sa_column=Column(Text, nullable=False))
    sources: list[int] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    outcome: str = Field(max_length=16)
    cause: str = Field(default="", sa_column=Column(Text, nullable=False))
    model: str = Field(default="", max_length=128)
    seconds: float = Field(default=0, sa_column=Column(Float, nullable=False))
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
