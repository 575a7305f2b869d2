"""Forms (表单) that customers fill in, and what they have answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class FormRow(SQLModel, table=True):
    """One form; `definition` is `data.rules.forms.Form` as JSON. `/f/{name}` shows it, and so does the tracked link
    `link_id`, which texts name `{{ link_NAME }}`. `closed_at`: since when nobody can fill it in."""

    __tablename__ = "forms"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=32, unique=True)
    version: int = 1
    definition: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    link_id: int = Field(sa_column=Column(BigInt, nullable=False))
    made_by: str = Field(max_length=80, description="command, or the name of the API token.")
    made_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    closed_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class FormAnswer(SQLModel, table=True):
    """A customer has sent a form; of several the last one counts. `answers`: each as it was asked then.

    `page_key`: the page that it was sent from; the same that comes twice from one page is one answer. `userid`: who
    sent the customer the form, where that is known. `put_on`, `take_off`: tags that follow from it.
    `due_at`: when what follows from it is to be done; `outcome`: what of it was done, and for whom.
    """

    __tablename__ = "form_answers"
    __table_args__ = (
        Index("ix_form_answers_customer", "external_userid", "form_id"),
        Index("ix_form_answers_form", "form_id", "id"),
        partial_index("ix_form_answers_due", "due_at", where="due_at IS NOT NULL"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    form_id: int = Field(sa_column=Column(BigInt, nullable=False))
    version: int
    external_userid: str = Field(max_length=64)
    page_key: str = Field(max_length=32)
    userid: str = Field(default="", max_length=64)
    answers: list[dict[str, Any]] = Field(sa_column=Column(Json, nullable=False))
    answered_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    put_on: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    take_off: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    due_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    attempts: int = 0
    outcome: dict[str, Any] | None = Field(default=None, sa_column=Column(Json))
