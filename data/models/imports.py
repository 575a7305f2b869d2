"""Imports (导入): tables of customers from other tools, checked and applied row by row in the background."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Boolean, Column, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from data.types import BigInt, Json, UtcDateTime, no_items, partial_index


class ImportStatus(StrEnum):
    """`arriving`: its file is still being kept, and nobody sees it yet. `draft`: a person has to say what its columns
    are.

    `reading`, `checking` and `running` without a process that holds the lease: to be resumed. What cannot go on without
    a person is `paused`, with the reason in `error`.
    """

    ARRIVING = "arriving"
    READING = "reading"
    DRAFT = "draft"
    CHECKING = "checking"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"


class RowState(StrEnum):
    """`found`: its customer is known, what it would change not yet. `review`: a person has to say who it is about."""

    UNREAD = "unread"
    FOUND = "found"
    READY = "ready"
    SAME = "same"
    REVIEW = "review"
    LEFT_OUT = "left_out"
    BAD = "bad"
    DONE = "done"
    FAILED = "failed"


class Import(SQLModel, table=True):
    """One file. `headings` are those of its columns, `targets` what each is taken for (empty: for nothing).

    `tally`: how many rows would change what. `account_id`: whose customers it may touch; None: all.
    """

    __tablename__ = "imports"

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    name: str = Field(max_length=128, description="The file's.")
    asked_by: str = Field(max_length=80)
    account_id: int | None = Field(default=None, sa_column=Column(BigInt))
    status: str = Field(max_length=10, index=True)
    read_as: str = Field(default="", max_length=64, description="CSV, utf-8, Tab")
    headings: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    targets: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    options: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    rows: int = 0
    tally: dict[str, Any] = Field(sa_column=Column(Json, nullable=False))
    recheck: bool = Field(
        default=False,
        sa_column=Column(Boolean, nullable=False, server_default=text("false")),
        description="All rows are to be looked at anew.",
    )
    marking_id: int | None = Field(default=None, sa_column=Column(BigInt))
    error: str = ""
    begun_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    made_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    started_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    ended_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))
    rows_gone_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class ImportPiece(SQLModel, table=True):
    """A piece of an import's file, until all of it is read."""

    __tablename__ = "import_pieces"

    import_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    number: int = Field(primary_key=True)
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ImportedId(SQLModel, table=True):
    """An id of another provider's app that WeCom was asked about, and what it is here: a customer's `external_userid`,
    or a member's `userid`. Both empty: WeCom has none for it."""

    __tablename__ = "imported_ids"
    __table_args__ = (
        partial_index("ix_imported_ids_customer", "external_userid", where="external_userid <> ''"),
        {"sqlite_with_rowid": False},
    )

    import_id: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    source_agentid: int = Field(sa_column=Column(BigInt, primary_key=True, autoincrement=False))
    told: str = Field(primary_key=True, max_length=64)
    external_userid: str = Field(default="", max_length=64)
    userid: str = Field(default="", max_length=64)


class ImportRow(SQLModel, table=True):
    """A row of a file. `external_userid`: the customer it is about, found or `picked` by a person.

    What the file says of who it is stands beside the cells, so that an erasure finds it. `faults`: (column, what is
    wrong) pairs, `read_faults` those that were in the file already, such as formulas.
    """

    __tablename__ = "import_rows"
    __table_args__ = (
        UniqueConstraint("import_id", "line", name="uq_import_rows_line"),
        Index("ix_import_rows_state", "import_id", "state", "line"),
        Index("ix_import_rows_whose", "import_id", "state", "external_userid", "line"),
        partial_index("ix_import_rows_order", "import_id", "order_number", where="order_number <> ''"),
        partial_index("ix_import_rows_customer", "external_userid", where="external_userid <> ''"),
        partial_index("ix_import_rows_told", "told_external_userid", where="told_external_userid <> ''"),
        partial_index("ix_import_rows_unionid", "unionid", where="unionid <> ''"),
        partial_index("ix_import_rows_mobile", "mobile", where="mobile <> ''"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInt, primary_key=True, autoincrement=True))
    import_id: int = Field(sa_column=Column(BigInt, nullable=False))
    line: int
    state: str = Field(max_length=10)
    cells: list[str] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    read_faults: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    faults: list[Any] = Field(default_factory=no_items, sa_column=Column(Json, nullable=False))
    external_userid: str = Field(default="", max_length=64)
    told_external_userid: str = Field(default="", max_length=64)
    unionid: str = Field(default="", max_length=64)
    mobile: str = Field(default="", max_length=32)
    order_number: str = Field(default="", max_length=64)
    picked: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
