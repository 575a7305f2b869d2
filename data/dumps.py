"""The file of a backup: a ZIP with the rows of each table as JSON, some on a line, and a manifest of what they are.

It is the same from SQLite and from PostgreSQL, so a company can move from one to the other with it. Values are as
SQLite keeps them: times as `2026-03-04 05:06:07.000000` in UTC, JSON as its text, bytes as `{"b64": "…"}`; yes and no
are true and false, or 1 and 0.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from bot.errors import SiyuError
from data.errors import StorageError
from data.migrate import TREES, Tree

MANIFEST = "manifest.json"
MANIFEST_MAX_BYTES = 4_000_000
#: Rows that are read and written together; a file of the media library has up to 20 MB.
ROWS = 1000
LARGE = frozenset({"media", "import_pieces"})
#: Written down by one process for itself, or good only for whoever has it now: never part of a backup. Nobody is signed
#: in by a restored file, and no link of an invitation that was used opens anything again.
LEFT_OUT = frozenset({"access_tokens", "leases", "call_counts", "call_pauses", "account_sessions", "invitations"})


class BackupError(SiyuError):
    """The file is no backup that can be used."""


class StoppedError(SiyuError):
    """The program ends; the backup was not finished."""


class Dumped(BaseModel):
    """The rows of one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tree: Tree
    name: str = Field(pattern=r"^[a-z_]{1,63}$")
    columns: list[str] = Field(min_length=1)
    rows: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def member(self) -> str:
        """Its name in the ZIP."""
        return f"{self.tree}/{self.name}.jsonl"


class Manifest(BaseModel):
    """What a backup says of itself. `made_at`: what was acknowledged until then is in it. `sequences`: the last number
    that PostgreSQL gave out for a table, which may be of a row that is gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    made_at: AwareDatetime
    dialect: Literal["sqlite", "postgresql"]
    revisions: dict[Tree, str]
    tables: list[Dumped]
    sequences: dict[str, int] = {}

    @property
    def rows(self) -> int:
        """How many rows all tables have."""
        return sum(each.rows for each in self.tables)


def tables_of(tree: Tree) -> dict[str, list[str]]:
    """The tables of a tree that belong in a backup, with their columns."""
    return {
        name: [column.name for column in table.columns]
        for name, table in sorted(TREES[tree].tables.items())
        if name not in LEFT_OUT
    }


def rows_at_once(table: str) -> int:
    """How many rows of a table are held in memory."""
    return 1 if table in LARGE else ROWS


def plain(value: Any) -> Any:
    """What stands in the file for a value that JSON does not know."""
    match value:
        case bytes():
            return {"b64": base64.b64encode(value).decode()}
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        case date():
            return value.isoformat()
        case time():
            return value.isoformat("microseconds")
        case Decimal():
            return float(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a backup")


def _bytes_of(found: dict[str, str]) -> bytes:
    # JSON of columns is text here: the only objects are bytes.
    return base64.b64decode(found["b64"])


class Writer:
    """Writes a backup beside `path` and gives it that name when it is whole. Nobody else may read it."""

    def __init__(self, path: Path, stop: Event) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.part")
        self._stop = stop
        self._tables: list[Dumped] = []

    def __enter__(self) -> Writer:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                raise StorageError(f"There is a file {self.path} already.", "Choose another name.")
            self._part.unlink(missing_ok=True)
            number = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        self._file = os.fdopen(number, "w+b")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is not None:
            with contextlib.suppress(OSError, ValueError):
                self._zip.close()
        self._file.close()
        self._part.unlink(missing_ok=True)

    def add(self, tree: Tree, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """The rows of one table. Raises StorageError, StoppedError."""
        with self.opened(tree, name, columns) as write:
            chunk: list[Sequence[Any]] = []
            for row in rows:
                chunk.append(row)
                if len(chunk) >= rows_at_once(name):
                    write(chunk)
                    chunk = []
            write(chunk)

    @contextlib.contextmanager
    def opened(self, tree: Tree, name: str, columns: Sequence[str]) -> Iterator[Any]:
        """A function that takes rows of a table, some at a time."""
        digest, count = hashlib.sha256(), 0
        try:
            with self._zip.open(f"{tree}/{name}.jsonl", "w", force_zip64=True) as member:

                def write(rows: Sequence[Sequence[Any]]) -> None:
                    nonlocal count
                    if self._stop.is_set():
                        raise StoppedError("The backup was not finished.", "It is made again later.")
                    # A line for all of them: to make one of each row takes several times as long.
                    line = json.dumps(rows, ensure_ascii=False, separators=(",", ":"), default=plain).encode() + b"\n"
                    digest.update(line)
                    member.write(line)
                    count += len(rows)

                yield write
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        self._tables.append(Dumped(tree=tree, name=name, columns=list(columns), rows=count, sha256=digest.hexdigest()))

    def finish(self, **said: Any) -> Manifest:
        """All tables are in it: the file gets its name. What it `said` is the manifest's, but for the tables."""
        manifest = Manifest(tables=self._tables, **said)
        try:
            self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=1))
            self._zip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._part.rename(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        return manifest


def sync_folder(folder: Path) -> None:
    """Names in a folder outlive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


class Reader:
    """Reads a backup. Raises BackupError for what is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
            if self._zip.getinfo(MANIFEST).file_size > MANIFEST_MAX_BYTES:
                raise BackupError(f"{path} is no backup of this program.")
            self.manifest = Manifest.model_validate_json(self._zip.read(MANIFEST))
        except FileNotFoundError:
            raise BackupError(f"There is no file {path}.") from None
        except (OSError, zipfile.BadZipFile, KeyError, ValidationError, EOFError) as error:
            raise BackupError(
                f"{path} is no backup that this version can read ({type(error).__name__}).",
                "Take a file that siyu backup has made, whole.",
            ) from error

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def verify(self) -> None:
        """Look at every byte. Raises BackupError when one is not what it was when the backup was made."""
        named = {each.member for each in self.manifest.tables}
        if len(named) != len(self.manifest.tables) or set(self._zip.namelist()) != named | {MANIFEST}:
            raise BackupError(f"{self.path} has not the parts that it says it has.", "Take another backup.")
        if set(self.manifest.revisions) != set(TREES):
            raise BackupError(f"{self.path} does not hold both databases.", "Take another backup.")
        for table in self.manifest.tables:
            digest = hashlib.sha256()
            for line in self._lines(table):
                digest.update(line)
            if digest.hexdigest() != table.sha256:
                raise self._damaged(table)

    def rows(self, table: Dumped) -> Iterator[list[list[Any]]]:
        """The rows of a table, some at a time."""
        for line in self._lines(table):
            yield json.loads(line, object_hook=_bytes_of)

    def _lines(self, table: Dumped) -> Iterator[bytes]:
        try:
            with self._zip.open(table.member) as member:
                yield from member
        except (OSError, zipfile.BadZipFile, EOFError, KeyError, ValueError, zlib.error) as error:
            raise self._damaged(table) from error

    def _damaged(self, table: Dumped) -> BackupError:
        return BackupError(f"{self.path} is damaged: {table.name} is not what it was.", "Take another backup.")


def _cannot_write(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The backup {path} cannot be written ({error.strerror or error}).",
        "Check that the folder may be written and that its disk has room.",
    )
