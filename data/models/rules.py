"""Welcome rules and auto-tagging rules: the typed definition (`data/rules/`) kept as JSON with what is queried."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime


class WelcomeRuleRow(SQLModel, table=True):
    """A rule that says how whom is greeted. `version` is raised by every edit."""

    __tablename__ = "welcome_rules"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64, unique=True)
    priority: int = 0
    enabled: bool = True
    version: int = 1
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    own_of: str | None = Field(
        default=None, max_length=64, description="Of the channel of this state, and for it alone."
    )


class TagRuleRow(SQLModel, table=True):
    """A rule that puts tags on customers, or takes them off."""

    __tablename__ = "tag_rules"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=64, unique=True)
    priority: int = 0
    enabled: bool = True
    version: int = 1
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    own_of: str | None = Field(
        default=None, max_length=64, description="Of the channel of this state, and for it alone."
    )
