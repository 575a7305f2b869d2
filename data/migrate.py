"""Migrations, run from code: two trees (`main`, `inbox`), because on SQLite the inbox is a file of its own.

`python -m data.migrate "what changed"` writes the migration that takes the tables to what the models say.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, exc, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from data.db import sqlite_engine
from data.errors import SchemaError, StorageError
from data.models import inbox_metadata

Tree = Literal["main", "inbox"]
T = TypeVar("T")

TREES: dict[Tree, MetaData] = {"main": SQLModel.metadata, "inbox": inbox_metadata}
#: PostgreSQL's advisory lock that keeps two replicas from migrating at once.
LOCK = 0x5349_5955


@cache
def script_of(tree: Tree) -> ScriptDirectory:
    """The migration scripts of one tree, read once: they are part of the program."""
    return ScriptDirectory(str(Path(__file__).parent / "migrations" / tree))


async def upgrade(url: str, tree: Tree, to: str | None = None) -> None:
    """Bring the tables to this version, or only to revision `to`.

    Raises SchemaError when the database is newer than this version.
    """
    await _with_connection(url, lambda connection: _upgrade(connection, tree, to))


async def revision(url: str, tree: Tree) -> str | None:
    """The revision the tables are at; None when there are none yet."""
    return await _with_connection(url, lambda connection: _context(connection, tree).get_current_revision())


async def differences(url: str, tree: Tree) -> list[Any]:
    """How the database's tables differ from the models; a test holds this empty."""

    def compare(connection: Connection) -> list[Any]:
        return list(compare_metadata(_context(connection, tree), TREES[tree]))

    return await _with_connection(url, compare)


async def prepare(url: str, tree: Tree) -> None:
    """Make the tables of an empty database; refuse one of another version, which a person should upgrade.

    Raises SchemaError, naming the command that helps.
    """
    at = await revision(url, tree)
    head = script_of(tree).get_current_head()
    if at is None:
        await upgrade(url, tree)
    elif at != head:
        _refuse_newer(tree, at)
        raise SchemaError(
            f"The {tree} database is at revision {at}, this version needs {head}.",
            "Make a backup, then run: siyu migrate",
        )


def _refuse_newer(tree: Tree, at: str) -> None:
    known = {script.revision for script in script_of(tree).walk_revisions()}
    if at not in known:
        raise SchemaError(
            f"The {tree} database was written by a newer version (revision {at}).",
            "Install that version again, or restore the backup made before it.",
        )


def _options(tree: Tree, dialect: str) -> dict[str, Any]:
    # The two trees may share one PostgreSQL database: each sees its own tables only.
    tables = TREES[tree].tables

    def include(one: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        if kind == "index":
            return bool(one.info.get("only_on", dialect) == dialect)
        return kind != "table" or name in tables

    return {
        "target_metadata": TREES[tree],
        "version_table": f"alembic_version_{tree}",
        "include_object": include,
        "render_item": _render_item,
        "render_as_batch": True,
    }


def _context(connection: Connection, tree: Tree) -> MigrationContext:
    return MigrationContext.configure(connection, opts=_options(tree, connection.dialect.name))


def _upgrade(connection: Connection, tree: Tree, to: str | None) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    at = _context(connection, tree).get_current_revision()
    if at is not None:
        _refuse_newer(tree, at)
    script = script_of(tree)
    head = to or script.get_current_head()
    if head is None:
        return
    environment = EnvironmentContext(
        Config(),
        script,
        fn=lambda current, _context: script._upgrade_revs(head, current),  # noqa: SLF001
    )
    with environment:
        environment.configure(connection=connection, transactional_ddl=True, **_options(tree, connection.dialect.name))
        environment.run_migrations()


async def _with_connection(url: str, work: Callable[[Connection], T]) -> T:
    try:
        if url.startswith("sqlite:///"):
            return await asyncio.to_thread(_on_sqlite, Path(url.removeprefix("sqlite:///")), work)
        engine = create_async_engine("postgresql+asyncpg://" + url.split("://", 1)[1])
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()
    except (OSError, exc.OperationalError, exc.InterfaceError) as error:
        raise StorageError(
            f"The database could not be opened ({str(error).splitlines()[0]}).",
            "Check the address in [database], that the server runs and that the user may create tables.",
        ) from error


def _on_sqlite(path: Path, work: Callable[[Connection], T]) -> T:
    engine = sqlite_engine(path, writes=True)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def _render_item(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    if kind == "type" and type(item).__module__ == "data.types":
        autogen.imports.add("import data.types")
        return f"data.types.{type(item).__name__}()"
    if kind == "type" and type(item).__name__ in ("JSON", "JSONB"):
        autogen.imports.add("import data.types")
        return "data.types.Json"
    if kind == "type" and type(item).__name__ == "AutoString":
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


_TEMPLATE = '''"""{message}"""

import sqlalchemy as sa
from alembic import op

{imports}
revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{body}
'''


async def write_revision(tree: Tree, message: str) -> Path | None:
    """Write the migration from the newest revision to the models; None when nothing changed. For developers."""
    script = script_of(tree)
    head = script.get_current_head()
    number = f"{tree}_{len(list(script.walk_revisions())) + 1:04d}"

    def render(connection: Connection) -> Path | None:
        migrations = produce_migrations(_context(connection, tree), TREES[tree])
        operations = migrations.upgrade_ops
        assert operations is not None
        if operations.is_empty():
            return None
        imports: Any = set()
        body = render_python_code(
            operations,
            render_as_batch=True,
            render_item=_render_item,
            imports=imports,
            user_module_prefix=None,
        )
        path = Path(script.versions) / f"{number}.py"
        path.write_text(
            _TEMPLATE.format(
                message=message,
                imports="".join(f"{line}\n" for line in sorted(imports | {"import data.types"})),
                revision=number,
                down=head,
                body="    " + body.strip() if body else "    pass",
            ),
            "utf-8",
        )
        return path

    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/now.db"
        await upgrade(url, tree)
        return await _with_connection(url, render)


if __name__ == "__main__":
    for each in TREES:
        written = asyncio.run(write_revision(each, sys.argv[1]))
        sys.stdout.write(f"{each}: {written or 'no change'}\n")
