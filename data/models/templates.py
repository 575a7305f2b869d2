"""Message templates (消息模板) that were edited: the shipped ones are files."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from data.types import BigInt, UtcDateTime


class TemplateRow(SQLModel, table=True):
    """A template that somebody has edited. `published` is the id of the version in use; None: as it is shipped.

    `revision` is raised by every edit, also of the draft.
    """

    __tablename__ = "templates"

    kind: str = Field(primary_key=True, max_length=32)
    slug: str = Field(primary_key=True, max_length=64)
    draft: str | None = Field(default=None, sa_column=Column(Text))
    published: int | None = Field(default=None, sa_column=Column(BigInt))
    revision: int = 1
    changed_by: str = Field(default="", max_length=80)
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class TemplateVersion(SQLModel, table=True):
    """What a template said from `made_at` on; without `source` what is shipped."""

    __tablename__ = "template_versions"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    kind: str = Field(max_length=32)
    slug: str = Field(max_length=64, index=True)
    source: str | None = Field(default=None, sa_column=Column(Text))
    made_by: str = Field(default="", max_length=80)
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
