"""WeCom's access tokens in the database: replicas share one per secret instead of ending each other's."""

from __future__ import annotations

from bot.wecom.token import Token
from data.db import Database
from data.queries import access as access_rows


class DatabaseTokenStore:
    """WeCom's access tokens where all replicas find them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def load(self, key: str) -> Token | None:
        row = await self._db.read(access_rows.find_access_token, key)
        return Token(row.token, row.expires_at) if row else None

    async def save(self, key: str, token: Token) -> None:
        await self._db.write(access_rows.save_access_token, key, token.value, token.expires_at)
