"""Alembic's part of the migrations: the tables brought to a revision, compared with the models, and new scripts."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from data.migrate import TREES, Tree, folder_of, revisions_of

#: PostgreSQL's advisory lock that keeps two replicas from migrating at once.
LOCK = 0x5349_5955

#: Indexes of expressions, which migrations make and Alembic cannot compare on SQLite.
BY_HAND = frozenset({"ix_follow_words_grams"})


@cache
def script_of(tree: Tree) -> ScriptDirectory:
    """The migration scripts of one tree, read once: they are part of the program."""
    return ScriptDirectory(str(folder_of(tree)))


def lock(connection: Connection) -> None:
    """No other process migrates until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})


def upgrade(connection: Connection, tree: Tree, to: str) -> None:
    """Bring the tables to this revision."""
    script = script_of(tree)
    environment = EnvironmentContext(
        Config(),
        script,
        fn=lambda current, _context: script._upgrade_revs(to, current),  # noqa: SLF001
    )
    with environment:
        environment.configure(connection=connection, transactional_ddl=True, **_options(tree, connection.dialect.name))
        environment.run_migrations()


def differences(connection: Connection, tree: Tree) -> list[Any]:
    """How the database's tables differ from the models."""
    return list(compare_metadata(_context(connection, tree), TREES[tree]))


def write(connection: Connection, tree: Tree, message: str) -> Path | None:
    """Write the migration from these tables to the models; None when nothing changed."""
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
    number = f"{tree}_{len(revisions_of(tree)) + 1:04d}"
    path = folder_of(tree) / "versions" / f"{number}.py"
    path.write_text(
        _TEMPLATE.format(
            message=message,
            imports="".join(f"{line}\n" for line in sorted(imports | {"import data.types"})),
            revision=number,
            down=revisions_of(tree)[-1] if revisions_of(tree) else None,
            body="    " + body.strip() if body else "    pass",
        ),
        "utf-8",
    )
    return path


def _options(tree: Tree, dialect: str) -> dict[str, Any]:
    # The two trees may share one PostgreSQL database: each sees its own tables only.
    tables = TREES[tree].tables

    def include(one: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        if kind == "index":
            return name not in BY_HAND and bool(one.info.get("only_on", dialect) == dialect)
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
